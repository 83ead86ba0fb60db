/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * PAGES (docs/stream.md 2.5): the head and the run list of a batch.  The
 * pages behind them go straight to where they belong and are not seen here.
 */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>

#include "pages.h"
#include "wire.h"
#include "wire_bytes.h"

static_assert(sizeof(struct wire_pages_head) == WIRE_PAGES_HEAD_BYTES,
              "head of PAGES");
static_assert(offsetof(struct wire_pages_head, nr_runs) == 4, "PAGES");
static_assert(offsetof(struct wire_pages_head, nr_data) == 8, "PAGES");
static_assert(offsetof(struct wire_pages_head, data_crc) == 12, "PAGES");
static_assert(WIRE_PAGES_META_MAX + WIRE_DATA_MAX * 4096 <= WIRE_BULK_MAX,
              "limit of PAGES");

#define KIND_SHIFT 56
#define GFN_MASK   ((1ull << KIND_SHIFT) - 1)

void wire_run_list_encode(const struct wire_run *runs, uint32_t nr, void *p)
{
    uint8_t *q = p;
    uint32_t i;

    for ( i = 0; i < nr; i++, q += WIRE_RUN_BYTES )
    {
        wire_put64(q, runs[i].gfn | (uint64_t)runs[i].kind << KIND_SHIFT);
        wire_put32(q + 8, runs[i].count);
        wire_put32(q + 12, runs[i].word);
    }
}

int wire_pages_encode(const struct wire_pages_head *h,
                      const struct wire_run *runs, void *buf, size_t room,
                      size_t *ret_len)
{
    size_t len = wire_pages_meta_bytes(h->nr_runs);
    uint64_t nr_data = 0;
    uint8_t *p = buf;
    uint32_t i;

    if ( !h->nr_runs || h->nr_runs > WIRE_RUNS_MAX ||
         h->nr_data > WIRE_DATA_MAX )
        return -EINVAL;
    if ( room < len )
        return -EMSGSIZE;
    wire_put32(p, h->round);
    wire_put32(p + 4, h->nr_runs);
    wire_put32(p + 8, h->nr_data);
    wire_put32(p + 12, h->data_crc);
    for ( i = 0; i < h->nr_runs; i++ )
        if ( runs[i].kind == WIRE_KIND_DATA )
            nr_data += runs[i].count;
    if ( nr_data != h->nr_data )
        return -EINVAL;
    wire_run_list_encode(runs, h->nr_runs, p + WIRE_PAGES_HEAD_BYTES);
    *ret_len = len;

    return 0;
}

int wire_pages_head_decode(const void *body, size_t length, struct err *e,
                           struct wire_pages_head *ret)
{
    const uint8_t *p = body;
    struct wire_pages_head h;

    if ( length < WIRE_PAGES_HEAD_BYTES )
        return err_set(e, -EPROTO, "PAGES: body of %zu bytes is too short",
                       length);
    h.round = wire_get32(p);
    h.nr_runs = wire_get32(p + 4);
    h.nr_data = wire_get32(p + 8);
    h.data_crc = wire_get32(p + 12);
    if ( !h.nr_runs || h.nr_runs > WIRE_RUNS_MAX )
        return err_set(e, -EPROTO, "PAGES: %u runs, may be 1 ... %u",
                       h.nr_runs, WIRE_RUNS_MAX);
    if ( h.nr_data > WIRE_DATA_MAX )
        return err_set(e, -EPROTO, "PAGES: %u pages with data, may be %u",
                       h.nr_data, WIRE_DATA_MAX);
    if ( length != wire_pages_length(h.nr_runs, h.nr_data) )
        return err_set(e, -EPROTO, "PAGES: body of %zu bytes with %u runs and "
                       "%u pages", length, h.nr_runs, h.nr_data);
    *ret = h;

    return 0;
}

/* One run, against the bounds. */
static int check_run(const char *name, const struct wire_run *r, uint32_t i,
                     enum wire_kind last_kind,
                     const struct wire_pages_bounds *b, struct err *e)
{
    if ( r->kind < WIRE_KIND_DATA || r->kind > last_kind )
        return err_set(e, -EPROTO, "%s: run %u: unknown kind %u", name, i,
                       r->kind);
    if ( (r->kind == WIRE_KIND_ZERO && !(b->caps & WIRE_CAP_ZERO)) ||
         (r->kind == WIRE_KIND_ALLOC && !(b->caps & WIRE_CAP_ALLOC)) ||
         (r->kind == WIRE_KIND_FILL && !(b->caps & WIRE_CAP_FILL)) ||
         (r->kind == WIRE_KIND_DELTA && !(b->caps & WIRE_CAP_DELTA)) )
        return err_set(e, -EPROTO, "%s: run %u: kind %u was not agreed on",
                       name, i, r->kind);
    if ( !r->count || r->gfn >= b->nr_gfns ||
         r->count > b->nr_gfns - r->gfn )
        return err_set(e, -EPROTO, "%s: run %u: %u gfns from %#" PRIx64
                       " lie outside 0 ... %#" PRIx64, name, i, r->count,
                       r->gfn, b->nr_gfns);
    if ( b->nr_lanes > 1 &&
         (r->gfn >> CHUNK_BITS != (r->gfn + r->count - 1) >> CHUNK_BITS ||
          gfn_lane(r->gfn, b->nr_lanes) != b->lane) )
        return err_set(e, -EPROTO, "%s: run %u: %u gfns from %#" PRIx64
                       " are not all of lane %u of %u", name, i, r->count,
                       r->gfn, b->lane, b->nr_lanes);
    if ( r->word && r->kind != WIRE_KIND_FILL )
        return err_set(e, -EPROTO, "%s: run %u: reserved bytes not 0", name,
                       i);

    return 0;
}

int wire_run_list_decode(const char *name, const void *list, uint32_t nr,
                         bool with_deltas, const struct wire_pages_bounds *b,
                         struct err *e, struct wire_run *runs)
{
    enum wire_kind last_kind = with_deltas ? WIRE_KIND_DELTA : WIRE_KIND_FILL;
    const uint8_t *p = list;
    uint32_t i;
    int rc = 0;

    for ( i = 0; !rc && i < nr; i++, p += WIRE_RUN_BYTES )
    {
        uint64_t v = wire_get64(p);

        runs[i].gfn = v & GFN_MASK;
        runs[i].kind = (uint8_t)(v >> KIND_SHIFT);
        runs[i].count = wire_get32(p + 8);
        runs[i].word = wire_get32(p + 12);
        rc = check_run(name, &runs[i], i, last_kind, b, e);
    }

    return rc;
}

int wire_runs_decode(const void *list, size_t len,
                     const struct wire_pages_head *h,
                     const struct wire_pages_bounds *b, struct err *e,
                     struct wire_run *runs)
{
    uint64_t nr_data = 0;
    uint32_t i;
    int rc;

    rc = wire_want_len("PAGES: run list", len,
                       (size_t)h->nr_runs * WIRE_RUN_BYTES, e);
    if ( !rc )
        rc = wire_run_list_decode("PAGES", list, h->nr_runs, false, b, e,
                                  runs);
    if ( rc )
        return rc;
    for ( i = 0; i < h->nr_runs; i++ )
        if ( runs[i].kind == WIRE_KIND_DATA )
            nr_data += runs[i].count;
    if ( nr_data != h->nr_data )
        return err_set(e, -EPROTO, "PAGES: runs name %" PRIu64 " pages with "
                       "data, the head %u", nr_data, h->nr_data);

    return 0;
}
