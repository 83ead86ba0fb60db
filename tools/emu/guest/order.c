/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Sequential, uniform and zipf-distributed indices.
 *
 * Zipf: with u uniform in [0, 1), floor((n + 1)^u) - 1 falls on rank k with a
 * probability of ln((k + 2) / (k + 1)) / ln(n + 1), close to 1/k over the
 * harmonic sum.  Ranks are then spread over the indices, so that hot pages
 * are not neighbours.
 */
#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "order.h"

/* A prime above any n: multiplying by it permutes 0 ... n-1. */
#define SPREAD 4294967291ull

int order_parse(const char *name, enum order_kind *ret_kind)
{
    static const char *const names[] = { "sequential", "random", "zipf" };
    unsigned int i;

    for ( i = 0; i < sizeof(names) / sizeof(names[0]); i++ )
        if ( !strcmp(name, names[i]) )
        {
            *ret_kind = i;
            return 0;
        }
    return -EINVAL;
}

void order_init(struct order *o, enum order_kind kind, uint64_t n,
                uint64_t seed)
{
    memset(o, 0, sizeof(*o));
    o->n = n;
    o->kind = kind;
    o->random = seed * 0x9e3779b97f4a7c15ull | 1;
    o->log_n1 = log((double)n + 1);
}

static uint64_t next_random(struct order *o)
{
    uint64_t x = o->random;

    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    o->random = x;
    return x * 0x2545f4914f6cdd1dull;
}

uint64_t order_next(struct order *o)
{
    uint64_t r, rank;

    switch ( o->kind )
    {
    case ORDER_RANDOM:
        r = next_random(o);
        return (unsigned __int128)r * o->n >> 64;

    case ORDER_ZIPF:
        r = next_random(o);
        rank = exp((double)(r >> 11) * 0x1p-53 * o->log_n1) - 1;
        if ( rank >= o->n )
            rank = o->n - 1;
        return rank * (SPREAD % o->n) % o->n;

    default:
        r = o->cursor;
        o->cursor = r + 1 < o->n ? r + 1 : 0;
        return r;
    }
}
