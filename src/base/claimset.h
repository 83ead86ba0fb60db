/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * A set of gfns whose members are taken out one by one, by several threads at
 * once, each by exactly one of them: the pages not sent yet at the source of
 * a post-copy, the absent ones at its destination.
 *
 * Thread: init, fill and done by one; all else by any, without locks.
 */
#ifndef XMIG_CLAIMSET_H
#define XMIG_CLAIMSET_H

#include <stdatomic.h>

#include "pages.h"

struct claimset
{
    _Atomic uint64_t *words;     /* laid out as a pageset's */
    uint64_t nr_gfns;
    _Atomic uint64_t left;       /* members */
};

/* Empty, over [0, nr_gfns).  -ENOMEM */
int claimset_init(struct claimset *cs, uint64_t nr_gfns);
/* No-op on a zeroed one. */
void claimset_done(struct claimset *cs);
/* Its members are those of ps, which has the same range. */
void claimset_fill(struct claimset *cs, const struct pageset *ps);
/* The other way round.  Nobody takes any meanwhile. */
void claimset_copy(const struct claimset *cs, struct pageset *ret);

static inline bool claimset_test(const struct claimset *cs, uint64_t gfn)
{
    return gfn < cs->nr_gfns &&
           (atomic_load(&cs->words[gfn >> 6]) >> (gfn & 63) & 1);
}

/* True for the one caller who takes it out. */
static inline bool claimset_take(struct claimset *cs, uint64_t gfn)
{
    uint64_t bit = 1ull << (gfn & 63);

    if ( gfn >= cs->nr_gfns ||
         !(atomic_fetch_and(&cs->words[gfn >> 6], ~bit) & bit) )
        return false;
    atomic_fetch_sub(&cs->left, 1);

    return true;
}

/* True for the one who puts it in. */
static inline bool claimset_put(struct claimset *cs, uint64_t gfn)
{
    uint64_t bit = 1ull << (gfn & 63);

    if ( gfn >= cs->nr_gfns ||
         (atomic_fetch_or(&cs->words[gfn >> 6], bit) & bit) )
        return false;
    atomic_fetch_add(&cs->left, 1);

    return true;
}

/* The first member in [from, end), or end. */
uint64_t claimset_next(const struct claimset *cs, uint64_t from,
                       uint64_t end);
/* The last member in [from, end), or end. */
uint64_t claimset_last(const struct claimset *cs, uint64_t from,
                       uint64_t end);

#endif
