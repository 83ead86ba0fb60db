/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Fuzzer of coded batches, from the record to what is placed: run lists,
 * zlib, zstd and deltas, as a hostile source might send them.
 *
 * Input: u8 n, then n runs {u8 kind, u8 gfn, u8 count, u8 word}, u8 method,
 * u8 kind of size, and the coded bytes; so that the frame is right most of
 * the time and what is in it is looked at.  With method 255 all that follows
 * is the body of a record.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "delta.h"
#include "incode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NR_GFNS   256u
#define RUNS_MAX  8u
#define ROOM      (1u << 18)

static uint8_t body[ROOM] __attribute__((aligned(16)));
static struct wire_run runs[WIRE_RUNS_MAX];
static uint64_t page[512];

static void expect(int condition)
{
    if ( !condition )
        abort();
}

/* As placing does, without a guest. */
static void look_at(const struct incode *c, uint32_t nr)
{
    const uint8_t *data = c->data, *delta = c->deltas;
    volatile uint8_t sum = 0;
    uint32_t i, k;
    size_t len, b;

    for ( i = 0; i < nr; i++ )
        for ( k = 0; k < runs[i].count; k++ )
            if ( runs[i].kind == WIRE_KIND_DATA )
            {
                for ( b = 0; b < 4096; b += 64 )
                    sum = (uint8_t)(sum + data[b]);
                data += 4096;
            }
            else if ( runs[i].kind == WIRE_KIND_DELTA )
            {
                len = delta[0] | (size_t)delta[1] << 8;
                delta_apply(page, delta + 2, len);
                delta += 2 + len;
            }
    expect(delta == c->deltas + c->delta_bytes);
}

static void take(size_t len)
{
    const struct wire_pages_bounds b = {
        .nr_gfns = NR_GFNS, .nr_lanes = 1,
        .caps = WIRE_CAP_ZERO | WIRE_CAP_FILL | WIRE_CAP_DELTA |
                WIRE_CAP_ZLIB | WIRE_CAP_ZSTD,
    };
    const struct wire_record rec = { WIRE_CODED, (uint32_t)len, body };
    struct incode c = { 0 };
    uint32_t round, nr;
    struct err e;

    err_init(&e);
    if ( !incode_open(&c, &rec, &b, &e, runs, &round, &nr) )
        look_at(&c, nr);
    else
        expect(e.rec.text[0] != '\0');
    incode_done(&c);
    err_done(&e);
}

/* Bytes that the material has if the runs are told the truth about. */
static size_t plain_of(const struct wire_run *r, uint32_t nr, uint8_t more)
{
    size_t plain = 0;
    uint32_t i;

    for ( i = 0; i < nr; i++ )
        plain += r[i].kind == WIRE_KIND_DATA ? r[i].count * 4096u : 0;

    return plain + (size_t)more * 4;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wire_run r[RUNS_MAX];
    struct wire_coded h = { .round = 1 };
    uint32_t n, i;
    size_t len;

    if ( size && data[0] == 255 )
    {
        len = size - 1 < ROOM ? size - 1 : ROOM;
        memcpy(body, data + 1, len);
        take(len);
        return 0;
    }
    if ( size < 1 )
        return 0;
    n = data[0] % RUNS_MAX + 1;
    if ( size < 3 + n * 4 || size > ROOM / 2 )
        return 0;
    for ( i = 0; i < n; i++ )
        r[i] = (struct wire_run){
            .kind = data[1 + i * 4], .gfn = data[2 + i * 4],
            .count = data[3 + i * 4] % 16u, .word = data[4 + i * 4],
        };
    data += 1 + n * 4;
    size -= 1 + n * 4;
    h.nr_runs = n;
    h.method = data[0] % 3;
    h.coded_bytes = (uint32_t)size - 2;
    h.plain_bytes = h.method ? (uint32_t)plain_of(r, n, data[1])
                             : h.coded_bytes;
    memcpy(body + wire_coded_meta_bytes(n), data + 2, size - 2);
    if ( !wire_coded_encode(&h, r, body, ROOM, &len) )
        take(len);

    return 0;
}
