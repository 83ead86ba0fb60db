/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The host's log file, and its clock.  One line per call, each written whole,
 * with seconds since the log was opened in front.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "host.h"

static int log_fd = -1;
static uint64_t log_start_ns;

uint64_t now_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

int log_open(const char *path)
{
    log_fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    log_start_ns = now_ns();
    return log_fd < 0 ? -errno : 0;
}

void log_line(const char *fmt, ...)
{
    uint64_t us = (now_ns() - log_start_ns) / 1000;
    char line[1024];
    va_list ap;
    size_t len;
    int r;

    if ( log_fd < 0 )
        return;
    r = snprintf(line, sizeof(line), "%6llu.%06llu ",
                 (unsigned long long)(us / 1000000),
                 (unsigned long long)(us % 1000000));
    len = (size_t)r;
    va_start(ap, fmt);
    r = vsnprintf(line + len, sizeof(line) - len - 1, fmt, ap);
    va_end(ap);
    if ( r < 0 )
        return;
    len += (size_t)r;
    if ( len > sizeof(line) - 2 )
        len = sizeof(line) - 2;
    line[len++] = '\n';
    /* A log that can't be written must not stop the host. */
    if ( write(log_fd, line, len) < 0 )
        return;
}
