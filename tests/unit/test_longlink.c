/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Lanes and buffers for a round trip.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "longlink.h"
#include "wire.h"

static void short_links_are_left_alone(void **state)
{
    struct longlink plan = longlink_plan(200, 0, true);

    (void)state;
    assert_int_equal(plan.lanes, 1);
    assert_int_equal(plan.buffer_bytes, 0);
    assert_null(plan.congestion);
    assert_int_equal(longlink_plan(1999, 5, true).lanes, 5);
}

static void windows_cover_the_round_trip(void **state)
{
    static const uint64_t rtts_us[] = { 2000, 8000, 32000, 128000 };
    unsigned int i;

    (void)state;
    for ( i = 0; i < 4; i++ )
    {
        struct longlink plan = longlink_plan(rtts_us[i], 0, true);
        uint64_t each = plan.buffer_bytes ? plan.buffer_bytes : 4u << 20;

        /* More than one get into each other's way. */
        assert_int_equal(plan.lanes, 1);
        assert_true(each >= 250 * rtts_us[i]);
        assert_string_equal(plan.congestion, "bbr");
    }
    assert_int_equal(longlink_plan(300000, 0, true).lanes, 2);
}

static void without_large_buffers_more_lanes(void **state)
{
    struct longlink plan = longlink_plan(128000, 0, false);

    (void)state;
    assert_int_equal(plan.buffer_bytes, 0);
    assert_in_range(plan.lanes, 128000ull * 250 / (4 << 20), 16);
    assert_int_equal(longlink_plan(128000, 1, false).lanes, 1);
    assert_int_equal(longlink_plan(3000, 0, false).lanes, 1);
}

static void little_waits_to_be_sent(void **state)
{
    (void)state;
    assert_int_equal(longlink_plan(200, 0, true).unsent_bytes, 0);
    assert_in_range(longlink_plan(2000, 0, true).unsent_bytes, 1u << 20,
                    4u << 20);
}

static void asked_lanes_are_kept(void **state)
{
    struct longlink plan = longlink_plan(128000, 1, true);

    (void)state;
    assert_int_equal(plan.lanes, 1);
    assert_int_equal(plan.buffer_bytes, 64u << 20);
    /* A satellite that fell silent. */
    plan = longlink_plan(UINT64_MAX, 0, true);
    assert_int_equal(plan.lanes, WIRE_LANES_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(short_links_are_left_alone),
        cmocka_unit_test(windows_cover_the_round_trip),
        cmocka_unit_test(without_large_buffers_more_lanes),
        cmocka_unit_test(little_waits_to_be_sent),
        cmocka_unit_test(asked_lanes_are_kept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
