/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The holder: waits beside a receiver for its end, and if that was a death
 * with a guest that needs both hosts, goes on in its place: with the ring of
 * absent pages, which it has had mapped, with the journal and its claim.  What
 * is absent the hypervisor knows.  From then on it is a receiver whose
 * connections are lost (dest_resume.c), and to which other processes of this
 * host hand over those that come (serve_attach.h).
 */
#include "holder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "dest_split.h"
#include "recover.h"
#include "serve_attach.h"

/* Others learn of a process's death a moment after its children. */
#define DEATH_US    (20 * US_PER_S)
#define LOOK_US     (10 * US_PER_MS)
/* So often it may have been paused by who is dead now. */
#define PAUSES_MAX  8u

struct held
{
    struct holder_shared *sh;
    struct hv_pager *pager;      /* the dest's once that has begun */
    struct journal *journal;     /* likewise */
};

/* ---- Taking over -------------------------------------------------------- */

/* What the dead process had is still taken: try once more?  After a while. */
static bool once_more(uint64_t until, struct err *e)
{
    if ( deadline_passed(until) )
        return false;
    err_reset(e);
    cancel_poll(NULL, -1, 0, deadline_in(LOOK_US));

    return true;
}

static int take_ring(struct held *h, struct err *e)
{
    uint64_t until = deadline_in(DEATH_US);
    int rc;

    do
        rc = hv_pager_take(h->pager, e);
    while ( rc == -EBUSY && once_more(until, e) );

    return rc;
}

/* Where connections for it are handed over. */
static int take_name(struct held *h, struct serve_attach *at, struct err *e)
{
    uint64_t until = deadline_in(DEATH_US);
    int rc;

    do
        rc = serve_attach_begin(at, h->sh->id, e);
    while ( rc == -EADDRINUSE && once_more(until, e) );

    return rc;
}

/*
 * It may stand still because who is dead now has paused it.  It is paused
 * anew when it is seen that its source is not there.
 */
static void let_run(struct session *s)
{
    struct hv_domain dom;
    unsigned int i;

    for ( i = 0; i < PAUSES_MAX && !hv_domain_info(s->hv, NULL, s->domid,
                                                   &dom) && dom.paused; i++ )
        hv_unpause(s->hv, NULL, s->domid);
}

static void know_build(struct dest *d)
{
    struct session *s = &d->s;

    d->build = (struct build){
        .hv = s->hv, .store = s->store, .toolstack = s->toolstack,
        .err = s->err, .domain = &d->domain, .name = s->name,
        .config = d->config, .domid = s->domid, .created = true,
        .claimed = true, .introduced = true, .attached = true,
    };
}

static int know_split(struct dest *d, struct held *h)
{
    struct split *sp;
    int rc = dest_split_new(d);

    if ( !d->split )
        return rc;
    sp = d->split;
    sp->pager = h->pager;
    sp->complete = true;
    h->pager = NULL;
    if ( !rc )
        rc = hv_placer_open(sp->pager, d->s.err, CHUNK_GFNS, &sp->placer);
    if ( !rc )
        rc = hv_placer_look(sp->placer, d->s.err, 0, d->s.nr_gfns,
                            &sp->absent);
    if ( !rc )
        claimset_fill(&sp->left, &sp->absent);

    return rc;
}

/* All that a receiver knows at this point. */
static int know(struct dest *d, struct held *h)
{
    const struct holder_shared *sh = h->sh;
    struct session *s = &d->s;
    int rc = session_host(s);

    s->domid = sh->domid;
    s->nr_lanes = sh->nr_lanes;
    s->nr_gfns = sh->nr_gfns;
    s->postcopy = s->split = true;
    s->faults = sh->pager.by;
    snprintf(s->name, sizeof(s->name), "%s", sh->name);
    steer_domain(s);
    d->journal = h->journal;
    h->journal = NULL;
    d->config = sh->managed ? strdup("") : NULL;
    know_build(d);
    d->may_start = true;
    d->started = true;
    d->draining = true;
    d->last_known = true;
    d->state_complete = true;
    d->ready_sent = true;
    owner_set(&d->err, XMIG_GUEST_SPLIT);
    if ( !rc )
        rc = place_new(s, s->domid, s->nr_gfns, &d->place);
    if ( !rc )
        rc = know_split(d, h);

    return rc;
}

static int go_on(struct dest *d, void *data)
{
    struct held *h = data;
    struct session *s = &d->s;
    int rc = know(d, h);

    if ( !rc )
        LOG_WARN(s->logger, "the receiver of \"%s\" has died, %lu MiB of it "
                 "are at its source: its holder goes on", s->name,
                 (unsigned long)(d->split->left.left >> 8));
    if ( !rc )
    {
        let_run(s);
        return dest_outcome(d, rc);
    }
    /* It is let go of, and settled as what nobody runs. */
    session_fail(s, rc);
    place_free(d->place);
    d->place = NULL;
    dest_split_free(d);

    return rc;
}

/* A connection that is lost. */
static int lost_connection(struct conn **ret_c)
{
    struct chan *chan;
    int pair[2], rc;

    if ( socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0 )
        return -errno;
    close(pair[1]);
    rc = chan_open(pair[0], false, "the connection of a receiver that has "
                   "died", NULL, NULL, &chan);
    if ( rc )
    {
        close(pair[0]);
        return rc;
    }
    rc = conn_open(chan, WIRE_CONTROL, 0, NULL, ret_c);
    if ( rc )
        chan_close(chan);

    return rc;
}

static int serve_it(struct xmig *x, struct held *h)
{
    struct server sv;
    struct serve_attach at = { .sv = &sv };
    struct conn *c = NULL;
    int rc;

    serve_init(&sv, x, true, NULL, NULL);
    snprintf(at.peer, sizeof(at.peer), "%.*s", (int)sizeof(at.peer) - 1,
             h->sh->peer);
    rc = session_host(&sv.s);
    if ( !rc )
        rc = take_ring(h, sv.s.err);
    if ( !rc )
        rc = lost_connection(&c);
    if ( !rc )
        rc = take_name(h, &at, sv.s.err);
    if ( !rc )
    {
        c->err = sv.s.err;
        rc = serve_migration(&sv, c, h->sh->id, at.peer, h->sh->caps, go_on,
                             h);
        serve_end(&sv);
        serve_attach_end(&at);
        rc = rc ? rc : sv.rc;
    }
    conn_close(c);
    serve_done(&sv);
    cancel_lower(&x->stop);

    return rc;
}

/* All of the guest is here, but its vCPUs may still wait for an answer. */
static void let_go(struct held *h)
{
    if ( !take_ring(h, NULL) && !hv_pager_close(h->pager, NULL) )
        h->pager = NULL;
}

/* The receiver is dead. */
static int take_over(struct xmig *x, struct held *h)
{
    uint8_t id[IDENT_BYTES];
    struct session s;
    int rc;

    rc = session_begin(x);
    if ( rc )
        return rc;
    memcpy(id, h->sh->id, sizeof(id));
    rc = journal_open_fd(x->state_dir, id, JOURNAL_DESTINATION,
                         HOLDER_FD_JOURNAL, &x->err, &h->journal);
    if ( !rc && journal_state(h->journal) == JOURNAL_SPLIT )
        rc = serve_it(x, h);
    else if ( !rc && journal_state(h->journal) == JOURNAL_STARTED )
        let_go(h);
    /* What nobody runs is settled as by any receiver that starts. */
    hv_pager_leave(h->pager);
    journal_close(h->journal);
    session_init(&s, x, false);
    s.err = &x->err;
    s.stop = &x->stop;
    s.stats = &x->stats;
    if ( !session_host(&s) )
        recover_destination(&s, id, NULL);

    return session_end(x, rc);
}

/* ---- Waiting ------------------------------------------------------------ */

static int say(const char *text, size_t len)
{
    return send(HOLDER_FD_SOCKET, text, len, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

int xmig_hold(struct xmig *x)
{
    struct held h = { .sh = MAP_FAILED };
    struct xmig_error rec;
    struct err e;
    char byte;
    int fd, rc = 0;

    err_init(&e);
    for ( fd = HOLDER_FD_SOCKET; fd <= HOLDER_FD_JOURNAL; fd++ )
        fcntl(fd, F_SETFD, FD_CLOEXEC);
    h.sh = mmap(NULL, sizeof(*h.sh), PROT_READ | PROT_WRITE, MAP_SHARED,
                HOLDER_FD_SHARED, 0);
    if ( h.sh == MAP_FAILED || h.sh->magic != HOLDER_MAGIC )
        rc = err_set(&e, -EINVAL, "it is no receiver that has started it");
    if ( !rc )
        rc = hv_pager_hold(x->hv, &e, h.sh->domid, &h.sh->pager, &h.pager);
    err_copy(&e, &rec);
    if ( rc )
        say(rec.text, strlen(rec.text));
    else
        rc = say("h", 1);
    /* Nothing is said: either it ends us, or it has ended. */
    while ( !rc && recv(HOLDER_FD_SOCKET, &byte, 1, 0) < 0 && errno == EINTR )
        continue;
    if ( !rc )
        rc = take_over(x, &h);
    err_done(&e);

    return rc;
}
