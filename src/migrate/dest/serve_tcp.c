/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * xmig_serve(): the listener on TCP.  A thread per connection.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "recover.h"
#include "serve_attach.h"

#define LOOK_US (100 * US_PER_MS)

struct accepted
{
    struct server *sv;
    int fd;
    char peer[CHAN_PEER_TEXT];
};

/* Does another process run what it belongs to?  That one has it then. */
static bool is_handed_over(struct server *sv, struct chan *chan)
{
    uint8_t raw[CHAN_UNREAD_MAX];
    struct wire_hello h;
    size_t nr;
    int fd;

    chan_set_deadline(chan, deadline_in(serve_hello_us(sv)));
    /* What is wrong with it is said by who serves it. */
    if ( serve_look(chan, raw, &nr, &h) || ident_is_null(h.id) ||
         serve_has(sv, h.id) || serve_give(sv, chan, raw, nr, &h, &fd) )
        return false;
    close(fd);

    return true;
}

static void *conn_main(void *arg)
{
    struct accepted *a = arg;
    struct server *sv = a->sv;
    struct chan_tuning tuning = {
        .nodelay = true,
        .dead_after_ms = opt_u64(sv->s.opts, NULL, "io-timeout") / US_PER_MS,
        /* Answers; all that is much comes from the source. */
        .congestion = CHAN_CONGESTION_FEW,
    };
    struct chan *chan = NULL;
    char name[96];

    snprintf(name, sizeof(name), "connection from %s", a->peer);
    chan_tune(a->fd, &tuning);
    if ( chan_open(a->fd, false, name, sv->s.stop, NULL, &chan) )
        close(a->fd);
    else if ( is_handed_over(sv, chan) )
        chan_close(chan);
    else
        serve_chan(sv, chan, a->peer);
    free(a);
    serve_thread_ends(sv);

    return NULL;
}

static void start_conn(struct server *sv, int fd, const char *peer)
{
    struct accepted *a = malloc(sizeof(*a));

    if ( a )
    {
        a->sv = sv;
        a->fd = fd;
        snprintf(a->peer, sizeof(a->peer), "%s", peer);
        if ( !serve_thread(sv, conn_main, a, peer) )
            return;
    }
    free(a);
    close(fd);
}

static int accept_all(struct server *sv, int listen_fd)
{
    struct session *s = &sv->s;
    char peer[CHAN_PEER_TEXT];
    bool closing = false;
    uint64_t until;
    int fd, rc;

    for ( ; ; )
    {
        until = sv->once || closing ? deadline_in(LOOK_US) : DEADLINE_NEVER;
        rc = chan_accept(listen_fd, until, s->stop, s->err, &fd, peer);
        if ( !rc )
            start_conn(sv, fd, peer);
        else if ( rc == -ECANCELED )
            closing = serve_stop(sv);
        else if ( rc != -ETIMEDOUT )
            return rc;
        if ( (rc == -ECANCELED && !closing) || serve_is_over(sv) )
            return 0;
    }
}

int xmig_serve(struct xmig *x, const char *bind, uint16_t port, bool once,
               xmig_served_fn *on_end, void *data)
{
    struct server sv;
    int fd = -1, rc;

    rc = session_begin(x);
    if ( rc )
        return rc;
    serve_init(&sv, x, once, on_end, data);
    rc = session_host(&sv.s);
    if ( !rc )
        rc = chan_listen(bind, port ? port : XMIG_PORT, sv.s.err, &fd);
    if ( rc )
        goto out;
    recover_destinations(&sv.s);
    rc = accept_all(&sv, fd);
    serve_end(&sv);
    if ( !rc && once )
        rc = sv.rc;

out:
    if ( fd >= 0 )
        close(fd);
    serve_done(&sv);
    cancel_lower(&x->stop);

    return session_end(x, rc);
}
