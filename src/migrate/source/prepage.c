/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The order of the push: see prepage.h.
 */
#include "prepage.h"

#include <string.h>

/* Of so many turns at a pivot one goes downwards. */
#define DOWN_TURNS 3u
/* Of so many turns one goes to an older pivot. */
#define OLD_TURNS  4u

void prepage_init(struct prepage *p, const struct claimset *left,
                  unsigned int nr_lanes, bool off)
{
    memset(p, 0, sizeof(*p));
    p->left = left;
    p->nr_lanes = nr_lanes;
    p->off = off;
}

void prepage_fault(struct prepage *p, uint64_t gfn)
{
    uint64_t n = atomic_load_explicit(&p->nr_faults, memory_order_relaxed);

    atomic_store_explicit(&p->pivots[n % PREPAGE_PIVOTS], gfn,
                          memory_order_relaxed);
    atomic_store_explicit(&p->nr_faults, n + 1, memory_order_release);
}

/* Take over the pivots that have come since. */
static void look(const struct prepage *p, struct prepage_lane *l)
{
    uint64_t now = atomic_load_explicit(&p->nr_faults, memory_order_acquire);
    uint64_t n = now - l->seen, gfn;
    unsigned int i;

    if ( n > PREPAGE_PIVOTS )
        n = PREPAGE_PIVOTS;
    for ( ; n; n-- )
    {
        i = (now - n) % PREPAGE_PIVOTS;
        gfn = atomic_load_explicit(&p->pivots[i], memory_order_relaxed);
        l->pivots[i].up = l->pivots[i].down = gfn;
        l->pivots[i].above = l->pivots[i].below = true;
        l->turn = 0;
    }
    l->seen = now;
}

/* A span from first on, or one that ends with last, of max members. */
static void span_up(const struct prepage *p, uint64_t first, unsigned int max,
                    struct gfn_run *ret)
{
    uint64_t end = (first | (CHUNK_GFNS - 1)) + 1, gfn = first;

    ret->first = first;
    while ( max-- && gfn < end )
    {
        ret->count = gfn + 1 - first;
        gfn = claimset_next(p->left, gfn + 1, end);
    }
}

static void span_down(const struct prepage *p, uint64_t last,
                      unsigned int max, struct gfn_run *ret)
{
    uint64_t begin = last & ~(uint64_t)(CHUNK_GFNS - 1), gfn = last;

    while ( max-- )
    {
        ret->first = gfn;
        ret->count = last + 1 - gfn;
        if ( gfn == begin )
            break;
        /* None: claimset_last() returns the end of its range. */
        if ( claimset_last(p->left, begin, gfn) == gfn )
            break;
        gfn = claimset_last(p->left, begin, gfn);
    }
}

/* The first member at or above from in the lane's chunks. */
static bool next_of_lane(const struct prepage *p, unsigned int lane,
                         uint64_t from, uint64_t *ret)
{
    uint64_t end = p->left->nr_gfns;

    while ( (from = claimset_next(p->left, from, end)) < end )
    {
        if ( gfn_lane(from, p->nr_lanes) == lane )
        {
            *ret = from;
            return true;
        }
        from = (from | (CHUNK_GFNS - 1)) + 1;
    }

    return false;
}

static bool last_of_lane(const struct prepage *p, unsigned int lane,
                         uint64_t end, uint64_t *ret)
{
    uint64_t gfn;

    while ( end && (gfn = claimset_last(p->left, 0, end)) != end )
    {
        if ( gfn_lane(gfn, p->nr_lanes) == lane )
        {
            *ret = gfn;
            return true;
        }
        end = gfn & ~(uint64_t)(CHUNK_GFNS - 1);
    }

    return false;
}

static bool go_up(const struct prepage *p, struct prepage_lane *l,
                  unsigned int i, unsigned int max, struct gfn_run *ret)
{
    uint64_t gfn;

    if ( !l->pivots[i].above )
        return false;
    l->pivots[i].above = next_of_lane(p, l->lane, l->pivots[i].up, &gfn);
    if ( !l->pivots[i].above )
        return false;
    span_up(p, gfn, max, ret);
    l->pivots[i].up = ret->first + ret->count;

    return true;
}

static bool go_down(const struct prepage *p, struct prepage_lane *l,
                    unsigned int i, unsigned int max, struct gfn_run *ret)
{
    uint64_t gfn;

    if ( !l->pivots[i].below )
        return false;
    l->pivots[i].below = last_of_lane(p, l->lane, l->pivots[i].down, &gfn);
    if ( !l->pivots[i].below )
        return false;
    span_down(p, gfn, max, ret);
    l->pivots[i].down = ret->first;

    return true;
}

/* Pivot i, in the direction whose turn it is, else in the other. */
static bool around(const struct prepage *p, struct prepage_lane *l,
                   unsigned int i, unsigned int max, struct gfn_run *ret)
{
    if ( l->turn % DOWN_TURNS == DOWN_TURNS - 1 )
        return go_down(p, l, i, max, ret) || go_up(p, l, i, max, ret);

    return go_up(p, l, i, max, ret) || go_down(p, l, i, max, ret);
}

bool prepage_next(const struct prepage *p, struct prepage_lane *l,
                  unsigned int max, struct gfn_run *ret)
{
    unsigned int n, old;
    uint64_t gfn;

    if ( !p->off )
    {
        look(p, l);
        n = l->seen < PREPAGE_PIVOTS ? (unsigned int)l->seen
                                     : PREPAGE_PIVOTS;
        /* The newest first, now and then an older one. */
        old = n > 1 && l->turn % OLD_TURNS == OLD_TURNS - 1
              ? 1 + (unsigned int)(l->turn / OLD_TURNS % (n - 1)) : 0;
        if ( n && around(p, l, (l->seen - 1 - old) % PREPAGE_PIVOTS, max,
                         ret) )
        {
            l->turn++;
            return true;
        }
    }
    if ( !next_of_lane(p, l->lane, l->straight, &gfn) &&
         !next_of_lane(p, l->lane, 0, &gfn) )
        return false;
    span_up(p, gfn, max, ret);
    l->straight = ret->first + ret->count;
    l->turn++;

    return true;
}
