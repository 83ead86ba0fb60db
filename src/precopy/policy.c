/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The stop rule of pre-copy.
 *
 * Three thoughts.  A pause within the limit that people set is good enough,
 * but a shorter one that costs next to nothing is better: so go on while each
 * round leaves clearly less than the best before it.  A guest that writes
 * faster than we send never gets there: count the rounds that did not help,
 * and the memory sent.  And a round for a handful of pages only delays the
 * end: below min_remaining, or what is sent in no time, stop at once.
 */
#include "policy.h"

/* A round helped if it left less than 7/8 of the best before it. */
#define SHRINK_NUM 7
#define SHRINK_DEN 8

/* What takes no longer than this to send is not worth a round either: it is
 * little beside what suspending costs anyway. */
#define FEW_US 300

/* Rounds in a row that may fail to help before a pause within the limit is
 * taken as the best there is. */
#define STALLS 2

void policy_init(struct policy *p, uint64_t total_pages)
{
    p->total_pages = total_pages;
    p->sent_pages = 0;
    p->best_dirty = UINT64_MAX;
    p->stalled = 0;
}

static bool within_limit(const struct policy *p, const struct round_stats *st)
{
    return !p->downtime_limit_us ||
           st->expected_downtime_us <= p->downtime_limit_us;
}

static bool is_few(const struct policy *p, const struct round_stats *st)
{
    return st->dirty_pages <= p->min_remaining ||
           st->dirty_pages * 4096 <= st->goodput_bps / 1000000 * FEW_US;
}

/* No more rounds are to be had: switch, or give up if that is asked for. */
static enum mech_verdict last_word(const struct policy *p,
                                   const struct round_stats *st)
{
    if ( p->abort_if_busy && !within_limit(p, st) )
        return MECH_ABORT;
    return MECH_SWITCH;
}

enum mech_verdict policy_decide(struct policy *p,
                                const struct round_stats *st,
                                enum policy_why *ret_why)
{
    bool shrank = p->best_dirty == UINT64_MAX ||
                  st->dirty_pages <
                      p->best_dirty / SHRINK_DEN * SHRINK_NUM;

    p->sent_pages += st->sent_pages;
    p->stalled = shrank ? 0 : p->stalled + 1;
    if ( st->dirty_pages < p->best_dirty )
        p->best_dirty = st->dirty_pages;

    if ( is_few(p, st) && within_limit(p, st) )
    {
        *ret_why = POLICY_FEW;
        return MECH_SWITCH;
    }
    if ( st->round + 1 >= p->max_iters )
    {
        *ret_why = POLICY_MAX_ITERS;
        return last_word(p, st);
    }
    if ( p->max_factor && st->round &&
         p->sent_pages / p->max_factor > p->total_pages )
    {
        *ret_why = POLICY_MAX_FACTOR;
        return last_word(p, st);
    }
    if ( !within_limit(p, st) )
    {
        *ret_why = POLICY_OVER_LIMIT;
        return MECH_GO_ON;
    }
    if ( p->stalled >= STALLS )
    {
        *ret_why = POLICY_STALLED;
        return MECH_SWITCH;
    }
    *ret_why = st->round ? POLICY_SHRINKING : POLICY_FIRST;
    return MECH_GO_ON;
}

const char *policy_why_text(enum policy_why why)
{
    switch ( why )
    {
    case POLICY_FIRST:      return "first round done";
    case POLICY_SHRINKING:  return "rounds still shrink";
    case POLICY_OVER_LIMIT: return "the pause would exceed downtime-limit";
    case POLICY_FEW:        return "few pages left";
    case POLICY_STALLED:    return "rounds no longer shrink";
    case POLICY_MAX_ITERS:  return "max-iters reached";
    case POLICY_MAX_FACTOR: return "max-factor reached";
    }
    return "?";
}
