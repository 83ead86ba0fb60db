/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Sequential, uniform and zipf-distributed indices, and a hot set.
 *
 * Zipf: with u uniform in [0, 1), floor((n + 1)^u) - 1 falls on rank k with a
 * probability of ln((k + 2) / (k + 1)) / ln(n + 1), close to 1/k over the
 * harmonic sum.  Ranks are then spread over the indices, so that hot pages
 * are not neighbours.  Logarithm and power are done in 32.32 fixed point.
 */
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "order.h"

/* A prime above any n: multiplying by it permutes 0 ... n-1. */
#define SPREAD 4294967291ull
#define ONE    (1ull << 32)

/* log2 of x > 0: the integer part, then a bit for every squaring. */
static uint64_t log2_fixed(uint64_t x)
{
    unsigned int whole = 63 - __builtin_clzll(x);
    uint64_t result = (uint64_t)whole << 32;
    uint64_t y = whole > 31 ? x >> (whole - 31) : x << (31 - whole);
    uint64_t bit;

    /* y is in [1, 2), with 31 bits behind the point. */
    for ( bit = ONE >> 1; bit; bit >>= 1 )
    {
        y = y * y >> 31;
        if ( y >> 32 )
        {
            y >>= 1;
            result |= bit;
        }
    }
    return result;
}

/* 2^x, rounded down, for x below 63. */
static uint64_t exp2_floor(uint64_t x)
{
    /* ln(2)^k / k!, from the fifth down: 2^f within 2e-5 for f in [0, 1). */
    static const uint32_t coefficients[] =
        { 5726720, 41309550, 238388332, 1031764991, 2977044472u };
    uint64_t f = x & (ONE - 1), sum = 0;
    unsigned int i, whole = x >> 32;

    for ( i = 0; i < sizeof(coefficients) / sizeof(coefficients[0]); i++ )
        sum = ((sum + coefficients[i]) * f) >> 32;
    sum += ONE;
    return whole >= 32 ? sum << (whole - 32) : sum >> (32 - whole);
}

int order_parse(const char *name, enum order_kind *ret_kind)
{
    static const char names[][12] = { "sequential", "random", "zipf",
                                      "hot" };
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
    o->log2_n1 = log2_fixed(n + 1);
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
        rank = exp2_floor((unsigned __int128)r * o->log2_n1 >> 64) - 1;
        if ( rank >= o->n )
            rank = o->n - 1;
        return rank * (SPREAD % o->n) % o->n;

    /* Every sixteenth is hot. */
    case ORDER_HOT:
        r = next_random(o);
        rank = (unsigned __int128)r * o->n >> 64;
        return r & 7 ? rank & ~15ull : rank;

    default:
        r = o->cursor;
        o->cursor = r + 1 < o->n ? r + 1 : 0;
        return r;
    }
}
