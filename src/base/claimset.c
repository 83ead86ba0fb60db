/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Members that are taken by one each: see claimset.h.
 */
#include "claimset.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int claimset_init(struct claimset *cs, uint64_t nr_gfns)
{
    memset(cs, 0, sizeof(*cs));
    cs->words = calloc(pageset_nr_words(nr_gfns) + 1, sizeof(*cs->words));
    if ( !cs->words )
        return -ENOMEM;
    cs->nr_gfns = nr_gfns;

    return 0;
}

void claimset_done(struct claimset *cs)
{
    free(cs->words);
    memset(cs, 0, sizeof(*cs));
}

void claimset_fill(struct claimset *cs, const struct pageset *ps)
{
    size_t i;

    for ( i = 0; i < pageset_nr_words(cs->nr_gfns); i++ )
        atomic_store_explicit(&cs->words[i], ps->words[i],
                              memory_order_relaxed);
    atomic_store(&cs->left, ps->count);
}

void claimset_copy(const struct claimset *cs, struct pageset *ret)
{
    size_t i;

    for ( i = 0; i < pageset_nr_words(cs->nr_gfns); i++ )
        ret->words[i] = atomic_load_explicit(&cs->words[i],
                                             memory_order_relaxed);
    pageset_recount(ret);
}

/* Word i without the bits outside [from, end). */
static uint64_t masked(const struct claimset *cs, uint64_t i, uint64_t from,
                       uint64_t end)
{
    uint64_t w = atomic_load_explicit(&cs->words[i], memory_order_relaxed);

    if ( i == from >> 6 )
        w &= ~0ull << (from & 63);
    if ( i == end >> 6 )
        w &= (1ull << (end & 63)) - 1;

    return w;
}

uint64_t claimset_next(const struct claimset *cs, uint64_t from, uint64_t end)
{
    uint64_t stop = end < cs->nr_gfns ? end : cs->nr_gfns, i, w;

    if ( from >= stop )
        return end;
    for ( i = from >> 6; i <= (stop - 1) >> 6; i++ )
    {
        w = masked(cs, i, from, stop);
        if ( w )
            return (i << 6) + (uint64_t)__builtin_ctzll(w);
    }

    return end;
}

uint64_t claimset_last(const struct claimset *cs, uint64_t from, uint64_t end)
{
    uint64_t stop = end < cs->nr_gfns ? end : cs->nr_gfns, i, w;

    if ( from >= stop )
        return end;
    for ( i = ((stop - 1) >> 6) + 1; i-- > from >> 6; )
    {
        w = masked(cs, i, from, stop);
        if ( w )
            return (i << 6) + 63 - (uint64_t)__builtin_clzll(w);
    }

    return end;
}
