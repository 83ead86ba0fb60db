/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The least that fetching a page over a connection takes: 16 bytes there, 4096
 * bytes back, one after another, nothing done with them.
 *
 *   pingpong serve ADDRESS PORT            for one client; port 0: any
 *   pingpong ask ADDRESS PORT MS [push]    for so long
 *
 * serve prints "port=N" when it listens, and ends with its client.  ask prints
 * "pings=N p50_us=N p99_us=N us=N push_bytes=N".  With "push" the server sends
 * on a second connection what that takes, all the time, as the background push
 * of post-copy does.
 */
#include <netinet/tcp.h>
#include <pthread.h>
#include <unistd.h>

#include "common.h"

#define QUESTION  16u
#define PAGE      4096u
#define CHUNK     (1u << 20)
#define PINGS_MAX (1u << 21)

/* The first byte on a connection says what it is for. */
enum purpose { PING = 'p', PUSH = 'b' };

struct push
{
    int fd;
    uint64_t bytes;              /* read when the thread has ended */
};

static int nodelay(int fd)
{
    int one = 1;

    if ( setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) )
        die("TCP_NODELAY");

    return fd;
}

/* Both return the bytes moved: fewer than wanted when the peer is gone. */
static size_t read_full(int fd, void *buf, size_t bytes)
{
    size_t at = 0;
    ssize_t n;

    while ( at < bytes && (n = read(fd, (char *)buf + at, bytes - at)) > 0 )
        at += n;

    return at;
}

static size_t write_full(int fd, const void *buf, size_t bytes)
{
    size_t at = 0;
    ssize_t n;

    while ( at < bytes && (n = send(fd, (const char *)buf + at, bytes - at,
                                    MSG_NOSIGNAL)) > 0 )
        at += n;

    return at;
}

static void *chunk(void)
{
    void *p = malloc(CHUNK);

    if ( !p )
        die("memory");
    memset(p, 0x5a, CHUNK);

    return p;
}

static void *push_thread(void *arg)
{
    struct push *p = arg;
    void *buf = chunk();

    while ( write_full(p->fd, buf, CHUNK) == CHUNK )
        ;
    free(buf);

    return NULL;
}

static void *drain_thread(void *arg)
{
    struct push *p = arg;
    void *buf = chunk();
    ssize_t n;

    while ( (n = read(p->fd, buf, CHUNK)) > 0 )
        p->bytes += n;
    free(buf);

    return NULL;
}

static void answer(int fd)
{
    char question[QUESTION], page[PAGE];

    memset(page, 0xa5, sizeof(page));
    while ( read_full(fd, question, sizeof(question)) == sizeof(question) )
        if ( write_full(fd, page, sizeof(page)) != sizeof(page) )
            return;
}

static void serve(const char *host, const char *port)
{
    struct sockaddr_in sa = address(host, port);
    int fd = tcp_socket(), c = -1;
    socklen_t len = sizeof(sa);
    struct push push = { .fd = -1 };
    pthread_t thread;
    char purpose = 0;

    if ( bind(fd, (struct sockaddr *)&sa, sizeof(sa)) || listen(fd, 2) ||
         getsockname(fd, (struct sockaddr *)&sa, &len) )
        die("listen");
    printf("port=%u\n", ntohs(sa.sin_port));
    fflush(stdout);
    while ( purpose != PING )
    {
        c = accept(fd, NULL, NULL);
        if ( c < 0 || read_full(nodelay(c), &purpose, 1) != 1 )
            die("accept");
        if ( purpose == PUSH && push.fd < 0 )
        {
            push.fd = c;
            if ( pthread_create(&thread, NULL, push_thread, &push) )
                die("thread");
        }
    }
    answer(c);
    if ( push.fd >= 0 )
    {
        shutdown(push.fd, SHUT_RDWR);
        pthread_join(thread, NULL);
    }
}

static int dial(const struct sockaddr_in *sa, char purpose)
{
    int fd = nodelay(tcp_socket());

    if ( connect(fd, (const struct sockaddr *)sa, sizeof(*sa)) ||
         write_full(fd, &purpose, 1) != 1 )
        die("connect");

    return fd;
}

static int by_size(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

static void ask(const char *host, const char *port, unsigned long ms,
                int with_push)
{
    struct sockaddr_in sa = address(host, port);
    uint64_t *ns = malloc(PINGS_MAX * sizeof(*ns)), begin, end, t;
    char question[QUESTION] = "", page[PAGE];
    struct push push = { .fd = -1 };
    pthread_t thread;
    size_t n = 0;
    int fd;

    if ( !ns )
        die("memory");
    if ( with_push )
    {
        push.fd = dial(&sa, PUSH);
        if ( pthread_create(&thread, NULL, drain_thread, &push) )
            die("thread");
    }
    fd = dial(&sa, PING);
    begin = end = now_ns();
    while ( n < PINGS_MAX && end - begin < ms * 1000000ull )
    {
        t = end;
        if ( write_full(fd, question, sizeof(question)) != sizeof(question) ||
             read_full(fd, page, sizeof(page)) != sizeof(page) )
            die("the server is gone");
        end = now_ns();
        ns[n++] = end - t;
    }
    if ( with_push )
    {
        shutdown(push.fd, SHUT_RDWR);
        pthread_join(thread, NULL);
    }
    close(fd);
    if ( !n )
        die("no ping");
    qsort(ns, n, sizeof(*ns), by_size);
    printf("pings=%zu p50_us=%llu p99_us=%llu us=%llu push_bytes=%llu\n", n,
           (unsigned long long)ns[n / 2] / 1000,
           (unsigned long long)ns[n * 99 / 100] / 1000,
           (unsigned long long)(end - begin) / 1000,
           (unsigned long long)push.bytes);
    free(ns);
}

int main(int argc, char **argv)
{
    if ( argc == 4 && !strcmp(argv[1], "serve") )
        serve(argv[2], argv[3]);
    else if ( argc >= 5 && argc <= 6 && !strcmp(argv[1], "ask") &&
              (argc == 5 || !strcmp(argv[5], "push")) )
        ask(argv[2], argv[3], strtoul(argv[4], NULL, 10), argc == 6);
    else
    {
        fprintf(stderr, "usage: pingpong serve ADDRESS PORT\n"
                        "       pingpong ask ADDRESS PORT MS [push]\n");
        return 2;
    }

    return 0;
}
