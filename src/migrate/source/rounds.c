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
#include "rounds.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#include "suspend.h"

/* Give the guest a few chances to hold still during the walk. */
#define WALK_TRIES 3

/* Up to so many the engine's thread sends the last pages itself; above, the
 * threads do it while it collects the state. */
#define LAST_INLINE_PAGES 64u

/* How often the engine looks up while the mover works. */
#define TICK_MS 50

/* The peer is asked so often whether a pause had better wait. */
#define SETTLE_MOST 3

/* ---- What there is ------------------------------------------------------ */

/* Find out what is populated, from the hypervisor; gfns that changed are
 * made pending. */
static int walk_types(struct rounds *r)
{
    struct session *s = r->s;
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
    pageset_copy(&r->log, &ram);
    pageset_andnot(&r->log, &r->set.present);
    sendset_pend_set(&r->set, &r->log);
    pageset_copy(&r->log, &r->set.present);
    pageset_andnot(&r->log, &ram);
    sendset_pend_set(&r->set, &r->log);
    if ( r->told.count )
        r->told_holes = pageset_count_and(&r->log, &r->told);
    pageset_zero(&r->log);

    /* Gone ones stay present until the round has told the peer. */
    r->tot_offset = (int64_t)after.tot_pages - (int64_t)ram.count;
    LOG_DEBUG(s->logger, "walked %lu gfns: %lu populated, %lu pages",
              (unsigned long)s->nr_gfns, (unsigned long)ram.count,
              (unsigned long)after.tot_pages);

out:
    pageset_done(&ram);

    return rc;
}

/*
 * How many pending gfns are populated that were not known to be.  The others
 * that were not are dropped: a frame of the hypervisor's own (of the grant
 * table, say) is in the log, too, and can even be mapped.
 */
static int count_additions(struct rounds *r, uint64_t *ret_count)
{
    struct session *s = r->s;
    struct pageset *fresh = &r->log;
    struct gfn_run run;
    uint64_t gfn;
    int rc = 0;

    *ret_count = 0;
    if ( pageset_count_and(&r->set.pending, &r->set.present) ==
         r->set.pending.count )
        return 0;

    pageset_copy(fresh, &r->set.pending);
    pageset_andnot(fresh, &r->set.present);
    run.first = run.count = 0;
    while ( !rc && pageset_next_run(fresh, run.first + run.count, 1024,
                                    &run) )
    {
        rc = hv_page_types(s->hv, s->err, s->domid, run.first, run.count,
                           fresh, NULL);
        for ( gfn = run.first; !rc && gfn < run.first + run.count; gfn++ )
            if ( !pageset_test(fresh, gfn) )
                pageset_clear(&r->set.pending, gfn);
    }
    *ret_count = fresh->count;
    pageset_zero(fresh);

    return rc;
}

/*
 * After a dirty log was merged: has anything been given up unnoticed?  Then
 * walk.  tot_pages is the domain's count now.
 */
static int balloon_check(struct rounds *r, uint64_t tot_pages)
{
    uint64_t additions;
    int64_t known;
    int rc = count_additions(r, &additions);

    if ( rc )
        return rc;
    known = (int64_t)(r->set.present.count + additions - r->told_holes);
    if ( (int64_t)tot_pages - known == r->tot_offset )
        return 0;
    LOG_DEBUG(r->s->logger, "the domain has %lu pages, %ld more than are known"
              " (%lu present, %lu added, %lu holes)", (unsigned long)tot_pages,
              (long)((int64_t)tot_pages - known - r->tot_offset),
              (unsigned long)r->set.present.count, (unsigned long)additions,
              (unsigned long)r->told_holes);

    return walk_types(r);
}

int rounds_begin(struct rounds *r, bool live)
{
    struct session *s = r->s;
    int rc;

    rc = sendset_init(&r->set, s->nr_gfns);
    if ( !rc )
        rc = pageset_init(&r->log, s->nr_gfns);
    if ( !rc && live )
        rc = rounds_early_init(&r->early, s->nr_gfns);
    if ( !rc && live )
        rc = hotpages_init(&r->hotpages, s->nr_gfns);
    if ( rc )
        return err_set(s->err, rc, "keep account of %lu gfns: %s",
                       (unsigned long)s->nr_gfns, err_text(rc));
    if ( s->postcopy )
    {
        rc = pageset_init(&r->told, s->nr_gfns);
        if ( !rc )
            rc = pageset_init(&r->kept, s->nr_gfns);
    }
    if ( rc )
        return err_set(s->err, rc, "keep account of %lu gfns: %s",
                       (unsigned long)s->nr_gfns, err_text(rc));
    r->live_begin_us = clock_now_us();
    /* In this order: what is populated from here on is in the log. */
    if ( live )
        rc = hv_dirty_open(s->hv, s->err, s->domid, s->nr_gfns, &r->dirty);
    if ( !rc )
        rc = walk_types(r);
    if ( rc )
        return rc;
    pageset_copy(&r->set.present, &r->set.pending);
    s->total_pages = r->set.present.count;

    return 0;
}

void rounds_end(struct rounds *r)
{
    mover_close(r->mover);
    r->mover = NULL;
    hv_dirty_close(r->dirty);
    r->dirty = NULL;
    sendset_done(&r->set);
    pageset_done(&r->told);
    pageset_done(&r->kept);
    pageset_done(&r->log);
    rounds_early_done(&r->early);
    hotpages_done(&r->hotpages);
}

/* ---- One round ---------------------------------------------------------- */

static int begin_round(struct rounds *r, bool last)
{
    return r->peer->begin ? r->peer->begin(r->data, r->round, last,
                                           r->set.pending.count) : 0;
}

/* Time is up for the live rounds, and that ends the migration. */
static bool is_too_late(const struct rounds *r)
{
    uint64_t limit_us = opt_u64(r->s->opts, NULL, "timeout");

    return limit_us && opt_u64(r->s->opts, NULL, "timeout-action") ==
                       OPT_TIMEOUT_ABORT &&
           clock_now_us() - r->live_begin_us >= limit_us;
}

/* In the middle of a live round: what was written to before it is read need
 * not be sent again. */
static int fetch_early(struct rounds *r, uint64_t done_pages)
{
    uint64_t t0 = clock_now_us();
    int rc;

    if ( !rounds_early_is_due(&r->early, done_pages, r->fetch_us) )
        return 0;
    rc = hv_dirty_fetch(r->dirty, r->s->err, false, &r->log, NULL);
    r->fetch_us = clock_now_us() - t0;
    if ( rc )
        return rc;
    hotpages_note(&r->hotpages, &r->log);
    rounds_early_take(&r->early, &r->log, mover_frontier(r->mover),
                      done_pages);

    return 0;
}

/* What this round would send in vain. */
static void keep_back(struct rounds *r)
{
    const struct pageset *hot =
        hotpages_keep_back(&r->hotpages, &r->set.pending, r->goodput_bps);

    r->held_pages = hot ? hot->count : 0;
    if ( !hot )
        return;
    sendset_hold_set(&r->set, hot);
    LOG_DEBUG(r->s->logger, "round %u: %lu pages that are written all the "
              "time are kept back", r->round, (unsigned long)r->held_pages);
}

/* The mover's threads work: keep an eye on everything else. */
static int watch_round(struct rounds *r, int control_fd, uint64_t pages,
                       const struct mover_counts *before)
{
    struct session *s = r->s;
    uint64_t done;
    enum mech_verdict v = MECH_NO_OPINION;
    int rc = 0, n;

    while ( !rc )
    {
        struct pollfd pfd[] = {
            { .fd = mover_fd(r->mover), .events = POLLIN },
            { .fd = control_fd, .events = POLLIN },
            { .fd = s->stop->fd, .events = POLLIN },
        };

        n = poll(pfd, 3, TICK_MS);
        if ( n < 0 && errno != EINTR )
            rc = err_set(s->err, -errno, "wait for the round: %s",
                         err_text(-errno));
        else if ( n > 0 && pfd[0].revents )
            break;
        else if ( n > 0 && pfd[2].revents )
            rc = cancel_check(s->stop);
        else if ( n > 0 && pfd[1].revents )
            rc = r->peer->control(r->data);
        else if ( is_too_late(r) )
            rc = err_set(s->err, -ETIMEDOUT, "the migration did not come to "
                         "its end within \"timeout\"");
        done = rounds_tell(r, pages, before);
        if ( !rc )
            rc = fetch_early(r, done);
        if ( !rc && control_fd >= 0 && v != MECH_SPLIT )
        {
            rc = engine_look(s, clock_now_us() - r->live_begin_us, &v);
            if ( !rc && v == MECH_SPLIT )
                mover_cut(r->mover);
        }
    }

    return rc;
}

static int live_round(struct rounds *r, int control_fd)
{
    uint64_t pages = r->set.pending.count;
    struct mover_counts before;
    int rc, moved;

    mover_counts(r->mover, &before);
    rc = begin_round(r, false);
    if ( rc )
        return rc;

    if ( r->round && mover_is_small(r->mover, pages) )
    {
        rc = mover_inline(r->mover, r->round, false);
    }
    else
    {
        rounds_early_begin(&r->early, &r->set.pending);
        mover_start(r->mover, r->round, false);
        if ( !r->round && r->peer->meanwhile )
            rc = r->peer->meanwhile(r->data);
        if ( !rc )
            rc = watch_round(r, control_fd, pages, &before);
        if ( rc )
            session_fail(r->s, rc);
        moved = mover_finish(r->mover);
        rc = rc ? rc : moved;
    }
    if ( !rc && r->peer->placed )
        rc = r->peer->placed(r->data, r->round);
    if ( !rc )
        rounds_tell(r, pages, &before);

    return rc;
}

/* ---- Live rounds -------------------------------------------------------- */

/* Between rounds: what was dirtied meanwhile, and is the guest well? */
static int collect(struct rounds *r)
{
    struct session *s = r->s;
    struct hv_domain info;
    uint64_t nr_gfns, t0;
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

    t0 = clock_now_us();
    rc = hv_dirty_fetch(r->dirty, s->err, false, &r->log, NULL);
    r->fetch_us = clock_now_us() - t0;
    if ( rc )
        return rc;
    hotpages_note(&r->hotpages, &r->log);
    r->dirtied_pages = rounds_early_end(&r->early, &r->log);
    sendset_pend_held(&r->set);
    sendset_pend_set(&r->set, &r->log);
    pageset_zero(&r->log);

    return balloon_check(r, info.tot_pages);
}

/* The caller of the library has the last word. */
static int ask_policy(struct rounds *r, enum mech_verdict *verdict)
{
    struct session *s = r->s;
    struct xmig_stats now;

    if ( !s->x->policy )
        return 0;
    stats_copy(s->stats, &now);
    switch ( s->x->policy(s->x->policy_data, &now, *verdict == MECH_GO_ON
                          ? XMIG_POLICY_GO_ON : XMIG_POLICY_SWITCH) )
    {
    case XMIG_POLICY_GO_ON:
        *verdict = MECH_GO_ON;
        return 0;
    case XMIG_POLICY_SWITCH:
        if ( *verdict == MECH_GO_ON )
            *verdict = MECH_SWITCH;
        return 0;
    case XMIG_POLICY_ABORT:
        break;
    }

    return err_set(s->err, -EBUSY, "given up after %u rounds by the caller's "
                   "policy", r->round + 1);
}

/* It is time for the pause. */
struct settling
{
    unsigned int waits;
    uint64_t first_pages;        /* left when it first was */
    uint64_t least_pages;        /* left by a round since the last wait */
};

/*
 * Had the pause better wait?  What is written to meanwhile is not left to it:
 * rounds go on until they leave what they did before, or no longer less.
 */
static int settle(struct rounds *r, struct settling *st, uint64_t left_pages,
                  bool *ret_go_on)
{
    bool waited = false;
    int rc;

    if ( !r->peer->settle )
        return 0;
    if ( !st->waits )
        st->first_pages = left_pages;
    else if ( left_pages > st->first_pages + st->first_pages / 4 &&
              left_pages < st->least_pages / 10 * 9 )
    {
        st->least_pages = left_pages;
        *ret_go_on = true;
        return 0;
    }
    if ( st->waits == SETTLE_MOST )
        return 0;
    rc = r->peer->settle(r->data, &waited);
    st->waits += waited;
    st->least_pages = UINT64_MAX;
    *ret_go_on = waited;

    return rc;
}

int rounds_live(struct rounds *r, int control_fd)
{
    struct session *s = r->s;
    enum mech_verdict verdict = MECH_GO_ON;
    struct mover_counts before;
    struct round_stats st;
    struct settling settling = { 0 };
    bool go_on;
    int rc;

    r->live_begin_us = clock_now_us();
    for ( r->round = 0; ; r->round++ )
    {
        r->round_begin_us = clock_now_us();
        mover_counts(r->mover, &before);
        rc = engine_select(s, &r->set, MECH_LIVE);
        if ( !rc )
        {
            keep_back(r);
            rc = live_round(r, control_fd);
        }
        if ( !rc )
            rc = collect(r);
        if ( rc )
            return rc;

        rounds_weigh(r, &st, &before);
        rc = engine_verdict(s, &st, &verdict);
        if ( !rc )
            rc = ask_policy(r, &verdict);
        steer_look(s);
        go_on = verdict == MECH_GO_ON;
        if ( !rc && verdict == MECH_SWITCH )
            rc = settle(r, &settling, st.dirty_pages, &go_on);
        if ( rc || !go_on )
            break;
    }
    r->round++;
    s->split = verdict == MECH_SPLIT;

    return rc;
}

/* ---- Before a post-copy's switch-over ----------------------------------- */

/* Without a dirty log only what is populated may have changed; what has been
 * given up since is found out when it is asked for. */
static int look_for_additions(struct rounds *r)
{
    struct session *s = r->s;
    int rc = hv_page_types(s->hv, s->err, s->domid, 0, s->nr_gfns, &r->log,
                           NULL);

    if ( rc )
        return rc;
    pageset_andnot(&r->log, &r->set.present);
    pageset_or(&r->set.present, &r->log);
    sendset_pend_set(&r->set, &r->log);
    pageset_zero(&r->log);

    return suspend_check_alive(s->hv, s->err, s->domid, NULL);
}

/* What the peer has as absent stays so: dirtied or a hole meanwhile, it is
 * found out when it is fetched. */
static void keep_told(struct rounds *r)
{
    pageset_andnot(&r->set.pending, &r->told);
    pageset_or(&r->set.absent, &r->told);
}

int rounds_leave_look(struct rounds *r, uint64_t *ret_pages)
{
    int rc = r->dirty ? collect(r) : look_for_additions(r);

    if ( rc )
        return rc;
    keep_told(r);
    *ret_pages = r->set.pending.count;

    return 0;
}

int rounds_leave(struct rounds *r)
{
    int rc;

    keep_told(r);
    rc = engine_select(r->s, &r->set, MECH_LEAVING);
    /* What the peer can't make absent is sent in the switch-over. */
    if ( !pageset_empty(&r->kept) )
    {
        pageset_andnot(&r->set.absent, &r->kept);
        pageset_or(&r->set.pending, &r->kept);
    }

    return rc;
}

/* ---- The last round ----------------------------------------------------- */

int rounds_last_collect(struct rounds *r, const struct hv_domain *info)
{
    struct session *s = r->s;
    int rc;

    if ( r->dirty )
    {
        rc = hv_dirty_fetch(r->dirty, s->err, true, &r->log, NULL);
        if ( rc )
            return rc;
        sendset_pend_set(&r->set, &r->log);
        pageset_zero(&r->log);
    }
    rc = s->split && !r->dirty ? 0 : balloon_check(r, info->tot_pages);
    if ( s->split && r->dirty )
        keep_told(r);
    if ( !rc )
        rc = engine_select(s, &r->set, MECH_SWITCHOVER);

    return rc;
}

int rounds_last_start(struct rounds *r)
{
    int rc = begin_round(r, true);

    if ( rc )
        return rc;
    r->last_pages = r->set.pending.count;
    r->last_by_threads = r->last_pages > LAST_INLINE_PAGES;
    if ( r->last_by_threads )
        mover_start(r->mover, r->round, true);

    return 0;
}

int rounds_last_watch(struct rounds *r)
{
    struct mover_counts before;

    if ( !r->last_by_threads )
        return 0;
    mover_counts(r->mover, &before);

    return watch_round(r, -1, r->last_pages, &before);
}

int rounds_last_finish(struct rounds *r)
{
    return r->last_by_threads ? mover_finish(r->mover)
                                : mover_inline(r->mover, r->round, true);
}
