/* SPDX-License-Identifier: LGPL-2.1-only */
/* The stop rule and pages that are kept back (hotpages.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "precopy/policy.h"

/* They are as dirty as if they had been sent. */
static void they_do_not_count_against_the_guest(void **state)
{
    struct policy p = { .downtime_limit_us = 300000, .max_iters = 1000,
                        .auto_converge = true, .max_throttle = 99 };
    struct round_stats st = {
        .round = 1, .sent_pages = 60000, .held_pages = 40000,
        .dirty_pages = 60000, .dirtied_pages = 60000,
        .goodput_bps = 1000000000, .expected_downtime_us = 300001,
        .duration_us = 250000, .working_set_pages = 60000,
    };
    enum policy_why why;

    (void)state;
    policy_init(&p, 262144);
    assert_int_equal(policy_decide(&p, &st, &why), MECH_GO_ON);
    assert_int_equal(p.throttle, 0);
    st.held_pages = 0;
    assert_int_equal(policy_decide(&p, &st, &why), MECH_GO_ON);
    assert_int_equal(why, POLICY_THROTTLE);
    assert_true(p.throttle > 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(they_do_not_count_against_the_guest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
