/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Post-copy at the source: what is done before the guest is suspended so that
 * nothing which grows with its memory is left for the pause, and what is done
 * while it runs at the destination and its pages are here.
 */
#include "source.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#include "loan.h"
#include "ranges.h"

/* Telling what is to be absent ends when little is new, or, after some turns,
 * when it does not get less any more. */
#define LEAVE_FEW   32u
#define LEAVE_SURE  4u
#define LEAVE_TURNS 12u
/* Estimates: D maps a page that comes in the last round by itself; it makes
 * some pages absent. */
#define APART_US  50u
#define ABSENT_US 500u

#define TICK_MS     20
#define ALIVE_US    US_PER_S

/* Backends are not stopped by what stops vCPUs alone. */
static int choose_access(struct source *src)
{
    struct session *s = &src->s;
    char name[64];

    if ( store_has_device(s->store, s->domid, name, sizeof(name)) )
        return err_set(s->err, -EINVAL, "post-copy by mem_access: domain %u "
                       "has the device %s, whose backend would use memory "
                       "that is not there yet", s->domid, name);
    s->faults = HV_FAULTS_ACCESS;
    src->desc.domain.flags |= WIRE_DOMAIN_ACCESS;

    return 0;
}

int split_choose(struct source *src)
{
    struct session *s = &src->s;
    uint64_t when = opt_u64(s->opts, NULL, "postcopy");

    s->absent = when == OPT_POSTCOPY_NOW;
    s->postcopy = when != OPT_POSTCOPY_OFF ||
                  opt_u64(s->opts, NULL, "timeout-action") ==
                  OPT_TIMEOUT_POSTCOPY;
    if ( s->postcopy )
        src->desc.domain.flags |= WIRE_DOMAIN_POSTCOPY;
    if ( s->absent )
        src->desc.domain.flags |= WIRE_DOMAIN_ABSENT;
    if ( s->postcopy &&
         opt_u64(s->opts, NULL, "fault-source") == OPT_FAULTS_ACCESS )
        return choose_access(src);

    return 0;
}

int split_open(struct source *src)
{
    struct session *s = &src->s;
    struct push_config cfg = {
        .lanes = src->lanes,
        .faults = src->faults,
        .bucket = &src->bucket,
        .neighbours = (unsigned int)opt_u64(s->opts, NULL,
                                            "fault-neighbours"),
        .find_zeros = (s->caps & WIRE_CAP_ZERO) &&
                      opt_bool(s->opts, NULL, "zero-pages"),
        .prepaging = opt_bool(s->opts, NULL, "prepaging"),
    };

    return push_open(s, &cfg, &src->push);
}

/* ---- Leaving ------------------------------------------------------------ */

static int await_ack(struct source *src)
{
    struct rounds *r = &src->rounds;
    int rc = source_await(src, &src->absent_acked);

    src->absent_acked = false;
    if ( !rc && src->absent_count != r->told.count )
        rc = err_set(src->s.err, -EPROTO, "%lu gfns are absent at the "
                     "destination, %lu should be",
                     (unsigned long)src->absent_count,
                     (unsigned long)r->told.count);

    return rc;
}

/* What set.absent has beyond told becomes absent there. */
static int tell(struct source *src)
{
    struct rounds *r = &src->rounds;
    struct pageset *fresh = &r->log;
    int rc;

    pageset_copy(fresh, &r->set.absent);
    pageset_andnot(fresh, &r->told);
    pageset_or(&r->told, fresh);
    /* There, absent ones count as populated. */
    pageset_or(&r->set.present, fresh);
    src->telling = !pageset_empty(fresh);
    rc = src->telling ? ranges_send(src->ctl, WIRE_ABSENT, fresh) : 0;
    pageset_zero(fresh);
    if ( !rc && src->telling )
        rc = await_ack(src);
    src->telling = false;

    return rc;
}

/* From the start: D has made absent what MEMORY said, meanwhile. */
static int begin_absent(struct source *src)
{
    struct rounds *r = &src->rounds;
    int rc = rounds_leave(r);

    if ( rc )
        return rc;
    pageset_or(&r->told, &r->set.absent);
    rc = await_ack(src);
    if ( !rc )
        rc = source_arm(src);
    if ( !rc )
        rc = source_await(src, &src->armed);
    if ( !rc )
        rc = state_set(&src->s.state, src->s.err, STATE_ARMED);
    /* From here on nothing is populated. */
    src->held = true;
    if ( !rc )
        rc = loan_max_mem(src->s.hv, src->s.store, src->s.err,
                          src->s.domid);

    return rc;
}

int split_leave(struct source *src)
{
    struct session *s = &src->s;
    struct rounds *r = &src->rounds;
    uint64_t fresh = r->set.pending.count, before;
    const char *spill = opt_str(s->opts, NULL, "postcopy-spill");
    unsigned int turn = 0;
    int rc = 0;

    if ( *spill )
        src->spiller = spiller_open(s, spill);
    if ( s->absent )
        rc = begin_absent(src);
    /* What a lane places can't become absent before it does. */
    else
        rc = source_await_round(src, r->round - 1);
    /* Ends with telling: what is new after that is all there is in the
     * pause. */
    do {
        before = fresh;
        if ( !rc && (turn || s->absent) )
            rc = rounds_leave_look(r, &fresh);
        if ( !rc )
            rc = rounds_leave(r);
        if ( !rc )
            rc = tell(src);
        turn++;
    } while ( !rc && !s->absent && fresh > LEAVE_FEW &&
              (turn < LEAVE_SURE || fresh < before / 4 * 3) &&
              turn < LEAVE_TURNS );
    LOG_DEBUG(s->logger, "leaving: %lu gfns absent there after %u turns, %lu "
              "new in the last", (unsigned long)r->told.count, turn,
              (unsigned long)fresh);
    if ( !rc )
        push_left(src->push, &r->told);
    /* All of it goes in the pause: then this is the end of a pre-copy, and so
     * D takes it, which knows of nothing that is absent. */
    if ( !rc && !r->told.count )
        s->split = false;
    steer_look(s);

    return rc;
}

int split_leave_rest(struct source *src)
{
    struct rounds *r = &src->rounds;
    uint64_t pages = r->set.pending.count, send_us = pages * APART_US;
    int rc;

    if ( r->goodput_bps )
        send_us += pages * PAGE_BYTES * US_PER_S / r->goodput_bps;
    if ( src->s.absent || send_us <= r->rtt_us + ABSENT_US )
        return 0;
    rc = rounds_leave(r);
    if ( !rc )
        rc = tell(src);
    if ( !rc )
        push_left(src->push, &r->told);
    LOG_DEBUG(src->s.logger, "left in the switch-over: %lu gfns of %lu",
              (unsigned long)(pages - r->set.pending.count),
              (unsigned long)pages);

    return rc;
}

int split_take_kept(struct source *src, const struct wire_record *rec)
{
    struct rounds *r = &src->rounds;
    struct wire_memory m;
    uint64_t gfn;
    uint32_t i;
    int rc = wire_ranges_decode("ABSENT", rec->body, rec->length,
                                src->s.nr_gfns, 0, src->s.err, &m);

    for ( i = 0; !rc && i < m.nr_ranges; i++ )
        for ( gfn = m.ranges[i].first;
              gfn < m.ranges[i].first + m.ranges[i].count; gfn++ )
        {
            /* From the start, it may come before it has been left. */
            pageset_clear(&r->told, gfn);
            sendset_pend(&r->set, gfn);
            pageset_set(&r->kept, gfn);
        }

    return rc;
}

int split_take_ack(struct source *src, const struct wire_record *rec)
{
    struct wire_absent_ack ack;
    int rc = wire_absent_ack_decode(rec->body, rec->length, src->s.err,
                                    &ack);

    if ( rc )
        return rc;
    src->absent_acked = true;
    src->absent_count = ack.absent;

    return 0;
}

/* ---- The drain ---------------------------------------------------------- */

int split_take_progress(struct source *src, const struct wire_record *rec)
{
    int rc = wire_progress_decode(rec->body, rec->length, src->s.err,
                                  &src->progress);

    if ( rc )
        return rc;
    if ( rec->type == WIRE_PLACED && src->progress.absent )
        return err_set(src->s.err, -EPROTO, "PLACED with %lu gfns absent",
                       (unsigned long)src->progress.absent);
    src->placed = rec->type == WIRE_PLACED;
    if ( src->placed && (src->progress.flags & WIRE_PLACED_DESTROYED) )
        LOG_WARN(src->s.logger, "\"%s\" was destroyed at the destination "
                 "before all of its memory had come", src->s.name);

    return 0;
}

uint64_t split_bytes(const struct source *src)
{
    uint64_t sum = src->lost_bytes + chan_bytes_written(src->ctl->chan) +
                   chan_bytes_written(src->faults->chan);
    unsigned int i;

    for ( i = 0; i < src->s.nr_lanes; i++ )
        sum += chan_bytes_written(src->lanes[i]->chan);

    return sum;
}

static void tell_figures(struct source *src)
{
    struct session *s = &src->s;
    const struct wire_progress *p = &src->progress;
    uint64_t total = src->absent_total, left;
    struct mover_counts m = src->moved;
    struct push_counts c = src->sent;
    struct xmig_stats *now;

    if ( src->rounds.mover )
        mover_counts(src->rounds.mover, &m);
    push_add_counts(src->push, &c);
    left = src->placed ? 0 : p->placed || p->dropped ? p->absent : total;
    /* Whatever the peer says. */
    if ( left > total )
        left = total;
    now = stats_edit(s->stats);
    now->transferred_bytes = split_bytes(src);
    now->normal_pages = m.normal_pages + c.normal;
    now->duplicate_pages = m.zero_pages + c.zero;
    now->remaining_bytes = left * PAGE_BYTES;
    now->postcopy_requests = c.requests;
    now->postcopy_pages = total;
    now->postcopy_pushed = c.pushed;
    now->postcopy_demanded = c.demanded;
    now->postcopy_neighbours = c.neighbours;
    now->postcopy_first = c.first;
    now->postcopy_duplicates = c.duplicates;
    now->postcopy_resent = src->resent_pages;
    spiller_figures(src->spiller, now);
    now->postcopy_holes = c.holes;
    now->postcopy_dropped = p->dropped;
    now->postcopy_waited_us = p->waited_us;
    now->fault_p50_us = p->p50_us;
    now->fault_p99_us = p->p99_us;
    now->fault_max_us = p->longest_us;
    stats_edited(s->stats);
    if ( total )
        stats_permille(s->stats, 980 - (unsigned int)(left * 900 / total));
    stats_tell(s->stats);
    steer_look(s);
    rounds_heed(&src->rounds);
}

/*
 * D closes the fault connection and the lanes when it has all, and its word
 * that it has is on another connection: that it has closed may be seen first.
 * Whatever became of it, the control connection says or ends.
 */
static int push_broke(struct source *src, uint64_t patience_us)
{
    int rc = push_failed(src->push);

    if ( rc == -ENODATA || rc == -EPIPE || rc == -ECONNRESET )
    {
        chan_set_deadline(src->ctl->chan, deadline_in(patience_us));
        source_await(src, &src->placed);
        chan_set_deadline(src->ctl->chan, DEADLINE_NEVER);
    }

    return src->placed ? 0 : push_error(src->push, src->s.err);
}

int split_watch(struct source *src)
{
    struct session *s = &src->s;
    uint64_t patience_us = opt_u64(s->opts, NULL, "io-timeout");
    uint64_t alive_us = clock_now_us();
    bool through = false;
    int rc = 0;

    src->heard_us = clock_now_us();
    while ( !rc && !src->placed )
    {
        struct pollfd pfd[] = {
            { .fd = chan_fd(src->ctl->chan), .events = POLLIN },
            { .fd = through ? -1 : push_fd(src->push), .events = POLLIN },
        };

        if ( poll(pfd, 2, TICK_MS) < 0 && errno != EINTR )
            return err_set(s->err, -errno, "wait for the destination: %s",
                           err_text(-errno));
        if ( pfd[1].revents )
            through = true;
        if ( pfd[0].revents )
            rc = source_control(src);
        if ( !rc && !src->placed && push_failed(src->push) )
            rc = push_broke(src, patience_us);
        if ( !rc && clock_now_us() - alive_us > ALIVE_US )
        {
            alive_us = clock_now_us();
            rc = source_send_alive(src);
        }
        if ( !rc && clock_now_us() - src->heard_us > patience_us )
            rc = err_set(s->err, -ETIMEDOUT, "the destination has been "
                         "silent for %lu ms",
                         (unsigned long)(patience_us / US_PER_MS));
        tell_figures(src);
    }
    tell_figures(src);

    return rc;
}

int split_drain(struct source *src)
{
    struct session *s = &src->s;
    int rc;

    src->absent_total = src->rounds.told.count;
    if ( !src->ctl_broken )
        push_start(src->push);
    if ( src->spiller )
        spiller_start(src->spiller, &src->rounds.told);
    rc = journal_append(src->journal, JOURNAL_SPLIT, true, s->err);
    if ( !rc )
        rc = state_set(&s->state, s->err, STATE_DRAIN);
    stats_phase(s->stats, XMIG_PHASE_DRAIN);
    if ( !rc )
        rc = engine_drain(s);
    if ( !rc && src->ctl_broken )
        return -ENOTCONN;
    if ( !rc )
        rc = split_watch(src);

    return rc;
}

void split_end(struct source *src)
{
    struct session *s = &src->s;
    struct err e;

    push_close(src->push);
    src->push = NULL;
    err_init(&e);
    if ( src->held && loan_return(s->hv, s->store, &e, s->domid,
                                  src->desc.domain.uuid, LOAN_MAX_MEM) )
        LOG_WARN(s->logger, "the guest's memory limit could not be put back: "
                 "%s; \"xmig recover\" tries again", e.rec.text);
    src->held = false;
    err_done(&e);
}
