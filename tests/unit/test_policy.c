/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The stop rule of pre-copy, on made-up rounds.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "precopy/policy.h"

static struct policy make(void)
{
    struct policy p = {
        .downtime_limit_us = 300000,
        .max_iters = 30,
        .min_remaining = 50,
        .max_throttle = 99,
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
        .dirtied_pages = dirty,
        .goodput_bps = 1000000000,
        .expected_downtime_us = 1500 + dirty * 4096 / 1000,
        .duration_us = sent * 4096 / 1000 + 1,
        .elapsed_us = (nr + 1) * 100000,
        .working_set_pages = dirty,
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

static void what_a_slow_moment_has_left_is_made_good(void **state)
{
    static const uint64_t slow[] = { 20000, 4000, 1600, 9000, 4500, 2200, 900,
                                     300 }, swings[] = { 9000, 4500, 2200 };
    struct policy p = make(), q = make();
    enum policy_why why;
    unsigned int nr;

    (void)state;
    for ( nr = 0; nr < 8; nr++ )
        assert_int_equal(decide(&p, nr, 5000, slow[nr], &why), MECH_GO_ON);
    /* Where that is how it is, it ends, and well. */
    for ( nr = 0; decide(&q, nr, 5000, swings[nr % 3], &why) == MECH_GO_ON; )
        assert_true(++nr < 12);
    assert_int_equal(swings[nr % 3], 2200);
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

/* Behind a suspension of so long, with pages for so long. */
static bool is_over(uint64_t suspend_us, uint64_t pages_us)
{
    struct policy p = make();
    struct round_stats st = round_of(0, 100000, 40000);

    st.expected.suspend_us = suspend_us;
    st.expected.slower_us = suspend_us - MECH_SUSPEND_US;
    st.expected.last_dirty_us = pages_us;
    st.expected_downtime_us = suspend_us + pages_us;

    return policy_over_limit(&p, &st);
}

static void a_slow_suspension_leaves_less_time_for_the_pages(void **state)
{
    (void)state;
    assert_false(is_over(100000, 200000));
    assert_true(is_over(100000, 200001));
}

static void so_does_a_slow_destination(void **state)
{
    struct policy p = make();
    struct round_stats st = round_of(0, 100000, 40000);

    (void)state;
    st.expected.suspend_us = MECH_SUSPEND_US;
    st.expected.state_us = MECH_STATE_US + 100000;
    st.expected.commit_us = MECH_COMMIT_US + 50000;
    st.expected.slower_us = 150000;
    st.expected.last_dirty_us = 148500;
    st.expected_downtime_us = 300000;
    assert_false(policy_over_limit(&p, &st));
    st.expected_downtime_us++;
    assert_true(policy_over_limit(&p, &st));
}

static void but_always_a_quarter_of_it(void **state)
{
    (void)state;
    /* Of 299.5 ms. */
    assert_false(is_over(900000, 74875));
    assert_true(is_over(900000, 74876));
}

static void a_limit_that_nothing_can_keep_is_never_kept(void **state)
{
    struct policy p = make();
    struct round_stats st = round_of(0, 100000, 0);

    (void)state;
    p.downtime_limit_us = 1000;
    st.expected.suspend_us = 400;
    st.expected.state_us = 700;
    st.expected_downtime_us = 1100;
    assert_true(policy_over_limit(&p, &st));
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

/* ---- timeout ------------------------------------------------------------ */

static void a_timeout_gives_up(void **state)
{
    struct policy p = make();
    enum policy_why why;

    (void)state;
    p.timeout_us = 250000;
    assert_int_equal(decide(&p, 0, 90000, 90000, &why), MECH_GO_ON);
    assert_int_equal(decide(&p, 1, 90000, 90000, &why), MECH_GO_ON);
    assert_int_equal(decide(&p, 2, 90000, 90000, &why), MECH_ABORT);
    assert_int_equal(why, POLICY_TIMEOUT);
}

static void a_timeout_can_force_the_switch(void **state)
{
    struct policy p = make();
    enum policy_why why;

    (void)state;
    p.timeout_us = 250000;
    p.timeout_suspend = true;
    p.abort_if_busy = true;      /* the other wish is the stronger */
    assert_int_equal(decide(&p, 0, 90000, 90000, &why), MECH_GO_ON);
    assert_int_equal(decide(&p, 3, 90000, 90000, &why), MECH_SWITCH);
    assert_int_equal(why, POLICY_TIMEOUT);
}

static void a_timeout_does_not_hinder_the_end(void **state)
{
    struct policy p = make();
    enum policy_why why;

    (void)state;
    p.timeout_us = 100;
    assert_int_equal(decide(&p, 0, 100000, 8, &why), MECH_SWITCH);
    assert_int_equal(why, POLICY_FEW);
}

/* ---- stall -------------------------------------------------------------- */

static struct policy stalling(void)
{
    struct policy p = make();

    p.max_iters = 1000;
    p.stall_window_us = 1000000;         /* ten rounds of decide() */

    return p;
}

static void no_progress_in_the_window_ends_at_a_local_minimum(void **state)
{
    struct policy p = stalling();
    enum policy_why why;
    unsigned int nr;

    (void)state;
    for ( nr = 0; nr < 10; nr++ )
    {
        assert_int_equal(decide(&p, nr, 90000, 90000, &why), MECH_GO_ON);
        assert_int_equal(why, POLICY_OVER_LIMIT);
    }
    /* A bad moment is waited through, and then the first good one is it. */
    assert_int_equal(decide(&p, nr++, 90000, 99000, &why), MECH_GO_ON);
    assert_int_equal(why, POLICY_WAITING);
    assert_int_equal(decide(&p, nr, 90000, 90000, &why), MECH_SWITCH);
    assert_int_equal(why, POLICY_LOCAL_MINIMUM);
}

static void a_minimum_is_not_waited_for_for_ever(void **state)
{
    struct policy p = stalling();
    enum policy_why why;
    unsigned int nr = 0;

    (void)state;
    assert_int_equal(decide(&p, nr, 90000, 80000, &why), MECH_GO_ON);
    for ( nr = 1; decide(&p, nr, 90000, 90000 + nr * 1000, &why) ==
                  MECH_GO_ON; nr++ )
        assert_true(nr < 20);
    assert_int_equal(why, POLICY_LOCAL_MINIMUM);
    assert_true(nr >= 11);
}

static void slow_progress_is_progress(void **state)
{
    struct policy p = stalling();
    enum policy_why why;
    uint64_t dirty = 1000000;
    unsigned int nr;

    (void)state;
    /* 1 % a round: nearly 10 % a window. */
    for ( nr = 0; nr < 200; nr++, dirty -= dirty / 100 )
    {
        assert_int_equal(decide(&p, nr, 90000, dirty, &why), MECH_GO_ON);
        assert_int_equal(why, POLICY_OVER_LIMIT);
    }
}

static void noise_is_no_progress(void **state)
{
    struct policy p = stalling();
    enum policy_why why;
    unsigned int nr = 0;

    (void)state;
    while ( decide(&p, nr, 90000, 90000 - nr % 3 * 500, &why) ==
            MECH_GO_ON )
        assert_true(++nr < 30);
    assert_int_equal(why, POLICY_LOCAL_MINIMUM);
}

static void thousands_of_short_rounds_fit_the_window(void **state)
{
    struct policy p = stalling();
    struct round_stats st;
    enum policy_why why;
    unsigned int nr;

    (void)state;
    p.max_iters = 100000;
    for ( nr = 0; nr < 9000; nr++ )
    {
        st = round_of(nr, 90000, 90000);
        st.elapsed_us = nr * 100;
        assert_int_equal(policy_decide(&p, &st, &why), MECH_GO_ON);
        assert_true(p.nr_history <= POLICY_HISTORY);
    }
    for ( ; policy_decide(&p, &st, &why) == MECH_GO_ON; nr++ )
    {
        assert_true(nr < 12000);
        st.elapsed_us = nr * 100;
    }
    assert_int_equal(why, POLICY_LOCAL_MINIMUM);
}

static void a_stalled_one_is_given_up_if_that_is_asked_for(void **state)
{
    struct policy p = stalling();
    enum policy_why why;
    unsigned int nr = 0;
    enum mech_verdict v;

    (void)state;
    p.abort_if_busy = true;
    while ( (v = decide(&p, nr, 90000, 90000, &why)) == MECH_GO_ON )
        assert_true(++nr < 30);
    assert_int_equal(v, MECH_ABORT);
}

static void with_a_timeout_a_stalled_one_waits_for_that(void **state)
{
    struct policy p = stalling();
    enum policy_why why;
    unsigned int nr;

    (void)state;
    p.timeout_us = 5000000;
    for ( nr = 0; nr < 49; nr++ )
        assert_int_equal(decide(&p, nr, 90000, 90000, &why), MECH_GO_ON);
    assert_int_equal(why, POLICY_WAITING);
    assert_int_equal(decide(&p, nr, 90000, 90000, &why), MECH_ABORT);
    assert_int_equal(why, POLICY_TIMEOUT);
}

/* ---- auto-converge ------------------------------------------------------ */

static void the_guest_is_slowed_down_just_enough(void **state)
{
    struct policy p = stalling();
    struct round_stats st;
    enum policy_why why;

    (void)state;
    p.auto_converge = true;
    assert_int_equal(decide(&p, 0, 100000, 200000, &why), MECH_GO_ON);
    assert_int_equal(p.throttle, 0);     /* the first round tells nothing */
    /* 100000 pages sent, 200000 dirtied meanwhile: 2 GB/s at 1 GB/s. */
    st = round_of(1, 100000, 200000);
    assert_int_equal(policy_decide(&p, &st, &why), MECH_GO_ON);
    assert_int_equal(why, POLICY_THROTTLE);
    assert_int_equal(p.throttle, 65);    /* to 0.7 GB/s */
    /* Now at 0.7 of what is sent: once more, by a step. */
    st = round_of(2, 100000, 70000);
    st.expected_downtime_us = 300001;
    policy_decide(&p, &st, &why);
    assert_int_equal(p.throttle, 75);
    /* It shrinks: left alone. */
    st = round_of(3, 70000, 40000);
    st.expected_downtime_us = 300001;
    assert_int_equal(policy_decide(&p, &st, &why), MECH_GO_ON);
    assert_int_equal(p.throttle, 75);
}

static void the_throttle_has_an_end(void **state)
{
    struct policy p = stalling();
    enum policy_why why = POLICY_FIRST;
    unsigned int nr = 0, last = 0;

    (void)state;
    p.auto_converge = true;
    p.max_throttle = 80;
    while ( decide(&p, nr, 90000, 90000, &why) == MECH_GO_ON )
    {
        assert_true(p.throttle >= last && p.throttle <= 80);
        last = p.throttle;
        assert_true(++nr < 40);
    }
    assert_int_equal(p.throttle, 80);
    assert_int_equal(why, POLICY_LOCAL_MINIMUM);
}

static void nobody_is_slowed_down_unasked(void **state)
{
    struct policy p = stalling();
    enum policy_why why;
    unsigned int nr;

    (void)state;
    for ( nr = 0; nr < 9; nr++ )
        decide(&p, nr, 90000, 90000, &why);
    assert_int_equal(p.throttle, 0);
}

/* ---- what is said ------------------------------------------------------- */

static void the_verdict_names_figures_and_remedies(void **state)
{
    struct policy p = make();
    struct round_stats st = round_of(5, 25600, 51200);
    char text[480];

    (void)state;
    st.duration_us = 1000000;
    st.goodput_bps = 100ull << 20;
    st.bandwidth_bps = 100ull << 20;
    st.expected_downtime_us = 2000000;
    policy_verdict(&p, &st, text, sizeof(text));
    assert_non_null(strstr(text, "dirties 200.0 MiB/s"));
    assert_non_null(strstr(text, "100.0 MiB/s are sent"));
    assert_non_null(strstr(text, "writes to 200.0 MiB"));
    assert_non_null(strstr(text, "--downtime-limit 2201"));
    assert_non_null(strstr(text, "--bandwidth 301 (now 100)"));
    assert_non_null(strstr(text, "--auto-converge on would slow it down by "
                           "about 65 %"));
}

static void a_guest_that_writes_to_all_of_it_may_be_faster(void **state)
{
    struct policy p = make();
    struct round_stats st = round_of(5, 25600, 25600);
    char text[480];

    (void)state;
    p.downtime_limit_us = 200000;
    st.duration_us = 1000000;
    st.goodput_bps = 100ull << 20;
    st.bandwidth_bps = 100ull << 20;
    st.expected_downtime_us = 1000000;
    policy_verdict(&p, &st, text, sizeof(text));
    assert_non_null(strstr(text, "dirties at least 100.0 MiB/s"));
    /* All 100 MiB have to go within the limit. */
    assert_non_null(strstr(text, "--bandwidth 501 (now 100)"));
    assert_non_null(strstr(text, "down by at least 30 %"));
}

static void the_verdict_offers_nothing_that_would_not_help(void **state)
{
    struct policy p = make();
    struct round_stats st = round_of(5, 25600, 51200);
    char text[480];

    (void)state;
    st.duration_us = 1000000;
    st.goodput_bps = 1 << 20;
    st.expected_downtime_us = 2000000;
    p.auto_converge = true;
    p.throttle = 99;
    policy_verdict(&p, &st, text, sizeof(text));
    assert_null(strstr(text, "--bandwidth"));
    assert_null(strstr(text, "--auto-converge"));
    assert_non_null(strstr(text, "slowed down by 99 % it still does not"));
    /* However little room there is. */
    policy_verdict(&p, &st, text, 20);
    assert_int_equal(strlen(text), 19);
}

static void every_reason_has_a_text(void **state)
{
    (void)state;
    for ( int why = POLICY_FIRST; why < POLICY_NR_; why++ )
        assert_string_not_equal(policy_why_text(why), "?");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_idle_guest_is_switched_over_after_one_round),
        cmocka_unit_test(shrinking_rounds_go_on_below_the_limit),
        cmocka_unit_test(a_plateau_within_the_limit_is_taken_soon),
        cmocka_unit_test(what_a_slow_moment_has_left_is_made_good),
        cmocka_unit_test(above_the_limit_it_goes_on_until_max_iters),
        cmocka_unit_test(a_busy_guest_is_given_up_if_that_is_asked_for),
        cmocka_unit_test(abort_if_busy_does_not_stop_one_within_the_limit),
        cmocka_unit_test(what_is_sent_in_no_time_is_few),
        cmocka_unit_test(few_pages_over_a_slow_link_are_not_few),
        cmocka_unit_test(a_slow_suspension_leaves_less_time_for_the_pages),
        cmocka_unit_test(so_does_a_slow_destination),
        cmocka_unit_test(but_always_a_quarter_of_it),
        cmocka_unit_test(a_limit_that_nothing_can_keep_is_never_kept),
        cmocka_unit_test(max_factor_bounds_what_is_sent),
        cmocka_unit_test(no_limit_means_any_pause_will_do),
        cmocka_unit_test(a_timeout_gives_up),
        cmocka_unit_test(a_timeout_can_force_the_switch),
        cmocka_unit_test(a_timeout_does_not_hinder_the_end),
        cmocka_unit_test(no_progress_in_the_window_ends_at_a_local_minimum),
        cmocka_unit_test(a_minimum_is_not_waited_for_for_ever),
        cmocka_unit_test(slow_progress_is_progress),
        cmocka_unit_test(noise_is_no_progress),
        cmocka_unit_test(thousands_of_short_rounds_fit_the_window),
        cmocka_unit_test(a_stalled_one_is_given_up_if_that_is_asked_for),
        cmocka_unit_test(with_a_timeout_a_stalled_one_waits_for_that),
        cmocka_unit_test(the_guest_is_slowed_down_just_enough),
        cmocka_unit_test(the_throttle_has_an_end),
        cmocka_unit_test(nobody_is_slowed_down_unasked),
        cmocka_unit_test(the_verdict_names_figures_and_remedies),
        cmocka_unit_test(a_guest_that_writes_to_all_of_it_may_be_faster),
        cmocka_unit_test(the_verdict_offers_nothing_that_would_not_help),
        cmocka_unit_test(every_reason_has_a_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
