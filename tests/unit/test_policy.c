/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The stop rule of pre-copy, on made-up rounds.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "precopy/policy.h"

static struct policy make(void)
{
    struct policy p = {
        .downtime_limit_us = 300000,
        .max_iters = 30,
        .min_remaining = 50,
    };

    policy_init(&p, 100000);

    return p;
}

/* A round after which dirty pages are left, at 1 GB/s. */
static struct round_stats round_of(unsigned int nr, uint64_t sent,
                                   uint64_t dirty)
{
    struct round_stats st = {
        .round = nr,
        .sent_pages = sent,
        .dirty_pages = dirty,
        .goodput_bps = 1000000000,
        .expected_downtime_us = 1500 + dirty * 4096 / 1000,
    };

    return st;
}

static enum mech_verdict decide(struct policy *p, unsigned int nr,
                                uint64_t sent, uint64_t dirty,
                                enum policy_why *why)
{
    struct round_stats st = round_of(nr, sent, dirty);

    return policy_decide(p, &st, why);
}

static void an_idle_guest_is_switched_over_after_one_round(void **state)
{
    struct policy p = make();
    enum policy_why why;

    (void)state;
    assert_int_equal(decide(&p, 0, 100000, 8, &why), MECH_SWITCH);
    assert_int_equal(why, POLICY_FEW);
}

static void shrinking_rounds_go_on_below_the_limit(void **state)
{
    struct policy p = make();
    enum policy_why why;

    (void)state;
    assert_int_equal(decide(&p, 0, 100000, 20000, &why), MECH_GO_ON);
    assert_int_equal(decide(&p, 1, 20000, 4000, &why), MECH_GO_ON);
    assert_int_equal(why, POLICY_SHRINKING);
    assert_int_equal(decide(&p, 2, 4000, 800, &why), MECH_GO_ON);
    assert_int_equal(decide(&p, 3, 800, 40, &why), MECH_SWITCH);
    assert_int_equal(why, POLICY_FEW);
}

static void a_plateau_within_the_limit_is_taken_soon(void **state)
{
    struct policy p = make();
    enum policy_why why;
    unsigned int nr = 0;

    (void)state;
    while ( decide(&p, nr, 5000, 5000, &why) == MECH_GO_ON )
        assert_true(++nr < 6);
    assert_int_equal(why, POLICY_STALLED);
    assert_true(nr >= 2);
}

static void above_the_limit_it_goes_on_until_max_iters(void **state)
{
    struct policy p = make();
    enum policy_why why;
    unsigned int nr;

    (void)state;
    for ( nr = 0; nr < 29; nr++ )
    {
        assert_int_equal(decide(&p, nr, 90000, 90000, &why), MECH_GO_ON);
        assert_int_equal(why, POLICY_OVER_LIMIT);
    }
    assert_int_equal(decide(&p, nr, 90000, 90000, &why), MECH_SWITCH);
    assert_int_equal(why, POLICY_MAX_ITERS);
}

static void a_busy_guest_is_given_up_if_that_is_asked_for(void **state)
{
    struct policy p = make();
    enum policy_why why;

    (void)state;
    p.abort_if_busy = true;
    p.max_iters = 2;
    assert_int_equal(decide(&p, 0, 100000, 90000, &why), MECH_GO_ON);
    assert_int_equal(decide(&p, 1, 90000, 90000, &why), MECH_ABORT);
    assert_int_equal(why, POLICY_MAX_ITERS);
}

static void abort_if_busy_does_not_stop_one_within_the_limit(void **state)
{
    struct policy p = make();
    enum policy_why why;

    (void)state;
    p.abort_if_busy = true;
    p.max_iters = 1;
    assert_int_equal(decide(&p, 0, 100000, 2000, &why), MECH_SWITCH);
}

static void what_is_sent_in_no_time_is_few(void **state)
{
    struct policy p = make();
    struct round_stats st = round_of(0, 100000, 140);
    enum policy_why why;

    (void)state;
    st.goodput_bps = 3000000000;
    assert_int_equal(policy_decide(&p, &st, &why), MECH_SWITCH);
    assert_int_equal(why, POLICY_FEW);
}

static void few_pages_over_a_slow_link_are_not_few(void **state)
{
    struct policy p = make();
    struct round_stats st = round_of(0, 100000, 40);
    enum policy_why why;

    (void)state;
    st.expected_downtime_us = 400000;
    assert_int_equal(policy_decide(&p, &st, &why), MECH_GO_ON);
    assert_int_equal(why, POLICY_OVER_LIMIT);
}

static void max_factor_bounds_what_is_sent(void **state)
{
    struct policy p = make();
    enum policy_why why;
    unsigned int nr = 0;

    (void)state;
    p.max_factor = 3;
    while ( decide(&p, nr, 90000, 90000, &why) == MECH_GO_ON )
        assert_true(++nr < 10);
    assert_int_equal(why, POLICY_MAX_FACTOR);
    assert_in_range(p.sent_pages, 300000, 450000);
}

static void no_limit_means_any_pause_will_do(void **state)
{
    struct policy p = make();
    enum policy_why why;
    unsigned int nr = 0;

    (void)state;
    p.downtime_limit_us = 0;
    while ( decide(&p, nr, 90000, 90000, &why) == MECH_GO_ON )
        assert_true(++nr < 6);
    assert_int_equal(why, POLICY_STALLED);
}

static void every_reason_has_a_text(void **state)
{
    (void)state;
    for ( int why = POLICY_FIRST; why <= POLICY_MAX_FACTOR; why++ )
        assert_string_not_equal(policy_why_text(why), "?");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_idle_guest_is_switched_over_after_one_round),
        cmocka_unit_test(shrinking_rounds_go_on_below_the_limit),
        cmocka_unit_test(a_plateau_within_the_limit_is_taken_soon),
        cmocka_unit_test(above_the_limit_it_goes_on_until_max_iters),
        cmocka_unit_test(a_busy_guest_is_given_up_if_that_is_asked_for),
        cmocka_unit_test(abort_if_busy_does_not_stop_one_within_the_limit),
        cmocka_unit_test(what_is_sent_in_no_time_is_few),
        cmocka_unit_test(few_pages_over_a_slow_link_are_not_few),
        cmocka_unit_test(max_factor_bounds_what_is_sent),
        cmocka_unit_test(no_limit_means_any_pause_will_do),
        cmocka_unit_test(every_reason_has_a_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
