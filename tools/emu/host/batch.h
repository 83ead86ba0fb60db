/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Changes of page tables in runs: what the operations of a multicall do to
 * single pages is done to the page tables when something else follows, or at
 * the end of the multicall.  Until batch_flush() the domain's p2m_lock is
 * held.
 */
#ifndef XMIG_EMU_BATCH_H
#define XMIG_EMU_BATCH_H

#include "host.h"

struct pt_batch
{
    struct domain *d;            /* NULL: empty; a reference */
    bool writing;                /* taking entries away, else giving back;
                                  * p2m_lock is held accordingly */
    uint64_t first, nr;          /* to be zapped or continued */
    uint32_t frames[RUN_FRAMES]; /* to be freed when they are zapped */
    unsigned int nr_frames;
};

/* The one of a connection, made when it is first wanted; NULL: no memory. */
struct pt_batch *batch_of(struct conn *c);

/* Be in the middle of a batch of this kind; flushes any other. */
void batch_begin(struct pt_batch *b, struct domain *d, bool writing);
/* These gfns; to be given back: all of them have frames. */
void batch_add(struct pt_batch *b, uint64_t first, uint64_t nr);
/* Free this frame of an evicted gfn, which has been added before. */
void batch_free_frame(struct pt_batch *b, uint32_t mfn);
void batch_flush(struct pt_batch *b);

#endif
