/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Figures of the rounds: what is told while one runs, what it is weighed by
 * when it has ended, and the pause that is predicted from that.
 */
#include "rounds.h"

#include "longlink.h"

/* What may have been set meanwhile. */
void rounds_heed(struct rounds *r)
{
    uint64_t rate_bps = opt_u64(r->s->opts, NULL, "bandwidth");

    if ( !r->bucket || rate_bps == r->bandwidth_bps )
        return;
    r->bandwidth_bps = rate_bps;
    bucket_set_rate(r->bucket, rate_bps);
    LOG_INFO(r->s->logger, "bandwidth is now %lu KiB/s (0 = no cap)",
             (unsigned long)(rate_bps >> 10));
}

uint64_t rounds_tell(struct rounds *r, uint64_t round_pages,
                     const struct mover_counts *before)
{
    struct session *s = r->s;
    struct mover_counts c;
    struct xmig_stats *now;
    uint64_t done, us;

    mover_counts(r->mover, &c);
    done = c.normal_pages + c.zero_pages -
           (before->normal_pages + before->zero_pages);
    if ( done > round_pages )
        done = round_pages;

    now = stats_edit(s->stats);
    now->transferred_bytes = c.bytes + (r->peer->bytes
                                        ? r->peer->bytes(r->data) : 0);
    now->normal_pages = c.normal_pages;
    now->duplicate_pages = c.zero_pages;
    now->remaining_bytes = (round_pages - done) * PAGE_BYTES;
    coder_figures(r->coder, now);
    us = clock_now_us() - r->round_begin_us;
    if ( us >= 10 * US_PER_MS )
        now->bandwidth_bps = (c.bytes - before->bytes) * US_PER_S / us;
    stats_edited(s->stats);

    /* The first round is most of the way; the rest share what is left. */
    if ( !r->round && round_pages )
        stats_permille(s->stats, done * 900 / round_pages);
    stats_tell(s->stats);
    steer_look(s);
    rounds_heed(r);

    return done;
}

/* What a part took the last time, or, where that is not known, what it did on
 * hosts that had nothing else to do. */
static uint64_t part_us(uint64_t known_us, uint64_t usual_us,
                        struct mech_pause *p)
{
    if ( known_us > usual_us )
        p->slower_us += known_us - usual_us;

    return known_us ? known_us : usual_us;
}

struct rounds_trips rounds_trips(const struct rounds *r)
{
    struct rounds_trips t = { 0 };

    if ( r->rtt_us >= LONGLINK_RTT_US )
        t.back_us = r->rtt_us / 2;
    if ( r->early_go )
        t.state_us = r->rtt_us - t.back_us;
    else
    {
        t.state_us = r->rtt_us;
        t.commit_us = r->rtt_us - t.back_us;
    }

    return t;
}

/*
 * Were the guest suspended now, with so many pages dirty and rate a second
 * more while it has not stopped.  What a guest dirties by suspending is not
 * in it.
 */
static void predict(const struct rounds *r, uint64_t pages, uint64_t rate,
                    struct mech_pause *ret)
{
    const struct pause_memo *m = &r->memo;
    struct rounds_trips trips = rounds_trips(r);

    ret->slower_us = 0;
    ret->suspend_us = part_us(m->suspend_us, MECH_SUSPEND_US, ret);
    ret->state_us = part_us(m->state_us, MECH_STATE_US, ret) + trips.state_us;
    ret->commit_us = part_us(m->commit_us, MECH_COMMIT_US, ret) +
                     trips.commit_us;
    ret->last_dirty_us = r->fetch_us;
    pages += rate * ret->suspend_us / US_PER_S;
    if ( r->goodput_bps )
        ret->last_dirty_us += (uint64_t)((double)pages * PAGE_BYTES *
                                         US_PER_S / (double)r->goodput_bps);
}

/* A short round says little about the rate, a long one much.  What counts is
 * how fast the guest's pages get across, coded or not. */
static void learn_rate(struct rounds *r, uint64_t bytes, uint64_t us)
{
    double rate, weight, known = (double)r->goodput_bps;

    if ( !bytes || !us )
        return;
    rate = (double)bytes * US_PER_S / (double)us;
    weight = us >= 100 * US_PER_MS ? 1 : (double)us / (100 * US_PER_MS);
    if ( !r->goodput_bps )
        weight = 1;
    r->goodput_bps = (uint64_t)(known + (rate - known) * weight);
    if ( !r->goodput_bps )
        r->goodput_bps = 1;
}

static void account(struct rounds *r, const struct round_stats *st,
                    uint64_t sent_bps, uint64_t dirty_rate)
{
    struct session *s = r->s;
    struct xmig_stats *now = stats_edit(s->stats);

    now->rounds = r->round + 1;
    now->bandwidth_bps = sent_bps;
    now->dirty_pages_rate = dirty_rate;
    now->expected_downtime_us = st->expected_downtime_us;
    now->expected_suspend_us = st->expected.suspend_us;
    now->expected_last_dirty_us = st->expected.last_dirty_us;
    now->expected_state_us = st->expected.state_us;
    now->expected_commit_us = st->expected.commit_us;
    now->goodput_bps = st->goodput_bps;
    now->round_pages = st->sent_pages;
    now->round_us = st->duration_us;
    now->working_set_pages = st->working_set_pages;
    now->skipped_pages = r->set.skipped.count;
    now->remaining_bytes = st->dirty_pages * PAGE_BYTES;
    stats_edited(s->stats);
    stats_permille(s->stats, 900 + (r->round < 9 ? r->round : 9) * 9);
    stats_tell(s->stats);
    steer_note(s, XMIG_EVENT_ROUND, "");

    LOG_INFO(s->logger, "round %u: sent %.1f MiB in %.0f ms (%.1f MiB/s), "
             "dirtied %.1f MiB (%.1f MiB/s), left %.1f MiB, "
             "downtime would be %.1f ms",
             st->round, (double)st->sent_bytes / (1 << 20),
             (double)st->duration_us / US_PER_MS,
             (double)sent_bps / (1 << 20),
             (double)st->dirtied_pages * PAGE_BYTES / (1 << 20),
             (double)dirty_rate * PAGE_BYTES / (1 << 20),
             (double)st->dirty_pages * PAGE_BYTES / (1 << 20),
             (double)st->expected_downtime_us / US_PER_MS);
}

void rounds_weigh(struct rounds *r, struct round_stats *st,
                  const struct mover_counts *before)
{
    struct mover_counts after;
    uint64_t rate = 0, sent_bps = 0, saved;

    mover_counts(r->mover, &after);
    st->round = r->round;
    st->sent_pages = after.normal_pages + after.zero_pages -
                     before->normal_pages - before->zero_pages;
    st->held_pages = r->held_pages;
    st->sent_bytes = after.bytes - before->bytes;
    st->duration_us = clock_now_us() - r->round_begin_us;
    st->elapsed_us = clock_now_us() - r->live_begin_us;
    saved = coder_saved(r->coder);
    learn_rate(r, st->sent_bytes + saved - r->saved_bytes, st->duration_us);
    r->saved_bytes = saved;
    st->dirty_pages = r->set.pending.count;
    st->dirtied_pages = r->dirtied_pages;
    if ( st->dirtied_pages > r->working_set_pages )
        r->working_set_pages = st->dirtied_pages;
    st->working_set_pages = r->working_set_pages;
    st->goodput_bps = r->goodput_bps;
    st->bandwidth_bps = r->bandwidth_bps;
    if ( st->duration_us )
    {
        rate = st->dirtied_pages * US_PER_S / st->duration_us;
        sent_bps = st->sent_bytes * US_PER_S / st->duration_us;
    }
    predict(r, st->dirty_pages, rate, &st->expected);
    st->expected_downtime_us = st->expected.suspend_us +
                               st->expected.last_dirty_us +
                               st->expected.state_us + st->expected.commit_us;
    account(r, st, sent_bps, rate);
}
