/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * XMIG_EMU_TRACE=FILE: a line for each call that goes to the host, in order:
 * pid, microseconds, what, sub-op or size.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "emu_conn.h"

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int trace_fd = -1;

static void trace_open(void)
{
    const char *path = getenv(EMU_ENV_TRACE);

    if ( path && *path )
        trace_fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC,
                        0644);
}

void emu_trace(const char *what, uint64_t sub)
{
    struct timespec ts;
    char line[128];
    int n;

    pthread_once(&once, trace_open);
    if ( trace_fd < 0 )
        return;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    n = snprintf(line, sizeof(line), "%d %lld %s %llu\n", (int)getpid(),
                 (long long)ts.tv_sec * 1000000 + ts.tv_nsec / 1000, what,
                 (unsigned long long)sub);
    if ( write(trace_fd, line, (size_t)n) < 0 )
        return;
}
