/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The account of vCPUs that wait for pages.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "faults.h"

static struct faults f;
static struct hv_pager_request got[HV_PAGER_PENDING_MAX];

static void put(uint64_t gfn, uint32_t vcpu, uint64_t now_us, bool want)
{
    struct hv_pager_request rq = { .gfn = gfn, .vcpu = vcpu,
                                   .vcpu_paused = true };
    bool asked;

    assert_int_equal(faults_put(&f, &rq, now_us, &asked), 0);
    assert_int_equal(asked, want);
}

static void all_that_wait_for_a_page_are_taken(void **state)
{
    (void)state;
    faults_init(&f);
    put(7, 0, 0, false);
    put(9, 1, 0, false);
    put(7, 2, 0, true);
    assert_int_equal(faults_take(&f, 7, 1, 5, got), 2);
    assert_int_equal(got[0].gfn, 7);
    assert_int_equal(got[1].gfn, 7);
    assert_int_equal(faults_take(&f, 7, 1, 5, got), 0);
    assert_int_equal(faults_take(&f, 8, 2, 5, got), 1);
    assert_int_equal(got[0].vcpu, 1);
    faults_done(&f);
}

static void more_than_the_ring_holds_is_refused(void **state)
{
    struct hv_pager_request rq = { .gfn = 1 };
    unsigned int i;
    bool asked;

    (void)state;
    faults_init(&f);
    for ( i = 0; i < HV_PAGER_PENDING_MAX; i++ )
        put(i, 0, 0, false);
    assert_int_equal(faults_put(&f, &rq, 0, &asked), -EBUSY);
    faults_done(&f);
}

static void quantiles_are_within_an_eighth(void **state)
{
    struct faults_figures fig;
    uint64_t us;

    (void)state;
    faults_init(&f);
    for ( us = 1; us <= 1000; us++ )
    {
        put(us, 0, 0, false);
        faults_take(&f, us, 1, us, got);
    }
    faults_figures(&f, &fig);
    assert_int_equal(fig.answered, 1000);
    assert_int_equal(fig.waited_us, 500500);
    assert_int_equal(fig.longest_us, 1000);
    assert_in_range(fig.p50_us, 437, 563);
    assert_in_range(fig.p99_us, 866, 1114);
    faults_done(&f);
}

static void requests_of_nobody_are_no_latencies(void **state)
{
    struct hv_pager_request rq = { .gfn = 3, .foreign = true };
    struct faults_figures fig;
    bool asked;

    (void)state;
    faults_init(&f);
    assert_int_equal(faults_put(&f, &rq, 0, &asked), 0);
    assert_int_equal(faults_take(&f, 3, 1, 99, got), 1);
    faults_figures(&f, &fig);
    assert_int_equal(fig.answered, 0);
    assert_int_equal(fig.p99_us, 0);
    faults_done(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_that_wait_for_a_page_are_taken),
        cmocka_unit_test(more_than_the_ring_holds_is_refused),
        cmocka_unit_test(quantiles_are_within_an_eighth),
        cmocka_unit_test(requests_of_nobody_are_no_latencies),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
