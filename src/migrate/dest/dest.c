/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The engine at the destination: control connection and decision.
 *
 * Until STARTED is in the journal any failure ends in dest_abandon():
 * ABANDONED is recorded, and nothing of the domain is left.  After it the
 * guest is here, whatever becomes of the connection.
 */
#include "dest.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hello.h"

/* How often the silence of all connections is looked at. */
#define LOOK_US (200 * US_PER_MS)

/* An unpause that fails is tried again, as there is no way back. */
#define UNPAUSE_TRIES 20
#define UNPAUSE_WAIT_US (50 * US_PER_MS)

/* ---- Figures ------------------------------------------------------------ */

/* Thread: any. */
static uint64_t bytes_heard(struct dest *d)
{
    uint64_t sum;
    unsigned int i;

    pthread_mutex_lock(&d->lock);
    sum = chan_bytes_read(d->ctl->chan);
    for ( i = 0; i < WIRE_LANES_MAX; i++ )
        if ( d->lanes[i].conn )
            sum += chan_bytes_read(d->lanes[i].conn->chan);
    pthread_mutex_unlock(&d->lock);

    return sum;
}

/* Thread: any. */
void dest_figures(struct session *s)
{
    struct dest *d = (struct dest *)s;
    uint64_t bytes = bytes_heard(d);
    struct xmig_stats *now;

    static_assert(!offsetof(struct dest, s), "the session is a dest's head");
    now = stats_edit(&d->stats);
    if ( bytes > now->transferred_bytes )
        now->transferred_bytes = bytes;
    /* Roughly: zero pages take no bytes. */
    bytes = now->total_bytes ? bytes * 900 / now->total_bytes : 0;
    if ( bytes > 900 )
        bytes = 900;
    if ( bytes > now->progress_permille )
        now->progress_permille = (unsigned int)bytes;
    stats_edited(&d->stats);
}

/* ---- Its life ----------------------------------------------------------- */

int dest_init(struct dest *d, struct xmig *x, struct conn *ctl,
              const char *peer, const uint8_t id[IDENT_BYTES], uint64_t caps)
{
    unsigned int i;
    int rc;

    memset(d, 0, sizeof(*d));
    rc = cancel_init(&d->stop);
    if ( rc )
        return rc;
    session_init(&d->s, x, false);
    err_init(&d->err);
    err_init(&d->ctl_err);
    stats_init(&d->stats);
    stats_begin(&d->stats, NULL, NULL);
    d->s.err = &d->err;
    d->s.stop = &d->stop;
    d->s.stats = &d->stats;
    d->s.caps = caps;
    memcpy(d->s.id, id, sizeof(d->s.id));
    d->ctl = d->first_ctl = ctl;
    snprintf(d->peer, sizeof(d->peer), "%s", peer);
    pthread_mutex_init(&d->lock, NULL);
    pthread_cond_init(&d->cond, NULL);
    for ( i = 0; i < WIRE_LANES_MAX; i++ )
        err_init(&d->lanes[i].err);

    rc = steer_init(&d->s, x->event, x->event_data);
    d->s.steer.figures = dest_figures;
    if ( !rc )
        rc = ident_random(d->token);
    if ( rc )
        dest_done(d);

    return rc;
}

void dest_done(struct dest *d)
{
    unsigned int i;

    steer_done(&d->s);
    for ( i = 0; i < WIRE_LANES_MAX; i++ )
        err_done(&d->lanes[i].err);
    pthread_cond_destroy(&d->cond);
    pthread_mutex_destroy(&d->lock);
    journal_close(d->journal);
    pageset_done(&d->present);
    free(d->domain_body);
    free(d->config);
    stats_done(&d->stats);
    err_done(&d->ctl_err);
    err_done(&d->err);
    cancel_done(&d->stop);
}

bool dest_stop(struct dest *d, const char *why)
{
    bool split;

    pthread_mutex_lock(&d->lock);
    split = d->draining;
    if ( !split )
    {
        err_set(&d->err, -ECANCELED, "%s", why);
        session_fail(&d->s, -ECANCELED);
        pthread_cond_broadcast(&d->cond);
    }
    pthread_mutex_unlock(&d->lock);

    return !split;
}

void dest_bye(struct dest *d)
{
    pthread_mutex_lock(&d->lock);
    chan_break(d->ctl->chan);
    pthread_mutex_unlock(&d->lock);
}

/* ---- Control records ---------------------------------------------------- */

/* Of all connections; begins zeroed. */
struct silence
{
    uint64_t heard, since_us;
};

static int check_silence(struct dest *d, struct silence *quiet)
{
    uint64_t patience_us = opt_u64(d->s.opts, NULL, "io-timeout");
    uint64_t heard = bytes_heard(d), now_us = clock_now_us();

    if ( heard != quiet->heard )
        *quiet = (struct silence){ heard, now_us };
    else if ( now_us - quiet->since_us > patience_us )
        return err_set(&d->err, -ETIMEDOUT, "%s: the source has been silent "
                       "for %lu ms", chan_name(d->ctl->chan),
                       (unsigned long)(patience_us / US_PER_MS));

    return 0;
}

/*
 * Who destroys the domain here ends the migration while the guest still runs
 * at the source.  To ask now and then also keeps a host awake that would be
 * slow in the pause if it had had nothing to do: emulated, on a hypervisor
 * that shadows page tables, it took 10 ms a GiB to answer.
 */
static int check_domain(struct dest *d)
{
    struct hv_domain info;
    int rc = hv_domain_info(d->s.hv, &d->err, d->build.domid, &info);

    if ( !rc && info.dying )
        return err_set(&d->err, -ENOENT, "domain %u was destroyed here",
                       d->build.domid);

    return rc;
}

/* Wait for the next control record, as long as anything moves on any of the
 * connections and the domain is there. */
static int await_record(struct dest *d)
{
    struct silence quiet = { 0 };
    int rc;

    do {
        rc = chan_wait_readable(d->ctl->chan, deadline_in(LOOK_US));
        if ( rc != -ETIMEDOUT )
            return rc;
        rc = check_silence(d, &quiet);
        if ( !rc )
            rc = check_domain(d);
    } while ( !rc );

    return rc;
}

/* GO came early: the lanes bring what is missing, or fail.  Whether
 * the source can still be heard on control does not matter any more. */
static int await_complete(struct dest *d)
{
    struct silence quiet = { 0 };
    bool complete = false;
    struct timespec t;
    int rc = 0;

    while ( !rc && !complete )
    {
        t = deadline_abs_ts(deadline_in(LOOK_US));
        pthread_mutex_lock(&d->lock);
        if ( !d->ready_sent && !cancel_check(&d->stop) )
            pthread_cond_clockwait(&d->cond, &d->lock, CLOCK_MONOTONIC, &t);
        complete = d->ready_sent;
        pthread_mutex_unlock(&d->lock);
        if ( !complete )
            rc = cancel_check(&d->stop);
        if ( !complete && !rc )
            rc = check_silence(d, &quiet);
    }

    return rc;
}

int dest_take_error(struct dest *d, const struct wire_record *rec)
{
    d->source_gave_up = true;

    return conn_peer_error(d->ctl, rec);
}

static int take_round(struct dest *d, const struct wire_record *rec)
{
    struct xmig_stats *now;
    struct wire_round r;
    int rc = wire_round_decode(rec->body, rec->length, &d->err, &r);

    if ( rc )
        return rc;
    pthread_mutex_lock(&d->lock);
    if ( (r.flags & WIRE_ROUND_EARLY_GO) &&
         !(d->s.caps & WIRE_CAP_EARLY_GO) )
        rc = err_set(&d->err, -EPROTO, "ROUND %u: early GO was not agreed",
                     r.round);
    else if ( d->last_known )
        rc = err_set(&d->err, -EPROTO, "ROUND %u after the last one",
                     r.round);
    else if ( r.round != d->next_round )
        rc = err_set(&d->err, -EPROTO, "ROUND %u where %u was due", r.round,
                     d->next_round);
    else if ( r.flags & WIRE_ROUND_LAST )
    {
        d->last_round = r.round;
        d->last_known = true;
        d->early_go = r.flags & WIRE_ROUND_EARLY_GO;
        pthread_cond_broadcast(&d->cond);
    }
    pthread_mutex_unlock(&d->lock);
    d->next_round++;
    if ( !rc && (r.flags & WIRE_ROUND_LAST) )
        return state_set(&d->s.state, &d->err, STATE_SWITCHOVER);
    if ( rc )
        return rc;
    dest_figures(&d->s);
    now = stats_edit(&d->stats);
    now->rounds = r.round + 1;
    stats_edited(&d->stats);

    return 0;
}

static int take_arm(struct dest *d)
{
    int rc;

    if ( d->may_start )
        return err_set(&d->err, -EPROTO, "ARM came twice");
    rc = journal_append(d->journal, JOURNAL_MAY_START, true, &d->err);
    if ( !rc )
        rc = state_set(&d->s.state, &d->err, STATE_ARMED);
    if ( rc )
        return rc;
    d->may_start = true;
    pthread_mutex_lock(&d->lock);
    rc = conn_send_empty(d->ctl, WIRE_ARMED);
    pthread_mutex_unlock(&d->lock);

    return rc;
}

/* ---- The decision ------------------------------------------------------- */

static int send_running(struct dest *d, uint64_t unpause_us)
{
    struct wire_running r = { .unpause_us = unpause_us };
    uint8_t buf[32];
    size_t len;
    int rc = wire_running_encode(&r, buf, sizeof(buf), &len);

    if ( rc )
        return err_set(&d->err, rc, "internal error: encode RUNNING");
    pthread_mutex_lock(&d->lock);
    rc = conn_send(d->ctl, WIRE_RUNNING, buf, len);
    pthread_mutex_unlock(&d->lock);

    return rc;
}

static int unpause(struct dest *d)
{
    unsigned int try;
    int rc;

    for ( try = 0; ; try++ )
    {
        rc = hv_unpause(d->s.hv, try + 1 < UNPAUSE_TRIES ? NULL : &d->err,
                        d->s.domid);
        if ( !rc || try + 1 == UNPAUSE_TRIES )
            return rc;
        cancel_poll(NULL, -1, 0, deadline_in(UNPAUSE_WAIT_US));
    }
}

/* The point of no return is the record, not the unpause. */
static int start(struct dest *d)
{
    bool split = d->split && !pageset_empty(dest_split_set(d));
    enum journal_state state = split ? JOURNAL_SPLIT : JOURNAL_STARTED;
    enum journal_state decided;
    struct xmig_stats *now;
    uint64_t begin_us = clock_now_us();
    int rc;

    rc = state_set(&d->s.state, &d->err, STATE_COMMIT);
    if ( !rc && split )
        rc = dest_split_await_first(d);
    if ( !rc )
        rc = journal_decide(d->journal, state, false, &d->err, &decided);
    if ( rc )
        return rc;
    if ( decided != state )
        return err_set(&d->err, -ECANCELED, "it was abandoned");

    pthread_mutex_lock(&d->lock);
    d->draining = split;
    pthread_mutex_unlock(&d->lock);
    d->started = true;
    owner_set(&d->err, split ? XMIG_GUEST_SPLIT : XMIG_GUEST_AT_DESTINATION);
    chan_set_cancel(d->ctl->chan, NULL);
    rc = unpause(d);
    if ( rc )
        err_wrap(&d->err, rc, "the guest is here, whole, but paused: "
                 "unpause it by hand");
    else
    {
        now = stats_edit(&d->stats);
        now->unpause_us = clock_now_us() - begin_us;
        stats_edited(&d->stats);
        send_running(d, clock_now_us() - begin_us);
    }
    journal_sync(d->journal, NULL);

    return rc;
}

static int take_go(struct dest *d)
{
    int rc;

    if ( !d->may_start || !(d->early_go || d->ready_sent) )
        return err_set(&d->err, -EPROTO, "GO out of turn");
    d->go = true;
    rc = await_complete(d);

    return rc ? rc : start(d);
}

/* ---- All of it ---------------------------------------------------------- */

static int take_record(struct dest *d)
{
    struct wire_record rec;
    int rc;

    rc = await_record(d);
    if ( !rc )
        rc = conn_recv(d->ctl, &rec);
    if ( rc )
        return rc;

    switch ( rec.type )
    {
    case WIRE_ALIVE:     return 0;
    case WIRE_ERROR:     return dest_take_error(d, &rec);
    case WIRE_ROUND:     return take_round(d, &rec);
    case WIRE_ARM:       return take_arm(d);
    case WIRE_ABSENT:    return dest_take_absent(d, &rec);
    case WIRE_STATE:
    case WIRE_STATE_END:
        if ( d->early_go )
            return err_set(&d->err, -EPROTO, "%s belongs on lane 0",
                           wire_name(rec.type));
        return rec.type == WIRE_STATE ? dest_take_state(d, &rec)
                                      : dest_take_state_end(d, &rec);
    case WIRE_GO:        return take_go(d);
    }
    if ( WIRE_TYPE_ID(rec.type) == WIRE_ID_ENGINE )
        return err_set(&d->err, -EPROTO, "the source may not send %s now",
                       wire_name(rec.type));

    return engine_record(&d->s, &rec);
}

int dest_run(struct dest *d)
{
    struct session *s = &d->s;
    int rc;

    rc = session_host(s);
    if ( !rc )
        rc = hello_send(d->ctl, s, WIRE_CONTROL, 0, s->id, d->token);
    if ( !rc )
        rc = dest_prepare(d);
    if ( !rc )
        rc = state_set(&s->state, s->err, STATE_LIVE);
    if ( !rc )
        stats_phase(&d->stats, XMIG_PHASE_ROUNDS);
    while ( !rc && !d->started )
        rc = take_record(d);

    return dest_outcome(d, rc);
}

int dest_outcome(struct dest *d, int rc)
{
    struct session *s = &d->s;

    if ( d->draining )
        rc = dest_split_fetch(d);
    if ( d->started && owner_get(&d->err) == XMIG_GUEST_SPLIT )
    {
        if ( d->source_lost )
            dest_split_lose(d);
        else
            dest_split_stay(d, rc);
        rc = err_code(&d->err);
    }
    else if ( d->started )
    {
        rc = 0;
        dest_settle_in(d);
        state_set(&s->state, NULL, STATE_DONE);
    }
    else
    {
        dest_abandon(d, rc);
        state_set(&s->state, NULL, STATE_ROLLBACK);
        state_set(&s->state, NULL, STATE_FAILED);
        rc = err_code(&d->err);
    }
    engine_cleanup(s, !rc);
    dest_resume_end(d);

    return rc;
}
