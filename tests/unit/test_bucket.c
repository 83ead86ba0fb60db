/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The token bucket, on a clock of our own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "chan.h"

static uint64_t now_us;
static struct bucket b;

static uint64_t fake(void)
{
    return now_us;
}

static int fresh(void **state)
{
    (void)state;
    now_us = 1000000;
    clock_hook_set(fake);
    bucket_init(&b, 1000000);    /* a byte each microsecond */

    return 0;
}

static int away(void **state)
{
    (void)state;
    bucket_done(&b);
    clock_hook_set(NULL);

    return 0;
}

static void debts_are_waited_off(void **state)
{
    (void)state;
    assert_in_range(bucket_take(&b, 500), 500, 501);
    assert_in_range(bucket_take(&b, 500), 1000, 1001);
    now_us += 1000;
    assert_in_range(bucket_take(&b, 1), 1, 2);
}

static void a_pause_saves_a_tenth_of_a_second_at_most(void **state)
{
    (void)state;
    now_us += 60000000;
    assert_int_equal(bucket_take(&b, 100000), 0);
    assert_in_range(bucket_take(&b, 100000), 99000, 100001);
}

static void the_long_run_rate_is_the_cap(void **state)
{
    uint64_t sent = 0, start = now_us;
    unsigned int i;

    (void)state;
    for ( i = 0; i < 1000; i++ )
    {
        now_us += bucket_take(&b, 4096);
        sent += 4096;
    }
    assert_in_range(now_us - start, sent - 1000, sent + 100000);
}

/* Looks so close together that each finds less than a byte: what rounds to
 * nothing must add up. */
static void close_looks_lose_nothing(void **state)
{
    unsigned int i;

    (void)state;
    bucket_set_rate(&b, 1000);   /* a byte each millisecond */
    assert_in_range(bucket_take(&b, 3), 3000, 3001);
    for ( i = 0; i < 30; i++ )
    {
        assert_true(bucket_take(&b, 0) > 0);
        now_us += 100;
    }
    assert_int_equal(bucket_take(&b, 0), 0);
}

static void no_rate_is_no_cap(void **state)
{
    (void)state;
    bucket_set_rate(&b, 0);
    assert_int_equal(bucket_take(&b, 1u << 30), 0);
    /* And leaves no debt behind. */
    bucket_set_rate(&b, 1000000);
    assert_in_range(bucket_take(&b, 100), 0, 101);
}

static void a_lower_rate_does_not_inherit_a_long_debt(void **state)
{
    (void)state;
    bucket_set_rate(&b, 1000000000);
    bucket_take(&b, 100000000);
    bucket_set_rate(&b, 1000);
    assert_true(bucket_take(&b, 0) <= 110000);
}

#define T(f) cmocka_unit_test_setup_teardown(f, fresh, away)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(debts_are_waited_off),
        T(a_pause_saves_a_tenth_of_a_second_at_most),
        T(the_long_run_rate_is_the_cap),
        T(close_looks_lose_nothing),
        T(no_rate_is_no_cap),
        T(a_lower_rate_does_not_inherit_a_long_debt),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
