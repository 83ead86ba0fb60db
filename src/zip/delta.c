/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Deltas of pages: see delta.h.
 */
#include "delta.h"

#include <errno.h>
#include <string.h>

#define WORDS      512u
#define STEP_BYTES 2u
#define STEP_WORDS 128u          /* new ones in one step, at most */

static unsigned int step_stay(const uint8_t *p)
{
    return (unsigned int)(p[0] | p[1] << 8) >> 7;
}

static unsigned int step_new(const uint8_t *p)
{
    return (p[0] & 127u) + 1;
}

/* The first word at or above i that differs. */
static unsigned int next_change(const uint64_t *was, const uint64_t *is,
                                unsigned int i)
{
    while ( i < WORDS && i % 8 )
    {
        if ( was[i] != is[i] )
            return i;
        i++;
    }
    /* A line at a time: most of a page is as it was. */
    for ( ; i < WORDS; i += 8 )
        if ( (was[i] ^ is[i]) | (was[i + 1] ^ is[i + 1]) |
             (was[i + 2] ^ is[i + 2]) | (was[i + 3] ^ is[i + 3]) |
             (was[i + 4] ^ is[i + 4]) | (was[i + 5] ^ is[i + 5]) |
             (was[i + 6] ^ is[i + 6]) | (was[i + 7] ^ is[i + 7]) )
            break;
    while ( i < WORDS && was[i] == is[i] )
        i++;

    return i;
}

size_t delta_encode(const void *was, const void *is, void *out, size_t room)
{
    const uint64_t *a = was, *b = is;
    unsigned int at = 0, from, n, step;
    uint8_t *p = out;
    size_t len = 0;

    while ( (from = next_change(a, b, at)) < WORDS )
    {
        for ( n = 1; n < STEP_WORDS && from + n < WORDS &&
                     a[from + n] != b[from + n]; n++ )
            ;
        if ( len + STEP_BYTES + n * sizeof(*b) > room )
            return room + 1;
        step = (from - at) << 7 | (n - 1);
        p[len] = (uint8_t)step;
        p[len + 1] = (uint8_t)(step >> 8);
        memcpy(p + len + STEP_BYTES, b + from, n * sizeof(*b));
        len += STEP_BYTES + n * sizeof(*b);
        at = from + n;
    }

    return len;
}

int delta_check(const void *delta, size_t len, struct err *e)
{
    const uint8_t *p = delta;
    size_t i, bytes;
    unsigned int at = 0;

    if ( len > DELTA_MAX )
        return err_set(e, -EPROTO, "delta of %zu bytes, may have %u", len,
                       DELTA_MAX);
    for ( i = 0; i < len; i += bytes )
    {
        if ( len - i < STEP_BYTES )
            return err_set(e, -EPROTO, "delta of %zu bytes: a step is cut "
                           "off", len);
        bytes = STEP_BYTES + step_new(p + i) * sizeof(uint64_t);
        if ( bytes > len - i )
            return err_set(e, -EPROTO, "delta of %zu bytes: the step at %zu "
                           "has %zu", len, i, bytes);
        at += step_stay(p + i) + step_new(p + i);
        if ( at > WORDS )
            return err_set(e, -EPROTO, "delta of %zu bytes: the step at %zu "
                           "leaves the page", len, i);
    }

    return 0;
}

void delta_apply(void *page, const void *delta, size_t len)
{
    const uint8_t *p = delta;
    uint8_t *to = page;
    size_t i, bytes;

    for ( i = 0; i < len; i += STEP_BYTES + bytes )
    {
        to += step_stay(p + i) * sizeof(uint64_t);
        bytes = step_new(p + i) * sizeof(uint64_t);
        memcpy(to, p + i + STEP_BYTES, bytes);
        to += bytes;
    }
}
