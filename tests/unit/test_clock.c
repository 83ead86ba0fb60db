/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Deadlines, on a clock of our own.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "clock.h"

static uint64_t fake_us;

static uint64_t fake(void)
{
    return fake_us;
}

static int hook(void **state)
{
    (void)state;
    fake_us = 5000;
    clock_hook_set(fake);

    return 0;
}

static int unhook(void **state)
{
    (void)state;
    clock_hook_set(NULL);

    return 0;
}

static void deadlines_come(void **state)
{
    uint64_t d = deadline_in(1500);

    (void)state;
    assert_int_equal(d, 6500);
    assert_int_equal(deadline_left_us(d), 1500);
    assert_false(deadline_passed(d));
    fake_us = 6500;
    assert_true(deadline_passed(d));
    fake_us = 9000;
    assert_int_equal(deadline_left_us(d), 0);
}

static void never_does_not_come(void **state)
{
    struct timespec ts;

    (void)state;
    assert_true(deadline_in(DEADLINE_NEVER) == DEADLINE_NEVER);
    assert_true(deadline_in(DEADLINE_NEVER - 1) == DEADLINE_NEVER);
    assert_false(deadline_passed(DEADLINE_NEVER));
    assert_int_equal(deadline_poll_ms(DEADLINE_NEVER), -1);
    assert_null(deadline_left_ts(DEADLINE_NEVER, &ts));
    assert_true(deadline_abs_ts(DEADLINE_NEVER).tv_sec > 1000000000);
}

static void poll_times_are_rounded_up(void **state)
{
    (void)state;
    assert_int_equal(deadline_poll_ms(5001), 1);
    assert_int_equal(deadline_poll_ms(7000), 2);
    assert_int_equal(deadline_poll_ms(7001), 3);
    assert_int_equal(deadline_poll_ms(100), 0);
    assert_int_equal(deadline_poll_ms(DEADLINE_NEVER - 1), 1000000000);
}

static void times_are_split_right(void **state)
{
    struct timespec ts;

    (void)state;
    assert_ptr_equal(deadline_left_ts(5000 + 2500000, &ts), &ts);
    assert_int_equal(ts.tv_sec, 2);
    assert_int_equal(ts.tv_nsec, 500000000);
    ts = deadline_abs_ts(1000001);
    assert_int_equal(ts.tv_sec, 1);
    assert_int_equal(ts.tv_nsec, 1000);
}

static void the_real_clock_goes_forward(void **state)
{
    uint64_t a, b;

    (void)state;
    clock_hook_set(NULL);
    a = clock_now_us();
    b = clock_now_us();
    assert_true(b >= a && a > 0);
    assert_true(clock_thread_cpu_us() <= clock_process_cpu_us());
}

#define T(f) cmocka_unit_test_setup_teardown(f, hook, unhook)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(deadlines_come),
        T(never_does_not_come),
        T(poll_times_are_rounded_up),
        T(times_are_split_right),
        T(the_real_clock_goes_forward),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
