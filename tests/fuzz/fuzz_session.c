/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Fuzzer of the session protocol: record headers and every body, as a
 * hostile peer might send them.
 *
 * Input: 16 bytes tried as a record header, then {u16 number, u16 length,
 * body} again and again.  The checksum is left out, as nothing would get past
 * it.  What decodes must encode again, and to something that decodes: so a
 * decoder that lets nonsense through is noticed.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "wire.h"
#include "wire_fault.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NR_GFNS 0x180000ull
#define ROOM (1u << 17)

static uint64_t body_buf[65536 / 8 + 1], again_buf[ROOM / 8];

static void expect(int condition)
{
    if ( !condition )
        abort();
}

/* A record whose structure holds all of it. */
#define ROUND_TRIP(name)                                                \
    static void name(const void *body, size_t len, struct err *e)       \
    {                                                                   \
        struct wire_##name a, b;                                        \
        size_t out;                                                     \
                                                                        \
        if ( wire_##name##_decode(body, len, e, &a) )                   \
            return;                                                     \
        expect(!wire_##name##_encode(&a, again_buf, ROOM, &out));       \
        expect(!(out % 8));                                             \
        expect(!wire_##name##_decode(again_buf, out, e, &b));           \
    }

ROUND_TRIP(hello)
ROUND_TRIP(error)
ROUND_TRIP(outcome)
ROUND_TRIP(policy)
ROUND_TRIP(joined)
ROUND_TRIP(round)
ROUND_TRIP(round_ack)
ROUND_TRIP(state_end)
ROUND_TRIP(running)
ROUND_TRIP(query)
ROUND_TRIP(round_end)
ROUND_TRIP(absent_ack)
ROUND_TRIP(progress)

static void refused(const void *body, size_t len, struct err *e)
{
    struct wire_error a;
    size_t out;

    if ( !wire_refused_decode(body, len, e, &a) )
        expect(!wire_refused_encode(&a, again_buf, ROOM, &out));
}

static void fault(const void *body, size_t len, struct err *e)
{
    struct wire_fault a, b;
    size_t out;
    uint32_t i;

    if ( wire_fault_decode(body, len, NR_GFNS, e, &a) )
        return;
    for ( i = 0; i < a.nr; i++ )
        expect(a.want[i].gfn < NR_GFNS);
    expect(!wire_fault_encode(&a, again_buf, ROOM, &out));
    expect(!wire_fault_decode(again_buf, out, NR_GFNS, e, &b));
    expect(b.nr == a.nr);
}

static void pairs(const struct wire_pairs *p)
{
    const char *key, *value;
    unsigned int n = 0;
    size_t pos = 0;

    while ( wire_pairs_next(p, &pos, &key, &value) )
    {
        expect(strlen(key) && strlen(key) < WIRE_PAIR_KEY_MAX);
        expect(strlen(value) < WIRE_PAIR_VALUE_MAX);
        expect(wire_pairs_get(p, key) != NULL);
        n++;
    }
    expect(n == p->nr && n <= WIRE_PAIRS_MAX);
}

static void domain(const void *body, size_t len, struct err *e)
{
    struct wire_domain d;
    size_t out;

    if ( wire_domain_decode(body, len, e, &d) )
        return;
    expect(memchr(d.name, 0, sizeof(d.name)) != NULL);
    pairs(&d.pairs);
    expect(!wire_domain_encode(&d, again_buf, ROOM, &out));
}

static void memory(const void *body, size_t len, struct err *e)
{
    struct wire_memory m;
    uint64_t end = 0;
    uint32_t i;

    if ( wire_memory_decode(body, len, NR_GFNS, 0, e, &m) )
        return;
    for ( i = 0; i < m.nr_ranges; i++ )
    {
        expect(m.ranges[i].first >= end && m.ranges[i].count);
        end = m.ranges[i].first + m.ranges[i].count;
        expect(end <= NR_GFNS);
    }
}

static void state(const void *body, size_t len, struct err *e)
{
    struct wire_param params[WIRE_PARAMS_MAX];
    struct wire_pairs p;
    struct wire_state s;
    struct wire_tsc tsc;
    unsigned int nr;
    size_t out;

    if ( wire_state_decode(body, len, e, &s) )
        return;
    expect(s.bytes <= len);
    expect(!wire_state_encode(&s, again_buf, ROOM, &out));
    switch ( s.kind )
    {
    case WIRE_STATE_TSC:
        wire_tsc_decode(s.data, s.bytes, e, &tsc);
        break;
    case WIRE_STATE_PARAMS:
        if ( !wire_params_decode(s.data, s.bytes, e, params, &nr) )
            expect(nr <= WIRE_PARAMS_MAX);
        break;
    case WIRE_STATE_PAIRS:
        if ( !wire_pairs_decode(s.data, s.bytes, e, &p) )
            pairs(&p);
        break;
    }
}

static void pages(const void *body, size_t len, struct err *e)
{
    static struct wire_run runs[WIRE_RUNS_MAX];
    const struct wire_pages_bounds b = {
        .nr_gfns = NR_GFNS, .lane = 1, .nr_lanes = 2,
        .caps = WIRE_CAP_ZERO | WIRE_CAP_LANES,
    };
    struct wire_pages_head h;
    uint64_t nr_data = 0;
    size_t meta;
    uint32_t i;

    /* The body's length counts pages that are not in the input. */
    if ( len < WIRE_PAGES_HEAD_BYTES )
        return;
    memcpy(&h, body, sizeof(h));
    if ( h.nr_runs > WIRE_RUNS_MAX || h.nr_data > WIRE_DATA_MAX ||
         wire_pages_head_decode(body, wire_pages_length(h.nr_runs, h.nr_data),
                                e, &h) )
        return;
    meta = wire_pages_meta_bytes(h.nr_runs);
    if ( meta > len || wire_runs_decode((const uint8_t *)body +
                                        WIRE_PAGES_HEAD_BYTES,
                                        meta - WIRE_PAGES_HEAD_BYTES, &h, &b,
                                        e, runs) )
        return;
    for ( i = 0; i < h.nr_runs; i++ )
    {
        expect(runs[i].count && runs[i].gfn < NR_GFNS &&
               runs[i].count <= NR_GFNS - runs[i].gfn);
        expect((runs[i].gfn >> 9) % b.nr_lanes == b.lane);
        nr_data += runs[i].kind == WIRE_KIND_DATA ? runs[i].count : 0;
    }
    expect(nr_data == h.nr_data);
}

static void one(uint32_t type, const void *body, size_t len, struct err *e)
{
    switch ( type )
    {
    case WIRE_HELLO: hello(body, len, e); break;
    case WIRE_ERROR: error(body, len, e); break;
    case WIRE_DOMAIN: domain(body, len, e); break;
    case WIRE_POLICY: policy(body, len, e); break;
    case WIRE_ABSENT:
    case WIRE_REMAINING:
    case WIRE_MEMORY: memory(body, len, e); break;
    case WIRE_JOINED: joined(body, len, e); break;
    case WIRE_ROUND: round(body, len, e); break;
    case WIRE_ROUND_ACK: round_ack(body, len, e); break;
    case WIRE_STATE: state(body, len, e); break;
    case WIRE_STATE_END: state_end(body, len, e); break;
    case WIRE_REFUSED: refused(body, len, e); break;
    case WIRE_RUNNING: running(body, len, e); break;
    case WIRE_QUERY_REC: query(body, len, e); break;
    case WIRE_OUTCOME: outcome(body, len, e); break;
    case WIRE_PAGES: pages(body, len, e); break;
    case WIRE_ROUND_END: round_end(body, len, e); break;
    case WIRE_ABSENT_ACK: absent_ack(body, len, e); break;
    case WIRE_FAULT_REC: fault(body, len, e); break;
    case WIRE_PLACED:
    case WIRE_PROGRESS: progress(body, len, e); break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wire_hdr hdr;
    uint16_t head[2];
    struct err e;
    unsigned int role;

    err_init(&e);
    if ( size >= WIRE_HDR_BYTES )
    {
        for ( role = WIRE_CONTROL; role <= WIRE_QUERY; role++ )
            if ( !wire_hdr_decode(data, role, 0, &e, &hdr) )
                expect(hdr.length <= WIRE_BULK_MAX && !(hdr.length % 8));
        data += WIRE_HDR_BYTES;
        size -= WIRE_HDR_BYTES;
    }
    while ( size >= sizeof(head) )
    {
        memcpy(head, data, sizeof(head));
        data += sizeof(head);
        size -= sizeof(head);
        if ( head[1] > size )
            head[1] = size;
        memcpy(body_buf, data, head[1]);
        one(WIRE_TYPE(WIRE_ID_ENGINE, head[0]), body_buf, head[1], &e);
        data += head[1];
        size -= head[1];
    }
    err_done(&e);

    return 0;
}
