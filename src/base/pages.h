/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Sets of guest frame numbers: bitmaps with a count, and run lists.
 *
 * Built for a million gfns and more: 64-bit words, and walks that skip
 * empty words.  The words have the layout of Xen's dirty bitmap on x86 (bit
 * gfn & 63 of word gfn >> 6); bits at and beyond nr_gfns are always 0.
 *
 * Nothing here locks.
 */
#ifndef XMIG_PAGES_H
#define XMIG_PAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAGE_BYTES       4096u
#define PAGE_BITS        12
#define CHUNK_GFNS       512u    /* a 2 MiB chunk: the unit of lanes */
#define CHUNK_BITS       9

struct gfn_run
{
    uint64_t first;
    uint64_t count;
};

struct pageset
{
    uint64_t *words;
    uint64_t nr_gfns;
    uint64_t count;              /* bits set */
};

static inline size_t pageset_nr_words(uint64_t nr_gfns)
{
    return (nr_gfns + 63) / 64;
}

/* An empty set over [0, nr_gfns).  -ENOMEM; -EINVAL beyond 2^44. */
int pageset_init(struct pageset *ps, uint64_t nr_gfns);
/* ps may be all zeros. */
void pageset_done(struct pageset *ps);

/* gfn must be below nr_gfns; true if that changed the set. */
static inline bool pageset_set(struct pageset *ps, uint64_t gfn)
{
    uint64_t bit = 1ull << (gfn & 63), *w = &ps->words[gfn >> 6];
    bool was = *w & bit;

    *w |= bit;
    ps->count += !was;

    return !was;
}

static inline bool pageset_clear(struct pageset *ps, uint64_t gfn)
{
    uint64_t bit = 1ull << (gfn & 63), *w = &ps->words[gfn >> 6];
    bool was = *w & bit;

    *w &= ~bit;
    ps->count -= was;

    return was;
}

/* False, too, for a gfn beyond the set. */
static inline bool pageset_test(const struct pageset *ps, uint64_t gfn)
{
    return gfn < ps->nr_gfns && (ps->words[gfn >> 6] >> (gfn & 63)) & 1;
}

static inline bool pageset_empty(const struct pageset *ps)
{
    return ps->count == 0;
}

void pageset_zero(struct pageset *ps);
void pageset_fill(struct pageset *ps);
/* [first, first + count) lies in the set's range. */
void pageset_set_run(struct pageset *ps, uint64_t first, uint64_t count);
void pageset_clear_run(struct pageset *ps, uint64_t first, uint64_t count);

/* dst op= src; both have the same nr_gfns. */
void pageset_copy(struct pageset *dst, const struct pageset *src);
void pageset_or(struct pageset *dst, const struct pageset *src);
void pageset_and(struct pageset *dst, const struct pageset *src);
void pageset_andnot(struct pageset *dst, const struct pageset *src);
/* The same, for members from gfn from on only. */
void pageset_andnot_from(struct pageset *dst, const struct pageset *src,
                         uint64_t from);
bool pageset_equal(const struct pageset *a, const struct pageset *b);
/* Members of both. */
uint64_t pageset_count_and(const struct pageset *a, const struct pageset *b);
/* Members in [first, first + count), which may reach beyond the range. */
uint64_t pageset_count_run(const struct pageset *ps, uint64_t first,
                           uint64_t count);

/*
 * Or in a bitmap of the same layout that covers nr_bits gfns from 0 on
 * (nr_bits <= nr_gfns); bits of words beyond nr_bits are ignored.
 */
void pageset_or_words(struct pageset *ps, const void *words,
                      uint64_t nr_bits);
/* The words were written by hand: cut the tail and count anew. */
void pageset_recount(struct pageset *ps);

/* The first member, or non-member, at or above from; nr_gfns if none. */
uint64_t pageset_next_set(const struct pageset *ps, uint64_t from);
uint64_t pageset_next_clear(const struct pageset *ps, uint64_t from);

/*
 * The first run of members at or above from, cut to max gfns (0 = not cut).
 * False behind the last.
 */
bool pageset_next_run(const struct pageset *ps, uint64_t from, uint64_t max,
                      struct gfn_run *ret);

#define pageset_for_each_run(ps, run)                                   \
    for ( (run).first = (run).count = 0;                                \
          pageset_next_run(ps, (run).first + (run).count, 0, &(run)); )

/* ---- Lanes: who carries which chunk ------------------------------------ */

static inline unsigned int gfn_lane(uint64_t gfn, unsigned int nr_lanes)
{
    return nr_lanes > 1 ? (gfn >> CHUNK_BITS) % nr_lanes : 0;
}

/*
 * As pageset_next_run(), but only in the chunks of one lane of nr_lanes; a
 * run does not leave its chunk unless nr_lanes is 1.
 */
bool pageset_next_run_lane(const struct pageset *ps, uint64_t from,
                           uint64_t max, unsigned int lane,
                           unsigned int nr_lanes, struct gfn_run *ret);
/* Members in the lane's chunks. */
uint64_t pageset_count_lane(const struct pageset *ps, unsigned int lane,
                            unsigned int nr_lanes);

/* ---- Run lists --------------------------------------------------------- */

struct gfn_runs
{
    struct gfn_run *runs;
    size_t nr, room;
};

void gfn_runs_init(struct gfn_runs *rl);
void gfn_runs_done(struct gfn_runs *rl);
/* Append; joined to the last run where it continues it.  -ENOMEM. */
int gfn_runs_add(struct gfn_runs *rl, uint64_t first, uint64_t count);
uint64_t gfn_runs_pages(const struct gfn_runs *rl);
/* All members, ascending. */
int gfn_runs_from_set(struct gfn_runs *rl, const struct pageset *ps);
/* -ERANGE if a run leaves the set's range; then nothing was set. */
int gfn_runs_to_set(const struct gfn_runs *rl, struct pageset *ps);

/* ---- Page contents ----------------------------------------------------- */

/* Are all 4096 bytes 0?  page is aligned to 8. */
bool page_is_zero(const void *page);
/* Does it consist of one 32-bit word (maybe 0) again and again? */
bool page_is_fill(const void *page, uint32_t *ret_word);
/*
 * Write nr pages from src (NULL: zeros) that nobody here will read again:
 * past the caches where the processor can.  Both aligned to 16.
 */
void pages_store(void *dst, const void *src, size_t nr);
/* The same with pages that consist of word. */
void pages_fill(void *dst, uint32_t word, size_t nr);

#endif
