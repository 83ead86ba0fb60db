/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Logarithmic-linear histogram: exact below 64 us, then 64 buckets to every
 * power of two.
 */
#include "net_hist.h"

static unsigned int bucket_of(uint64_t us)
{
    unsigned int shift;

    if ( us < 64 )
        return us;
    shift = 63 - __builtin_clzll(us) - 6;
    return 64 + shift * 64 + ((us >> shift) - 64);
}

/* Largest value that falls into bucket b. */
static uint64_t bucket_top(unsigned int b)
{
    unsigned int shift;

    if ( b < 64 )
        return b;
    shift = (b - 64) / 64;
    return ((((uint64_t)(b % 64) + 64) + 1) << shift) - 1;
}

void net_hist_add(struct net_hist *h, uint64_t us)
{
    if ( !h->count || us < h->min_us )
        h->min_us = us;
    if ( us > h->max_us )
        h->max_us = us;
    h->count++;
    h->bucket[bucket_of(us)]++;
}

uint64_t net_hist_permille(const struct net_hist *h, unsigned int permille)
{
    uint64_t want = (h->count * permille + 999) / 1000;
    uint64_t sum = 0;

    if ( !h->count )
        return 0;
    for ( unsigned int b = 0; b < NET_HIST_BUCKETS; b++ )
    {
        sum += h->bucket[b];
        if ( sum && sum >= want )
            return bucket_top(b) < h->max_us ? bucket_top(b) : h->max_us;
    }
    return h->max_us;
}
