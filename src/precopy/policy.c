/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The stop rule of pre-copy.
 *
 * Four thoughts.  A pause within the limit that people set is good enough,
 * but a shorter one that costs next to nothing is better: so go on while each
 * round leaves clearly less than the best before it.  A round for a handful
 * of pages only delays the end: below min_remaining, or what is sent in no
 * time, stop at once.  A guest that writes faster than we send never gets
 * there: slow it down if that is allowed, count the rounds and the memory
 * sent.  And where nothing helps, a moment at which little is dirty is the
 * best there is to be had.
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
#define PATIENCE 2

/* Less than this in a whole window is no progress. */
#define MARGIN_PERCENT 4
/* For each round of waiting, so much more is a local minimum. */
#define RELAX_PERCENT 10

/* The guest is slowed down so that it dirties this much of what we send, but
 * by so much at least, and by so much more each time. */
#define THROTTLE_AIM_PERCENT 70
#define THROTTLE_FIRST       20
#define THROTTLE_STEP        10

void policy_init(struct policy *p, uint64_t total_pages)
{
    p->total_pages = total_pages;
    p->sent_pages = 0;
    p->best_dirty = UINT64_MAX;
    p->last_dirty = UINT64_MAX;
    p->not_helped = 0;
    p->throttle = 0;
    p->stalled = 0;
    p->nr_history = 0;
    p->old_best = UINT64_MAX;
}

/* All but the pages. */
static uint64_t fixed_us(const struct round_stats *st)
{
    return st->expected.suspend_us + st->expected.state_us +
           st->expected.commit_us;
}

/* The limit without what no guest does without; 0: it is below that. */
static uint64_t room_us(const struct policy *p, const struct round_stats *st)
{
    uint64_t least = fixed_us(st) - st->expected.slower_us;

    return p->downtime_limit_us > least ? p->downtime_limit_us - least : 0;
}

uint64_t policy_pages_limit_us(const struct policy *p,
                               const struct round_stats *st)
{
    uint64_t room = room_us(p, st), slower = st->expected.slower_us;

    return room > slower + room / 4 ? room - slower : room / 4;
}

bool policy_over_limit(const struct policy *p, const struct round_stats *st)
{
    return p->downtime_limit_us &&
           (!room_us(p, st) || st->expected_downtime_us >
                               fixed_us(st) + policy_pages_limit_us(p, st));
}

static bool is_few(const struct policy *p, const struct round_stats *st)
{
    return st->dirty_pages <= p->min_remaining ||
           st->dirty_pages * 4096 <= st->goodput_bps / 1000000 * FEW_US;
}

/* ---- The stall detector ------------------------------------------------- */

static void forget(struct policy *p)
{
    p->nr_history = 0;
    p->old_best = UINT64_MAX;
    p->stalled = 0;
}

static void remember(struct policy *p, uint64_t now_us, uint64_t dirty)
{
    uint64_t part_us = p->stall_window_us / (POLICY_HISTORY - 2);
    unsigned int old = 0, i;

    while ( old < p->nr_history &&
            p->history[old].begin_us + p->stall_window_us <= now_us )
    {
        if ( p->history[old].dirty < p->old_best )
            p->old_best = p->history[old].dirty;
        old++;
    }
    for ( i = old; i < p->nr_history; i++ )
        p->history[i - old] = p->history[i];
    p->nr_history -= old;

    i = p->nr_history;
    if ( i && now_us - p->history[i - 1].begin_us < part_us )
        i--;
    else
    {
        /* The parts fit, unless the window has just been made longer. */
        if ( i == POLICY_HISTORY )
            i--;
        p->history[i].begin_us = now_us;
        p->history[i].dirty = UINT64_MAX;
        p->nr_history = i + 1;
    }
    if ( dirty < p->history[i].dirty )
        p->history[i].dirty = dirty;
}

static uint64_t best_of_window(const struct policy *p)
{
    uint64_t best = UINT64_MAX;
    unsigned int i;

    for ( i = 0; i < p->nr_history; i++ )
        if ( p->history[i].dirty < best )
            best = p->history[i].dirty;

    return best;
}

/* Nothing in the window was clearly better than the best before it. */
static bool has_stalled(const struct policy *p)
{
    return p->stall_window_us && p->old_best != UINT64_MAX &&
           best_of_window(p) >= p->old_best / 100 * (100 - MARGIN_PERCENT);
}

/* ---- The throttle ------------------------------------------------------- */

/* Does the guest write what we send, or nearly, all over again? */
static bool outruns(const struct round_stats *st)
{
    return st->dirty_pages >= (st->sent_pages + st->held_pages) / 100 *
                              THROTTLE_AIM_PERCENT;
}

/* Bytes that the guest dirties in a second. */
static uint64_t dirty_bps(const struct round_stats *st)
{
    return st->duration_us ? st->dirtied_pages * 4096 * 1000000 /
                             st->duration_us : 0;
}

/* By how many percent the guest, unhindered, would have to be slowed down
 * to dirty less than we send. */
static unsigned int wanted_throttle(const struct policy *p,
                                    const struct round_stats *st)
{
    double now = (double)dirty_bps(st);
    double aim = (double)st->goodput_bps * THROTTLE_AIM_PERCENT / 100;
    double runs = 100.0 - p->throttle;

    if ( now <= aim )
        return p->throttle;

    return (unsigned int)(100.0 - runs * aim / now + 0.5);
}

/* More of it is to be had: p->throttle is raised. */
static bool throttle_more(struct policy *p, const struct round_stats *st)
{
    unsigned int want;

    if ( !p->auto_converge || p->throttle >= p->max_throttle ||
         !st->round || !outruns(st) )
        return false;
    want = wanted_throttle(p, st);
    if ( want < p->throttle + THROTTLE_STEP )
        want = p->throttle + THROTTLE_STEP;
    if ( want < THROTTLE_FIRST )
        want = THROTTLE_FIRST;
    if ( want > p->max_throttle )
        want = p->max_throttle;
    p->throttle = want;
    forget(p);

    return true;
}

/* ---- The decision ------------------------------------------------------- */

/* No more rounds are to be had: switch, or give up if that is asked for. */
static enum mech_verdict last_word(const struct policy *p,
                                   const struct round_stats *st)
{
    if ( p->abort_if_busy && policy_over_limit(p, st) )
        return MECH_ABORT;
    return MECH_SWITCH;
}

/* Above the limit. */
static enum mech_verdict decide_over(struct policy *p,
                                     const struct round_stats *st,
                                     enum policy_why *ret_why)
{
    uint64_t best;

    if ( throttle_more(p, st) )
    {
        *ret_why = POLICY_THROTTLE;
        return MECH_GO_ON;
    }
    if ( !has_stalled(p) )
    {
        p->stalled = 0;
        *ret_why = POLICY_OVER_LIMIT;
        return MECH_GO_ON;
    }
    best = best_of_window(p);
    if ( p->old_best < best )
        best = p->old_best;
    p->stalled++;
    *ret_why = POLICY_WAITING;
    if ( p->timeout_us ||
         st->dirty_pages > best + best / 100 * RELAX_PERCENT *
                           (p->stalled - 1) )
        return MECH_GO_ON;
    *ret_why = POLICY_LOCAL_MINIMUM;

    return last_word(p, st);
}

static bool is_less(uint64_t pages, uint64_t than)
{
    return than == UINT64_MAX || pages < than / SHRINK_DEN * SHRINK_NUM;
}

/* A round that was slow for the line's sake leaves more.  Those behind it do
 * not count until they are back at the best. */
static void judge(struct policy *p, uint64_t dirty)
{
    bool comes_back = is_less(dirty, p->last_dirty) &&
                      is_less(p->best_dirty, dirty);

    if ( is_less(dirty, p->best_dirty) )
        p->not_helped = 0;
    else if ( !comes_back )
        p->not_helped++;
    if ( dirty < p->best_dirty )
        p->best_dirty = dirty;
    p->last_dirty = dirty;
}

enum mech_verdict policy_decide(struct policy *p,
                                const struct round_stats *st,
                                enum policy_why *ret_why)
{
    p->sent_pages += st->sent_pages;
    judge(p, st->dirty_pages);
    remember(p, st->elapsed_us, st->dirty_pages);

    if ( is_few(p, st) && !policy_over_limit(p, st) )
    {
        *ret_why = POLICY_FEW;
        return MECH_SWITCH;
    }
    if ( p->timeout_us && st->elapsed_us >= p->timeout_us )
    {
        *ret_why = POLICY_TIMEOUT;
        return p->timeout_suspend ? MECH_SWITCH : MECH_ABORT;
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
    if ( policy_over_limit(p, st) )
        return decide_over(p, st, ret_why);
    if ( p->not_helped >= PATIENCE )
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
    case POLICY_THROTTLE:   return "the guest is slowed down";
    case POLICY_FEW:        return "few pages left";
    case POLICY_STALLED:    return "rounds no longer shrink";
    case POLICY_LOCAL_MINIMUM:
        return "above downtime-limit, and as little is left as ever";
    case POLICY_WAITING:    return "stalled above downtime-limit";
    case POLICY_MAX_ITERS:  return "max-iters reached";
    case POLICY_MAX_FACTOR: return "max-factor reached";
    case POLICY_TIMEOUT:    return "timeout";
    case POLICY_NR_:        break;
    }
    return "?";
}
