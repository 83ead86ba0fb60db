/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * A post-copy at the source that has lost its destination: the memory here
 * does not change any more, so it is served on new connections to whatever
 * the destination says it lacks (docs/stream.md 2.8, "Resumption").
 *
 * Nothing in here can resume the guest: it has run there.
 */
#include "source.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "settle.h"

#define BACKOFF_MIN_US (50 * US_PER_MS)
#define BACKOFF_MAX_US (2 * US_PER_S)

/* Rounds are counted anew: the push is round 1. */
#define PUSH_ROUND 1u

static int take_remaining(struct source *src)
{
    struct session *s = &src->s;
    struct pageset *told = &src->rounds.told;
    struct wire_record rec;
    struct wire_memory m;
    uint64_t from = 0;
    uint32_t i;
    int rc;

    pageset_zero(told);
    do {
        rc = conn_expect(src->ctl, WIRE_REMAINING, &rec);
        if ( !rc )
            rc = wire_ranges_decode("REMAINING", rec.body, rec.length,
                                    s->nr_gfns, from, s->err, &m);
        for ( i = 0; !rc && i < m.nr_ranges; i++ )
        {
            pageset_set_run(told, m.ranges[i].first, m.ranges[i].count);
            from = m.ranges[i].first + m.ranges[i].count;
        }
    } while ( !rc && (m.flags & WIRE_MEMORY_MORE) );

    return rc;
}

/* What had been sent and is not there was lost with its connection. */
static void count_resent(struct source *src)
{
    const struct push_counts *c = &src->sent;
    uint64_t left = src->rounds.told.count, there,
        sent = c->first + c->pushed + c->demanded + c->neighbours + c->holes;

    /* A new process knows only what it is told. */
    if ( !src->absent_total )
        src->absent_total = left;
    there = left < src->absent_total ? src->absent_total - left : 0;
    src->resent_pages = sent > there ? sent - there : 0;
}

/* From connecting to pushing. */
static int connect_anew(struct source *src)
{
    int rc = source_connect(src);

    if ( !rc && !(src->s.caps & WIRE_CAP_POSTCOPY) )
        rc = err_set(src->s.err, -EPROTO, "%s does not know post-copy any "
                     "more", src->peer.label);
    if ( !rc )
        rc = take_remaining(src);
    if ( !rc )
        rc = source_join_lanes(src);
    if ( !rc )
        rc = split_open(src);
    if ( rc )
        return rc;
    /* As from GO on: what ends the push must not end PLACED. */
    chan_set_cancel(src->ctl->chan, NULL);
    count_resent(src);
    src->ctl_broken = false;
    push_left(src->push, &src->rounds.told);
    push_map(src->push, PUSH_ROUND);
    push_answer(src->push);
    push_start(src->push);

    return 0;
}

/* All who used the lost connections end. */
static void let_go(struct source *src)
{
    struct session *s = &src->s;
    unsigned int i;

    if ( src->ctl && src->faults )
        src->lost_bytes = split_bytes(src);
    if ( src->rounds.mover )
    {
        mover_counts(src->rounds.mover, &src->moved);
        mover_close(src->rounds.mover);
        src->rounds.mover = NULL;
    }
    if ( src->push )
    {
        push_stop(src->push);
        push_add_counts(src->push, &src->sent);
    }
    split_end(src);
    source_disconnect(src);
    peer_links_init(&src->links, s, &src->peer, s->stop);
    cancel_lower(s->stop);
    src->ctl_broken = true;
    err_reset(s->err);
    err_reset(&src->ctl_err);
    err_reset(&src->fault_err);
    for ( i = 0; i < WIRE_LANES_MAX; i++ )
        err_reset(&src->lane_err[i]);
}

/* 0: there is an answer that settles it; -EAGAIN: not yet. */
static int ask(struct source *src, struct err *e)
{
    struct session *s = &src->s;
    struct settle st = { .s = s, .peer = &src->peer, .id = s->id,
                         .abandon = true };
    struct wire_outcome outcome;
    int rc = settle_ask(&st, e, &outcome);

    if ( rc )
        return rc;
    switch ( outcome.outcome )
    {
    case WIRE_OUTCOME_STARTED:
        src->placed = true;
        return 0;

    /* It wrote SPLIT before it said that the guest runs. */
    case WIRE_OUTCOME_PENDING:
    case WIRE_OUTCOME_LOST:
        owner_set(s->err, XMIG_GUEST_LOST);
        return err_set(s->err, -ENODATA, "the guest is lost: it ran at %s, "
                       "which has lost it before it had all of it (%s)",
                       src->peer.label, outcome.text);

    case WIRE_OUTCOME_SPLIT:
        return -EAGAIN;
    }

    return err_set(e, -ENOTCONN, "%s does not know the migration (%s)",
                   src->peer.label, outcome.text);
}

/*
 * 0: there are new connections and the push goes on, or src->placed is set.
 * Else patience has ended, or the owner in the error record is LOST.
 */
static int resume(struct source *src)
{
    struct session *s = &src->s;
    uint64_t deadline = deadline_in(opt_u64(s->opts, NULL,
                                            "recover-timeout"));
    uint64_t backoff_us = BACKOFF_MIN_US;
    struct xmig_error first;
    struct err quiet;
    int rc;

    err_copy(s->err, &first);
    LOG_WARN(s->logger, "the destination can't be reached, the guest stands "
             "still there: %s", first.text);
    state_set(&s->state, NULL, STATE_HELD);
    err_init(&quiet);
    for ( ; ; )
    {
        let_go(src);
        err_reset(&quiet);
        rc = ask(src, &quiet);
        if ( !rc || owner_get(s->err) == XMIG_GUEST_LOST )
            break;
        if ( rc == -EAGAIN )
            rc = connect_anew(src);
        if ( !rc )
            break;
        if ( deadline_passed(deadline) )
        {
            if ( !err_code(s->err) )
                err_take(s->err, &quiet);
            if ( !err_code(s->err) )
                err_take(s->err, &src->ctl_err);
            if ( !err_code(s->err) )
                err_set(s->err, rc, "%s", first.text);
            break;
        }
        spiller_figures(src->spiller, stats_edit(s->stats));
        stats_edited(s->stats);
        steer_look(s);
        cancel_poll(NULL, -1, 0, deadline_in(backoff_us));
        backoff_us = backoff_us * 2 > BACKOFF_MAX_US ? BACKOFF_MAX_US
                                                     : backoff_us * 2;
    }
    err_done(&quiet);
    if ( !rc && !src->placed )
    {
        state_set(&s->state, NULL, STATE_DRAIN);
        LOG_INFO(s->logger, "connected anew, %lu MiB are left",
                 (unsigned long)(src->rounds.told.count >> 8));
    }

    return rc;
}

/* ---- Its outcome -------------------------------------------------------- */

/* It can't go on there, and the copy here is too old to go on here. */
static int lost(struct source *src, int rc)
{
    struct session *s = &src->s;

    split_end(src);
    cancel_lower(s->stop);
    rounds_end(&src->rounds);
    if ( !toolstack_destroy(s->toolstack, NULL, s->domid) &&
         !journal_append(src->journal, JOURNAL_DONE, true, NULL) &&
         !settle_bye(&(struct settle){ .s = s, .peer = &src->peer,
                                       .id = s->id }) )
        journal_remove(src->journal, NULL);
    state_set(&s->state, NULL, STATE_FAILED);

    return rc;
}

/*
 * It runs at the destination, its connection is gone, and pages are here:
 * all of it stays, to be gone on with.
 */
static int stay_split(struct source *src, int rc)
{
    struct session *s = &src->s;
    struct xmig_error cause;

    /* The destination may be able to reach that. */
    spiller_wait(src->spiller);
    source_find_cause(src, rc);
    err_copy(s->err, &cause);
    err_reset(s->err);
    err_set(s->err, -ENOTCONN, "the guest runs at %s and waits for the %lu "
            "MiB that are still here; the copy stays suspended and is not "
            "to be resumed or destroyed: %s", src->peer.label,
            (unsigned long)(src->progress.placed ? src->progress.absent >> 8
                                                 : src->absent_total >> 8),
            cause.text);
    split_end(src);
    cancel_lower(s->stop);
    rounds_end(&src->rounds);
    state_set(&s->state, NULL, STATE_FAILED);

    return -ENOTCONN;
}

int split_serve(struct source *src, int rc)
{
    while ( rc && !src->placed )
    {
        source_find_cause(src, rc);
        rc = resume(src);
        if ( rc && owner_get(src->s.err) == XMIG_GUEST_LOST )
            return lost(src, rc);
        if ( rc )
            return stay_split(src, rc);
        if ( !src->placed )
            rc = split_watch(src);
    }

    return 0;
}

int source_go_on(struct xmig *x, struct journal *j, const struct peer *peer)
{
    const struct journal_info *info = journal_info(j);
    struct source *src = calloc(1, sizeof(*src));
    struct session *s;
    int rc;

    if ( !src )
        return -ENOMEM;
    s = &src->s;
    rc = source_begin(src, x);
    src->peer = *peer;
    src->journal = j;
    s->domid = info->domid;
    memcpy(s->id, info->id, sizeof(s->id));
    snprintf(s->name, sizeof(s->name), "%s", info->name);
    s->postcopy = s->split = src->suspended = true;
    if ( !rc )
        rc = session_host(s);
    if ( !rc )
        rc = hv_nr_gfns(s->hv, s->err, s->domid, &s->nr_gfns);
    if ( !rc )
        rc = pageset_init(&src->rounds.told, s->nr_gfns);
    if ( !rc )
    {
        steer_domain(s);
        steer_open(s, peer_is_command(peer) ? peer->label : peer->text);
        stats_begin(s->stats, NULL, NULL);
        stats_phase(s->stats, XMIG_PHASE_DRAIN);
        rc = split_serve(src, -ENOTCONN);
    }
    if ( !rc )
    {
        owner_set(s->err, XMIG_GUEST_AT_DESTINATION);
        rc = source_finish(src);
    }
    source_end(src, rc);

    return rc;
}
