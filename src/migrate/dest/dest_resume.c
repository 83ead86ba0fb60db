/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * A post-copy at the destination that has lost its source: the guest stands
 * still, all is kept, and a new control connection of the same migration goes
 * on with it (docs/stream.md 2.8, "Resumption").
 *
 * The thread of a new connection lends it to the engine's, and waits until
 * that has another one or has come to its end.
 */
#include "dest_split.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "hello.h"
#include "ranges.h"

#define LOOK_NS (50 * 1000 * 1000)
/* Rounds are counted anew on the new lanes: the push is round 1. */
#define BEFORE_PUSH 0u

/* ---- The new connection's thread ---------------------------------------- */

int dest_lend(struct dest *d, struct conn *c, uint64_t caps)
{
    int rc = 0;

    pthread_mutex_lock(&d->lock);
    if ( !d->waits || d->lent || caps != d->s.caps )
        rc = err_set(c->err, -EBUSY, "a migration of this id runs already");
    else
    {
        d->lent = c;
        d->waits = false;
        pthread_cond_broadcast(&d->cond);
        while ( d->lent == c )
            pthread_cond_wait(&d->cond, &d->lock);
    }
    pthread_mutex_unlock(&d->lock);

    return rc;
}

bool dest_is_lent(struct dest *d)
{
    bool yes;

    pthread_mutex_lock(&d->lock);
    yes = d->lent && d->lent != d->ctl;
    pthread_mutex_unlock(&d->lock);

    return yes;
}

/* Give back what was lent; next takes its place. */
static void give_back(struct dest *d, struct conn *next)
{
    pthread_mutex_lock(&d->lock);
    if ( d->ctl != d->first_ctl )
    {
        d->ctl->err = NULL;
        chan_set_err(d->ctl->chan, NULL);
        chan_set_cancel(d->ctl->chan, NULL);
        d->ctl = d->first_ctl;
    }
    d->lent = next;
    pthread_cond_broadcast(&d->cond);
    pthread_mutex_unlock(&d->lock);
}

void dest_resume_end(struct dest *d)
{
    pthread_mutex_lock(&d->lock);
    d->waits = false;
    pthread_mutex_unlock(&d->lock);
    give_back(d, NULL);
}

/* ---- The engine's ------------------------------------------------------- */

static struct timespec look_at(void)
{
    struct timespec t;

    timespec_get(&t, TIME_UTC);
    t.tv_nsec += LOOK_NS;
    if ( t.tv_nsec >= 1000000000 )
    {
        t.tv_nsec -= 1000000000;
        t.tv_sec++;
    }

    return t;
}

/* By the source's own word, or an operator's here. */
static bool is_lost(struct dest *d)
{
    if ( d->s.fenced )
        d->source_lost = true;

    return d->source_lost;
}

/* Until somebody has lent one; -ENODATA: the domain is gone, or its other
 * half; -EALREADY: nothing is absent any more. */
static int await_control(struct dest *d)
{
    struct conn *c = NULL;
    struct timespec t;
    int rc = 0;

    while ( !rc && !c )
    {
        pthread_mutex_lock(&d->lock);
        if ( !d->lent )
            d->waits = true;
        t = look_at();
        while ( d->waits &&
                pthread_cond_timedwait(&d->cond, &d->lock, &t) != ETIMEDOUT )
            ;
        c = d->lent;
        pthread_mutex_unlock(&d->lock);
        if ( !c && dest_spill_take(d) )
            rc = -EALREADY;
        else if ( !c && (dest_split_gone(d) || is_lost(d)) )
            rc = -ENODATA;
        steer_look(&d->s);
    }
    if ( rc )
        return rc;

    c->err = &d->err;
    chan_set_err(c->chan, &d->ctl_err);
    chan_set_cancel(c->chan, &d->stop);
    chan_set_deadline(c->chan, DEADLINE_NEVER);
    chan_set_io_timeout(c->chan, opt_u64(d->s.opts, NULL, "io-timeout"));
    pthread_mutex_lock(&d->lock);
    d->ctl = c;
    pthread_mutex_unlock(&d->lock);

    return 0;
}

static int send_remaining(struct dest *d)
{
    struct pageset left;
    int rc = pageset_init(&left, d->split->left.nr_gfns);

    if ( rc )
        return err_set(&d->err, rc, "tell what is absent: %s", err_text(rc));
    claimset_copy(&d->split->left, &left);
    rc = ranges_send(d->ctl, WIRE_REMAINING, &left);
    pageset_done(&left);

    return rc;
}

/* Nobody runs but this thread: lanes and faults may join anew. */
static void open_again(struct dest *d, const uint8_t token[IDENT_BYTES])
{
    struct split *sp = d->split;
    unsigned int i;

    pthread_mutex_lock(&d->lock);
    memcpy(d->token, token, sizeof(d->token));
    for ( i = 0; i < WIRE_LANES_MAX; i++ )
    {
        d->lanes[i].joined = false;
        err_reset(&d->lanes[i].err);
    }
    err_reset(&sp->err);
    sp->joined = false;
    sp->ask_rest = false;
    d->nr_drained = 0;
    d->last_round = BEFORE_PUSH;
    d->rounds = BEFORE_PUSH + 1;
    d->open = true;
    pthread_mutex_unlock(&d->lock);
}

/* Who faults is asked for from here on. */
static int await_faults(struct dest *d)
{
    uint64_t until = deadline_in(opt_u64(d->s.opts, NULL, "io-timeout"));
    struct pollfd pfd = { .fd = chan_fd(d->ctl->chan), .events = POLLRDHUP };
    bool joined = false;
    struct timespec t;
    int rc = 0;

    while ( !rc && !joined )
    {
        t = look_at();
        pthread_mutex_lock(&d->lock);
        if ( !d->split->conn )
            pthread_cond_timedwait(&d->cond, &d->lock, &t);
        joined = d->split->conn;
        pthread_mutex_unlock(&d->lock);
        rc = cancel_check(&d->stop);
        /* Nobody reads it meanwhile. */
        if ( !rc && !joined && poll(&pfd, 1, 0) > 0 && (pfd.revents &
             (POLLRDHUP | POLLHUP | POLLERR)) )
            rc = -ENODATA;
        if ( !rc && !joined && deadline_passed(until) )
            rc = err_set(&d->err, -ETIMEDOUT, "the source has made no "
                         "connection for faults");
    }

    return rc;
}

static int take_up(struct dest *d)
{
    struct session *s = &d->s;
    uint8_t token[IDENT_BYTES];
    int rc = ident_random(token);

    open_again(d, token);
    if ( !rc )
        rc = hello_send(d->ctl, s, WIRE_CONTROL, s->nr_lanes - 1, s->id,
                        token);
    if ( !rc )
        rc = send_remaining(d);
    if ( !rc )
        rc = await_faults(d);

    return rc;
}

/* All who used the lost connections end; what they failed with is told. */
static void let_go(struct dest *d, int why)
{
    struct xmig_error cause;

    session_fail(&d->s, why);
    dest_find_cause(d, why);
    dest_end_lanes(d);
    err_copy(&d->err, &cause);
    LOG_WARN(d->s.logger, "\"%s\" stands still, %lu MiB of it are at its "
             "source: %s", d->s.name,
             (unsigned long)(d->split->left.left >> 8), cause.text);
    err_reset(&d->err);
    err_reset(&d->ctl_err);
    chan_break(d->ctl->chan);
    cancel_lower(&d->stop);
}

int dest_resume(struct dest *d, int why)
{
    struct session *s = &d->s;
    int rc;

    if ( dest_split_gone(d) )
        return why;
    hv_pause(s->hv, NULL, s->domid);
    state_set(&s->state, NULL, STATE_HELD);
    do {
        let_go(d, why);
        give_back(d, NULL);
        rc = await_control(d);
        if ( rc && rc != -EALREADY )
            return rc;
        why = rc ? 0 : take_up(d);
    } while ( why );
    /* As from GO on: what ends the threads must not end BYE. */
    chan_set_cancel(d->ctl->chan, NULL);
    state_set(&s->state, NULL, STATE_DRAIN);
    if ( !rc )
        LOG_INFO(s->logger, "\"%s\" goes on, %lu MiB of it are at its "
                 "source", s->name, (unsigned long)(d->split->left.left >> 8));

    return hv_unpause(s->hv, &d->err, s->domid);
}

/* ---- The end of it ------------------------------------------------------ */

void dest_split_stay(struct dest *d, int rc)
{
    struct xmig_error cause;

    if ( state_get(&d->s.state) != STATE_HELD )
        hv_pause(d->s.hv, NULL, d->s.domid);
    session_fail(&d->s, rc);
    dest_find_cause(d, rc);
    dest_end_lanes(d);
    err_copy(&d->err, &cause);
    err_reset(&d->err);
    err_set(&d->err, -ENOTCONN, "domain %u waits, paused, for %lu MiB that "
            "are still at its source: %s", d->s.domid,
            (unsigned long)(d->split->left.left >> 8), cause.text);
    place_free(d->place);
    d->place = NULL;
    /* Who comes after us takes the ring over. */
    holder_leave(d->split->holder);
    d->split->holder = NULL;
    dest_split_free(d);
    stats_end(&d->stats);
    state_set(&d->s.state, NULL, STATE_FAILED);
}

void dest_split_lose(struct dest *d)
{
    struct session *s = &d->s;
    struct wire_progress p;

    dest_split_progress(d, &p);
    dest_end_lanes(d);
    err_reset(&d->err);
    if ( journal_append(d->journal, JOURNAL_LOST, true, &d->err) )
        LOG_WARN(s->logger, "%s", d->err.rec.text);
    err_reset(&d->err);
    owner_set(&d->err, XMIG_GUEST_LOST);
    err_set(&d->err, -ENODATA, "\"%s\" is lost: %lu MiB (%lu pages) of its "
            "memory were still at the source, where they are gone", s->name,
            (unsigned long)(p.absent >> 8), (unsigned long)p.absent);
    place_free(d->place);
    d->place = NULL;
    dest_split_free(d);
    d->build.err = NULL;
    build_undo(&d->build);
    stats_end(&d->stats);
    state_set(&s->state, NULL, STATE_FAILED);
}
