/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Records of the session: the bytes of each against tests/golden/wire-*.bin
 * (GOLDEN_WRITE=1 in the environment writes the files anew), there and back,
 * and what is wrong with the header, the length, the sequence, the checksum.
 * The rules of single bodies are in test_wire_rules.c.
 * Length: a specimen of every record there is.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "wire.h"
#include "wire_coded.h"
#include "wire_fault.h"

#define ROOM 4096u

static uint64_t body[ROOM / 8], again[ROOM / 8];
static struct err e;

static void fill(uint8_t *p, size_t n, uint8_t from)
{
    size_t i;

    for ( i = 0; i < n; i++ )
        p[i] = (uint8_t)(from + i);
}

/* ---- A specimen of each record ----------------------------------------- */

static int hello(void *buf, size_t *len)
{
    struct wire_hello h = {
        .version_min = 1, .version_max = 2, .role = WIRE_BULK, .lane = 3,
        .caps = 0x0102030405060708, .xen_version = 4 << 16 | 17,
        .page_shift = 12, .arch = WIRE_ARCH_X86_64,
    };

    fill(h.id, 16, 0x10);
    fill(h.boot, 16, 0x20);
    fill(h.token, 16, 0x30);

    return wire_hello_encode(&h, buf, ROOM, len);
}

static int hello_again(const void *in, size_t n, void *buf, size_t *len)
{
    struct wire_hello h;
    int rc = wire_hello_decode(in, n, &e, &h);

    return rc ? rc : wire_hello_encode(&h, buf, ROOM, len);
}

static int error(void *buf, size_t *len)
{
    struct wire_error r = { .code = ENOSPC, .guest = XMIG_GUEST_AT_SOURCE,
                            .text = "no room" };

    return wire_error_encode(&r, buf, ROOM, len);
}

static int error_again(const void *in, size_t n, void *buf, size_t *len)
{
    struct wire_error r;
    int rc = wire_error_decode(in, n, &e, &r);

    return rc ? rc : wire_error_encode(&r, buf, ROOM, len);
}

static int refused(void *buf, size_t *len)
{
    struct wire_error r = { .code = ECONNABORTED, .text = "abandoned" };

    return wire_refused_encode(&r, buf, ROOM, len);
}

static int refused_again(const void *in, size_t n, void *buf, size_t *len)
{
    struct wire_error r;
    int rc = wire_refused_decode(in, n, &e, &r);

    return rc ? rc : wire_refused_encode(&r, buf, ROOM, len);
}

static int outcome(void *buf, size_t *len)
{
    struct wire_outcome r = { .outcome = WIRE_OUTCOME_ABANDONED,
                              .text = "gave up" };

    fill(r.boot, 16, 0x40);

    return wire_outcome_encode(&r, buf, ROOM, len);
}

static int outcome_again(const void *in, size_t n, void *buf, size_t *len)
{
    struct wire_outcome r;
    int rc = wire_outcome_decode(in, n, &e, &r);

    return rc ? rc : wire_outcome_encode(&r, buf, ROOM, len);
}

static int domain(void *buf, size_t *len)
{
    static char pairs[128];
    struct wire_domain d = {
        .vcpus = 4, .flags = WIRE_DOMAIN_HAP, .max_mem_kib = 0x100400,
        .paging_bytes = 0x800000, .populated_pages = 0x40008,
        .nr_gfns = 0xff000, .nr_lanes = 2, .ssidref = 7,
        .emulation_flags = 1, .grant_frames = 32, .maptrack_frames = 1024,
        .evtchn_limit = 1023, .name = "worker",
    };
    size_t used = 0;

    fill(d.uuid, 16, 0x50);
    if ( wire_pairs_add(pairs, sizeof(pairs), &used, "memory/target",
                        "1048576") ||
         wire_pairs_add(pairs, sizeof(pairs), &used, "data/empty", "") )
        return -EINVAL;
    d.pairs.data = pairs;
    d.pairs.bytes = used;
    d.pairs.nr = 2;

    return wire_domain_encode(&d, buf, ROOM, len);
}

static int domain_again(const void *in, size_t n, void *buf, size_t *len)
{
    struct wire_domain d;
    int rc = wire_domain_decode(in, n, &e, &d);

    return rc ? rc : wire_domain_encode(&d, buf, ROOM, len);
}

static int policy(void *buf, size_t *len)
{
    uint8_t leaves[2 * WIRE_LEAF_BYTES], msrs[WIRE_MSR_BYTES];
    struct wire_policy p = { .nr_leaves = 2, .nr_msrs = 1, .leaves = leaves,
                             .msrs = msrs };

    fill(leaves, sizeof(leaves), 0x60);
    fill(msrs, sizeof(msrs), 0xa0);

    return wire_policy_encode(&p, buf, ROOM, len);
}

static int policy_again(const void *in, size_t n, void *buf, size_t *len)
{
    struct wire_policy p;
    int rc = wire_policy_decode(in, n, &e, &p);

    return rc ? rc : wire_policy_encode(&p, buf, ROOM, len);
}

static int memory(void *buf, size_t *len)
{
    static const struct wire_range ranges[] = {
        { 0, 0xa0 }, { 0x100, 0x3ff00 }, { 0xfeff8, 8 },
    };
    struct wire_memory m = { .nr_ranges = 3, .flags = WIRE_MEMORY_MORE,
                             .ranges = ranges };

    return wire_memory_encode(&m, buf, ROOM, len);
}

static int memory_again(const void *in, size_t n, void *buf, size_t *len)
{
    struct wire_memory m;
    int rc = wire_memory_decode(in, n, 0xff000, 0, &e, &m);

    return rc ? rc : wire_memory_encode(&m, buf, ROOM, len);
}

static int state(void *buf, size_t *len)
{
    struct wire_state r = { .kind = WIRE_STATE_CONTEXT, .bytes = 13,
                            .data = "thirteen byte" };

    return wire_state_encode(&r, buf, ROOM, len);
}

static int state_again(const void *in, size_t n, void *buf, size_t *len)
{
    struct wire_state r;
    int rc = wire_state_decode(in, n, &e, &r);

    return rc ? rc : wire_state_encode(&r, buf, ROOM, len);
}

static int state_tsc(void *buf, size_t *len)
{
    struct wire_tsc t = { .mode = 1, .khz = 2400000, .nsec = 0x123456789abc,
                          .incarnation = 3 };
    uint8_t data[24];
    struct wire_state r = { .kind = WIRE_STATE_TSC, .bytes = sizeof(data),
                            .data = data };
    size_t n;
    int rc = wire_tsc_encode(&t, data, sizeof(data), &n);

    return rc ? rc : wire_state_encode(&r, buf, ROOM, len);
}

static int state_tsc_again(const void *in, size_t n, void *buf, size_t *len)
{
    struct wire_state r;
    struct wire_tsc t;
    uint8_t data[24];
    size_t used;
    int rc = wire_state_decode(in, n, &e, &r);

    if ( !rc )
        rc = wire_tsc_decode(r.data, r.bytes, &e, &t);
    if ( !rc )
        rc = wire_tsc_encode(&t, data, sizeof(data), &used);
    r.data = data;

    return rc ? rc : wire_state_encode(&r, buf, ROOM, len);
}

static int state_params(void *buf, size_t *len)
{
    static const struct wire_param params[] = { { 1, 0xfeffc },
                                                { 17, 0xfefff } };
    uint8_t data[32];
    struct wire_state r = { .kind = WIRE_STATE_PARAMS, .bytes = 32,
                            .data = data };
    size_t n;
    int rc = wire_params_encode(params, 2, data, sizeof(data), &n);

    return rc ? rc : wire_state_encode(&r, buf, ROOM, len);
}

static int state_params_again(const void *in, size_t n, void *buf,
                              size_t *len)
{
    struct wire_param params[WIRE_PARAMS_MAX];
    uint8_t data[32];
    struct wire_state r;
    unsigned int nr;
    size_t used;
    int rc = wire_state_decode(in, n, &e, &r);

    if ( !rc )
        rc = wire_params_decode(r.data, r.bytes, &e, params, &nr);
    if ( !rc )
        rc = wire_params_encode(params, nr, data, sizeof(data), &used);
    r.data = data;

    return rc ? rc : wire_state_encode(&r, buf, ROOM, len);
}

static int state_toolstack(void *buf, size_t *len)
{
    static const struct wire_toolstack t = { "libxl", "{\"a\": 1}", 8 };
    uint8_t data[64];
    struct wire_state r = { .kind = WIRE_STATE_TOOLSTACK, .data = data };
    size_t n;
    int rc = wire_toolstack_encode(&t, data, sizeof(data), &n);

    r.bytes = n;

    return rc ? rc : wire_state_encode(&r, buf, ROOM, len);
}

static int state_toolstack_again(const void *in, size_t n, void *buf,
                                 size_t *len)
{
    struct wire_toolstack t;
    struct wire_state r;
    uint8_t data[64];
    size_t used;
    int rc = wire_state_decode(in, n, &e, &r);

    if ( !rc )
        rc = wire_toolstack_decode(r.data, r.bytes, &e, &t);
    if ( !rc )
        rc = wire_toolstack_encode(&t, data, sizeof(data), &used);
    r.data = data;

    return rc ? rc : wire_state_encode(&r, buf, ROOM, len);
}

#define SMALL(name, ...)                                                \
    static int make_##name(void *buf, size_t *len)                      \
    {                                                                   \
        struct wire_##name r = { __VA_ARGS__ };                         \
                                                                        \
        return wire_##name##_encode(&r, buf, ROOM, len);                \
    }                                                                   \
    static int name##_again(const void *in, size_t n, void *buf,        \
                            size_t *len)                                \
    {                                                                   \
        struct wire_##name r;                                           \
        int rc = wire_##name##_decode(in, n, &e, &r);                   \
                                                                        \
        return rc ? rc : wire_##name##_encode(&r, buf, ROOM, len);      \
    }

SMALL(joined, .lane = 5)
SMALL(round, .round = 2, .flags = WIRE_ROUND_LAST, .pages = 0x1234,
      .dirty = 0x99)
SMALL(round_ack, .round = 2, .placed_pages = 0x123456789)
SMALL(state_end, .sent_pages = 0x41000, .populated_pages = 0x40008)
SMALL(running, .unpause_us = 321)
SMALL(absent_ack, .absent = 0x12345)
SMALL(progress, .absent = 0x41, .placed = 0x4000, .dropped = 3,
      .requests = 0x99, .waited_us = 123456, .p50_us = 80, .p99_us = 900,
      .longest_us = 4000)
SMALL(query, .id = { 0xaa, 1, 2, 3 }, .flags = WIRE_QUERY_ABANDON)
SMALL(round_end, .round = 1, .next_lanes = 4, .pages = 0x777)

static int fault(void *buf, size_t *len)
{
    struct wire_fault f = { .nr = 2, .want = { { 0xfeffc, false },
                                               { 0x12345678, true } } };

    return wire_fault_encode(&f, buf, ROOM, len);
}

static int fault_again(const void *in, size_t n, void *buf, size_t *len)
{
    struct wire_fault f;
    int rc = wire_fault_decode(in, n, 0x12345679, &e, &f);

    return rc ? rc : wire_fault_encode(&f, buf, ROOM, len);
}

static int pages(void *buf, size_t *len)
{
    static const struct wire_run runs[] = {
        { .gfn = 0x200, .count = 2, .kind = WIRE_KIND_DATA },
        { .gfn = 0x210, .count = 16, .kind = WIRE_KIND_ZERO },
        { .gfn = 0x3ff, .count = 1, .kind = WIRE_KIND_HOLE },
    };
    struct wire_pages_head h = { .round = 1, .nr_runs = 3, .nr_data = 2,
                                 .data_crc = 0 };

    return wire_pages_encode(&h, runs, buf, ROOM, len);
}

static int pages_fill(void *buf, size_t *len)
{
    static const struct wire_run runs[] = {
        { .gfn = 0x200, .count = 2, .kind = WIRE_KIND_DATA },
        { .gfn = 0x210, .count = 16, .kind = WIRE_KIND_FILL,
          .word = 0xc2c3c4c5 },
    };
    struct wire_pages_head h = { .round = 1, .nr_runs = 2, .nr_data = 2 };

    return wire_pages_encode(&h, runs, buf, ROOM, len);
}

static const struct wire_run coded_runs[] = {
    { .gfn = 0x200, .count = 1, .kind = WIRE_KIND_DATA },
    { .gfn = 0x210, .count = 16, .kind = WIRE_KIND_FILL, .word = 0xcccccccc },
    { .gfn = 0x220, .count = 2, .kind = WIRE_KIND_DELTA },
};

static int coded(void *buf, size_t *len)
{
    /* What the bytes are is not looked at here. */
    static const char data[] = "thirteen byte";
    struct wire_coded c = {
        .round = 3, .nr_runs = 3, .method = 2, .plain_bytes = 4096 + 24,
        .coded_bytes = 13,
    };

    memcpy((char *)buf + wire_coded_meta_bytes(3), data, 13);

    return wire_coded_encode(&c, coded_runs, buf, ROOM, len);
}

static int coded_again(const void *in, size_t n, void *buf, size_t *len)
{
    const struct wire_pages_bounds b = {
        .nr_gfns = 0x400, .lane = 1, .nr_lanes = 2,
        .caps = WIRE_CAP_ZSTD | WIRE_CAP_FILL | WIRE_CAP_DELTA,
    };
    static struct wire_run runs[WIRE_RUNS_MAX];
    struct wire_coded c;
    uint32_t pages;
    int rc = wire_coded_decode(in, n, &b, &e, &c, runs, &pages);

    if ( rc )
        return rc;
    memmove((char *)buf + wire_coded_meta_bytes(c.nr_runs), c.data,
            c.coded_bytes);

    return wire_coded_encode(&c, runs, buf, ROOM, len);
}

static int pages_again(const void *in, size_t n, void *buf, size_t *len)
{
    const struct wire_pages_bounds b = {
        .nr_gfns = 0x400, .lane = 1, .nr_lanes = 2,
        .caps = WIRE_CAP_ZERO | WIRE_CAP_FILL,
    };
    struct wire_run runs[8];
    struct wire_pages_head h;
    int rc;

    if ( n < WIRE_PAGES_HEAD_BYTES )
        return -EPROTO;
    rc = wire_pages_head_decode(in, n + 2 * 4096, &e, &h);
    if ( !rc )
        rc = wire_runs_decode((const char *)in + WIRE_PAGES_HEAD_BYTES,
                              n - WIRE_PAGES_HEAD_BYTES, &h, &b, &e, runs);

    return rc ? rc : wire_pages_encode(&h, runs, buf, ROOM, len);
}

static const struct
{
    const char *name;
    uint32_t type;
    enum wire_role role;
    int (*make)(void *buf, size_t *len);
    int (*again)(const void *in, size_t n, void *buf, size_t *len);
} records[] = {
    { "hello", WIRE_HELLO, WIRE_BULK, hello, hello_again },
    { "error", WIRE_ERROR, WIRE_CONTROL, error, error_again },
    { "refused", WIRE_REFUSED, WIRE_CONTROL, refused, refused_again },
    { "outcome", WIRE_OUTCOME, WIRE_QUERY, outcome, outcome_again },
    { "domain", WIRE_DOMAIN, WIRE_CONTROL, domain, domain_again },
    { "policy", WIRE_POLICY, WIRE_CONTROL, policy, policy_again },
    { "memory", WIRE_MEMORY, WIRE_CONTROL, memory, memory_again },
    { "state-context", WIRE_STATE, WIRE_CONTROL, state, state_again },
    { "state-tsc", WIRE_STATE, WIRE_CONTROL, state_tsc, state_tsc_again },
    { "state-params", WIRE_STATE, WIRE_CONTROL, state_params,
      state_params_again },
    { "joined", WIRE_JOINED, WIRE_BULK, make_joined, joined_again },
    { "round", WIRE_ROUND, WIRE_CONTROL, make_round, round_again },
    { "round-ack", WIRE_ROUND_ACK, WIRE_CONTROL, make_round_ack,
      round_ack_again },
    { "state-end", WIRE_STATE_END, WIRE_CONTROL, make_state_end,
      state_end_again },
    { "running", WIRE_RUNNING, WIRE_CONTROL, make_running, running_again },
    { "query", WIRE_QUERY_REC, WIRE_QUERY, make_query, query_again },
    { "round-end", WIRE_ROUND_END, WIRE_BULK, make_round_end,
      round_end_again },
    { "pages", WIRE_PAGES, WIRE_BULK, pages, pages_again },
    { "go", WIRE_GO, WIRE_CONTROL, NULL, NULL },
    { "state-toolstack", WIRE_STATE, WIRE_CONTROL, state_toolstack,
      state_toolstack_again },
    { "pages-fill", WIRE_PAGES, WIRE_BULK, pages_fill, pages_again },
    { "absent", WIRE_ABSENT, WIRE_CONTROL, memory, memory_again },
    { "absent-ack", WIRE_ABSENT_ACK, WIRE_CONTROL, make_absent_ack,
      absent_ack_again },
    { "fault", WIRE_FAULT_REC, WIRE_FAULT, fault, fault_again },
    { "remaining", WIRE_REMAINING, WIRE_CONTROL, memory, memory_again },
    { "placed", WIRE_PLACED, WIRE_CONTROL, make_progress, progress_again },
    { "progress", WIRE_PROGRESS, WIRE_CONTROL, make_progress,
      progress_again },
    { "coded", WIRE_CODED, WIRE_BULK, coded, coded_again },
};

#define NR_RECORDS (sizeof(records) / sizeof(records[0]))

/* Bytes of pages that the body has behind what is encoded. */
static uint32_t behind(size_t i)
{
    return records[i].type == WIRE_PAGES ? 2 * 4096 : 0;
}

/* ---- Tests ------------------------------------------------------------- */

static void records_are_as_in_the_golden_files(void **unused)
{
    const char *top = getenv("TOP");
    uint8_t file[ROOM], ours[ROOM];
    size_t i, len, n;
    char path[512];
    FILE *f;

    (void)unused;
    for ( i = 0; i < NR_RECORDS; i++ )
    {
        len = 0;
        if ( records[i].make )
            assert_int_equal(records[i].make(body, &len), 0);
        wire_hdr_encode(ours, records[i].type, (uint32_t)len + behind(i),
                        (uint32_t)i, body, len);
        memcpy(ours + WIRE_HDR_BYTES, body, len);
        len += WIRE_HDR_BYTES;
        snprintf(path, sizeof(path), "%s/tests/golden/wire-%s.bin",
                 top ? top : ".", records[i].name);
        if ( getenv("GOLDEN_WRITE") )
        {
            f = fopen(path, "w");
            assert_non_null(f);
            assert_int_equal(fwrite(ours, 1, len, f), len);
            assert_int_equal(fclose(f), 0);
        }
        f = fopen(path, "r");
        if ( !f )
            fail_msg("no %s", path);
        n = fread(file, 1, sizeof(file), f);
        fclose(f);
        assert_int_equal(n, len);
        assert_memory_equal(file, ours, len);
    }
}

static void what_is_encoded_is_decoded(void **unused)
{
    size_t i, len = 0, n = 0;

    (void)unused;
    for ( i = 0; i < NR_RECORDS; i++ )
    {
        if ( !records[i].make )
            continue;
        assert_int_equal(records[i].make(body, &len), 0);
        assert_int_equal(len % 8, 0);
        assert_int_equal(records[i].again(body, len, again, &n), 0);
        assert_int_equal(n, len);
        assert_memory_equal(again, body, len);
    }
}

/* A body of any other length is refused, and nothing behind it is read: the
 * copy ends where the body does. */
static void other_lengths_are_refused(void **unused)
{
    size_t i, cut, len = 0, n = 0;

    (void)unused;
    for ( i = 0; i < NR_RECORDS; i++ )
    {
        if ( !records[i].make )
            continue;
        assert_int_equal(records[i].make(body, &len), 0);
        for ( cut = 0; cut < len + 16; cut += 8 )
        {
            uint8_t *copy = calloc(1, cut ? cut : 1);
            int rc;

            assert_non_null(copy);
            memcpy(copy, body, cut < len ? cut : len);
            rc = records[i].again(copy, cut, again, &n);
            /* Text may be padded less; pairs may be fewer. */
            if ( cut == len )
                assert_int_equal(rc, 0);
            else if ( rc )
                assert_int_equal(rc, -EPROTO);
            else if ( records[i].type != WIRE_ERROR &&
                      records[i].type != WIRE_REFUSED &&
                      records[i].type != WIRE_OUTCOME &&
                      records[i].type != WIRE_DOMAIN )
                fail_msg("%s of %zu bytes", records[i].name, cut);
            free(copy);
        }
    }
}

/* A decoder may take what a turned bit makes of a body, but then it means
 * just those bytes: nothing it does not understand gets through. */
static void nothing_is_overlooked(void **unused)
{
    size_t i, at, len = 0, n = 0;
    int bit;

    (void)unused;
    for ( i = 0; i < NR_RECORDS; i++ )
    {
        if ( !records[i].make )
            continue;
        assert_int_equal(records[i].make(body, &len), 0);
        for ( at = 0; at < len; at++ )
            for ( bit = 0; bit < 8; bit++ )
            {
                uint8_t *p = (uint8_t *)body + at;
                int rc;

                *p ^= (uint8_t)(1 << bit);
                rc = records[i].again(body, len, again, &n);
                if ( !rc && (n != len || memcmp(again, body, len)) )
                    fail_msg("%s: bit %d of byte %zu is lost",
                             records[i].name, bit, at);
                if ( rc )
                    assert_int_equal(rc, -EPROTO);
                *p ^= (uint8_t)(1 << bit);
            }
    }
}

static void no_room_is_said(void **unused)
{
    struct wire_round r = { .round = 1 };
    size_t len = 77;

    (void)unused;
    assert_int_equal(wire_round_encode(&r, body, 23, &len), -EMSGSIZE);
    assert_int_equal(len, 77);
}

/* ---- Headers ----------------------------------------------------------- */

static void headers_go_there_and_back(void **unused)
{
    uint8_t in[WIRE_HDR_BYTES];
    struct wire_hdr h;

    (void)unused;
    wire_hdr_encode(in, WIRE_ROUND, 24, 7, "abc", 3);
    assert_int_equal(wire_hdr_decode(in, WIRE_CONTROL, 7, &e, &h), 0);
    assert_int_equal(h.type, WIRE_ROUND);
    assert_int_equal(h.length, 24);
    assert_int_equal(h.seq, 7);
    assert_int_equal(wire_crc_check(&h, "abc", 3, &e), 0);
    assert_int_equal(wire_crc_check(&h, "abd", 3, &e), -EPROTO);
    assert_int_equal(wire_crc_check(&h, "ab", 2, &e), -EPROTO);
}

/* Any bit of the header turned is refused by the header's own rules, or by
 * the checksum. */
static void a_changed_header_is_noticed(void **unused)
{
    uint8_t in[WIRE_HDR_BYTES];
    struct wire_hdr h;
    int bit;

    (void)unused;
    wire_hdr_encode(in, WIRE_DOMAIN, 208, 7, "abc", 3);
    for ( bit = 0; bit < 128; bit++ )
    {
        in[bit / 8] ^= (uint8_t)(1 << (bit & 7));
        if ( !wire_hdr_decode(in, WIRE_CONTROL, 7, NULL, &h) )
            assert_int_equal(wire_crc_check(&h, "abc", 3, NULL), -EPROTO);
        in[bit / 8] ^= (uint8_t)(1 << (bit & 7));
    }
}

static void sequence_numbers_must_follow(void **unused)
{
    uint8_t in[WIRE_HDR_BYTES];
    struct wire_hdr h;

    (void)unused;
    wire_hdr_encode(in, WIRE_GO, 0, 7, NULL, 0);
    assert_int_equal(wire_hdr_decode(in, WIRE_CONTROL, 6, &e, &h), -EPROTO);
    assert_int_equal(wire_hdr_decode(in, WIRE_CONTROL, 8, &e, &h), -EPROTO);
    assert_int_equal(wire_hdr_decode(in, WIRE_CONTROL, 7, &e, &h), 0);
}

static void records_belong_on_their_connection(void **unused)
{
    uint32_t min, max;

    (void)unused;
    assert_true(wire_limits(WIRE_PAGES, WIRE_BULK, &min, &max));
    assert_int_equal(max, 16 + 4096 * 16 + 1024 * 4096);
    assert_true(max <= WIRE_BULK_MAX);
    assert_false(wire_limits(WIRE_PAGES, WIRE_CONTROL, &min, &max));
    assert_false(wire_limits(WIRE_GO, WIRE_BULK, &min, &max));
    assert_false(wire_limits(WIRE_GO, WIRE_QUERY, &min, &max));
    assert_true(wire_limits(WIRE_HELLO, WIRE_QUERY, &min, &max));
    assert_false(wire_limits(WIRE_TYPE(1, 41), WIRE_FAULT, &min, &max));
    assert_false(wire_limits(0, WIRE_CONTROL, &min, &max));
    assert_false(wire_limits(WIRE_TYPE(0, 1), WIRE_CONTROL, &min, &max));
    assert_true(wire_limits(WIRE_TYPE(2, 1), WIRE_CONTROL, &min, &max));
    assert_int_equal(max, WIRE_CONTROL_MAX);
    assert_false(wire_limits(WIRE_TYPE(2, 0), WIRE_CONTROL, &min, &max));
    assert_false(wire_limits(WIRE_TYPE(2, 1), WIRE_BULK, &min, &max));
}

static void every_records_length_is_limited(void **unused)
{
    uint8_t in[WIRE_HDR_BYTES];
    struct wire_hdr h;
    uint32_t min, max;
    size_t i;

    (void)unused;
    for ( i = 0; i < NR_RECORDS; i++ )
    {
        uint32_t type = records[i].type;
        enum wire_role role = records[i].role;

        assert_true(wire_limits(type, role, &min, &max));
        assert_true(max <= (role == WIRE_BULK ? WIRE_BULK_MAX
                                              : WIRE_CONTROL_MAX));
        wire_hdr_encode(in, type, max, 0, NULL, 0);
        assert_int_equal(wire_hdr_decode(in, role, 0, &e, &h), 0);
        wire_hdr_encode(in, type, max + 8, 0, NULL, 0);
        assert_int_equal(wire_hdr_decode(in, role, 0, &e, &h), -EPROTO);
        wire_hdr_encode(in, type, max + 1, 0, NULL, 0);
        assert_int_equal(wire_hdr_decode(in, role, 0, &e, &h), -EPROTO);
        wire_hdr_encode(in, type, UINT32_MAX & ~7u, 0, NULL, 0);
        assert_int_equal(wire_hdr_decode(in, role, 0, &e, &h), -EPROTO);
    }
}

static void names_are_those_of_the_page(void **unused)
{
    (void)unused;
    assert_string_equal(wire_name(WIRE_ROUND_ACK), "ROUND_ACK");
    assert_string_equal(wire_name(WIRE_QUERY_REC), "QUERY");
    assert_null(wire_name(WIRE_TYPE(1, 99)));
    assert_null(wire_name(WIRE_TYPE(2, 1)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_are_as_in_the_golden_files),
        cmocka_unit_test(what_is_encoded_is_decoded),
        cmocka_unit_test(other_lengths_are_refused),
        cmocka_unit_test(nothing_is_overlooked),
        cmocka_unit_test(no_room_is_said),
        cmocka_unit_test(headers_go_there_and_back),
        cmocka_unit_test(a_changed_header_is_noticed),
        cmocka_unit_test(sequence_numbers_must_follow),
        cmocka_unit_test(records_belong_on_their_connection),
        cmocka_unit_test(every_records_length_is_limited),
        cmocka_unit_test(names_are_those_of_the_page),
    };

    err_init(&e);

    return cmocka_run_group_tests(tests, NULL, NULL);
}
