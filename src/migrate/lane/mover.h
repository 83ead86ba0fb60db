/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Moves one round's pages: the mapper thread maps windows ahead of the lane
 * threads, which send them; or, for a few pages, the caller does it all, as
 * waking threads would take longer.
 *
 * Thread: the engine's.  Between mover_start() and mover_finish() the send
 * set belongs to the mover.
 */
#ifndef XMIG_MOVER_H
#define XMIG_MOVER_H

#include "laneout.h"
#include "sendset.h"
#include "session.h"

struct mover;

struct mover_counts
{
    uint64_t normal_pages, zero_pages;
    uint64_t bytes;              /* on all lanes */
};

/*
 * Makes the threads.  outs: nr of them, taken over, also on failure; each
 * has an error record of its own.
 */
int mover_open(struct session *s, struct sendset *set, struct laneout **outs,
               unsigned int nr, struct mover **ret_m);
/* Threads are ended, in mid-round by raising the session's stop; m may be
 * NULL. */
void mover_close(struct mover *m);

/* Begin to send what is pending.  The threads do it; mover_fd() becomes
 * readable when they are through.  last: the guest is suspended. */
void mover_start(struct mover *m, uint32_t round, bool last);
int mover_fd(const struct mover *m);
/* All gfns of the round from here on will be read later than this call; the
 * round is the threads'. */
uint64_t mover_frontier(const struct mover *m);
/* End the round early: what has not been sent is pending again. */
void mover_cut(struct mover *m);
/* Wait for the end of the round.  Connections may be broken after a failure;
 * what it was, mover_error() tells. */
int mover_finish(struct mover *m);
/* Record the mapper's error, or that of the lane that failed first. */
void mover_error(struct mover *m, struct err *e);

/* Does this many pages go better by mover_inline()? */
bool mover_is_small(const struct mover *m, uint64_t pages);
/*
 * A whole round in the caller's thread.  The last one leaves the pages
 * mapped until mover_release(): unmapping can wait.
 */
int mover_inline(struct mover *m, uint32_t round, bool last);
void mover_release(struct mover *m);

/* Thread: any. */
void mover_counts(const struct mover *m, struct mover_counts *ret);

#endif
