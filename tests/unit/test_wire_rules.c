/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The rules of docs/stream.md for single bodies: each is broken once, alone,
 * and the refusal names it.
 * Length: as many rules as the page has.
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

static uint64_t buf[(1u << 20) / 8];
static uint8_t *const b = (uint8_t *)buf;
static size_t len;
static struct err e;

static void refused(int got, int rc, const char *words, int line)
{
    struct xmig_error rec;

    err_copy(&e, &rec);
    err_reset(&e);
    if ( got != rc || !strstr(rec.text, words) )
        fail_msg("line %d: %d, \"%s\" does not say \"%s\"", line, got,
                 rec.text, words);
}

#define assert_refused(call, words) \
    refused((call), -EPROTO, (words), __LINE__)

static void put16(size_t at, uint16_t v)
{
    memcpy(b + at, &v, 2);
}

static void put32(size_t at, uint32_t v)
{
    memcpy(b + at, &v, 4);
}

static void put64(size_t at, uint64_t v)
{
    memcpy(b + at, &v, 8);
}

/* ---- HELLO ------------------------------------------------------------- */

static struct wire_hello good_hello(void)
{
    struct wire_hello h = {
        .version_min = 1, .version_max = 1, .role = WIRE_CONTROL,
        .caps = WIRE_CAP_ZERO | WIRE_CAP_LANES, .page_shift = 12,
        .arch = WIRE_ARCH_X86_64, .id = { 1 },
    };

    assert_int_equal(wire_hello_encode(&h, b, sizeof(buf), &len), 0);

    return h;
}

static void hello_is_judged(void **state)
{
    struct wire_hello h;

    (void)state;
    good_hello();
    assert_int_equal(wire_hello_decode(b, len, &e, &h), 0);
    b[0] = 'x';
    assert_refused(wire_hello_decode(b, len, &e, &h), "not xmig");
    good_hello();
    put16(8, 0);
    assert_refused(wire_hello_decode(b, len, &e, &h), "no range");
    put16(8, 2);
    assert_refused(wire_hello_decode(b, len, &e, &h), "no range");
    good_hello();
    put16(12, 0);
    assert_refused(wire_hello_decode(b, len, &e, &h), "role 0");
    put16(12, 5);
    assert_refused(wire_hello_decode(b, len, &e, &h), "role 5");
    good_hello();
    put16(14, 1);
    put16(12, WIRE_FAULT);
    assert_refused(wire_hello_decode(b, len, &e, &h), "lane 1");
    put16(12, WIRE_CONTROL);
    assert_int_equal(wire_hello_decode(b, len, &e, &h), 0);
    put16(12, WIRE_BULK);
    assert_int_equal(wire_hello_decode(b, len, &e, &h), 0);
    put16(14, 16);
    assert_refused(wire_hello_decode(b, len, &e, &h), "lane 16");
    good_hello();
    b[24] = 0;
    assert_refused(wire_hello_decode(b, len, &e, &h), "migration id");
    put16(12, WIRE_QUERY);
    assert_int_equal(wire_hello_decode(b, len, &e, &h), 0);
    good_hello();
    b[87] = 1;
    assert_refused(wire_hello_decode(b, len, &e, &h), "reserved");
}

static void the_highest_common_version_is_agreed_on(void **state)
{
    struct wire_hello a = good_hello(), o = a;
    uint16_t version = 0;
    uint64_t caps = 0;

    (void)state;
    a.version_min = 2;
    a.version_max = 5;
    o.version_max = 3;
    o.caps = WIRE_CAP_LANES | WIRE_CAP_DELTA;
    assert_int_equal(wire_hello_agree(&a, &o, &e, &version, &caps), 0);
    assert_int_equal(version, 3);
    assert_int_equal(caps, WIRE_CAP_LANES);
    o.version_max = 2;
    assert_int_equal(wire_hello_agree(&a, &o, &e, &version, &caps), 0);
    assert_int_equal(version, 2);
    o.version_max = 1;
    refused(wire_hello_agree(&a, &o, &e, &version, &caps), -EPROTONOSUPPORT,
            "this end speaks 2 ... 5, the peer 1 ... 1", __LINE__);
    o.version_min = 6;
    o.version_max = 9;
    refused(wire_hello_agree(&a, &o, &e, &version, &caps), -EPROTONOSUPPORT,
            "the peer 6 ... 9", __LINE__);
}

static void other_machines_are_refused(void **state)
{
    struct wire_hello a = good_hello(), o = a;
    uint16_t version;
    uint64_t caps;

    (void)state;
    o.arch = 2;
    refused(wire_hello_agree(&a, &o, &e, &version, &caps), -EPROTONOSUPPORT,
            "architecture", __LINE__);
    o = a;
    o.page_shift = 16;
    refused(wire_hello_agree(&a, &o, &e, &version, &caps), -EPROTONOSUPPORT,
            "page size", __LINE__);
}

/* ---- Text -------------------------------------------------------------- */

static void texts_are_judged(void **state)
{
    struct wire_error r = { .code = EIO, .text = "abc" }, got;

    (void)state;
    assert_int_equal(wire_error_encode(&r, b, sizeof(buf), &len), 0);
    assert_int_equal(len, 16);
    put32(0, 0);
    assert_refused(wire_error_decode(b, len, &e, &got), "error code");
    put32(0, 4096);
    assert_refused(wire_error_decode(b, len, &e, &got), "error code");
    put32(0, EIO);
    put32(4, 6);
    assert_refused(wire_error_decode(b, len, &e, &got), "place of a guest");
    put32(4, 0);
    b[12] = 'x';
    assert_refused(wire_error_decode(b, len, &e, &got), "behind the text");
    memset(b + 8, 'x', 8);
    assert_refused(wire_error_decode(b, len, &e, &got), "does not end");
    memset(b + 8, 'x', 600);
    b[8 + 512] = 0;
    memset(b + 8 + 512, 0, 8);
    assert_refused(wire_error_decode(b, 8 + 520, &e, &got), "may have 511");
    memcpy(b + 8, "a\033[2J\0\0", 8);
    assert_refused(wire_error_decode(b, len, &e, &got), "control character");
    memcpy(b + 8, "a\302\2332J\0\0", 8);
    assert_refused(wire_error_decode(b, len, &e, &got), "control character");
    assert_refused(wire_refused_decode(b, 8, &e, &got), "too short");
}

static void texts_are_cut_and_cleaned(void **state)
{
    struct wire_error r = { .code = EIO, .text = "a\nb" }, got;

    (void)state;
    assert_int_equal(wire_error_encode(&r, b, sizeof(buf), &len), 0);
    assert_int_equal(wire_error_decode(b, len, &e, &got), 0);
    assert_string_equal(got.text, "a?b");
    memset(r.text, 'y', sizeof(r.text));
    assert_int_equal(wire_error_encode(&r, b, sizeof(buf), &len), 0);
    assert_int_equal(len, 8 + WIRE_TEXT_MAX);
    assert_int_equal(wire_error_decode(b, len, &e, &got), 0);
    assert_int_equal(strlen(got.text), WIRE_TEXT_MAX - 1);
}

static void codes_become_ours(void **state)
{
    (void)state;
    assert_int_equal(wire_code_to_rc(ENOSPC), -ENOSPC);
    assert_int_equal(wire_code_to_rc(0), -EIO);
    assert_int_equal(wire_code_to_rc(134), -EIO);
    assert_int_equal(wire_code_to_rc(UINT32_MAX), -EIO);
}

static void outcomes_are_judged(void **state)
{
    struct wire_outcome r = { .outcome = WIRE_OUTCOME_STARTED }, got;

    (void)state;
    assert_int_equal(wire_outcome_encode(&r, b, sizeof(buf), &len), 0);
    put32(0, 0);
    assert_refused(wire_outcome_decode(b, len, &e, &got), "no outcome");
    put32(0, 7);
    assert_refused(wire_outcome_decode(b, len, &e, &got), "no outcome");
    put32(0, 1);
    put32(4, 1);
    assert_refused(wire_outcome_decode(b, len, &e, &got), "reserved");
}

/* ---- DOMAIN ------------------------------------------------------------ */

static struct wire_domain good_domain(void)
{
    struct wire_domain d = {
        .vcpus = 1, .max_mem_kib = 65536, .populated_pages = 16384,
        .nr_gfns = 0xff000, .nr_lanes = 1, .name = "x",
        .pairs = { .data = "k\0v", .bytes = 4, .nr = 1 },
    };

    assert_int_equal(wire_domain_encode(&d, b, sizeof(buf), &len), 0);

    return d;
}

static void domains_are_judged(void **state)
{
    static const struct
    {
        size_t at, size;
        uint64_t value;
        const char *words;
    } bad[] = {
        { 0, 4, 0, "vcpus" }, { 0, 4, 513, "vcpus" },
        { 4, 4, 8, "flags" }, { 4, 4, 16, "flags" },
        { 32, 8, 0, "gfns" }, { 32, 8, (1ull << 36) + 1, "gfns" },
        { 32, 8, UINT64_MAX, "gfns" },
        { 24, 8, 0xff001, "populated" },
        { 8, 8, UINT64_MAX, "memory limit" },
        { 40, 4, 0, "lanes" }, { 40, 4, 17, "lanes" },
        { 80, 4, 0, "no name" }, { 80, 4, '/', "no name" },
        { 80, 4, 7, "control character" },
        { 204, 4, 1, "behind the text" },
    };
    struct wire_domain got;
    size_t i;

    (void)state;
    for ( i = 0; i < sizeof(bad) / sizeof(bad[0]); i++ )
    {
        good_domain();
        assert_int_equal(wire_domain_decode(b, len, &e, &got), 0);
        memcpy(b + bad[i].at, &bad[i].value, bad[i].size);
        assert_refused(wire_domain_decode(b, len, &e, &got), bad[i].words);
    }
    good_domain();
    memset(b + 80, 'n', 128);
    assert_refused(wire_domain_decode(b, len, &e, &got), "does not end");
    assert_refused(wire_domain_decode(b, 200, &e, &got), "too short");
}

static void bad_domains_are_not_encoded(void **state)
{
    struct wire_domain d = good_domain();

    (void)state;
    d.vcpus = 0;
    assert_int_equal(wire_domain_encode(&d, b, sizeof(buf), &len), -EINVAL);
    d = good_domain();
    memset(d.name, 'x', sizeof(d.name));
    assert_int_equal(wire_domain_encode(&d, b, sizeof(buf), &len), -EINVAL);
    d = good_domain();
    assert_int_equal(wire_domain_encode(&d, b, 211, &len), -EMSGSIZE);
}

static void pairs_are_judged(void **state)
{
    struct wire_pairs p;
    unsigned int i;
    size_t used;

    (void)state;
    assert_int_equal(wire_pairs_decode("", 0, &e, &p), 0);
    assert_int_equal(p.nr, 0);
    memcpy(b, "key\0value\0\0\0\0\0\0", 16);
    assert_int_equal(wire_pairs_decode(b, 16, &e, &p), 0);
    assert_int_equal(p.nr, 1);
    assert_string_equal(wire_pairs_get(&p, "key"), "value");
    assert_null(wire_pairs_get(&p, "value"));
    assert_refused(wire_pairs_decode(b, 3, &e, &p), "does not end");
    assert_refused(wire_pairs_decode(b, 4, &e, &p), "no value");
    assert_refused(wire_pairs_decode(b, 9, &e, &p), "does not end");
    memset(b + 10, 0, 8);
    assert_refused(wire_pairs_decode(b, 18, &e, &p), "not padding");
    b[12] = 'x';
    assert_refused(wire_pairs_decode(b, 16, &e, &p), "not padding");
    memcpy(b, "k y\0v\0\0", 8);
    assert_refused(wire_pairs_decode(b, 8, &e, &p), "in a key");
    memset(b, 'k', 256);
    memset(b + 256, 0, 8);
    assert_refused(wire_pairs_decode(b, 264, &e, &p), "key of 256");
    memset(b, 'v', 4200);
    memcpy(b, "k", 2);
    b[4199] = 0;
    assert_refused(wire_pairs_decode(b, 4200, &e, &p), "value of 4197");
    for ( i = 0, used = 0; i < WIRE_PAIRS_MAX; i++ )
        assert_int_equal(wire_pairs_add(b, sizeof(buf), &used, "k", "v"), 0);
    assert_int_equal(wire_pairs_decode(b, used, &e, &p), 0);
    assert_int_equal(p.nr, WIRE_PAIRS_MAX);
    assert_int_equal(wire_pairs_add(b, sizeof(buf), &used, "k", "v"), 0);
    assert_refused(wire_pairs_decode(b, used, &e, &p), "more than 256");
}

static void pairs_that_do_not_fit_are_not_added(void **state)
{
    char key[300];
    size_t used = 0;

    (void)state;
    memset(key, 'k', sizeof(key));
    key[256] = 0;
    assert_int_equal(wire_pairs_add(b, 1000, &used, key, ""), -EMSGSIZE);
    assert_int_equal(wire_pairs_add(b, 1000, &used, "", "v"), -EMSGSIZE);
    assert_int_equal(wire_pairs_add(b, 5, &used, "ab", "cd"), -EMSGSIZE);
    assert_int_equal(used, 0);
    assert_int_equal(wire_pairs_add(b, 6, &used, "ab", "cd"), 0);
    assert_int_equal(used, 6);
}

/* ---- POLICY and MEMORY ------------------------------------------------- */

static void policies_are_judged(void **state)
{
    struct wire_policy p;

    (void)state;
    memset(b, 0, 4096);
    put32(0, 1);
    put32(4, 1);
    assert_int_equal(wire_policy_decode(b, 48, &e, &p), 0);
    assert_ptr_equal(p.msrs, b + 32);
    assert_refused(wire_policy_decode(b, 40, &e, &p), "must be 48");
    put32(0, UINT32_MAX);
    assert_refused(wire_policy_decode(b, 48, &e, &p), "may be 4096");
    put32(0, 0x0aaaaaab);        /* times 24 is 8 in 32 bits */
    assert_refused(wire_policy_decode(b, 48, &e, &p), "may be 4096");
    assert_refused(wire_policy_decode(b, 0, &e, &p), "too short");
}

static void put_range(unsigned int i, uint64_t first, uint64_t count)
{
    put64(8 + 16 * i, first);
    put64(16 + 16 * i, count);
}

static void memory_is_judged(void **state)
{
    struct wire_memory m;

    (void)state;
    put32(0, 2);
    put32(4, 0);
    put_range(0, 0, 10);
    put_range(1, 20, 80);
    assert_int_equal(wire_memory_decode(b, 40, 100, 0, &e, &m), 0);
    assert_refused(wire_memory_decode(b, 40, 99, 0, &e, &m), "range 1");
    assert_refused(wire_memory_decode(b, 40, 100, 1, &e, &m), "range 0");
    assert_refused(wire_memory_decode(b, 32, 100, 0, &e, &m), "must be 40");
    put_range(1, 10, 80);        /* goes on behind the first */
    assert_refused(wire_memory_decode(b, 40, 100, 0, &e, &m), "range 1");
    put_range(1, 5, 80);
    assert_refused(wire_memory_decode(b, 40, 100, 0, &e, &m), "range 1");
    put_range(1, 20, 0);
    assert_refused(wire_memory_decode(b, 40, 100, 0, &e, &m), "range 1");
    put_range(1, 20, UINT64_MAX);
    assert_refused(wire_memory_decode(b, 40, 100, 0, &e, &m), "range 1");
    put_range(1, UINT64_MAX, 1);
    assert_refused(wire_memory_decode(b, 40, 100, 0, &e, &m), "range 1");
    put32(4, 2);
    assert_refused(wire_memory_decode(b, 40, 100, 0, &e, &m), "flags");
    put32(4, 0);
    put32(0, UINT32_MAX);
    assert_refused(wire_memory_decode(b, 40, 100, 0, &e, &m), "may be 65535");
}

/* ---- Small ones -------------------------------------------------------- */

static void small_ones_are_judged(void **state)
{
    struct wire_joined j;
    struct wire_round r;
    struct wire_round_end re;
    struct wire_query q;

    (void)state;
    memset(b, 0, 64);
    put16(0, 16);
    assert_refused(wire_joined_decode(b, 8, &e, &j), "lane 16");
    memset(b, 0, 64);
    put32(4, 4);
    assert_refused(wire_round_decode(b, 24, &e, &r), "flags");
    put32(4, 2);
    assert_refused(wire_round_decode(b, 24, &e, &r), "not the last");
    put32(4, 3);
    assert_int_equal(wire_round_decode(b, 24, &e, &r), 0);
    memset(b, 0, 64);
    assert_refused(wire_round_end_decode(b, 16, &e, &re), "0 lanes");
    put32(4, 17);
    assert_refused(wire_round_end_decode(b, 16, &e, &re), "17 lanes");
    memset(b, 0, 64);
    assert_refused(wire_query_decode(b, 24, &e, &q), "migration id");
    b[0] = 1;
    put32(16, 4);
    assert_refused(wire_query_decode(b, 24, &e, &q), "flags");
    re.next_lanes = 0;
    assert_int_equal(wire_round_end_encode(&re, b, 64, &len), -EINVAL);
}

static void states_are_judged(void **state)
{
    struct wire_param params[WIRE_PARAMS_MAX];
    struct wire_state s;
    struct wire_tsc t;
    unsigned int nr;

    (void)state;
    memset(b, 0, 4096);
    put32(0, WIRE_STATE_TSC);
    put32(4, 5);
    assert_int_equal(wire_state_decode(b, 16, &e, &s), 0);
    assert_refused(wire_state_decode(b, 24, &e, &s), "5 bytes of data");
    assert_refused(wire_state_decode(b, 8, &e, &s), "5 bytes of data");
    b[13] = 1;
    assert_refused(wire_state_decode(b, 16, &e, &s), "padding");
    put32(4, UINT32_MAX);
    assert_refused(wire_state_decode(b, 16, &e, &s), "bytes of data");
    put32(4, UINT32_MAX - 7);
    assert_refused(wire_state_decode(b, 8, &e, &s), "bytes of data");
    put32(0, 0);
    assert_refused(wire_state_decode(b, 16, &e, &s), "kind 0");
    put32(0, 6);
    assert_refused(wire_state_decode(b, 16, &e, &s), "kind 6");
    assert_refused(wire_tsc_decode(b, 16, &e, &t), "must be 24");
    memset(b, 0, 4096);
    assert_refused(wire_params_decode(b, 8, &e, params, &nr), "16 each");
    assert_refused(wire_params_decode(b, 16 * 65, &e, params, &nr),
                   "at most 64");
    assert_refused(wire_params_decode(b, 32, &e, params, &nr), "twice");
    assert_int_equal(wire_params_decode(b, 16, &e, params, &nr), 0);
    assert_int_equal(nr, 1);
}

/* ---- PAGES ------------------------------------------------------------- */

static struct wire_run runs[WIRE_RUNS_MAX];

static int try_run(uint64_t gfn, uint32_t count, uint8_t kind,
                   unsigned int lane, unsigned int nr_lanes, uint64_t caps)
{
    const struct wire_pages_bounds bounds = {
        .nr_gfns = 4096, .lane = lane, .nr_lanes = nr_lanes, .caps = caps,
    };
    const struct wire_pages_head h = {
        .nr_runs = 1, .nr_data = kind == WIRE_KIND_DATA ? count : 0,
    };

    put64(0, gfn | (uint64_t)kind << 56);
    put32(8, count);
    put32(12, 0);

    return wire_runs_decode(b, 16, &h, &bounds, &e, runs);
}

#define ALL (WIRE_CAP_ZERO | WIRE_CAP_ALLOC)

static void runs_lie_in_the_guest(void **state)
{
    (void)state;
    assert_int_equal(try_run(0, 4096, WIRE_KIND_ZERO, 0, 1, ALL), 0);
    assert_int_equal(try_run(4095, 1, WIRE_KIND_DATA, 0, 1, ALL), 0);
    assert_refused(try_run(0, 4097, WIRE_KIND_ZERO, 0, 1, ALL), "outside");
    assert_refused(try_run(4096, 1, WIRE_KIND_DATA, 0, 1, ALL), "outside");
    assert_refused(try_run((1ull << 56) - 1, 2, WIRE_KIND_ZERO, 0, 1, ALL),
                   "outside");
    assert_refused(try_run(0, 0, WIRE_KIND_ZERO, 0, 1, ALL), "outside");
    assert_refused(try_run(1, UINT32_MAX, WIRE_KIND_HOLE, 0, 1, ALL),
                   "outside");
}

static void runs_are_of_a_kind_agreed_on(void **state)
{
    (void)state;
    assert_refused(try_run(0, 1, 0, 0, 1, ALL), "kind 0");
    assert_refused(try_run(0, 1, 6, 0, 1, ALL), "kind 6");
    assert_refused(try_run(0, 1, WIRE_KIND_FILL, 0, 1, ALL), "not agreed");
    assert_int_equal(try_run(0, 1, WIRE_KIND_FILL, 0, 1, WIRE_CAP_FILL), 0);
    assert_int_equal(runs[0].word, 0);
    assert_refused(try_run(0, 1, WIRE_KIND_ZERO, 0, 1, 0), "not agreed");
    assert_refused(try_run(0, 1, WIRE_KIND_ALLOC, 0, 1, WIRE_CAP_ZERO),
                   "not agreed");
    assert_int_equal(try_run(0, 1, WIRE_KIND_ALLOC, 0, 1, ALL), 0);
    assert_int_equal(try_run(0, 1, WIRE_KIND_HOLE, 0, 1, 0), 0);
    assert_refused((try_run(0, 1, WIRE_KIND_HOLE, 0, 1, 0), put32(12, 1),
                    wire_runs_decode(b, 16,
                        &(struct wire_pages_head){ .nr_runs = 1 },
                        &(struct wire_pages_bounds){ .nr_gfns = 10,
                                                     .nr_lanes = 1 },
                        &e, runs)), "reserved");
}

static void runs_belong_to_their_lane(void **state)
{
    (void)state;
    assert_int_equal(try_run(512, 512, WIRE_KIND_ZERO, 1, 2, ALL), 0);
    assert_refused(try_run(512, 512, WIRE_KIND_ZERO, 0, 2, ALL), "lane 0");
    assert_refused(try_run(512, 513, WIRE_KIND_ZERO, 1, 2, ALL), "lane 1");
    assert_refused(try_run(1023, 2, WIRE_KIND_ZERO, 1, 2, ALL), "lane 1");
    assert_int_equal(try_run(511, 1000, WIRE_KIND_ZERO, 0, 1, ALL), 0);
}

static void counts_of_pages_agree(void **state)
{
    const struct wire_pages_bounds bounds = { .nr_gfns = 4096,
                                              .nr_lanes = 1 };
    struct wire_pages_head h = { .nr_runs = 1, .nr_data = 2 };

    (void)state;
    assert_int_equal(try_run(0, 2, WIRE_KIND_DATA, 0, 1, ALL), 0);
    h.nr_data = 3;
    assert_refused(wire_runs_decode(b, 16, &h, &bounds, &e, runs),
                   "the head 3");
    h.nr_runs = 2;
    assert_refused(wire_runs_decode(b, 16, &h, &bounds, &e, runs),
                   "must be 32");
}

static void heads_of_batches_are_judged(void **state)
{
    struct wire_pages_head h;

    (void)state;
    memset(b, 0, 16);
    put32(4, 1);
    put32(8, 1);
    assert_int_equal(wire_pages_head_decode(b, 32 + 4096, &e, &h), 0);
    assert_refused(wire_pages_head_decode(b, 32, &e, &h), "body of 32");
    assert_refused(wire_pages_head_decode(b, 40 + 4096, &e, &h), "body of");
    assert_refused(wire_pages_head_decode(b, 8, &e, &h), "too short");
    put32(4, 0);
    assert_refused(wire_pages_head_decode(b, 16 + 4096, &e, &h), "0 runs");
    put32(4, WIRE_RUNS_MAX + 1);
    assert_refused(wire_pages_head_decode(b, 32 + 4096, &e, &h), "runs");
    put32(4, 1);
    put32(8, WIRE_DATA_MAX + 1);
    assert_refused(wire_pages_head_decode(b, 32 + 1025 * 4096, &e, &h),
                   "pages with data");
    put32(8, 0x00100000);        /* times 4096 is 0 in 32 bits */
    assert_refused(wire_pages_head_decode(b, 32, &e, &h), "pages with data");
}

static void bad_batches_are_not_encoded(void **state)
{
    struct wire_pages_head h = { .nr_runs = 1, .nr_data = 1 };

    (void)state;
    runs[0] = (struct wire_run){ .gfn = 0, .count = 2,
                                 .kind = WIRE_KIND_DATA };
    assert_int_equal(wire_pages_encode(&h, runs, b, 4096, &len), -EINVAL);
    h.nr_data = 2;
    assert_int_equal(wire_pages_encode(&h, runs, b, 31, &len), -EMSGSIZE);
    assert_int_equal(wire_pages_encode(&h, runs, b, 32, &len), 0);
    h.nr_runs = 0;
    assert_int_equal(wire_pages_encode(&h, runs, b, 4096, &len), -EINVAL);
}

static void capabilities_have_names(void **state)
{
    char text[16];

    (void)state;
    assert_string_equal(wire_cap_name(3, text), "post-copy");
    assert_string_equal(wire_cap_name(13, text), "echo");
    assert_string_equal(wire_cap_name(40, text), "bit 40");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hello_is_judged),
        cmocka_unit_test(the_highest_common_version_is_agreed_on),
        cmocka_unit_test(other_machines_are_refused),
        cmocka_unit_test(texts_are_judged),
        cmocka_unit_test(texts_are_cut_and_cleaned),
        cmocka_unit_test(codes_become_ours),
        cmocka_unit_test(outcomes_are_judged),
        cmocka_unit_test(domains_are_judged),
        cmocka_unit_test(bad_domains_are_not_encoded),
        cmocka_unit_test(pairs_are_judged),
        cmocka_unit_test(pairs_that_do_not_fit_are_not_added),
        cmocka_unit_test(policies_are_judged),
        cmocka_unit_test(memory_is_judged),
        cmocka_unit_test(small_ones_are_judged),
        cmocka_unit_test(states_are_judged),
        cmocka_unit_test(runs_lie_in_the_guest),
        cmocka_unit_test(runs_are_of_a_kind_agreed_on),
        cmocka_unit_test(runs_belong_to_their_lane),
        cmocka_unit_test(counts_of_pages_agree),
        cmocka_unit_test(heads_of_batches_are_judged),
        cmocka_unit_test(bad_batches_are_not_encoded),
        cmocka_unit_test(capabilities_have_names),
    };

    err_init(&e);

    return cmocka_run_group_tests(tests, NULL, NULL);
}
