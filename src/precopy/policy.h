/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * When to stop copying a running guest and switch over, when to slow it down,
 * and what to say when neither helps; docs/design.md, "When to stop".  Pure
 * arithmetic on the figures of the rounds; no session, no clock.
 */
#ifndef XMIG_PRECOPY_POLICY_H
#define XMIG_PRECOPY_POLICY_H

#include <stdbool.h>
#include <stddef.h>

#include "mech.h"

#define POLICY_HISTORY 48

struct policy
{
    /* may be changed between rounds */
    uint64_t downtime_limit_us;  /* 0 = any */
    unsigned int max_iters;      /* live rounds, at least 1 */
    uint64_t min_remaining;      /* pages: fewer are not worth a round */
    unsigned int max_factor;     /* give up after so many times the memory;
                                    0 = never */
    bool abort_if_busy;          /* rather than exceed the limit */
    uint64_t timeout_us;         /* for the live rounds, 0 = any */
    bool timeout_suspend;        /* switch over then, rather than give up */
    uint64_t stall_window_us;    /* 0 = never mind */
    bool auto_converge;
    unsigned int max_throttle;   /* percent */

    /* set at the start, then read-only */
    uint64_t total_pages;        /* the guest's */

    /* moves from round to round */
    uint64_t sent_pages;
    uint64_t best_dirty;         /* smallest seen so far */
    uint64_t last_dirty;         /* after the round before */
    unsigned int not_helped;     /* rounds since it last shrank well */
    unsigned int throttle;       /* percent that the guest is slowed down by */
    unsigned int stalled;        /* rounds since the stall was found; 0 = no */
    /* the last stall_window: the least dirty pages of each part of it */
    struct
    {
        uint64_t begin_us, dirty;
    } history[POLICY_HISTORY];
    unsigned int nr_history;
    uint64_t old_best;           /* before the window */
};

enum policy_why
{
    POLICY_FIRST,                /* too early to tell */
    POLICY_SHRINKING,            /* another round makes the pause shorter */
    POLICY_OVER_LIMIT,           /* the pause would be too long as yet */
    POLICY_THROTTLE,             /* slow the guest down and see */
    POLICY_FEW,                  /* next to nothing left */
    POLICY_STALLED,              /* within the limit, no longer shrinking */
    POLICY_LOCAL_MINIMUM,        /* above it, and it will not get better */
    POLICY_WAITING,              /* the same, waiting for such a minimum */
    POLICY_MAX_ITERS,
    POLICY_MAX_FACTOR,
    POLICY_TIMEOUT,
    POLICY_NR_,
};

void policy_init(struct policy *p, uint64_t total_pages);

/*
 * After a live round: go on, switch or abort; *ret_why says why.
 * p->throttle is what the guest is to be slowed down by from now on.
 */
enum mech_verdict policy_decide(struct policy *p,
                                const struct round_stats *st,
                                enum policy_why *ret_why);

/* For people: "stalled" ... */
const char *policy_why_text(enum policy_why why);

/*
 * What the limit leaves for the last pages.  Rounds don't make a guest that is
 * slow to suspend any faster, so it does not take more than three quarters.
 */
uint64_t policy_pages_limit_us(const struct policy *p,
                               const struct round_stats *st);

/* Would the pause be longer than it may, or the last pages take longer? */
bool policy_over_limit(const struct policy *p, const struct round_stats *st);

/*
 * Why it does not converge, and what would help, with what it would lead to:
 * one line.
 */
void policy_verdict(const struct policy *p, const struct round_stats *st,
                    char *buf, size_t room);

#endif
