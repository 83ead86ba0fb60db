/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The link emulator's arithmetic.
 * LINK: tools/link/shaper.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tools/link/shaper.h"

#define MS 1000000ull

static void set(struct shaper *s, const char *key, const char *value)
{
    assert_true(shaper_set(s, key, value));
}

static void transmits_at_the_rate(void **state)
{
    struct shaper s;
    uint64_t due, i;

    (void)state;
    shaper_init(&s, 1);
    set(&s, "rate", "8");        /* a byte each microsecond */
    set(&s, "queue", "1000");
    for ( i = 1; i <= 10; i++ )
    {
        assert_int_equal(shaper_take(&s, 5 * MS, 962, 1, &due),
                         SHAPER_PASSES);
        assert_int_equal(due, 5 * MS + i * MS);
    }
    /* A line that has been idle transmits at once, and no faster. */
    assert_int_equal(shaper_take(&s, 100 * MS, 962, 1, &due), SHAPER_PASSES);
    assert_int_equal(due, 101 * MS);
    /* A piece takes as long as its packets. */
    assert_int_equal(shaper_take(&s, 200 * MS, 9620, 10, &due),
                     SHAPER_PASSES);
    assert_int_equal(due, 210 * MS);
    assert_int_equal(s.packets, 21);
}

static void full_queue_drops(void **state)
{
    unsigned int passed = 0, i;
    struct shaper s;
    uint64_t due;

    (void)state;
    shaper_init(&s, 1);
    set(&s, "rate", "8");
    set(&s, "queue", "3");
    for ( i = 0; i < 10; i++ )
        passed += shaper_take(&s, 0, 962, 1, &due) == SHAPER_PASSES;
    /* One on the line, three waiting. */
    assert_int_equal(passed, 4);
    assert_int_equal(s.dropped, 6);
    assert_int_equal(shaper_take(&s, MS, 962, 1, &due), SHAPER_PASSES);
}

static void nothing_overtakes(void **state)
{
    struct shaper s;
    uint64_t first, second;

    (void)state;
    shaper_init(&s, 1);
    set(&s, "rate", "0");
    set(&s, "delay", "64");
    assert_int_equal(shaper_take(&s, 0, 1500, 1, &first), SHAPER_PASSES);
    assert_int_equal(first, 64 * MS);
    set(&s, "delay", "1");
    assert_int_equal(shaper_take(&s, MS, 1500, 1, &second), SHAPER_PASSES);
    assert_int_equal(second, first);
    assert_int_equal(shaper_take(&s, 90 * MS, 1500, 1, &second),
                     SHAPER_PASSES);
    assert_int_equal(second, 91 * MS);
}

static void loses_the_part_asked_for(void **state)
{
    struct shaper s;
    unsigned int i;
    uint64_t due;

    (void)state;
    shaper_init(&s, 1);
    set(&s, "rate", "0");
    set(&s, "loss", "1");
    for ( i = 0; i < 100000; i++ )
        shaper_take(&s, i, 1500, 1, &due);
    assert_in_range(s.lost, 900, 1100);
    set(&s, "loss", "100");
    assert_int_equal(shaper_take(&s, i, 1500, 1, &due), SHAPER_LOST);
    set(&s, "loss", "0");
    assert_int_equal(shaper_take(&s, i, 1500, 1, &due), SHAPER_PASSES);
}

static void refuses_nonsense(void **state)
{
    static const char *const bad[][2] = {
        { "delay", "-1" }, { "delay", "" }, { "delay", "1x" },
        { "delay", "10001" }, { "rate", "nan" }, { "rate", "1e9" },
        { "loss", "101" }, { "queue", "-0.1" }, { "speed", "1" },
    };
    struct shaper s;
    unsigned int i;

    (void)state;
    shaper_init(&s, 1);
    for ( i = 0; i < sizeof(bad) / sizeof(*bad); i++ )
        assert_false(shaper_set(&s, bad[i][0], bad[i][1]));
    assert_int_equal(s.rate_bps, 1000000000);
}

static void counts_packets(void **state)
{
    uint64_t bytes;

    (void)state;
    assert_int_equal(shaper_packets(1500, 0, 0, &bytes), 1);
    assert_int_equal(bytes, 1500);
    assert_int_equal(shaper_packets(52 + 1448, 52, 1448, &bytes), 1);
    assert_int_equal(bytes, 1500);
    assert_int_equal(shaper_packets(52 + 1448 * 3 + 1, 52, 1448, &bytes), 4);
    assert_int_equal(bytes, 1500 * 3 + 53);
    /* A header that claims to be all of it. */
    assert_int_equal(shaper_packets(40, 60, 1448, &bytes), 1);
    assert_int_equal(bytes, 40);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(transmits_at_the_rate),
        cmocka_unit_test(full_queue_drops),
        cmocka_unit_test(nothing_overtakes),
        cmocka_unit_test(loses_the_part_asked_for),
        cmocka_unit_test(refuses_nonsense),
        cmocka_unit_test(counts_packets),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
