/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The order of post-copy's push.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "prepage.h"

#define NR_GFNS 4096u            /* 8 chunks */

static struct claimset left;
static struct prepage order;
static struct prepage_lane lane;

static void begin(unsigned int nr_lanes, bool off)
{
    struct pageset all;

    assert_int_equal(pageset_init(&all, NR_GFNS), 0);
    pageset_fill(&all);
    assert_int_equal(claimset_init(&left, NR_GFNS), 0);
    claimset_fill(&left, &all);
    pageset_done(&all);
    prepage_init(&order, &left, nr_lanes, off);
    memset(&lane, 0, sizeof(lane));
}

/* Take what comes next, as a lane does; the first gfn of it. */
static uint64_t take(unsigned int max, uint64_t *ret_count)
{
    struct gfn_run run;
    uint64_t gfn, n = 0;

    if ( !prepage_next(&order, &lane, max, &run) )
        return UINT64_MAX;
    for ( gfn = run.first; gfn < run.first + run.count; gfn++ )
        n += claimset_take(&left, gfn);
    if ( ret_count )
        *ret_count = n;

    return run.first;
}

static void without_faults_it_ascends(void **state)
{
    uint64_t n;

    (void)state;
    begin(1, false);
    assert_int_equal(take(16, &n), 0);
    assert_int_equal(n, 16);
    assert_int_equal(take(16, NULL), 16);
    assert_int_equal(take(16, NULL), 32);
    claimset_done(&left);
}

static void push_goes_on_around_the_fault(void **state)
{
    (void)state;
    begin(1, false);
    assert_int_equal(take(16, NULL), 0);
    claimset_take(&left, 1000);
    prepage_fault(&order, 1000);
    /* Twice upwards, once downwards, up to the fault. */
    assert_int_equal(take(8, NULL), 1001);
    assert_int_equal(take(8, NULL), 1009);
    assert_int_equal(take(8, NULL), 992);
    assert_int_equal(take(8, NULL), 1017);
    claimset_done(&left);
}

static void newest_fault_counts_most_and_older_ones_a_little(void **state)
{
    unsigned int near = 0, old = 0, i;
    uint64_t gfn;

    (void)state;
    begin(1, false);
    prepage_fault(&order, 600);
    prepage_fault(&order, 3000);
    for ( i = 0; i < 8; i++ )
    {
        gfn = take(4, NULL);
        near += gfn > 2900 && gfn < 3100;
        old += gfn > 500 && gfn < 700;
    }
    assert_int_equal(near, 6);
    assert_int_equal(old, 2);
    claimset_done(&left);
}

static void lane_keeps_to_its_chunks(void **state)
{
    uint64_t gfn, n, sum = 0;

    (void)state;
    begin(2, false);
    lane.lane = 1;
    prepage_fault(&order, 1100);      /* of lane 0 */
    while ( (gfn = take(64, &n)) != UINT64_MAX )
    {
        assert_int_equal(gfn / CHUNK_GFNS % 2, 1);
        sum += n;
    }
    assert_int_equal(sum, NR_GFNS / 2);
    assert_int_equal(left.left, NR_GFNS / 2);
    claimset_done(&left);
}

static void everything_comes_once_whatever_is_faulted_on(void **state)
{
    uint64_t n, sum = 0;
    unsigned int i = 0;

    (void)state;
    begin(1, false);
    while ( take(7, &n) != UINT64_MAX )
    {
        sum += n;
        if ( i++ % 5 == 0 )
            prepage_fault(&order, i * 2654435761u % NR_GFNS);
    }
    assert_int_equal(sum, NR_GFNS);
    assert_int_equal(left.left, 0);
    claimset_done(&left);
}

static void switched_off_it_heeds_no_fault(void **state)
{
    (void)state;
    begin(1, true);
    prepage_fault(&order, 1000);
    assert_int_equal(take(16, NULL), 0);
    assert_int_equal(take(16, NULL), 16);
    claimset_done(&left);
}

static void span_has_so_many_members_over_the_gaps(void **state)
{
    struct gfn_run run;
    uint64_t gfn;

    (void)state;
    begin(1, false);
    for ( gfn = 1; gfn < NR_GFNS; gfn += 2 )
        claimset_take(&left, gfn);
    assert_true(prepage_next(&order, &lane, 4, &run));
    assert_int_equal(run.first, 0);
    assert_int_equal(run.count, 7);
    claimset_done(&left);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_faults_it_ascends),
        cmocka_unit_test(push_goes_on_around_the_fault),
        cmocka_unit_test(newest_fault_counts_most_and_older_ones_a_little),
        cmocka_unit_test(lane_keeps_to_its_chunks),
        cmocka_unit_test(everything_comes_once_whatever_is_faulted_on),
        cmocka_unit_test(switched_off_it_heeds_no_fault),
        cmocka_unit_test(span_has_so_many_members_over_the_gaps),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
