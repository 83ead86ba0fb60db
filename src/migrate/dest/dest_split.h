/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The destination's part of a post-copy.  Private to dest_split.c,
 * dest_place.c, dest_faults.c, dest_resume.c and dest_spill.c.
 */
#ifndef XMIG_DEST_SPLIT_H
#define XMIG_DEST_SPLIT_H

#include "claimset.h"
#include "dest.h"
#include "holder.h"
#include "spill.h"
#include "wire_fault.h"

struct split
{
    /* control thread only */
    struct hv_placer *placer;
    struct pageset absent;       /* before the guest runs */
    struct pageset kept;         /* could not be made absent, not told yet */
    struct pageset telling;      /* a series of ABSENT */
    uint64_t from;               /* where its next range may begin */
    struct spill_reader *spill;  /* NULL: none, or not opened yet */
    struct dest_placer spill_placer;
    bool spill_spoiled;          /* it is of no more use, and that was said */
    uint64_t spilled;            /* pages that came out of it */

    /* set before the guest runs, then read-only */
    struct holder *holder;       /* NULL: none */
    struct hv_pager *pager;
    int done_fd;                 /* eventfd: nothing is absent any more, or
                                    look at stop */

    struct claimset left;        /* absent, while the guest runs */
    struct faults faults;
    _Atomic uint64_t placed, dropped, holes, requests;
    _Atomic bool gone;           /* the domain has been destroyed */
    _Atomic bool ask_rest;       /* lanes are through, and something is
                                    missing */

    /* under the dest's lock */
    struct conn *conn;           /* of faults */
    bool joined;
    bool first_placed;           /* what the vCPUs need first is here */
    bool complete;               /* left is complete: pages may come */
    struct err err;              /* its thread's */
};

/* All but the ring.  What was made so far is dest_split_free()'s. */
int dest_split_new(struct dest *d);

/* Something may be done: wake the control thread. */
void dest_split_wake(struct split *sp);
/* A new control connection waits to be used (dest_resume.c). */
bool dest_is_lent(struct dest *d);

/* ---- dest_spill.c ------------------------------------------------------- */

/* Place what stands in the spill, as far as it is written and until the source
 * is back.  True: all of the guest is here.  Nobody else places anything. */
bool dest_spill_take(struct dest *d);
/* of_no_use: remove it. */
void dest_spill_done(struct dest *d, bool of_no_use);

#endif
