/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The guest's command line.
 *
 * LINK: tools/emu/guest/cmdline.c
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "kernel.h"

static void bytes_take_suffixes(void **state)
{
    static const struct { const char *text; uint64_t want; } good[] =
    {
        { "s=0", 0 }, { "s=4096", 4096 }, { "s=64K", 65536 },
        { "s=64k", 65536 }, { "s=128M", 128ull << 20 },
        { "s=2G", 2ull << 30 }, { "s=1T", 1ull << 40 },
        { "s=3MiB", 3ull << 20 }, { "s=3MB", 3ull << 20 },
        { "s=100M/s", 100ull << 20 }, { "s=18446744073709551615", ~0ull },
    };
    static const char *const bad[] =
    {
        "s=", "s", "s=x", "s=-1", "s=4X", "s=4Mx", "s=4M/",
        "s=18446744073709551616", "s=20000000T", "s= 4", "s=0x10",
    };
    unsigned int i;
    uint64_t value;

    (void)state;
    for ( i = 0; i < sizeof(good) / sizeof(good[0]); i++ )
    {
        value = 1;
        assert_int_equal(cmdline_bytes(good[i].text, "s", &value), 0);
        assert_int_equal(value, good[i].want);
    }
    for ( i = 0; i < sizeof(bad) / sizeof(bad[0]); i++ )
    {
        value = 77;
        assert_int_equal(cmdline_bytes(bad[i], "s", &value), -EINVAL);
        assert_int_equal(value, 77);
    }
}

static void times_take_units(void **state)
{
    uint64_t us = 0;

    (void)state;
    assert_int_equal(cmdline_us("t=50ms", "t", &us), 0);
    assert_int_equal(us, 50000);
    assert_int_equal(cmdline_us("t=7", "t", &us), 0);
    assert_int_equal(us, 7000);
    assert_int_equal(cmdline_us("t=9us", "t", &us), 0);
    assert_int_equal(us, 9);
    assert_int_equal(cmdline_us("t=2s", "t", &us), 0);
    assert_int_equal(us, 2000000);
    assert_int_equal(cmdline_us("t=1m", "t", &us), 0);
    assert_int_equal(us, 60000000);
    assert_int_equal(cmdline_us("t=1h", "t", &us), -EINVAL);
    assert_int_equal(cmdline_us("t=18446744073709551615s", "t", &us),
                     -EINVAL);
}

static void keys_are_whole_words(void **state)
{
    uint64_t value = 0;

    (void)state;
    assert_int_equal(cmdline_u64("resize=1 siz=2 size2=3", "size", &value),
                     -ENOENT);
    assert_int_equal(cmdline_u64("size=1 x size=2", "size", &value), 0);
    assert_int_equal(value, 2);
    assert_int_equal(cmdline_u64("", "size", &value), -ENOENT);
    assert_int_equal(cmdline_u64("  \t size=5\n", "size", &value), 0);
    assert_int_equal(value, 5);
    assert_int_equal(cmdline_u64("size=5x", "size", &value), -EINVAL);
}

static void strings_are_bounded(void **state)
{
    char buf[8];

    (void)state;
    assert_int_equal(cmdline_str("p=1234567 bare", "p", buf, sizeof(buf)), 0);
    assert_string_equal(buf, "1234567");
    assert_int_equal(cmdline_str("p=12345678", "p", buf, sizeof(buf)),
                     -EINVAL);
    assert_int_equal(cmdline_str("p=1 bare", "bare", buf, sizeof(buf)), 0);
    assert_string_equal(buf, "");
    assert_int_equal(cmdline_str("p=a=b", "p", buf, sizeof(buf)), 0);
    assert_string_equal(buf, "a=b");
}

static void keys_are_listed(void **state)
{
    char buf[8];

    (void)state;
    assert_int_equal(cmdline_key(" a=1 bee  verylongkey=2", 0, buf,
                                 sizeof(buf)), 0);
    assert_string_equal(buf, "a");
    assert_int_equal(cmdline_key(" a=1 bee  verylongkey=2", 1, buf,
                                 sizeof(buf)), 0);
    assert_string_equal(buf, "bee");
    assert_int_equal(cmdline_key(" a=1 bee  verylongkey=2", 2, buf,
                                 sizeof(buf)), 0);
    assert_string_equal(buf, "verylon");
    assert_int_equal(cmdline_key(" a=1 bee  verylongkey=2", 3, buf,
                                 sizeof(buf)), -ENOENT);
}

int main(void)
{
    const struct CMUnitTest tests[] =
    {
        cmocka_unit_test(bytes_take_suffixes),
        cmocka_unit_test(times_take_units),
        cmocka_unit_test(keys_are_whole_words),
        cmocka_unit_test(strings_are_bounded),
        cmocka_unit_test(keys_are_listed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
