/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What a checked page holds: 4 KiB that follow from (gfn, version) and from
 * nothing else.  Pure functions.
 *
 * Sixteen xorshift generators, seeded from (gfn, version), fill the page row
 * by row; compilers turn the lanes into vector code.  The first four words
 * are a header, so that a page found in the wrong place says where it is
 * from.  A mix of page kinds (zeros, one repeated row, random bits) is drawn
 * from (gfn, version) too.
 */
#include <string.h>

#include "check.h"

#define PAGE_MAGIC 0x584d494750414745ull

#define LANES  16
#define ROWS   (GUEST_PAGE_SIZE / (LANES * sizeof(uint64_t)))
#define HEADER 4                 /* words: magic, gfn, version, checksum */

enum kind
{
    KIND_ZERO,
    KIND_REPEAT,
    KIND_RANDOM,
};

static uint64_t scramble(uint64_t x)
{
    x += 0x9e3779b97f4a7c15ull;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
    return x ^ (x >> 31);
}

static enum kind kind_of(uint64_t gfn, uint32_t version,
                         const struct check_mix *mix)
{
    uint64_t draw;

    if ( !mix->zero_percent && !mix->compressible_percent )
        return KIND_RANDOM;
    draw = scramble(gfn * 0x10001 + version) % 100;
    if ( draw < mix->zero_percent )
        return KIND_ZERO;
    return draw - mix->zero_percent < mix->compressible_percent ? KIND_REPEAT
                                                                : KIND_RANDOM;
}

static void seed_lanes(uint64_t lane[LANES], uint64_t gfn, uint32_t version)
{
    uint64_t seed = scramble(gfn ^ ((uint64_t)version << 40));
    unsigned int i;

    for ( i = 0; i < LANES; i++ )
        lane[i] = (seed + i * 0x9e3779b97f4a7c15ull) *
                  0xbf58476d1ce4e5b9ull | 1;
}

static inline void next_row(uint64_t lane[LANES])
{
    unsigned int i;

    for ( i = 0; i < LANES; i++ )
    {
        uint64_t x = lane[i];

        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        lane[i] = x;
    }
}

static uint64_t checksum(uint64_t gfn, uint32_t version,
                         const uint64_t sum[LANES])
{
    uint64_t total = gfn ^ ((uint64_t)version << 32);
    unsigned int i;

    for ( i = 0; i < LANES; i++ )
        total = (total << 7 | total >> 57) + sum[i];
    return total;
}

void content_fill(void *page, uint64_t gfn, uint32_t version,
                  const struct check_mix *mix)
{
    enum kind kind = kind_of(gfn, version, mix);
    uint64_t *word = page;
    uint64_t lane[LANES], sum[LANES] = { 0 };
    unsigned int row, i;

    if ( kind == KIND_ZERO )
    {
        memset(page, 0, GUEST_PAGE_SIZE);
        return;
    }
    seed_lanes(lane, gfn, version);
    next_row(lane);
    for ( row = 0; row < ROWS; row++ )
    {
        for ( i = 0; i < LANES; i++ )
        {
            word[row * LANES + i] = lane[i];
            sum[i] += lane[i];
        }
        if ( kind == KIND_RANDOM )
            next_row(lane);
    }
    word[0] = PAGE_MAGIC;
    word[1] = gfn;
    word[2] = version;
    word[3] = checksum(gfn, version, sum);
}

bool content_is(const void *page, uint64_t gfn, uint32_t version,
                const struct check_mix *mix)
{
    enum kind kind = kind_of(gfn, version, mix);
    const uint64_t *word = page;
    uint64_t lane[LANES], sum[LANES] = { 0 }, diff[LANES] = { 0 }, any = 0;
    unsigned int row, i;

    if ( kind == KIND_ZERO )
    {
        for ( row = 0; row < ROWS; row++ )
            for ( i = 0; i < LANES; i++ )
                diff[i] |= word[row * LANES + i];
        for ( i = 0; i < LANES; i++ )
            any |= diff[i];
        return !any;
    }
    seed_lanes(lane, gfn, version);
    next_row(lane);
    for ( row = 0; row < ROWS; row++ )
    {
        for ( i = 0; i < LANES; i++ )
        {
            diff[i] |= word[row * LANES + i] ^ lane[i];
            sum[i] += lane[i];
        }
        if ( row == 0 )
            for ( i = 0; i < HEADER; i++ )
                diff[i] = 0;
        if ( kind == KIND_RANDOM )
            next_row(lane);
    }
    for ( i = 0; i < LANES; i++ )
        any |= diff[i];
    return !any && word[0] == PAGE_MAGIC && word[1] == gfn &&
           word[2] == version && word[3] == checksum(gfn, version, sum);
}

static bool all_bytes(const uint8_t *page, uint8_t value)
{
    return page[0] == value && !memcmp(page, page + 1, GUEST_PAGE_SIZE - 1);
}

void content_explain(const void *page, uint64_t gfn, uint32_t version,
                     const struct check_mix *mix,
                     struct check_result *ret_result)
{
    const uint64_t *word = page;
    const uint8_t *byte = page;
    uint8_t want[GUEST_PAGE_SIZE] __attribute__((aligned(64)));
    struct check_result r = { .found = CHECK_OK };

    content_fill(want, gfn, version, mix);
    while ( r.first_bad < GUEST_PAGE_SIZE &&
            byte[r.first_bad] == want[r.first_bad] )
        r.first_bad++;
    if ( r.first_bad == GUEST_PAGE_SIZE )
        goto out;

    if ( word[0] == PAGE_MAGIC )
    {
        r.found_gfn = word[1];
        r.found_version = word[2];
    }
    if ( all_bytes(page, 0) )
        r.found = CHECK_LOST_ZERO;
    else if ( all_bytes(page, 0xc2) )
        r.found = CHECK_LOST_POISON;
    else if ( word[0] != PAGE_MAGIC || word[2] > UINT32_MAX ||
              !content_is(page, r.found_gfn, r.found_version, mix) )
        r.found = CHECK_TORN;
    else if ( r.found_gfn != gfn )
        r.found = CHECK_MISPLACED;
    else
        r.found = r.found_version < version ? CHECK_STALE : CHECK_NEWER;

 out:
    *ret_result = r;
}

const char *check_found_name(enum check_found found)
{
    static const char *const names[] =
    {
        [CHECK_OK] = "right",
        [CHECK_STALE] = "stale",
        [CHECK_NEWER] = "newer than the table",
        [CHECK_MISPLACED] = "of another gfn",
        [CHECK_LOST_ZERO] = "lost (zeros)",
        [CHECK_LOST_POISON] = "lost (never written)",
        [CHECK_TORN] = "torn",
    };

    return names[found];
}
