/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * CPU policies of the emulated host.
 *
 * LINK: tools/emu/host/policy.c
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "policy.h"

#define ANY XEN_CPUID_INPUT_UNUSED

static uint32_t bad_leaf, bad_subleaf, bad_msr;

static int merge(struct policy *p, const xen_cpuid_leaf_t *l, uint32_t nl,
                 const xen_msr_entry_t *m, uint32_t nm)
{
    bad_leaf = bad_subleaf = bad_msr = ~0u;
    return policy_merge(p, l, nl, m, nm, &bad_leaf, &bad_subleaf, &bad_msr);
}

static void what_the_host_gives_it_takes(void **state)
{
    struct policy host, p;

    (void)state;
    policy_host(&host);
    policy_host(&p);
    assert_int_equal(merge(&p, host.leaf, host.nr_leaves, host.msr,
                           host.nr_msrs), 0);
    assert_int_equal(p.nr_leaves, host.nr_leaves);
    assert_memory_equal(&p, &host, sizeof(p));
}

static void fewer_features_are_fine(void **state)
{
    xen_cpuid_leaf_t l = { 1, ANY, 0x00830f10, 0, 0, 0 };
    struct policy p;

    (void)state;
    policy_host(&p);
    assert_int_equal(merge(&p, &l, 1, NULL, 0), 0);
}

static void features_the_host_lacks_are_refused(void **state)
{
    xen_cpuid_leaf_t l = { 7, 0, 0, 1u << 16 /* AVX512F */, 0, 0 };
    struct policy p, before;

    (void)state;
    policy_host(&p);
    before = p;
    assert_int_equal(merge(&p, &l, 1, NULL, 0), -EINVAL);
    assert_int_equal(bad_leaf, 7);
    assert_int_equal(bad_subleaf, 0);
    assert_memory_equal(&p, &before, sizeof(p));
}

static void another_vendor_is_refused(void **state)
{
    xen_cpuid_leaf_t l = { 0, ANY, 0xd, 0x756e6547, 0x6c65746e, 0x49656e69 };
    struct policy p;

    (void)state;
    policy_host(&p);
    assert_int_equal(merge(&p, &l, 1, NULL, 0), -EINVAL);
    assert_int_equal(bad_leaf, 0);
}

static void unknown_leaves_and_msrs_are_out_of_range(void **state)
{
    xen_cpuid_leaf_t l = { 0x1d, ANY, 0, 0, 0, 0 };
    xen_msr_entry_t m = { .idx = 0x1234 };
    struct policy p;

    (void)state;
    policy_host(&p);
    assert_int_equal(merge(&p, &l, 1, NULL, 0), -ERANGE);
    assert_int_equal(bad_leaf, 0x1d);
    assert_int_equal(merge(&p, NULL, 0, &m, 1), -ERANGE);
    assert_int_equal(bad_msr, 0x1234);
}

static void the_feature_set_is_in_xens_order(void **state)
{
    uint32_t fs[POLICY_FEATURE_WORDS];
    struct policy p;

    (void)state;
    policy_host(&p);
    policy_features(&p, fs);
    assert_true(fs[0] & 1u << 25);       /* leaf 1 edx: SSE */
    assert_true(fs[1] & 1u << 0);        /* leaf 1 ecx: SSE3 */
    assert_true(fs[2] & 1u << 29);       /* 0x80000001 edx: long mode */
    assert_true(fs[5] & 1u << 3);        /* leaf 7 ebx: BMI1 */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_host_gives_it_takes),
        cmocka_unit_test(fewer_features_are_fine),
        cmocka_unit_test(features_the_host_lacks_are_refused),
        cmocka_unit_test(another_vendor_is_refused),
        cmocka_unit_test(unknown_leaves_and_msrs_are_out_of_range),
        cmocka_unit_test(the_feature_set_is_in_xens_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
