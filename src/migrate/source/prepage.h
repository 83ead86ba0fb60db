/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * In which order the pages of a post-copy are pushed: around the last faults,
 * outwards, more upwards than downwards ("adaptive pre-paging" by "bubbling"
 * with several pivots, Hines and Gopalan, VEE 2009).  Where there has been no
 * fault, or nothing is left around them, in ascending order.
 *
 * Pure arithmetic on a claimset; it takes nothing out.
 *
 * Thread: prepage_fault() of one; prepage_next() of one for each lane.
 */
#ifndef XMIG_PREPAGE_H
#define XMIG_PREPAGE_H

#include "claimset.h"

#define PREPAGE_PIVOTS 4u

struct prepage
{
    /* set at the start, then read-only */
    const struct claimset *left;
    unsigned int nr_lanes;
    bool off;                    /* ascending, whatever is faulted on */

    _Atomic uint64_t pivots[PREPAGE_PIVOTS];
    _Atomic uint64_t nr_faults;
};

/* What a lane remembers; zeroed at the start, with its number. */
struct prepage_lane
{
    unsigned int lane;
    uint64_t seen;               /* faults */
    uint64_t turn;
    struct
    {
        uint64_t up, down;       /* between them nothing was left */
        bool above, below;       /* there is something */
    } pivots[PREPAGE_PIVOTS];
    uint64_t straight;
};

/* left is borrowed. */
void prepage_init(struct prepage *p, const struct claimset *left,
                  unsigned int nr_lanes, bool off);
/* A vCPU has touched this gfn. */
void prepage_fault(struct prepage *p, uint64_t gfn);

/*
 * The next pages to push on the lane: a span of gfns within one of its chunks
 * that has about max members or fewer; others than members are not to be
 * sent.  False when it has none left.
 */
bool prepage_next(const struct prepage *p, struct prepage_lane *l,
                  unsigned int max, struct gfn_run *ret);

#endif
