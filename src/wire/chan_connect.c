/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Making connections: looking up names, connecting, listening, accepting,
 * each with a deadline and cancellable.
 *
 * A name is looked up by a thread of its own, as the resolver cannot be
 * interrupted; whoever is the last to need the request frees it.
 */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "chan.h"

/* ---- Names ------------------------------------------------------------- */

struct lookup
{
    char *host;                  /* NULL = wildcard address */
    char port[8];
    struct addrinfo hints;
    /* written by the thread before done is set and done_fd fires */
    struct addrinfo *list;
    int gai;
    int gai_errno;
    atomic_bool done;
    int done_fd;
    atomic_int users;
};

static void lookup_put(struct lookup *l)
{
    if ( atomic_fetch_sub(&l->users, 1) > 1 )
        return;
    if ( l->list )
        freeaddrinfo(l->list);
    if ( l->done_fd >= 0 )
        close(l->done_fd);
    free(l->host);
    free(l);
}

static void look_up(struct lookup *l)
{
    l->gai = getaddrinfo(l->host, l->port, &l->hints, &l->list);
    l->gai_errno = errno;
    if ( l->gai )
        l->list = NULL;
}

static void *lookup_thread(void *arg)
{
    static const uint64_t one = 1;
    struct lookup *l = arg;

    look_up(l);
    l->done = true;
    while ( write(l->done_fd, &one, sizeof(one)) < 0 && errno == EINTR )
        continue;
    lookup_put(l);

    return NULL;
}

static int lookup_new(const char *host, uint16_t port, bool passive,
                      struct lookup **ret_l)
{
    struct lookup *l = calloc(1, sizeof(*l));

    if ( !l )
        return -ENOMEM;
    l->done_fd = eventfd(0, EFD_CLOEXEC);
    l->users = 1;
    if ( l->done_fd < 0 || (host && !(l->host = strdup(host))) )
    {
        int rc = l->done_fd < 0 ? -errno : -ENOMEM;

        lookup_put(l);
        return rc;
    }
    snprintf(l->port, sizeof(l->port), "%u", port);
    l->hints.ai_socktype = SOCK_STREAM;
    l->hints.ai_flags = AI_NUMERICSERV | (passive ? AI_PASSIVE : 0);
    *ret_l = l;

    return 0;
}

static int lookup_start(struct lookup *l)
{
    pthread_attr_t attr;
    pthread_t thread;
    int r;

    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    l->users = 2;
    r = pthread_create(&thread, &attr, lookup_thread, l);
    if ( r )
        l->users = 1;
    pthread_attr_destroy(&attr);

    return -r;
}

static int gai_rc(const struct lookup *l)
{
    switch ( l->gai )
    {
    case EAI_MEMORY: return -ENOMEM;
    case EAI_SYSTEM: return l->gai_errno > 0 ? -l->gai_errno : -EIO;
    default:         return -EHOSTUNREACH;
    }
}

/* The addresses of a name; *ret_l is to be lookup_put(). */
static int resolve(const char *host, uint16_t port, bool passive,
                   uint64_t deadline_us, const struct cancel *cancel,
                   struct err *e, struct lookup **ret_l)
{
    struct lookup *l = NULL;
    int rc;

    rc = lookup_new(host, port, passive, &l);
    if ( rc )
        return err_set(e, rc, "look up %s: %s", host ? host : "all addresses",
                       err_text(rc));
    /* Addresses need no resolver, and no thread. */
    l->hints.ai_flags |= AI_NUMERICHOST;
    look_up(l);
    if ( l->gai == EAI_NONAME && host )
    {
        l->hints.ai_flags &= ~AI_NUMERICHOST;
        rc = lookup_start(l);
        if ( !rc )
            rc = cancel_poll(cancel, l->done_fd, POLLIN, deadline_us);
        if ( !rc && !l->done )
            rc = -EIO;
        if ( rc )
        {
            err_set(e, rc, "look up %s: %s", host, err_text(rc));
            goto out;
        }
    }
    if ( l->gai )
    {
        rc = gai_rc(l);
        err_set(e, rc, "look up %s: %s", host ? host : "all addresses",
                gai_strerror(l->gai));
        goto out;
    }
    *ret_l = l;
    l = NULL;
    rc = 0;

 out:
    if ( l )
        lookup_put(l);

    return rc;
}

static void peer_text(const struct sockaddr *sa, socklen_t len, char *text)
{
    char host[48], port[8];

    if ( getnameinfo(sa, len, host, sizeof(host), port, sizeof(port),
                     NI_NUMERICHOST | NI_NUMERICSERV) )
        snprintf(text, CHAN_PEER_TEXT, "unknown address");
    else if ( strchr(host, ':') )
        snprintf(text, CHAN_PEER_TEXT, "[%s]:%s", host, port);
    else
        snprintf(text, CHAN_PEER_TEXT, "%s:%s", host, port);
}

/* ---- Connecting -------------------------------------------------------- */

static int connect_one(const struct addrinfo *ai, uint64_t deadline_us,
                       const struct cancel *cancel, int *ret_fd)
{
    socklen_t len = sizeof(int);
    int fd, rc, so_error = 0;

    fd = socket(ai->ai_family, ai->ai_socktype | SOCK_CLOEXEC |
                SOCK_NONBLOCK, ai->ai_protocol);
    if ( fd < 0 )
        return -errno;
    if ( connect(fd, ai->ai_addr, ai->ai_addrlen) < 0 )
    {
        rc = -errno;
        if ( rc != -EINPROGRESS && rc != -EINTR )
            goto out;
        rc = cancel_poll(cancel, fd, POLLOUT, deadline_us);
        if ( rc )
            goto out;
        if ( getsockopt(fd, SOL_SOCKET, SO_ERROR, &so_error, &len) < 0 )
            so_error = errno;
        rc = -so_error;
        if ( rc )
            goto out;
    }
    *ret_fd = fd;
    fd = -1;
    rc = 0;

 out:
    if ( fd >= 0 )
        close(fd);

    return rc;
}

int chan_connect(const char *host, uint16_t port, uint64_t deadline_us,
                 const struct cancel *cancel, struct err *e, int *ret_fd,
                 char *ret_peer)
{
    char peer[CHAN_PEER_TEXT] = "";
    const struct addrinfo *ai;
    struct lookup *l = NULL;
    int rc;

    rc = resolve(host, port, false, deadline_us, cancel, e, &l);
    if ( rc )
        return rc;
    rc = -EHOSTUNREACH;
    for ( ai = l->list; ai; ai = ai->ai_next )
    {
        peer_text(ai->ai_addr, ai->ai_addrlen, peer);
        rc = connect_one(ai, deadline_us, cancel, ret_fd);
        if ( !rc || rc == -ECANCELED || deadline_passed(deadline_us) )
            break;
    }
    if ( rc == -ETIMEDOUT )
        err_set(e, rc, "connect to %s (%s): no answer in time", host, peer);
    else if ( rc == -ECANCELED )
        err_set(e, rc, "cancelled");
    else if ( rc )
        err_set(e, rc, "connect to %s (%s): %s", host, peer, err_text(rc));
    else if ( ret_peer )
        memcpy(ret_peer, peer, sizeof(peer));
    lookup_put(l);

    return rc;
}

/* ---- Listening --------------------------------------------------------- */

static int listen_one(const struct addrinfo *ai, bool any, int *ret_fd)
{
    static const int on = 1, off = 0;
    int fd, rc;

    fd = socket(ai->ai_family, ai->ai_socktype | SOCK_CLOEXEC |
                SOCK_NONBLOCK, ai->ai_protocol);
    if ( fd < 0 )
        return -errno;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    /* All addresses of both families through one socket. */
    if ( ai->ai_family == AF_INET6 )
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, any ? &off : &on,
                   sizeof(on));
    if ( bind(fd, ai->ai_addr, ai->ai_addrlen) < 0 || listen(fd, 64) < 0 )
    {
        rc = -errno;
        close(fd);
        return rc;
    }
    *ret_fd = fd;

    return 0;
}

int chan_listen(const char *bind_to, uint16_t port, struct err *e,
                int *ret_fd)
{
    static const int families[] = { AF_INET6, AF_INET };
    const struct addrinfo *ai;
    struct lookup *l = NULL;
    unsigned int f;
    int rc, first_rc = -EADDRNOTAVAIL;

    rc = resolve(bind_to, port, true, DEADLINE_NEVER, NULL, e, &l);
    if ( rc )
        return rc;
    for ( f = 0; f < 2; f++ )
        for ( ai = l->list; ai; ai = ai->ai_next )
        {
            if ( ai->ai_family != families[f] )
                continue;
            rc = listen_one(ai, !bind_to, ret_fd);
            if ( !rc )
                goto out;
            /* A family this host lacks is not the reason. */
            if ( rc != -EAFNOSUPPORT && first_rc == -EADDRNOTAVAIL )
                first_rc = rc;
            if ( rc == -EADDRINUSE )
                goto failed;
        }

 failed:
    rc = err_set(e, first_rc, "listen on %s port %u: %s",
                 bind_to ? bind_to : "all addresses", port,
                 err_text(first_rc));

 out:
    lookup_put(l);

    return rc;
}

int chan_local_port(int fd, uint16_t *ret_port)
{
    struct sockaddr_storage ss;
    socklen_t len = sizeof(ss);

    if ( getsockname(fd, (struct sockaddr *)&ss, &len) < 0 )
        return -errno;
    if ( ss.ss_family == AF_INET )
        *ret_port = ntohs(((struct sockaddr_in *)&ss)->sin_port);
    else if ( ss.ss_family == AF_INET6 )
        *ret_port = ntohs(((struct sockaddr_in6 *)&ss)->sin6_port);
    else
        return -EAFNOSUPPORT;

    return 0;
}

int chan_accept(int listen_fd, uint64_t deadline_us,
                const struct cancel *cancel, struct err *e, int *ret_fd,
                char *ret_peer)
{
    struct sockaddr_storage ss;
    int fd, rc;

    for ( ; ; )
    {
        socklen_t len = sizeof(ss);

        rc = cancel_poll(cancel, listen_fd, POLLIN, deadline_us);
        if ( rc == -ETIMEDOUT || rc == -ECANCELED )
            return rc;
        if ( rc )
            return err_set(e, rc, "wait for a connection: %s", err_text(rc));
        fd = accept4(listen_fd, (struct sockaddr *)&ss, &len,
                     SOCK_CLOEXEC | SOCK_NONBLOCK);
        if ( fd >= 0 )
        {
            if ( ret_peer )
                peer_text((struct sockaddr *)&ss, len, ret_peer);
            *ret_fd = fd;
            return 0;
        }
        switch ( errno )
        {
        /* The caller went away again before we came to it. */
        case EAGAIN:
        case EINTR:
        case ECONNABORTED:
        case EPROTO:
            break;

        default:
            return err_set(e, -errno, "accept a connection: %s",
                           err_text(-errno));
        }
    }
}

/* ---- Socket options ---------------------------------------------------- */

#ifndef TCP_RTO_MIN_US
#define TCP_RTO_MIN_US 45        /* newer than many headers */
#endif
/* Above the 40 ms that a receiver may take to acknowledge. */
#define URGENT_RTO_US  50000

static int set_opt(int fd, int level, int opt, int value)
{
    if ( setsockopt(fd, level, opt, &value, sizeof(value)) == 0 ||
         errno == ENOPROTOOPT || errno == EOPNOTSUPP || errno == ENOTSOCK )
        return 0;

    return -errno;
}

static int set_dead_after(int fd, unsigned int ms)
{
    int probe_s = (int)(ms / 4000), rc;

    if ( probe_s < 1 )
        probe_s = 1;
    rc = set_opt(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    if ( !rc )
        rc = set_opt(fd, IPPROTO_TCP, TCP_KEEPIDLE, probe_s);
    if ( !rc )
        rc = set_opt(fd, IPPROTO_TCP, TCP_KEEPINTVL, probe_s);
    if ( !rc )
        rc = set_opt(fd, IPPROTO_TCP, TCP_KEEPCNT, 3);
    if ( !rc )
        rc = set_opt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, (int)ms);

    return rc;
}

static bool force_buffer(int fd, int opt, unsigned int bytes)
{
    int value = (int)bytes;

    return setsockopt(fd, SOL_SOCKET, opt, &value, sizeof(value)) == 0;
}

bool chan_may_force_buffers(void)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool may = fd >= 0 && force_buffer(fd, SO_SNDBUFFORCE, 65536);

    if ( fd >= 0 )
        close(fd);

    return may;
}

/* As far as the kernel can.  Not bbr, which takes who sends little for a slow
 * line and spreads a page over many milliseconds. */
static void set_urgent(int fd)
{
    setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "cubic", strlen("cubic"));
    set_opt(fd, IPPROTO_TCP, TCP_THIN_LINEAR_TIMEOUTS, 1);
    set_opt(fd, IPPROTO_TCP, TCP_RTO_MIN_US, URGENT_RTO_US);
}

int chan_tune(int fd, const struct chan_tuning *t)
{
    int rc = 0;

    if ( t->nodelay )
        rc = set_opt(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    if ( !rc && t->lowat_bytes )
        rc = set_opt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT,
                     (int)t->lowat_bytes);
    if ( !rc && t->dead_after_ms )
        rc = set_dead_after(fd, t->dead_after_ms);
    if ( !rc && t->rcvbuf_bytes &&
         !force_buffer(fd, SO_RCVBUFFORCE, t->rcvbuf_bytes) )
        rc = set_opt(fd, SOL_SOCKET, SO_RCVBUF, (int)t->rcvbuf_bytes);
    if ( !rc && t->urgent )
        set_urgent(fd);
    if ( !rc && t->sndbuf_start_bytes )
        force_buffer(fd, SO_SNDBUFFORCE, t->sndbuf_start_bytes);
    if ( !rc && t->rcvbuf_start_bytes )
        force_buffer(fd, SO_RCVBUFFORCE, t->rcvbuf_start_bytes);
    if ( !rc && t->congestion )
        setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, t->congestion,
                   (socklen_t)strlen(t->congestion));

    return rc;
}
