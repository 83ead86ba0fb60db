/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Connections to the switch and the small things that its users share.  Knows
 * nothing of what is inside a frame.
 */
#include <errno.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "net_port.h"
#include "netproto.h"

/* Room for a few hundred small frames in the kernel, on either side. */
#define SOCKET_BUFFER_BYTES (1 << 20)

int net_port_connect(const char *path, int *ret_fd)
{
    struct sockaddr_un sa = { .sun_family = AF_UNIX };
    int size = SOCKET_BUFFER_BYTES;
    int fd, rc;

    if ( strlen(path) >= sizeof(sa.sun_path) )
        return -ENAMETOOLONG;
    memcpy(sa.sun_path, path, strlen(path) + 1);

    fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if ( fd < 0 )
        return -errno;
    /* Only a smaller queue if refused. */
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
    if ( connect(fd, (struct sockaddr *)&sa, sizeof(sa)) )
    {
        rc = -errno;
        close(fd);
        return rc;
    }
    *ret_fd = fd;
    return 0;
}

int net_port_send(int fd, const void *frame, size_t len)
{
    ssize_t r;

    do
        r = send(fd, frame, len, MSG_NOSIGNAL | MSG_DONTWAIT);
    while ( r < 0 && errno == EINTR );
    return r < 0 ? -errno : 0;
}

int net_port_recv(int fd, void *buf, size_t size)
{
    struct iovec iov = { .iov_base = buf, .iov_len = size };
    struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
    ssize_t r;

    do
        r = recvmsg(fd, &msg, MSG_DONTWAIT);
    while ( r < 0 && errno == EINTR );
    if ( r < 0 )
        return -errno;
    if ( !r )
        return -ENODATA;
    if ( msg.msg_flags & MSG_TRUNC )
        return -EMSGSIZE;
    return r;
}

uint64_t net_now_us(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * 1000000ull + ts.tv_nsec / 1000;
}

int net_mac_parse(const char *text, uint8_t *ret_mac)
{
    unsigned int b[NET_MAC_LEN];
    int end = 0;

    if ( sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x%n", &b[0], &b[1], &b[2], &b[3],
                &b[4], &b[5], &end) != NET_MAC_LEN || text[end] )
        return -EINVAL;
    for ( unsigned int i = 0; i < NET_MAC_LEN; i++ )
        ret_mac[i] = b[i];
    return 0;
}

void net_ready(int fd)
{
    if ( fd < 0 )
        return;
    if ( write(fd, "ready\n", 6) < 0 )
        fprintf(stderr, "cannot report readiness: %s\n", strerror(errno));
    close(fd);
}

int net_number_parse(const char *text, uint64_t min, uint64_t max,
                     uint64_t *ret_value)
{
    unsigned long long v;
    char *end;

    if ( *text < '0' || *text > '9' )
        return -EINVAL;
    errno = 0;
    v = strtoull(text, &end, 10);
    if ( errno || *end || v < min || v > max )
        return -EINVAL;
    *ret_value = v;
    return 0;
}
