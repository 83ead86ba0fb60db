/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * xmig-emu-switch: a learning Ethernet switch outside all emulated hosts.
 * Network backends and outside clients connect to its Unix socket; each
 * connection is a port, each message a frame.
 *
 * One thread, never blocks: a port that is slow gets a bounded queue and then
 * loses frames, which are counted.  A port may vanish at any moment.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "net_port.h"
#include "net_table.h"
#include "netproto.h"

#define MAX_PORTS    256
#define MAX_MACS     4096
#define AGE_US       (300 * 1000000ull)
#define QUEUE_FRAMES 512     /* behind a port whose socket is full */
#define BURST        64      /* frames taken from a port in one go */
#define MAX_EVENTS   64

/* What epoll tells us: a port's index, or one of these. */
#define EV_LISTEN    MAX_PORTS
#define EV_SIGNAL    (MAX_PORTS + 1)

struct frame
{
    size_t len;
    uint8_t data[];
};

struct port
{
    int fd;                      /* -1: this index is free */
    bool gone;                   /* close it when the event is done */
    unsigned int head, count;    /* queue */
    struct frame *queue[QUEUE_FRAMES];
};

struct sw
{
    int epoll_fd, listen_fd, signal_fd;
    const char *path;
    dev_t dev;                   /* of the socket we made */
    ino_t ino;
    bool verbose;
    struct net_table *table;
    struct port *ports[MAX_PORTS];
    struct
    {
        uint64_t in, out, flooded, dropped, short_frames, moves, ports;
    } n;
};

static int watch_fd(struct sw *s, int op, int fd, unsigned int events,
                    unsigned int what)
{
    struct epoll_event ev = { .events = events, .data.u32 = what };

    return epoll_ctl(s->epoll_fd, op, fd, &ev) ? -errno : 0;
}

static void port_close(struct sw *s, unsigned int i)
{
    struct port *p = s->ports[i];

    net_table_forget_port(s->table, i);
    close(p->fd);
    for ( ; p->count; p->count-- )
    {
        free(p->queue[p->head]);
        p->head = (p->head + 1) % QUEUE_FRAMES;
    }
    free(p);
    s->ports[i] = NULL;
    if ( s->verbose )
        fprintf(stderr, "port %u gone\n", i);
}

static void port_accept(struct sw *s)
{
    unsigned int i = 0;
    struct port *p;
    int size = 1 << 20;
    int fd = accept4(s->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

    if ( fd < 0 )
        return;
    while ( i < MAX_PORTS && s->ports[i] )
        i++;
    p = i < MAX_PORTS ? calloc(1, sizeof(*p)) : NULL;
    if ( !p )
    {
        fprintf(stderr, "no room for another port (there are %u)\n", i);
        close(fd);
        return;
    }
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
    p->fd = fd;
    if ( watch_fd(s, EPOLL_CTL_ADD, fd, EPOLLIN, i) )
    {
        close(fd);
        free(p);
        return;
    }
    s->ports[i] = p;
    s->n.ports++;
    if ( s->verbose )
        fprintf(stderr, "port %u new\n", i);
}

static void port_queue(struct sw *s, unsigned int i, const uint8_t *data,
                       size_t len)
{
    struct port *p = s->ports[i];
    struct frame *f;

    f = p->count < QUEUE_FRAMES ? malloc(sizeof(*f) + len) : NULL;
    if ( !f )
    {
        s->n.dropped++;
        return;
    }
    f->len = len;
    memcpy(f->data, data, len);
    p->queue[(p->head + p->count) % QUEUE_FRAMES] = f;
    if ( !p->count++ )
        watch_fd(s, EPOLL_CTL_MOD, p->fd, EPOLLIN | EPOLLOUT, i);
}

static void port_send(struct sw *s, unsigned int i, const uint8_t *data,
                      size_t len)
{
    struct port *p = s->ports[i];
    int rc;

    if ( p->gone )
        return;
    if ( p->count )
    {
        port_queue(s, i, data, len);
        return;
    }
    rc = net_port_send(p->fd, data, len);
    if ( !rc )
        s->n.out++;
    else if ( rc == -EAGAIN )
        port_queue(s, i, data, len);
    else
        p->gone = true;
}

static void port_flush(struct sw *s, unsigned int i)
{
    struct port *p = s->ports[i];

    while ( p->count )
    {
        struct frame *f = p->queue[p->head];
        int rc = net_port_send(p->fd, f->data, f->len);

        if ( rc == -EAGAIN )
            return;
        if ( rc )
        {
            p->gone = true;
            return;
        }
        s->n.out++;
        free(f);
        p->head = (p->head + 1) % QUEUE_FRAMES;
        p->count--;
    }
    watch_fd(s, EPOLL_CTL_MOD, p->fd, EPOLLIN, i);
}

static void forward(struct sw *s, unsigned int from, const uint8_t *data,
                    size_t len)
{
    const struct net_eth *eth = (const void *)data;
    uint64_t now_us = net_now_us();
    int to;

    s->n.in++;
    if ( len < NET_FRAME_MIN )
    {
        s->n.short_frames++;
        return;
    }
    if ( net_table_learn(s->table, eth->src, from, now_us) ==
         NET_LEARNED_MOVED )
    {
        s->n.moves++;
        if ( s->verbose )
            fprintf(stderr, "%02x:%02x:%02x:%02x:%02x:%02x moved to port"
                    " %u\n", eth->src[0], eth->src[1], eth->src[2],
                    eth->src[3], eth->src[4], eth->src[5], from);
    }

    to = (eth->dst[0] & 1) ? -1
                           : net_table_lookup(s->table, eth->dst, now_us);
    if ( to >= 0 )
    {
        if ( to != (int)from )
            port_send(s, to, data, len);
        return;
    }
    s->n.flooded++;
    for ( unsigned int i = 0; i < MAX_PORTS; i++ )
        if ( i != from && s->ports[i] )
            port_send(s, i, data, len);
}

static void port_event(struct sw *s, unsigned int i, unsigned int events)
{
    uint8_t buf[NET_FRAME_MAX];
    struct port *p = s->ports[i];

    if ( events & EPOLLOUT )
        port_flush(s, i);
    if ( !(events & (EPOLLIN | EPOLLHUP | EPOLLERR)) )
        return;
    for ( unsigned int k = 0; k < BURST && !p->gone; k++ )
    {
        int len = net_port_recv(p->fd, buf, sizeof(buf));

        if ( len == -EAGAIN )
            return;
        if ( len == -EMSGSIZE )
            s->n.dropped++;
        else if ( len < 0 )
            p->gone = true;
        else
            forward(s, i, buf, len);
    }
}

static void report(const struct sw *s)
{
    fprintf(stderr, "switch: in %lu out %lu flooded %lu dropped %lu"
            " too-short %lu moves %lu ports %lu addresses %u\n",
            s->n.in, s->n.out, s->n.flooded, s->n.dropped, s->n.short_frames,
            s->n.moves, s->n.ports, net_table_count(s->table));
}

/* True if it is time to end. */
static bool signal_event(struct sw *s)
{
    struct signalfd_siginfo si;

    if ( read(s->signal_fd, &si, sizeof(si)) != sizeof(si) )
        return false;
    if ( si.ssi_signo != SIGUSR1 )
        return true;
    report(s);
    return false;
}

static int run(struct sw *s)
{
    struct epoll_event ev[MAX_EVENTS];

    for ( ;; )
    {
        int n = epoll_wait(s->epoll_fd, ev, MAX_EVENTS, -1);

        if ( n < 0 && errno != EINTR )
            return -errno;
        for ( int k = 0; k < n; k++ )
        {
            unsigned int what = ev[k].data.u32;

            if ( what == EV_SIGNAL )
            {
                if ( signal_event(s) )
                    return 0;
            }
            else if ( what == EV_LISTEN )
                port_accept(s);
            else if ( s->ports[what] )
                port_event(s, what, ev[k].events);
        }
        /* Only now: an index must not be used again within one batch. */
        for ( unsigned int i = 0; i < MAX_PORTS; i++ )
            if ( s->ports[i] && s->ports[i]->gone )
                port_close(s, i);
    }
}

/* A socket file that nobody listens on is a leftover and is replaced. */
static int listen_on(struct sw *s)
{
    struct sockaddr_un sa = { .sun_family = AF_UNIX };
    struct stat st;
    int probe, rc;

    if ( strlen(s->path) >= sizeof(sa.sun_path) )
        return -ENAMETOOLONG;
    memcpy(sa.sun_path, s->path, strlen(s->path) + 1);
    rc = net_port_connect(s->path, &probe);
    if ( !rc || rc == -EAGAIN )
    {
        if ( !rc )
            close(probe);
        return -EADDRINUSE;
    }
    if ( rc == -ECONNREFUSED )
        unlink(s->path);

    s->listen_fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC |
                          SOCK_NONBLOCK, 0);
    if ( s->listen_fd < 0 ||
         bind(s->listen_fd, (struct sockaddr *)&sa, sizeof(sa)) ||
         listen(s->listen_fd, 64) || stat(s->path, &st) )
        return -errno;
    s->dev = st.st_dev;
    s->ino = st.st_ino;
    return watch_fd(s, EPOLL_CTL_ADD, s->listen_fd, EPOLLIN, EV_LISTEN);
}

static int open_signals(struct sw *s)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, NULL);
    s->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if ( s->signal_fd < 0 )
        return -errno;
    return watch_fd(s, EPOLL_CTL_ADD, s->signal_fd, EPOLLIN, EV_SIGNAL);
}

static void done(struct sw *s)
{
    struct stat st;

    for ( unsigned int i = 0; i < MAX_PORTS; i++ )
        if ( s->ports[i] )
            port_close(s, i);
    if ( s->ino && !stat(s->path, &st) && st.st_dev == s->dev &&
         st.st_ino == s->ino )
        unlink(s->path);
    if ( s->listen_fd >= 0 )
        close(s->listen_fd);
    if ( s->signal_fd >= 0 )
        close(s->signal_fd);
    if ( s->epoll_fd >= 0 )
        close(s->epoll_fd);
    net_table_free(s->table);
}

static int usage(FILE *out, int status)
{
    fprintf(out,
"usage: xmig-emu-switch --socket PATH [--ready-fd N] [--verbose]\n"
"\n"
"A learning Ethernet switch on a Unix SOCK_SEQPACKET socket, one frame per\n"
"message.  SIGUSR1 prints the counters, SIGTERM ends it.\n");
    return status;
}

int main(int argc, char **argv)
{
    static const struct option opts[] = {
        { "socket", required_argument, NULL, 's' },
        { "ready-fd", required_argument, NULL, 'r' },
        { "verbose", no_argument, NULL, 'v' },
        { "help", no_argument, NULL, 'h' },
        { 0 },
    };
    struct sw s = { .epoll_fd = -1, .listen_fd = -1, .signal_fd = -1 };
    uint64_t value;
    int ready_fd = -1;
    int opt, rc;

    while ( (opt = getopt_long(argc, argv, "s:r:vh", opts, NULL)) != -1 )
        switch ( opt )
        {
        case 's':
            s.path = optarg;
            break;
        case 'r':
            if ( net_number_parse(optarg, 0, 1 << 20, &value) )
                return usage(stderr, 2);
            ready_fd = value;
            break;
        case 'v':
            s.verbose = true;
            break;
        case 'h':
            return usage(stdout, 0);
        default:
            return usage(stderr, 2);
        }
    if ( !s.path || optind != argc )
        return usage(stderr, 2);

    s.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    s.table = net_table_new(MAX_MACS, AGE_US);
    rc = s.epoll_fd < 0 ? -errno : !s.table ? -ENOMEM : 0;
    if ( !rc )
        rc = open_signals(&s);
    if ( !rc )
        rc = listen_on(&s);
    if ( rc )
        fprintf(stderr, "cannot listen on %s: %s\n", s.path, strerror(-rc));
    else
    {
        net_ready(ready_fd);
        rc = run(&s);
        report(&s);
    }
    done(&s);
    return rc ? 1 : 0;
}
