/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * CODED: head, runs, and how much stands behind them.
 */
#include "wire_coded.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "pages.h"
#include "wire_bytes.h"

static_assert(offsetof(struct wire_coded, data) == WIRE_CODED_HEAD_BYTES,
              "head of CODED");
static_assert(offsetof(struct wire_coded, coded_bytes) == 16, "CODED");
static_assert(WIRE_CODED_MAX <= WIRE_BULK_MAX, "limit of CODED");

static bool sizes_fit(const struct wire_coded *c)
{
    if ( c->plain_bytes > WIRE_CODED_PLAIN_MAX )
        return false;

    return c->method ? c->coded_bytes && c->coded_bytes < c->plain_bytes
                     : c->coded_bytes == c->plain_bytes;
}

int wire_coded_encode(const struct wire_coded *c, const struct wire_run *runs,
                      void *buf, size_t room, size_t *ret_len)
{
    size_t meta = wire_coded_meta_bytes(c->nr_runs), end;
    uint8_t *p = buf;

    if ( !c->nr_runs || c->nr_runs > WIRE_RUNS_MAX ||
         c->method >= WIRE_CODED_METHODS || !sizes_fit(c) )
        return -EINVAL;
    end = meta + c->coded_bytes;
    if ( room < wire_round8(end) )
        return -EMSGSIZE;
    wire_put32(p, c->round);
    wire_put32(p + 4, c->nr_runs);
    wire_put32(p + 8, c->method);
    wire_put32(p + 12, c->plain_bytes);
    wire_put32(p + 16, c->coded_bytes);
    memset(p + 20, 0, 12);
    wire_run_list_encode(runs, c->nr_runs, p + WIRE_CODED_HEAD_BYTES);
    memset(p + end, 0, wire_round8(end) - end);
    *ret_len = wire_round8(end);

    return 0;
}

/* The fixed part, and that the body is as long as it says. */
static int decode_head(const uint8_t *p, size_t len, uint64_t caps,
                       struct err *e, struct wire_coded *c)
{
    static const uint64_t need[WIRE_CODED_METHODS] = {
        0, WIRE_CAP_ZLIB, WIRE_CAP_ZSTD,
    };
    size_t end;

    if ( len < WIRE_CODED_HEAD_BYTES )
        return err_set(e, -EPROTO, "CODED: body of %zu bytes is too short",
                       len);
    c->round = wire_get32(p);
    c->nr_runs = wire_get32(p + 4);
    c->method = wire_get32(p + 8);
    c->plain_bytes = wire_get32(p + 12);
    c->coded_bytes = wire_get32(p + 16);
    if ( !c->nr_runs || c->nr_runs > WIRE_RUNS_MAX )
        return err_set(e, -EPROTO, "CODED: %u runs, may be 1 ... %u",
                       c->nr_runs, WIRE_RUNS_MAX);
    if ( c->method >= WIRE_CODED_METHODS )
        return err_set(e, -EPROTO, "CODED: unknown method %u", c->method);
    if ( (caps & need[c->method]) != need[c->method] )
        return err_set(e, -EPROTO, "CODED: method %u was not agreed on",
                       c->method);
    if ( !sizes_fit(c) )
        return err_set(e, -EPROTO, "CODED: %u bytes by method %u, which are "
                       "to become %u", c->coded_bytes, c->method,
                       c->plain_bytes);
    end = wire_coded_meta_bytes(c->nr_runs) + c->coded_bytes;
    if ( len != wire_round8(end) )
        return err_set(e, -EPROTO, "CODED: body of %zu bytes with %u runs and "
                       "%u coded bytes", len, c->nr_runs, c->coded_bytes);

    return wire_want_zeros("CODED", p + 20, 12, e);
}

int wire_coded_decode(const void *body, size_t len,
                      const struct wire_pages_bounds *b, struct err *e,
                      struct wire_coded *ret, struct wire_run *runs,
                      uint32_t *ret_data_pages)
{
    const uint8_t *p = body;
    struct wire_coded c = { 0 };
    uint64_t pages = 0;
    size_t end;
    uint32_t i;
    int rc;

    rc = decode_head(p, len, b->caps, e, &c);
    if ( !rc )
        rc = wire_run_list_decode("CODED", p + WIRE_CODED_HEAD_BYTES,
                                  c.nr_runs, true, b, e, runs);
    if ( rc )
        return rc;
    c.data = p + wire_coded_meta_bytes(c.nr_runs);
    end = c.data + c.coded_bytes - p;
    rc = wire_want_zeros("CODED", p + end, len - end, e);
    if ( rc )
        return rc;
    for ( i = 0; i < c.nr_runs; i++ )
        if ( runs[i].kind == WIRE_KIND_DATA )
            pages += runs[i].count;
    if ( pages > c.plain_bytes / PAGE_BYTES )
        return err_set(e, -EPROTO, "CODED: runs name %lu pages with data, the "
                       "material has %u bytes", (unsigned long)pages,
                       c.plain_bytes);
    *ret_data_pages = (uint32_t)pages;
    *ret = c;

    return 0;
}
