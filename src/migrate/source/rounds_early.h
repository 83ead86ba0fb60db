/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * A page that the guest writes to before it is read in this round need not
 * be sent in the next one, too.  The hypervisor does not know what has been
 * read; but if its log is fetched in the middle of a round, those pages of it
 * that this round has still to read can be forgotten.
 *
 * Knows neither hypervisor nor mover.  Thread: the engine's.
 */
#ifndef XMIG_ROUNDS_EARLY_H
#define XMIG_ROUNDS_EARLY_H

#include "pages.h"

struct rounds_early
{
    struct pageset round;        /* what this round sends; else empty */
    struct pageset carry;        /* dirty, for the next round */
    struct pageset seen;         /* found dirty in this round, read later or
                                    not */
    uint64_t last_us;            /* of the last fetch */
    uint64_t next_pages;         /* sent: then the next is worth it */
};

/* -ENOMEM */
int rounds_early_init(struct rounds_early *e, uint64_t nr_gfns);
/* No-op on a zeroed one. */
void rounds_early_done(struct rounds_early *e);

/* A round of pending begins. */
void rounds_early_begin(struct rounds_early *e,
                        const struct pageset *pending);
/* Is a fetch, which takes fetch_us, worth it now? */
bool rounds_early_is_due(const struct rounds_early *e, uint64_t done_pages,
                         uint64_t fetch_us);
/* log has been fetched, and frontier asked for after that: what is pending
 * from there on has not been read yet.  log is empty then. */
void rounds_early_take(struct rounds_early *e, struct pageset *log,
                       uint64_t frontier, uint64_t done_pages);
/* The round has ended and log has been fetched: all that has to be sent again
 * is added to it.  Returns how many pages were found dirty in all. */
uint64_t rounds_early_end(struct rounds_early *e, struct pageset *log);

#endif
