/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Sets of gfns as bitmaps, and run lists.  It knows nothing of guests.
 */
#include "pages.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NR_GFNS_MAX (1ull << 44)

int pageset_init(struct pageset *ps, uint64_t nr_gfns)
{
    size_t nr = pageset_nr_words(nr_gfns);

    ps->words = NULL;
    ps->nr_gfns = 0;
    ps->count = 0;
    if ( nr_gfns > NR_GFNS_MAX )
        return -EINVAL;
    ps->words = calloc(nr ? nr : 1, sizeof(*ps->words));
    if ( !ps->words )
        return -ENOMEM;
    ps->nr_gfns = nr_gfns;

    return 0;
}

void pageset_done(struct pageset *ps)
{
    free(ps->words);
    ps->words = NULL;
    ps->nr_gfns = 0;
    ps->count = 0;
}

static size_t nr_words(const struct pageset *ps)
{
    return pageset_nr_words(ps->nr_gfns);
}

/* Bits at and above the end of the range are 0, always. */
static void cut_tail(struct pageset *ps)
{
    if ( ps->nr_gfns & 63 )
        ps->words[nr_words(ps) - 1] &= (1ull << (ps->nr_gfns & 63)) - 1;
}

void pageset_zero(struct pageset *ps)
{
    memset(ps->words, 0, nr_words(ps) * sizeof(*ps->words));
    ps->count = 0;
}

void pageset_fill(struct pageset *ps)
{
    memset(ps->words, 0xff, nr_words(ps) * sizeof(*ps->words));
    cut_tail(ps);
    ps->count = ps->nr_gfns;
}

/* The part of word w that [first, end) covers. */
static uint64_t word_mask(uint64_t w, uint64_t first, uint64_t end)
{
    uint64_t mask = ~0ull;

    if ( first > w * 64 )
        mask &= ~0ull << (first & 63);
    if ( end < w * 64 + 64 )
        mask &= (1ull << (end & 63)) - 1;

    return mask;
}

void pageset_set_run(struct pageset *ps, uint64_t first, uint64_t count)
{
    uint64_t w, end = first + count;

    assert(count <= ps->nr_gfns && first <= ps->nr_gfns - count);
    for ( w = first / 64; w * 64 < end; w++ )
    {
        uint64_t mask = word_mask(w, first, end);

        ps->count += __builtin_popcountll(mask & ~ps->words[w]);
        ps->words[w] |= mask;
    }
}

void pageset_clear_run(struct pageset *ps, uint64_t first, uint64_t count)
{
    uint64_t w, end = first + count;

    assert(count <= ps->nr_gfns && first <= ps->nr_gfns - count);
    for ( w = first / 64; w * 64 < end; w++ )
    {
        uint64_t mask = word_mask(w, first, end);

        ps->count -= __builtin_popcountll(mask & ps->words[w]);
        ps->words[w] &= ~mask;
    }
}

void pageset_copy(struct pageset *dst, const struct pageset *src)
{
    assert(dst->nr_gfns == src->nr_gfns);
    memcpy(dst->words, src->words, nr_words(dst) * sizeof(*dst->words));
    dst->count = src->count;
}

/* These count what changes: mostly that is little, and counting a word costs
 * more than all else. */

void pageset_or(struct pageset *dst, const struct pageset *src)
{
    size_t i, nr = nr_words(dst);
    uint64_t come;

    assert(dst->nr_gfns == src->nr_gfns);
    for ( i = 0; i < nr; i++ )
    {
        come = src->words[i] & ~dst->words[i];
        if ( !come )
            continue;
        dst->words[i] |= come;
        dst->count += __builtin_popcountll(come);
    }
}

void pageset_and(struct pageset *dst, const struct pageset *src)
{
    size_t i, nr = nr_words(dst);
    uint64_t gone;

    assert(dst->nr_gfns == src->nr_gfns);
    for ( i = 0; i < nr; i++ )
    {
        gone = dst->words[i] & ~src->words[i];
        if ( !gone )
            continue;
        dst->words[i] &= ~gone;
        dst->count -= __builtin_popcountll(gone);
    }
}

void pageset_andnot(struct pageset *dst, const struct pageset *src)
{
    pageset_andnot_from(dst, src, 0);
}

void pageset_andnot_from(struct pageset *dst, const struct pageset *src,
                         uint64_t from)
{
    size_t i, nr = nr_words(dst);
    uint64_t gone;

    assert(dst->nr_gfns == src->nr_gfns);
    for ( i = from >> 6; i < nr; i++ )
    {
        gone = dst->words[i] & src->words[i];
        if ( !gone )
            continue;
        if ( i == from >> 6 )
            gone &= ~0ull << (from & 63);
        dst->words[i] &= ~gone;
        dst->count -= __builtin_popcountll(gone);
    }
}

bool pageset_equal(const struct pageset *a, const struct pageset *b)
{
    return a->nr_gfns == b->nr_gfns && a->count == b->count &&
           memcmp(a->words, b->words, nr_words(a) * sizeof(*a->words)) == 0;
}

uint64_t pageset_count_and(const struct pageset *a, const struct pageset *b)
{
    size_t i, nr = nr_words(a);
    uint64_t count = 0;

    assert(a->nr_gfns == b->nr_gfns);
    for ( i = 0; i < nr; i++ )
        if ( a->words[i] & b->words[i] )
            count += __builtin_popcountll(a->words[i] & b->words[i]);

    return count;
}

uint64_t pageset_count_run(const struct pageset *ps, uint64_t first,
                           uint64_t count)
{
    uint64_t w, end, sum = 0;

    if ( first >= ps->nr_gfns )
        return 0;
    end = count > ps->nr_gfns - first ? ps->nr_gfns : first + count;
    for ( w = first / 64; w * 64 < end; w++ )
        sum += __builtin_popcountll(ps->words[w] &
                                    word_mask(w, first, end));

    return sum;
}

void pageset_or_words(struct pageset *ps, const void *words,
                      uint64_t nr_bits)
{
    size_t i, nr = pageset_nr_words(nr_bits);

    assert(nr_bits <= ps->nr_gfns);
    for ( i = 0; i < nr; i++ )
    {
        uint64_t w, was = ps->words[i];

        memcpy(&w, (const char *)words + i * sizeof(w), sizeof(w));
        if ( !w )
            continue;
        if ( i == nr - 1 && (nr_bits & 63) )
            w &= (1ull << (nr_bits & 63)) - 1;
        ps->words[i] = was | w;
        ps->count += __builtin_popcountll(w & ~was);
    }
}

void pageset_recount(struct pageset *ps)
{
    size_t i, nr = nr_words(ps);

    cut_tail(ps);
    ps->count = 0;
    for ( i = 0; i < nr; i++ )
        ps->count += __builtin_popcountll(ps->words[i]);
}

/* The first bit in [from, end) whose value is 1 once a word is xor'ed with
 * flip; end if there is none.  end is within the range. */
static uint64_t next_bit(const struct pageset *ps, uint64_t from,
                         uint64_t end, uint64_t flip)
{
    size_t i, nr = pageset_nr_words(end);
    uint64_t w, gfn;

    if ( from >= end )
        return end;
    i = from / 64;
    w = (ps->words[i] ^ flip) & (~0ull << (from & 63));
    while ( !w )
    {
        if ( ++i == nr )
            return end;
        w = ps->words[i] ^ flip;
    }
    gfn = i * 64 + (unsigned int)__builtin_ctzll(w);

    return gfn < end ? gfn : end;
}

uint64_t pageset_next_set(const struct pageset *ps, uint64_t from)
{
    return next_bit(ps, from, ps->nr_gfns, 0);
}

uint64_t pageset_next_clear(const struct pageset *ps, uint64_t from)
{
    return next_bit(ps, from, ps->nr_gfns, ~0ull);
}

/* The first run at or above from that begins below end, cut at end. */
static bool next_run_below(const struct pageset *ps, uint64_t from,
                           uint64_t end, uint64_t max, struct gfn_run *ret)
{
    uint64_t first = next_bit(ps, from, end, 0);

    if ( first >= end )
        return false;
    if ( max && max < end - first )
        end = first + max;
    ret->first = first;
    ret->count = next_bit(ps, first, end, ~0ull) - first;

    return true;
}

bool pageset_next_run(const struct pageset *ps, uint64_t from, uint64_t max,
                      struct gfn_run *ret)
{
    return next_run_below(ps, from, ps->nr_gfns, max, ret);
}

bool pageset_next_run_lane(const struct pageset *ps, uint64_t from,
                           uint64_t max, unsigned int lane,
                           unsigned int nr_lanes, struct gfn_run *ret)
{
    if ( nr_lanes <= 1 )
        return lane == 0 && pageset_next_run(ps, from, max, ret);

    while ( from < ps->nr_gfns )
    {
        uint64_t chunk, skip, end;

        /* Straight to the next member, then to the next chunk that is ours:
         * empty stretches cost no step per chunk. */
        from = next_bit(ps, from, ps->nr_gfns, 0);
        if ( from >= ps->nr_gfns )
            break;
        chunk = from >> CHUNK_BITS;
        skip = (lane + nr_lanes - chunk % nr_lanes) % nr_lanes;
        if ( skip )
            from = (chunk + skip) << CHUNK_BITS;
        if ( from >= ps->nr_gfns )
            break;
        end = ((from >> CHUNK_BITS) + 1) << CHUNK_BITS;
        if ( end > ps->nr_gfns )
            end = ps->nr_gfns;
        if ( next_run_below(ps, from, end, max, ret) )
            return true;
        from = end;
    }

    return false;
}

uint64_t pageset_count_lane(const struct pageset *ps, unsigned int lane,
                            unsigned int nr_lanes)
{
    uint64_t first, step, count = 0;

    if ( nr_lanes <= 1 )
        return lane == 0 ? ps->count : 0;
    step = (uint64_t)nr_lanes << CHUNK_BITS;
    for ( first = (uint64_t)lane << CHUNK_BITS; first < ps->nr_gfns;
          first += step )
        count += pageset_count_run(ps, first, CHUNK_GFNS);

    return count;
}

/* ---- Run lists --------------------------------------------------------- */

void gfn_runs_init(struct gfn_runs *rl)
{
    rl->runs = NULL;
    rl->nr = rl->room = 0;
}

void gfn_runs_done(struct gfn_runs *rl)
{
    free(rl->runs);
    gfn_runs_init(rl);
}

int gfn_runs_add(struct gfn_runs *rl, uint64_t first, uint64_t count)
{
    struct gfn_run *last = rl->nr ? &rl->runs[rl->nr - 1] : NULL;

    if ( !count )
        return 0;
    if ( last && last->first + last->count == first )
    {
        last->count += count;
        return 0;
    }
    if ( rl->nr == rl->room )
    {
        size_t room = rl->room ? rl->room * 2 : 64;
        struct gfn_run *runs = reallocarray(rl->runs, room, sizeof(*runs));

        if ( !runs )
            return -ENOMEM;
        rl->runs = runs;
        rl->room = room;
    }
    rl->runs[rl->nr].first = first;
    rl->runs[rl->nr].count = count;
    rl->nr++;

    return 0;
}

uint64_t gfn_runs_pages(const struct gfn_runs *rl)
{
    uint64_t sum = 0;
    size_t i;

    for ( i = 0; i < rl->nr; i++ )
        sum += rl->runs[i].count;

    return sum;
}

int gfn_runs_from_set(struct gfn_runs *rl, const struct pageset *ps)
{
    struct gfn_run run;
    int rc;

    rl->nr = 0;
    pageset_for_each_run(ps, run)
    {
        rc = gfn_runs_add(rl, run.first, run.count);
        if ( rc )
            return rc;
    }

    return 0;
}

int gfn_runs_to_set(const struct gfn_runs *rl, struct pageset *ps)
{
    size_t i;

    for ( i = 0; i < rl->nr; i++ )
        if ( rl->runs[i].count > ps->nr_gfns ||
             rl->runs[i].first > ps->nr_gfns - rl->runs[i].count )
            return -ERANGE;
    for ( i = 0; i < rl->nr; i++ )
        pageset_set_run(ps, rl->runs[i].first, rl->runs[i].count);

    return 0;
}

/* ---- Storing ----------------------------------------------------------- */

#ifdef __SSE2__
#include <emmintrin.h>

/* A plain store to memory that is in no cache reads it first; these do not:
 * measured, a third less time per page. */
void pages_store(void *dst, const void *src, size_t nr)
{
    const __m128i zero = _mm_setzero_si128();
    const __m128i *from = src;
    __m128i *to = dst;
    size_t i, n = nr * PAGE_BYTES / sizeof(*to);

    for ( i = 0; i < n; i += 4 )
    {
        __m128i a = from ? _mm_load_si128(from + i) : zero;
        __m128i b = from ? _mm_load_si128(from + i + 1) : zero;
        __m128i c = from ? _mm_load_si128(from + i + 2) : zero;
        __m128i d = from ? _mm_load_si128(from + i + 3) : zero;

        _mm_stream_si128(to + i, a);
        _mm_stream_si128(to + i + 1, b);
        _mm_stream_si128(to + i + 2, c);
        _mm_stream_si128(to + i + 3, d);
    }
    _mm_sfence();
}

void pages_fill(void *dst, uint32_t word, size_t nr)
{
    const __m128i w = _mm_set1_epi32((int)word);
    __m128i *to = dst;
    size_t i, n = nr * PAGE_BYTES / sizeof(*to);

    for ( i = 0; i < n; i++ )
        _mm_stream_si128(to + i, w);
    _mm_sfence();
}
#else
void pages_fill(void *dst, uint32_t word, size_t nr)
{
    uint32_t *to = dst;
    size_t i, n = nr * PAGE_BYTES / sizeof(*to);

    for ( i = 0; i < n; i++ )
        to[i] = word;
}

void pages_store(void *dst, const void *src, size_t nr)
{
    if ( src )
        memcpy(dst, src, nr * PAGE_BYTES);
    else
        memset(dst, 0, nr * PAGE_BYTES);
}
#endif

/* ---- Page contents ----------------------------------------------------- */

bool page_is_zero(const void *page)
{
    const uint64_t *w = page;
    unsigned int i;

    /* Most pages differ from zero in their first words; one line of a page
     * that is in no cache is dear enough. */
    if ( w[0] | w[1] )
        return false;
    if ( w[64] | w[511] )
        return false;
    for ( i = 0; i < PAGE_BYTES / sizeof(*w); i += 8 )
        if ( w[i] | w[i + 1] | w[i + 2] | w[i + 3] |
             w[i + 4] | w[i + 5] | w[i + 6] | w[i + 7] )
            return false;

    return true;
}

bool page_is_fill(const void *page, uint32_t *ret_word)
{
    const uint64_t *w = page, first = w[0];
    unsigned int i;

    /* As above: the first line tells nearly always. */
    if ( first >> 32 != (uint32_t)first || w[1] != first )
        return false;
    if ( w[64] != first || w[511] != first )
        return false;
    for ( i = 0; i < PAGE_BYTES / sizeof(*w); i += 8 )
        if ( (w[i] ^ first) | (w[i + 1] ^ first) | (w[i + 2] ^ first) |
             (w[i + 3] ^ first) | (w[i + 4] ^ first) | (w[i + 5] ^ first) |
             (w[i + 6] ^ first) | (w[i + 7] ^ first) )
            return false;
    *ret_word = (uint32_t)first;

    return true;
}
