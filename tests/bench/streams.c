/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What a line carries: raw TCP streams, side by side, with nothing set but
 * what the kernel does by itself; the reader throws it away.
 *
 *   streams receive ADDRESS PORT         for one sender
 *   streams send ADDRESS PORT N MS       N streams for so long
 *
 * receive prints "listens", and at the end "bytes=N us=N": all that came, and
 * the time from the first byte to the last.
 */
#include <poll.h>
#include <unistd.h>

#include "common.h"

#define STREAMS_MAX 64u
#define CHUNK       (1u << 20)

static uint8_t chunk[CHUNK];

/* p[0] is the listener, until each of the sender's streams has come and gone;
 * its first says by one byte how many there are. */
static void receive(const char *host, const char *port)
{
    struct sockaddr_in sa = address(host, port);
    struct pollfd p[1 + STREAMS_MAX];
    unsigned int n = 0, i, left = 1;
    uint64_t bytes = 0, first = 0, last = 0;
    ssize_t r;

    p[0] = (struct pollfd){ .fd = tcp_socket(), .events = POLLIN };
    if ( bind(p[0].fd, (struct sockaddr *)&sa, sizeof(sa)) ||
         listen(p[0].fd, STREAMS_MAX) )
        die("listen");
    puts("listens");
    fflush(stdout);
    while ( left )
    {
        if ( poll(p, n + 1, -1) < 0 )
            die("poll");
        for ( i = 1; i <= n; i++ )
        {
            if ( !p[i].revents )
                continue;
            r = read(p[i].fd, chunk, sizeof(chunk));
            if ( r < 0 )
                die("read");
            last = now_us();
            if ( !bytes && r )
            {
                left = chunk[0];
                first = last;
            }
            bytes += r;
            if ( !r )
            {
                close(p[i].fd);
                p[i].fd = -1;
                left--;
            }
        }
        if ( p[0].revents && n < STREAMS_MAX )
        {
            p[++n] = (struct pollfd){ .fd = accept(p[0].fd, NULL, NULL),
                                      .events = POLLIN };
            if ( p[n].fd < 0 )
                die("accept");
        }
    }
    printf("bytes=%llu us=%llu\n", (unsigned long long)bytes,
           (unsigned long long)(last - first));
}

static void send_for(const char *host, const char *port, unsigned int n,
                     unsigned long ms)
{
    struct sockaddr_in sa = address(host, port);
    struct pollfd p[STREAMS_MAX];
    uint64_t end;
    unsigned int i;

    memset(chunk, n, sizeof(chunk));
    for ( i = 0; i < n; i++ )
    {
        p[i] = (struct pollfd){ .fd = tcp_socket(), .events = POLLOUT };
        if ( connect(p[i].fd, (struct sockaddr *)&sa, sizeof(sa)) )
            die("connect");
    }
    end = now_us() + ms * 1000;
    while ( now_us() < end )
    {
        if ( poll(p, n, -1) < 0 )
            die("poll");
        for ( i = 0; i < n; i++ )
            if ( p[i].revents &&
                 send(p[i].fd, chunk, sizeof(chunk),
                      MSG_NOSIGNAL | MSG_DONTWAIT) < 0 && errno != EAGAIN )
                die("send");
    }
    for ( i = 0; i < n; i++ )
        close(p[i].fd);
}

int main(int argc, char **argv)
{
    unsigned long n;

    if ( argc == 4 && !strcmp(argv[1], "receive") )
        receive(argv[2], argv[3]);
    else if ( argc == 6 && !strcmp(argv[1], "send") &&
              (n = strtoul(argv[4], NULL, 10)) >= 1 && n <= STREAMS_MAX )
        send_for(argv[2], argv[3], n, strtoul(argv[5], NULL, 10));
    else
    {
        fprintf(stderr, "usage: streams receive ADDRESS PORT\n"
                        "       streams send ADDRESS PORT N MS\n");
        return 2;
    }

    return 0;
}
