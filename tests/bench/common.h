/* SPDX-License-Identifier: LGPL-2.1-only */
/* What the small programs of the benchmarks share: an end with a reason, the
 * clock, an address, a socket. */
#ifndef BENCH_COMMON_H
#define BENCH_COMMON_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

__attribute__((noreturn)) static inline void die(const char *what)
{
    fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what,
            strerror(errno));
    exit(1);
}

static inline uint64_t now_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);

    return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

static inline uint64_t now_us(void)
{
    return now_ns() / 1000;
}

static inline struct sockaddr_in address(const char *host, const char *port)
{
    struct sockaddr_in sa = { .sin_family = AF_INET };

    sa.sin_port = htons(strtoul(port, NULL, 10));
    if ( inet_pton(AF_INET, host, &sa.sin_addr) != 1 )
    {
        errno = EINVAL;
        die(host);
    }

    return sa;
}

static inline int tcp_socket(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

    if ( fd < 0 ||
         setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) )
        die("socket");

    return fd;
}

#endif
