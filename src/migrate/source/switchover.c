/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The source while the guest runs nowhere: suspend, the last round, the
 * state, READY; then GO and what becomes of it.  On a long link the state goes
 * on a lane, as that has a window for it, and GO with it; READY comes then.
 *
 * Everything here up to RUNNING is the guest's downtime: no thread is made,
 * nothing is synced, and what can be asked beforehand has been.
 */
#include "source.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "settle.h"

/* The destination's patience goes on while we wait for the guest. */
static int still_here(void *data)
{
    return source_send_alive(data);
}

/* ---- State -------------------------------------------------------------- */

static int send_tsc(struct source *src)
{
    struct session *s = &src->s;
    struct wire_tsc w = { 0 };
    struct hv_tsc tsc;
    uint8_t buf[sizeof(w)];
    size_t len;
    int rc = hv_tsc_get(s->hv, s->err, s->domid, &tsc);

    if ( rc )
        return rc;
    w.mode = tsc.mode;
    w.khz = tsc.khz;
    w.nsec = tsc.nsec;
    w.incarnation = tsc.incarnation;
    rc = wire_tsc_encode(&w, buf, sizeof(buf), &len);
    if ( rc )
        return err_set(s->err, rc, "internal error: encode the TSC");

    return source_send_state(src, WIRE_STATE_TSC, buf, len);
}

static int send_context(struct source *src)
{
    struct session *s = &src->s;
    void *data;
    size_t len;
    int rc = hv_context_get(s->hv, s->err, s->domid, &data, &len);

    if ( rc )
        return rc;
    rc = source_send_state(src, WIRE_STATE_CONTEXT, data, len);
    if ( !rc && s->split )
        push_vcpus(src->push, data, len);
    free(data);

    return rc;
}

/*
 * The memory target, if somebody has set another one since the guest was
 * described: it has followed that, and would grow back at the destination.
 */
static int send_target(struct source *src)
{
    static const char key[] = "memory/target";
    struct session *s = &src->s;
    uint8_t buf[128];
    const char *old;
    size_t len = 0;
    char *value;
    int rc;

    rc = store_read(s->store, NULL, &value, "/local/domain/%u/%s", s->domid,
                    key);
    if ( rc == -ENOENT )
        return 0;
    if ( rc )
        return err_set(s->err, rc, "domain %u: read its memory target: %s",
                       s->domid, err_text(rc));
    old = wire_pairs_get(&src->desc.domain.pairs, key);
    if ( !old || strcmp(old, value) )
    {
        rc = wire_pairs_add(buf, sizeof(buf), &len, key, value);
        if ( !rc )
            rc = source_send_state(src, WIRE_STATE_PAIRS, buf, len);
    }
    free(value);

    return rc;
}

static int send_state(struct source *src)
{
    int rc = send_tsc(src);

    if ( !rc )
        rc = send_context(src);
    /* Beside the last round: what goes ahead is to be there with the state. */
    if ( !rc && src->s.split )
        push_map(src->push, src->rounds.round + 1);

    return rc ? rc : send_target(src);
}

static int send_state_end(struct source *src)
{
    struct mover_counts c;
    struct wire_state_end end;
    uint8_t buf[32];
    size_t len;
    int rc;

    mover_counts(src->rounds.mover, &c);
    end.sent_pages = c.normal_pages + c.zero_pages;
    end.populated_pages = src->rounds.set.present.count;
    rc = wire_state_end_encode(&end, buf, sizeof(buf), &len);
    if ( rc )
        return err_set(src->s.err, rc, "internal error: encode STATE_END");

    return conn_send(src->state_conn, WIRE_STATE_END, buf, len);
}

static void asked(void *data)
{
    engine_suspending(data);
}

/* ---- Switch-over -------------------------------------------------------- */

int switchover(struct source *src)
{
    struct session *s = &src->s;
    struct hv_domain info;
    struct xmig_stats *now;
    uint64_t t0, t1, t2;
    int rc;

    rc = state_set(&s->state, s->err, STATE_SUSPENDING);
    if ( rc )
        return rc;
    rc = journal_append(src->journal, JOURNAL_SUSPENDING, false, s->err);
    if ( rc )
        return rc;
    stats_phase(s->stats, XMIG_PHASE_SWITCHOVER);
    stats_tell(s->stats);

    src->su.on_asked = asked;
    src->su.data = s;
    src->suspend_begin_us = t0 = clock_now_us();
    rc = suspend_guest(&src->su, opt_u64(s->opts, NULL, "suspend-timeout"),
                       s->stop, still_here, src, &info);
    if ( rc )
        return rc;
    src->suspended = true;
    t1 = clock_now_us();
    rc = state_set(&s->state, s->err, STATE_SWITCHOVER);

    if ( !rc )
        rc = rounds_last_collect(&src->rounds, &info);
    if ( !rc && s->split )
        rc = split_leave_rest(src);
    if ( !rc )
        rc = engine_switchover(s);
    if ( !rc )
        rc = rounds_last_start(&src->rounds);
    if ( !rc && src->rounds.early_go )
    {
        rc = rounds_last_finish(&src->rounds);
        src->state_conn = src->lanes[0];
    }
    if ( !rc )
        rc = send_state(src);
    if ( !rc && !src->rounds.early_go )
        rc = rounds_last_finish(&src->rounds);
    src->state_begin_us = t2 = clock_now_us();
    if ( !rc )
        rc = send_state_end(src);

    now = stats_edit(s->stats);
    now->suspend_us = t1 - t0;
    now->last_dirty_us = t2 - t1;
    stats_edited(s->stats);
    if ( !rc && !src->rounds.early_go )
        rc = source_await(src, &src->ready);

    return rc;
}

/* ---- Commit ------------------------------------------------------------- */

#define AWAY "--migratedaway"

/* Whoever looks at the host is to see that this copy is not the guest. */
static void rename_away(struct source *src)
{
    char name[sizeof(src->s.name) + sizeof(AWAY)];

    snprintf(name, sizeof(name), "%s%s", src->s.name, AWAY);
    src->renamed = !toolstack_rename(src->s.toolstack, NULL, src->s.domid,
                                    name);
}

/* What went wrong first becomes the end of what the operation failed with. */
static int doubtful(struct source *src, const char *why)
{
    struct xmig_error first;

    err_copy(src->s.err, &first);
    err_reset(src->s.err);

    return err_set(src->s.err, -ENOTRECOVERABLE, "%s, the copy here stays "
                   "suspended until \"xmig recover\" has settled it%s%s",
                   why, first.code ? ": " : "", first.text);
}

/* The connection gave no answer: ask anew until there is one. */
static int settle(struct source *src)
{
    struct session *s = &src->s;
    struct settle st = { .s = s, .peer = &src->peer, .id = s->id,
                         .abandon = true };
    struct wire_outcome outcome;
    char why[sizeof(outcome.text) + 64];
    struct err quiet;
    int rc;

    LOG_WARN(s->logger, "no answer to GO (%s): asking the destination what "
             "became of it", err_code(s->err) ? s->err->rec.text
                                              : src->ctl_err.rec.text);
    src->ctl_broken = true;
    rename_away(src);
    err_init(&quiet);
    rc = settle_until(&st, deadline_in(opt_u64(s->opts, NULL,
                                               "recover-timeout")),
                      &quiet, &outcome);
    err_done(&quiet);
    if ( rc )
        return doubtful(src, "the outcome is not known");

    switch ( outcome.outcome )
    {
    case WIRE_OUTCOME_STARTED:
        err_reset(s->err);
        src->running = true;
        /* All of it is there. */
        s->split = false;
        return 0;

    case WIRE_OUTCOME_SPLIT:
        src->running = true;
        return 0;

    case WIRE_OUTCOME_ABANDONED:
        src->refused = true;
        err_take(s->err, &src->ctl_err);
        err_set(s->err, -ECANCELED, "the destination has given up: %s",
                outcome.text);
        return err_code(s->err);
    }
    snprintf(why, sizeof(why), "the destination can't tell the outcome (%s)",
             outcome.text);

    return doubtful(src, why);
}

/* Take up to less_us from *us, and from *sum_us. */
static void deduct(uint64_t less_us, uint64_t *us, uint64_t *sum_us)
{
    if ( less_us > *us )
        less_us = *us;
    *us -= less_us;
    *sum_us -= less_us;
}

/*
 * RUNNING came: what the pause was, by parts.  The guest ran there when it
 * left.  READY may have been lost with the connection, and all is commit then.
 */
static void note_pause(struct source *src)
{
    uint64_t end_us = clock_now_us();
    uint64_t ready_us = src->ready ? src->ready_us : src->state_begin_us;
    struct xmig_stats *now = stats_edit(src->s.stats);

    now->downtime_us = end_us - src->suspend_begin_us;
    now->state_us = ready_us - src->state_begin_us;
    now->commit_us = end_us - ready_us;
    now->unpause_us = src->unpause_us;
    if ( now->commit_us > now->unpause_us )
        now->commit_us -= now->unpause_us;
    if ( !src->ctl_broken )
        deduct(rounds_trips(&src->rounds).back_us,
               src->rounds.early_go ? &now->state_us : &now->commit_us,
               &now->downtime_us);
    stats_edited(src->s.stats);
}

int switchover_commit(struct source *src)
{
    struct session *s = &src->s;
    int rc;

    /* The last moment for a cancel. */
    rc = session_commit(s->x);
    if ( rc )
        return err_set(s->err, rc, "cancelled");
    chan_set_cancel(src->ctl->chan, NULL);
    rc = state_set(&s->state, s->err, STATE_COMMIT);
    if ( rc )
        return rc;

    owner_set(s->err, XMIG_GUEST_IN_DOUBT);
    if ( s->split )
        push_answer(src->push);
    rc = conn_send_empty(src->ctl, WIRE_GO);
    if ( !rc )
        rc = source_await(src, &src->running);
    if ( rc && !src->refused )
        rc = settle(src);

    if ( src->running )
    {
        owner_set(s->err, s->split ? XMIG_GUEST_SPLIT
                                   : XMIG_GUEST_AT_DESTINATION);
        note_pause(src);
        return 0;
    }
    if ( src->refused )
        owner_set(s->err, XMIG_GUEST_AT_SOURCE);

    return rc;
}
