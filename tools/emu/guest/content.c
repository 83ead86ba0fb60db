/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What a checked page holds: 4 KiB that follow from (gfn, version) and from
 * nothing else.  Pure functions.
 *
 * Sixteen xorshift generators, seeded from (gfn, version), fill the page row
 * by row; compilers turn the lanes into vector code.  The first four words
 * are a header, so that a page found in the wrong place says where it is
 * from.  A mix of page kinds (zeros, one repeated row or word, words that are
 * mostly zero, random bits) is drawn from (gfn, version) too.  A page that
 * stays the same has the kind and the rows of version 0, but for its header
 * and one row.
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
    KIND_UNIFORM,
    KIND_SPARSE,
    KIND_RANDOM,
};

/* Bytes of a sparse page that are not 0. */
#define SPARSE_MASK 0x000000ff0000ff00ull

static uint64_t scramble(uint64_t x)
{
    x += 0x9e3779b97f4a7c15ull;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
    return x ^ (x >> 31);
}

/* How the rows of a page are made. */
struct recipe
{
    enum kind kind;
    uint32_t body;               /* the version that its rows are of */
    uint32_t fresh_row;          /* this one is of the version itself; 0 =
                                    all are */
    uint64_t mask;
};

static enum kind kind_of(uint64_t gfn, uint32_t version,
                         const struct check_mix *mix)
{
    uint64_t draw = scramble(gfn * 0x10001 + version) % 100;

    if ( draw < mix->zero_percent )
        return KIND_ZERO;
    draw -= mix->zero_percent;
    if ( draw < mix->compressible_percent )
        return KIND_REPEAT;
    draw -= mix->compressible_percent;
    if ( draw < mix->uniform_percent )
        return KIND_UNIFORM;
    draw -= mix->uniform_percent;
    return draw < mix->sparse_percent ? KIND_SPARSE : KIND_RANDOM;
}

static struct recipe recipe_of(uint64_t gfn, uint32_t version,
                               const struct check_mix *mix)
{
    struct recipe r = { .kind = KIND_RANDOM, .body = version, .mask = ~0ull };

    if ( mix->same_percent && version &&
         scramble(gfn ^ 0x5a3e) % 100 < mix->same_percent )
    {
        r.body = 0;
        r.fresh_row = 1 + version % (ROWS - 1);
    }
    if ( mix->zero_percent | mix->compressible_percent |
         mix->uniform_percent | mix->sparse_percent )
        r.kind = kind_of(gfn, r.body, mix);
    if ( r.kind == KIND_SPARSE )
        r.mask = SPARSE_MASK;
    return r;
}

/* What a uniform page repeats; not 0. */
static uint64_t uniform_word(uint64_t gfn, uint32_t version)
{
    uint64_t word = (uint32_t)scramble(gfn ^ ((uint64_t)version << 40)) | 1;

    return word << 32 | word;
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

static void fill_words(uint64_t *word, uint64_t value)
{
    unsigned int i;

    for ( i = 0; i < ROWS * LANES; i++ )
        word[i] = value;
}

static bool are_words(const uint64_t *word, uint64_t value)
{
    uint64_t diff[LANES] = { 0 }, any = 0;
    unsigned int row, i;

    for ( row = 0; row < ROWS; row++ )
        for ( i = 0; i < LANES; i++ )
            diff[i] |= word[row * LANES + i] ^ value;
    for ( i = 0; i < LANES; i++ )
        any |= diff[i];
    return !any;
}

/* Row fresh_row comes from generators of its own. */
static void fresh_lanes(uint64_t fresh[LANES], const struct recipe *r,
                        uint64_t gfn, uint32_t version)
{
    if ( !r->fresh_row )
        return;
    seed_lanes(fresh, gfn, version);
    next_row(fresh);
}

void content_fill(void *page, uint64_t gfn, uint32_t version,
                  const struct check_mix *mix)
{
    struct recipe r = recipe_of(gfn, version, mix);
    uint64_t lane[LANES], fresh[LANES], sum[LANES] = { 0 };
    uint64_t *word = page;
    unsigned int row, i;

    if ( r.kind == KIND_ZERO || r.kind == KIND_UNIFORM )
    {
        fill_words(word, r.kind == KIND_ZERO ? 0 : uniform_word(gfn, version));
        return;
    }
    fresh_lanes(fresh, &r, gfn, version);
    seed_lanes(lane, gfn, r.body);
    next_row(lane);
    for ( row = 0; row < ROWS; row++ )
    {
        const uint64_t *from = r.fresh_row && row == r.fresh_row ? fresh
                                                                 : lane;

        for ( i = 0; i < LANES; i++ )
        {
            uint64_t x = from[i] & r.mask;

            word[row * LANES + i] = x;
            sum[i] += x;
        }
        if ( r.kind != KIND_REPEAT )
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
    struct recipe r = recipe_of(gfn, version, mix);
    uint64_t lane[LANES], fresh[LANES], sum[LANES] = { 0 };
    uint64_t diff[LANES] = { 0 }, any = 0;
    const uint64_t *word = page;
    unsigned int row, i;

    if ( r.kind == KIND_ZERO || r.kind == KIND_UNIFORM )
        return are_words(word, r.kind == KIND_ZERO
                               ? 0 : uniform_word(gfn, version));
    fresh_lanes(fresh, &r, gfn, version);
    seed_lanes(lane, gfn, r.body);
    next_row(lane);
    for ( row = 0; row < ROWS; row++ )
    {
        const uint64_t *from = r.fresh_row && row == r.fresh_row ? fresh
                                                                 : lane;

        for ( i = 0; i < LANES; i++ )
        {
            uint64_t x = from[i] & r.mask;

            diff[i] |= word[row * LANES + i] ^ x;
            sum[i] += x;
        }
        if ( row == 0 )
            for ( i = 0; i < HEADER; i++ )
                diff[i] = 0;
        if ( r.kind != KIND_REPEAT )
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
