/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * When to stop copying a running guest and switch over.  Pure arithmetic on
 * the figures of the rounds; no session, no clock.
 */
#ifndef XMIG_PRECOPY_POLICY_H
#define XMIG_PRECOPY_POLICY_H

#include <stdbool.h>

#include "mech.h"

struct policy
{
    /* set at the start, then read-only */
    uint64_t downtime_limit_us;
    unsigned int max_iters;      /* live rounds, at least 1 */
    uint64_t min_remaining;      /* pages: fewer are not worth a round */
    unsigned int max_factor;     /* give up after so many times the memory;
                                    0 = never */
    bool abort_if_busy;          /* rather than exceed the limit */
    uint64_t total_pages;        /* the guest's */

    /* moves from round to round */
    uint64_t sent_pages;
    uint64_t best_dirty;         /* smallest seen so far */
    unsigned int stalled;        /* rounds since it last shrank well */
};

enum policy_why
{
    POLICY_FIRST,                /* too early to tell */
    POLICY_SHRINKING,            /* another round makes the pause shorter */
    POLICY_OVER_LIMIT,           /* the pause would be too long as yet */
    POLICY_FEW,                  /* next to nothing left */
    POLICY_STALLED,              /* within the limit, no longer shrinking */
    POLICY_MAX_ITERS,
    POLICY_MAX_FACTOR,
};

void policy_init(struct policy *p, uint64_t total_pages);

/* After a live round: go on, switch or abort; *ret_why says why. */
enum mech_verdict policy_decide(struct policy *p,
                                const struct round_stats *st,
                                enum policy_why *ret_why);

/* For people: "stalled" ... */
const char *policy_why_text(enum policy_why why);

#endif
