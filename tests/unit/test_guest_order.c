/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The orders in which the dirty program visits pages.
 *
 * LINK: tools/emu/guest/order.c
 */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "order.h"

#define N    1000u
#define DRAW 400000u

static unsigned int count[N];

static void draw(enum order_kind kind)
{
    struct order o;
    unsigned int i;

    memset(count, 0, sizeof(count));
    order_init(&o, kind, N, 1);
    for ( i = 0; i < DRAW; i++ )
    {
        uint64_t at = order_next(&o);

        assert_true(at < N);
        count[at]++;
    }
}

static int descending(const void *a, const void *b)
{
    return (int)*(const unsigned int *)b - (int)*(const unsigned int *)a;
}

static void sequential_is_a_cycle(void **state)
{
    struct order o;
    unsigned int i;

    (void)state;
    order_init(&o, ORDER_SEQUENTIAL, 7, 1);
    for ( i = 0; i < 30; i++ )
        assert_int_equal(order_next(&o), i % 7);
}

static void random_is_uniform(void **state)
{
    unsigned int i;

    (void)state;
    draw(ORDER_RANDOM);
    for ( i = 0; i < N; i++ )
        assert_in_range(count[i], 400 - 120, 400 + 120);
}

static void hot_is_a_sixteenth_with_most_of_it(void **state)
{
    unsigned int i, hot = 0;

    (void)state;
    draw(ORDER_HOT);
    for ( i = 0; i < N; i += 16 )
        hot += count[i];
    assert_in_range(hot, DRAW / 16 * 14, DRAW / 16 * 15);
    for ( i = 0; i < N; i++ )
        assert_in_range(count[i], 20, i % 16 ? 80 : 7000);
}

/* The k-th hottest index is drawn ln((k + 1) / k) / ln(N + 1) of the time. */
static void zipf_falls_as_one_over_rank(void **state)
{
    static const unsigned int ranks[] = { 1, 2, 5, 10, 50 };
    unsigned int i, hottest;

    (void)state;
    draw(ORDER_ZIPF);
    for ( hottest = 0, i = 1; i < N; i++ )
        if ( count[i] > count[hottest] )
            hottest = i;
    /* Neighbours of the hottest are ordinary pages. */
    assert_true(count[(hottest + 1) % N] < count[hottest] / 4);
    qsort(count, N, sizeof(count[0]), descending);
    for ( i = 0; i < sizeof(ranks) / sizeof(ranks[0]); i++ )
    {
        double k = ranks[i];
        double want = DRAW * log((k + 1) / k) / log(N + 1.0);

        assert_true(fabs(count[ranks[i] - 1] - want) < want * 0.1 + 20);
    }
    assert_true(count[N - 1] > 0);
}

static void tiny_and_huge_sets_work(void **state)
{
    struct order o;
    unsigned int i, kind;

    (void)state;
    for ( kind = ORDER_SEQUENTIAL; kind <= ORDER_ZIPF; kind++ )
    {
        order_init(&o, kind, 1, 1);
        for ( i = 0; i < 1000; i++ )
            assert_int_equal(order_next(&o), 0);
        order_init(&o, kind, 1ull << 28, 1);
        for ( i = 0; i < 1000; i++ )
            assert_true(order_next(&o) < 1ull << 28);
    }
}

static void names_are_known(void **state)
{
    enum order_kind kind = ORDER_SEQUENTIAL;

    (void)state;
    assert_int_equal(order_parse("zipf", &kind), 0);
    assert_int_equal(kind, ORDER_ZIPF);
    assert_int_equal(order_parse("Zipf", &kind), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] =
    {
        cmocka_unit_test(sequential_is_a_cycle),
        cmocka_unit_test(random_is_uniform),
        cmocka_unit_test(hot_is_a_sixteenth_with_most_of_it),
        cmocka_unit_test(zipf_falls_as_one_over_rank),
        cmocka_unit_test(tiny_and_huge_sets_work),
        cmocka_unit_test(names_are_known),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
