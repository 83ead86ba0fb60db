/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * See shaper.h.  A line that transmits one packet after the other, a queue in
 * front of it that is measured in time, and a constant delay behind it.
 */
#include "shaper.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define NS_PER_S 1000000000ull

void shaper_init(struct shaper *s, uint64_t seed)
{
    memset(s, 0, sizeof(*s));
    s->rate_bps = NS_PER_S;
    s->queue_ns = 20 * 1000000;
    s->random = seed * 0x9e3779b97f4a7c15ull | 1;
}

/* xorshift64*: uniform in [0, 1). */
static double draw(struct shaper *s)
{
    s->random ^= s->random >> 12;
    s->random ^= s->random << 25;
    s->random ^= s->random >> 27;

    return (double)(s->random * 0x2545f4914f6cdd1dull >> 11) / 0x1p53;
}

static bool is_lost(struct shaper *s, uint32_t nr)
{
    double p = s->loss_ppm / 1e6;

    return p > 0 && draw(s) < 1 - pow(1 - p, nr);
}

enum shaper_fate shaper_take(struct shaper *s, uint64_t now_ns,
                             uint64_t bytes, uint32_t nr,
                             uint64_t *ret_due_ns)
{
    uint64_t rate = s->rate_bps, start, due;
    uint64_t wire = bytes + (uint64_t)nr * SHAPER_FRAME_BYTES;

    if ( is_lost(s, nr) )
    {
        s->lost += nr;
        return SHAPER_LOST;
    }
    start = s->free_ns > now_ns ? s->free_ns : now_ns;
    if ( rate && start - now_ns > s->queue_ns )
    {
        s->dropped += nr;
        return SHAPER_DROPPED;
    }
    if ( rate )
        s->free_ns = start + (uint64_t)((double)wire * 8 * NS_PER_S /
                                        (double)rate);
    else
        s->free_ns = now_ns;
    due = s->free_ns + s->delay_ns;
    if ( due < s->last_due_ns )
        due = s->last_due_ns;
    s->last_due_ns = due;
    s->packets += nr;
    s->bytes += bytes;
    *ret_due_ns = due;

    return SHAPER_PASSES;
}

bool shaper_set(struct shaper *s, const char *key, const char *value)
{
    char *end;
    double v = strtod(value, &end);

    if ( end == value || *end || !(v >= 0) )
        return false;
    if ( !strcmp(key, "delay") && v <= 10000 )
        s->delay_ns = (uint64_t)(v * 1e6);
    else if ( !strcmp(key, "rate") && v <= 1e6 )
        s->rate_bps = (uint64_t)(v * 1e6);
    else if ( !strcmp(key, "queue") && v <= 10000 )
        s->queue_ns = (uint64_t)(v * 1e6);
    else if ( !strcmp(key, "loss") && v <= 100 )
        s->loss_ppm = (uint32_t)(v * 1e4);
    else
        return false;

    return true;
}

uint32_t shaper_packets(uint64_t total, uint32_t header, uint32_t segment,
                        uint64_t *ret_bytes)
{
    uint64_t rest = total > header ? total - header : 0, nr;

    *ret_bytes = total;
    if ( !segment || rest <= segment )
        return 1;
    nr = (rest + segment - 1) / segment;
    *ret_bytes = rest + nr * header;

    return (uint32_t)nr;
}
