/* SPDX-License-Identifier: LGPL-2.1-only */
/* What is read out of a CPU policy (src/hv/hv_xen_policy.c). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <xenctrl.h>

#include "hv.h"

static bool nests(uint32_t leaf, uint32_t ecx)
{
    xen_cpuid_leaf_t leaves[] = {
        { .leaf = 0, .subleaf = XEN_CPUID_INPUT_UNUSED, .c = ~0u },
        { .leaf = leaf, .subleaf = XEN_CPUID_INPUT_UNUSED, .a = ~0u,
          .b = ~0u, .c = ecx, .d = ~0u },
    };
    struct hv_policy p = { .nr_leaves = 2, .leaves = leaves };

    return hv_policy_nests(&p);
}

static void vmx_or_svm_is_nested_hvm(void **state)
{
    (void)state;
    assert_true(nests(1, 1u << 5));
    assert_true(nests(0x80000001, 1u << 2));
}

static void other_features_are_not(void **state)
{
    struct hv_policy none = { 0 };

    (void)state;
    assert_false(nests(1, ~(1u << 5)));
    assert_false(nests(0x80000001, ~(1u << 2)));
    assert_false(nests(7, ~0u));
    assert_false(hv_policy_nests(&none));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vmx_or_svm_is_nested_hvm),
        cmocka_unit_test(other_features_are_not),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
