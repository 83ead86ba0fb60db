/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The source's rounds: what is to be sent is found out, shaped by the
 * mechanisms, sent by the mover, and weighed.
 *
 * What a balloon does.  A gfn that is populated shows up in the dirty log;
 * one that is given up does not.  So the number of the domain's pages is
 * compared with the number of gfns known as populated: as long as the
 * difference is what it was when the types were last walked, nothing has
 * gone unnoticed.  Else the types are walked again.
 */
#include "source.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

/* Give the guest a few chances to hold still during the walk. */
#define WALK_TRIES 3

/* Up to so many the engine's thread sends the last pages itself; above, the
 * threads do it while it collects the state. */
#define LAST_INLINE_PAGES 64u

/* How often the engine looks up while the mover works. */
#define TICK_MS 50

/* ---- What there is ------------------------------------------------------ */

/* Find out what is populated, from the hypervisor; gfns that changed are
 * made pending. */
static int walk_types(struct source *src)
{
    struct session *s = &src->s;
    struct pageset ram = { 0 };
    struct hv_domain before, after;
    unsigned int try;
    int rc;

    rc = pageset_init(&ram, s->nr_gfns);
    if ( rc )
        return err_set(s->err, rc, "walk the domain's memory: %s",
                       err_text(rc));
    for ( try = 0; !rc && try < WALK_TRIES; try++ )
    {
        rc = hv_domain_info(s->hv, s->err, s->domid, &before);
        if ( !rc )
            rc = hv_page_types(s->hv, s->err, s->domid, 0, s->nr_gfns, &ram,
                               NULL);
        if ( !rc )
            rc = hv_domain_info(s->hv, s->err, s->domid, &after);
        if ( !rc && before.tot_pages == after.tot_pages )
            break;
    }
    if ( rc )
        goto out;

    /* Both ways: what is new, and what has gone. */
    pageset_copy(&src->log, &ram);
    pageset_andnot(&src->log, &src->set.present);
    sendset_pend_set(&src->set, &src->log);
    pageset_copy(&src->log, &src->set.present);
    pageset_andnot(&src->log, &ram);
    sendset_pend_set(&src->set, &src->log);
    pageset_zero(&src->log);

    /* Gone ones stay present until the round has told the peer. */
    src->tot_offset = (int64_t)after.tot_pages - (int64_t)ram.count;
    LOG_DEBUG(s->logger, "walked %lu gfns: %lu populated, %lu pages",
              (unsigned long)s->nr_gfns, (unsigned long)ram.count,
              (unsigned long)after.tot_pages);

out:
    pageset_done(&ram);

    return rc;
}

/* How many pending gfns are populated that were not known to be. */
static int count_additions(struct source *src, uint64_t *ret_count)
{
    struct session *s = &src->s;
    struct pageset *fresh = &src->log;
    struct gfn_run run;
    int rc = 0;

    *ret_count = 0;
    if ( pageset_count_and(&src->set.pending, &src->set.present) ==
         src->set.pending.count )
        return 0;

    pageset_copy(fresh, &src->set.pending);
    pageset_andnot(fresh, &src->set.present);
    run.first = run.count = 0;
    while ( !rc && pageset_next_run(fresh, run.first + run.count, 1024,
                                    &run) )
        rc = hv_page_types(s->hv, s->err, s->domid, run.first, run.count,
                           fresh, NULL);
    *ret_count = fresh->count;
    pageset_zero(fresh);

    return rc;
}

/*
 * After a dirty log was merged: has anything been given up unnoticed?  Then
 * walk.  tot_pages is the domain's count now.
 */
static int balloon_check(struct source *src, uint64_t tot_pages)
{
    uint64_t additions;
    int64_t known;
    int rc = count_additions(src, &additions);

    if ( rc )
        return rc;
    known = (int64_t)(src->set.present.count + additions);
    if ( (int64_t)tot_pages - known == src->tot_offset )
        return 0;

    return walk_types(src);
}

int rounds_begin(struct source *src)
{
    struct session *s = &src->s;
    int rc;

    rc = sendset_init(&src->set, s->nr_gfns);
    if ( !rc )
        rc = pageset_init(&src->log, s->nr_gfns);
    if ( rc )
        return err_set(s->err, rc, "keep account of %lu gfns: %s",
                       (unsigned long)s->nr_gfns, err_text(rc));
    /* In this order: what is populated from here on is in the log. */
    rc = hv_dirty_open(s->hv, s->err, s->domid, s->nr_gfns, &src->dirty);
    if ( rc )
        return rc;
    rc = walk_types(src);
    if ( rc )
        return rc;
    pageset_copy(&src->set.present, &src->set.pending);
    s->total_pages = src->set.present.count;

    return 0;
}

void rounds_end(struct source *src)
{
    mover_close(src->mover);
    src->mover = NULL;
    hv_dirty_close(src->dirty);
    src->dirty = NULL;
    sendset_done(&src->set);
    pageset_done(&src->log);
}

/* ---- Figures ------------------------------------------------------------ */

static void tell(struct source *src, uint64_t round_pages,
                 const struct mover_counts *before)
{
    struct session *s = &src->s;
    struct mover_counts c;
    struct xmig_stats *now;
    uint64_t done;

    mover_counts(src->mover, &c);
    done = c.normal_pages + c.zero_pages -
           (before->normal_pages + before->zero_pages);
    if ( done > round_pages )
        done = round_pages;

    now = stats_edit(s->stats);
    now->transferred_bytes = c.bytes +
                             chan_bytes_written(src->ctl->chan);
    now->normal_pages = c.normal_pages;
    now->duplicate_pages = c.zero_pages;
    now->remaining_bytes = (round_pages - done) * PAGE_BYTES;
    stats_edited(s->stats);

    /* The first round is most of the way; the rest share what is left. */
    if ( !src->round && round_pages )
        stats_permille(s->stats, done * 900 / round_pages);
    stats_tell(s->stats);
}

static uint64_t pause_for(const struct source *src, uint64_t pages)
{
    /* What lies beside the pages: suspending, state, three messages. */
    uint64_t fixed_us = 1500 + src->rtt_us * 2;

    if ( !src->goodput_bps )
        return fixed_us;

    return fixed_us + (uint64_t)((double)pages * PAGE_BYTES * US_PER_S /
                                 (double)src->goodput_bps);
}

/* A short round says little about the rate, a long one much. */
static void learn_rate(struct source *src, uint64_t bytes, uint64_t us)
{
    double rate, weight;

    if ( !bytes || !us )
        return;
    rate = (double)bytes * US_PER_S / (double)us;
    weight = us >= 100 * US_PER_MS ? 1 : (double)us / (100 * US_PER_MS);
    if ( !src->goodput_bps )
        weight = 1;
    src->goodput_bps += (uint64_t)((rate - (double)src->goodput_bps) *
                                   weight);
    if ( !src->goodput_bps )
        src->goodput_bps = 1;
}

/* ---- One round ---------------------------------------------------------- */

static int send_round_record(struct source *src, bool last)
{
    struct wire_round r = {
        .round = src->round,
        .flags = last ? WIRE_ROUND_LAST : 0,
        .pages = src->set.pending.count,
        .dirty = src->set.pending.count,
    };
    uint8_t buf[32];
    size_t len;
    int rc = wire_round_encode(&r, buf, sizeof(buf), &len);

    if ( rc )
        return err_set(src->s.err, rc, "internal error: encode ROUND");

    return conn_send(src->ctl, WIRE_ROUND, buf, len);
}

/* Both journals hold the permission before the guest is ever suspended. */
static int arm(struct source *src)
{
    int rc = journal_append(src->journal, JOURNAL_PERMIT, true, src->s.err);

    src->asked_arm = !rc;

    return rc ? rc : conn_send_empty(src->ctl, WIRE_ARM);
}

/* The mover's threads work: keep an eye on everything else. */
static int watch_round(struct source *src, uint64_t pages,
                       const struct mover_counts *before)
{
    struct session *s = &src->s;
    int rc = 0;

    while ( !rc )
    {
        struct pollfd pfd[] = {
            { .fd = mover_fd(src->mover), .events = POLLIN },
            { .fd = chan_fd(src->ctl->chan), .events = POLLIN },
            { .fd = s->stop->fd, .events = POLLIN },
        };
        int r = poll(pfd, 3, TICK_MS);

        if ( r < 0 && errno != EINTR )
            rc = err_set(s->err, -errno, "wait for the round: %s",
                         err_text(-errno));
        else if ( r > 0 && pfd[0].revents )
            break;
        else if ( r > 0 && pfd[2].revents )
            rc = cancel_check(s->stop);
        else if ( r > 0 && pfd[1].revents )
            rc = source_control(src);
        else if ( deadline_passed(src->live_deadline_us) )
            rc = err_set(s->err, -ETIMEDOUT, "the migration did not come to "
                         "its end within \"timeout\"");
        tell(src, pages, before);
    }

    return rc;
}

static int live_round(struct source *src)
{
    uint64_t pages = src->set.pending.count;
    struct mover_counts before;
    int rc, r;

    mover_counts(src->mover, &before);
    rc = send_round_record(src, false);
    if ( rc )
        return rc;

    if ( src->round && mover_is_small(src->mover, pages) )
    {
        rc = mover_inline(src->mover, src->round, false);
    }
    else
    {
        mover_start(src->mover, src->round, false);
        rc = src->round ? 0 : arm(src);
        if ( !rc )
            rc = watch_round(src, pages, &before);
        if ( rc )
            session_fail(&src->s, rc);
        r = mover_finish(src->mover);
        rc = rc ? rc : r;
    }
    if ( !rc )
        rc = source_await_round(src, src->round);
    if ( !rc )
        tell(src, pages, &before);

    return rc;
}

/* ---- Live rounds -------------------------------------------------------- */

/* Between rounds: what was dirtied meanwhile, and is the guest well? */
static int collect(struct source *src)
{
    struct session *s = &src->s;
    struct hv_domain info;
    uint64_t nr_gfns;
    int rc;

    rc = suspend_check_alive(s->hv, s->err, s->domid, &info);
    if ( !rc )
        rc = hv_nr_gfns(s->hv, s->err, s->domid, &nr_gfns);
    if ( rc )
        return rc;
    if ( nr_gfns > s->nr_gfns )
        return err_set(s->err, -EAGAIN, "domain %u's address space grew from "
                       "%lu to %lu gfns during the migration; try again",
                       s->domid, (unsigned long)s->nr_gfns,
                       (unsigned long)nr_gfns);

    rc = hv_dirty_fetch(src->dirty, s->err, false, &src->log, NULL);
    if ( rc )
        return rc;
    sendset_pend_set(&src->set, &src->log);
    pageset_zero(&src->log);

    return balloon_check(src, info.tot_pages);
}

static void account(struct source *src, struct round_stats *st,
                    uint64_t begin_us, const struct mover_counts *before)
{
    struct mover_counts after;
    struct xmig_stats *now;

    mover_counts(src->mover, &after);
    st->round = src->round;
    st->sent_pages = after.normal_pages + after.zero_pages -
                     before->normal_pages - before->zero_pages;
    st->sent_bytes = after.bytes - before->bytes;
    st->duration_us = clock_now_us() - begin_us;
    learn_rate(src, st->sent_bytes, st->duration_us);
    st->dirty_pages = src->set.pending.count + src->set.held.count;
    st->goodput_bps = src->goodput_bps;
    st->expected_downtime_us = pause_for(src, st->dirty_pages);

    now = stats_edit(src->s.stats);
    now->rounds = src->round + 1;
    now->bandwidth_bps = st->duration_us
                         ? st->sent_bytes * US_PER_S / st->duration_us : 0;
    now->dirty_pages_rate = st->duration_us
                            ? st->dirty_pages * US_PER_S / st->duration_us
                            : 0;
    now->expected_downtime_us = st->expected_downtime_us;
    now->skipped_pages = src->set.skipped.count;
    now->remaining_bytes = st->dirty_pages * PAGE_BYTES;
    stats_edited(src->s.stats);
    stats_permille(src->s.stats, 900 + (src->round < 9 ? src->round : 9) * 9);
    stats_tell(src->s.stats);

    LOG_DETAIL(src->s.logger, "round %u: %lu pages, %lu KiB in %lu us, "
               "%lu pages dirty, pause would be %lu us", st->round,
               (unsigned long)st->sent_pages,
               (unsigned long)(st->sent_bytes >> 10),
               (unsigned long)st->duration_us,
               (unsigned long)st->dirty_pages,
               (unsigned long)st->expected_downtime_us);
}

int rounds_live(struct source *src)
{
    struct session *s = &src->s;
    enum mech_verdict verdict = MECH_GO_ON;
    uint64_t timeout_us = opt_u64(s->opts, NULL, "timeout"), begin_us;
    struct mover_counts before;
    struct round_stats st;
    int rc;

    src->live_deadline_us = timeout_us ? deadline_in(timeout_us)
                                       : DEADLINE_NEVER;
    for ( src->round = 0; ; src->round++ )
    {
        begin_us = clock_now_us();
        mover_counts(src->mover, &before);
        sendset_pend_held(&src->set);
        rc = engine_select(s, &src->set, MECH_LIVE);
        if ( !rc )
            rc = live_round(src);
        if ( !rc && !src->round )
        {
            rc = source_await(src, &src->armed);
            if ( !rc )
                rc = state_set(&s->state, s->err, STATE_ARMED);
        }
        if ( !rc )
            rc = collect(src);
        if ( rc )
            return rc;

        account(src, &st, begin_us, &before);
        rc = engine_verdict(s, &st, &verdict);
        if ( rc || verdict != MECH_GO_ON )
            break;
        if ( deadline_passed(src->live_deadline_us) )
            return err_set(s->err, -ETIMEDOUT, "the migration did not come "
                           "to its end within \"timeout\"");
    }
    src->round++;

    return rc;
}

/* ---- The last round ----------------------------------------------------- */

int rounds_last_collect(struct source *src, const struct hv_domain *info)
{
    struct session *s = &src->s;
    int rc;

    rc = hv_dirty_fetch(src->dirty, s->err, true, &src->log, NULL);
    if ( rc )
        return rc;
    sendset_pend_set(&src->set, &src->log);
    pageset_zero(&src->log);
    sendset_pend_held(&src->set);
    rc = balloon_check(src, info->tot_pages);
    if ( !rc )
        rc = engine_select(s, &src->set, MECH_SWITCHOVER);

    return rc;
}

int rounds_last_start(struct source *src)
{
    int rc = send_round_record(src, true);

    if ( rc )
        return rc;
    src->last_by_threads = src->set.pending.count > LAST_INLINE_PAGES;
    if ( src->last_by_threads )
        mover_start(src->mover, src->round, true);

    return 0;
}

int rounds_last_finish(struct source *src)
{
    return src->last_by_threads ? mover_finish(src->mover)
                                : mover_inline(src->mover, src->round, true);
}
