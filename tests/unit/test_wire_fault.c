/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The rules of the records of post-copy (docs/stream.md 2.8).  (Their bytes
 * are in test_wire.c.)
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "wire_fault.h"

static void fault_names_at_least_one_gfn(void **state)
{
    struct wire_fault f = { .nr = 0 };
    uint64_t buf[8] = { 0 };
    size_t len;

    (void)state;
    assert_int_equal(wire_fault_encode(&f, buf, sizeof(buf), &len), -EINVAL);
    assert_int_equal(wire_fault_decode(buf, 8, 100, NULL, &f), -EPROTO);
}

static void fault_of_too_many_gfns_is_refused(void **state)
{
    uint64_t buf[WIRE_FAULTS_MAX + 2] = { WIRE_FAULTS_MAX + 1 };
    struct wire_fault f;

    (void)state;
    assert_int_equal(wire_fault_decode(buf, sizeof(buf), 100, NULL, &f),
                     -EPROTO);
}

static void fault_beyond_the_guest_is_refused(void **state)
{
    uint64_t buf[2] = { 1, 99 };
    struct wire_fault f;

    (void)state;
    assert_int_equal(wire_fault_decode(buf, 16, 100, NULL, &f), 0);
    assert_int_equal(f.want[0].gfn, 99);
    assert_false(f.want[0].idle);
    buf[1] = 100;
    assert_int_equal(wire_fault_decode(buf, 16, 100, NULL, &f), -EPROTO);
    /* An unknown kind is a gfn that is too high. */
    buf[1] = 5 | 1ull << 57;
    assert_int_equal(wire_fault_decode(buf, 16, 100, NULL, &f), -EPROTO);
    buf[1] = 5 | 1ull << 56;
    assert_int_equal(wire_fault_decode(buf, 16, 100, NULL, &f), 0);
    assert_true(f.want[0].idle);
}

static void length_is_exact(void **state)
{
    uint64_t buf[8] = { 1, 5 };
    struct wire_absent_ack ack;
    struct wire_progress p;
    struct wire_fault f;

    (void)state;
    assert_int_equal(wire_fault_decode(buf, 24, 100, NULL, &f), -EPROTO);
    assert_int_equal(wire_fault_decode(buf, 0, 100, NULL, &f), -EPROTO);
    assert_int_equal(wire_progress_decode(buf, 48, NULL, &p), -EPROTO);
    assert_int_equal(wire_absent_ack_decode(buf, 24, NULL, &ack), -EPROTO);
}

static void reserved_words_are_zero(void **state)
{
    uint64_t buf[7] = { 0 };
    struct wire_absent_ack ack;
    struct wire_progress p;

    (void)state;
    buf[1] = 1;
    assert_int_equal(wire_absent_ack_decode(buf, 16, NULL, &ack), -EPROTO);
    assert_int_equal(wire_progress_decode(buf, 56, NULL, &p), 0);
    buf[6] = 2ull << 32;
    assert_int_equal(wire_progress_decode(buf, 56, NULL, &p), -EPROTO);
}

static void what_belongs_to_post_copy_needs_it(void **state)
{
    struct wire_domain d = { .vcpus = 1, .nr_gfns = 8, .nr_lanes = 1,
                             .flags = WIRE_DOMAIN_ABSENT, .name = "w" };
    uint8_t buf[256];
    size_t len;

    (void)state;
    assert_int_equal(wire_domain_encode(&d, buf, sizeof(buf), &len),
                     -EINVAL);
    d.flags |= WIRE_DOMAIN_POSTCOPY;
    assert_int_equal(wire_domain_encode(&d, buf, sizeof(buf), &len), 0);
    d.flags = WIRE_DOMAIN_ACCESS;
    assert_int_equal(wire_domain_encode(&d, buf, sizeof(buf), &len),
                     -EINVAL);
    d.flags |= WIRE_DOMAIN_POSTCOPY;
    assert_int_equal(wire_domain_encode(&d, buf, sizeof(buf), &len), 0);
}

static void faults_belong_on_their_connection(void **state)
{
    uint32_t min, max;

    (void)state;
    assert_true(wire_limits(WIRE_FAULT_REC, WIRE_FAULT, &min, &max));
    assert_false(wire_limits(WIRE_FAULT_REC, WIRE_CONTROL, &min, &max));
    assert_false(wire_limits(WIRE_FAULT_REC, WIRE_BULK, &min, &max));
    assert_true(wire_limits(WIRE_PAGES, WIRE_FAULT, &min, &max));
    assert_false(wire_limits(WIRE_ROUND_END, WIRE_FAULT, &min, &max));
    assert_false(wire_limits(WIRE_PROGRESS, WIRE_FAULT, &min, &max));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fault_names_at_least_one_gfn),
        cmocka_unit_test(fault_of_too_many_gfns_is_refused),
        cmocka_unit_test(fault_beyond_the_guest_is_refused),
        cmocka_unit_test(length_is_exact),
        cmocka_unit_test(reserved_words_are_zero),
        cmocka_unit_test(what_belongs_to_post_copy_needs_it),
        cmocka_unit_test(faults_belong_on_their_connection),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
