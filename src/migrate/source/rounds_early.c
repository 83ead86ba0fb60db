/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The dirty log within a round: see rounds_early.h.
 *
 * The mapper says how far it has come before any page of a window is read.
 * So of what a fetch brings, the pages of this round from there on are read
 * after the fetch, with what was written to them; nothing is lost if they
 * are forgotten.  All else is kept for the next round.
 */
#include "rounds_early.h"

#include "clock.h"

/* Not more often than so many times in a round; nor than this, since what is
 * to be had in a short round is little. */
#define PARTS     8
#define LEAST_US  (40 * US_PER_MS)
/* A fetch stops the guest for a moment and costs it faults: no more of its
 * time than a part in so many. */
#define SHARE     50

int rounds_early_init(struct rounds_early *e, uint64_t nr_gfns)
{
    int rc = pageset_init(&e->round, nr_gfns);

    if ( !rc )
        rc = pageset_init(&e->carry, nr_gfns);
    if ( !rc )
        rc = pageset_init(&e->seen, nr_gfns);

    return rc;
}

void rounds_early_done(struct rounds_early *e)
{
    pageset_done(&e->round);
    pageset_done(&e->carry);
    pageset_done(&e->seen);
}

void rounds_early_begin(struct rounds_early *e, const struct pageset *pending)
{
    pageset_copy(&e->round, pending);
    e->last_us = clock_now_us();
    e->next_pages = pending->count / PARTS;
}

bool rounds_early_is_due(const struct rounds_early *e, uint64_t done_pages,
                         uint64_t fetch_us)
{
    uint64_t us = clock_now_us() - e->last_us;

    return e->round.count && done_pages >= e->next_pages &&
           done_pages + e->round.count / PARTS <= e->round.count &&
           us >= LEAST_US && us >= fetch_us * SHARE;
}

void rounds_early_take(struct rounds_early *e, struct pageset *log,
                       uint64_t frontier, uint64_t done_pages)
{
    pageset_or(&e->seen, log);
    pageset_andnot_from(log, &e->round, frontier);
    pageset_or(&e->carry, log);
    pageset_zero(log);
    e->last_us = clock_now_us();
    e->next_pages = done_pages + e->round.count / PARTS;
}

uint64_t rounds_early_end(struct rounds_early *e, struct pageset *log)
{
    uint64_t all;

    pageset_or(&e->seen, log);
    all = e->seen.count;
    pageset_or(log, &e->carry);
    pageset_zero(&e->seen);
    pageset_zero(&e->carry);
    pageset_zero(&e->round);

    return all;
}
