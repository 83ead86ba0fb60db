/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The switch's learning table.
 *
 * LINK: tools/emu/net/net_table.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "net_table.h"

#define AGE_US 1000u

static const uint8_t guest[6] = { 0x00, 0x16, 0x3e, 0, 0, 1 };
static const uint8_t other[6] = { 0x00, 0x16, 0x3e, 0, 0, 2 };

static int setup(void **state)
{
    *state = net_table_new(8, AGE_US);
    return *state ? 0 : -1;
}

static int teardown(void **state)
{
    net_table_free(*state);
    return 0;
}

static void unknown_address_has_no_port(void **state)
{
    assert_int_equal(net_table_lookup(*state, guest, 0), -1);
}

static void address_is_found_behind_its_port(void **state)
{
    assert_int_equal(net_table_learn(*state, guest, 3, 10), NET_LEARNED_NEW);
    assert_int_equal(net_table_learn(*state, other, 4, 10), NET_LEARNED_NEW);
    assert_int_equal(net_table_lookup(*state, guest, 11), 3);
    assert_int_equal(net_table_lookup(*state, other, 11), 4);
}

static void announcement_from_elsewhere_moves_it_at_once(void **state)
{
    net_table_learn(*state, guest, 3, 10);
    assert_int_equal(net_table_learn(*state, guest, 5, 10),
                     NET_LEARNED_MOVED);
    assert_int_equal(net_table_lookup(*state, guest, 10), 5);
    assert_int_equal(net_table_count(*state), 1);
    assert_int_equal(net_table_learn(*state, guest, 5, 11),
                     NET_LEARNED_NOTHING);
}

static void group_and_zero_addresses_are_not_learnt(void **state)
{
    static const uint8_t all[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
    static const uint8_t group[6] = { 0x01, 0x16, 0x3e, 0, 0, 1 };
    static const uint8_t zero[6];

    assert_int_equal(net_table_learn(*state, all, 1, 1),
                     NET_LEARNED_NOTHING);
    assert_int_equal(net_table_learn(*state, group, 1, 1),
                     NET_LEARNED_NOTHING);
    assert_int_equal(net_table_learn(*state, zero, 1, 1),
                     NET_LEARNED_NOTHING);
    assert_int_equal(net_table_count(*state), 0);
}

static void old_sighting_is_forgotten(void **state)
{
    net_table_learn(*state, guest, 3, 10);
    assert_int_equal(net_table_lookup(*state, guest, 10 + AGE_US), 3);
    assert_int_equal(net_table_lookup(*state, guest, 11 + AGE_US), -1);
    net_table_learn(*state, guest, 3, 2000);
    assert_int_equal(net_table_lookup(*state, guest, 2001), 3);
}

static void vanished_port_takes_its_addresses_along(void **state)
{
    net_table_learn(*state, guest, 3, 10);
    net_table_learn(*state, other, 4, 10);
    net_table_forget_port(*state, 3);
    assert_int_equal(net_table_lookup(*state, guest, 11), -1);
    assert_int_equal(net_table_lookup(*state, other, 11), 4);
}

static void full_table_gives_up_the_oldest(void **state)
{
    uint8_t mac[6] = { 0x02 };

    net_table_learn(*state, guest, 1, 1);
    for ( unsigned int i = 0; i < 7; i++ )
    {
        mac[5] = i;
        net_table_learn(*state, mac, 2, 10 + i);
    }
    assert_int_equal(net_table_lookup(*state, guest, 20), 1);
    net_table_learn(*state, guest, 1, 20);
    net_table_learn(*state, other, 3, 21);
    assert_int_equal(net_table_count(*state), 8);
    assert_int_equal(net_table_lookup(*state, guest, 22), 1);
    assert_int_equal(net_table_lookup(*state, other, 22), 3);
    mac[5] = 0;
    assert_int_equal(net_table_lookup(*state, mac, 22), -1);
}

static void many_come_and_go(void **state)
{
    uint8_t mac[6] = { 0x02 };

    for ( unsigned int i = 0; i < 5000; i++ )
    {
        mac[4] = i >> 8;
        mac[5] = i;
        net_table_learn(*state, mac, i % 5, i);
        if ( i % 7 == 0 )
            net_table_forget_port(*state, i % 3);
        assert_in_range(net_table_count(*state), 0, 8);
    }
    for ( int port = 0; port < 5; port++ )
        net_table_forget_port(*state, port);
    assert_int_equal(net_table_count(*state), 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(unknown_address_has_no_port),
        TEST(address_is_found_behind_its_port),
        TEST(announcement_from_elsewhere_moves_it_at_once),
        TEST(group_and_zero_addresses_are_not_learnt),
        TEST(old_sighting_is_forgotten),
        TEST(vanished_port_takes_its_addresses_along),
        TEST(full_table_gives_up_the_oldest),
        TEST(many_come_and_go),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
