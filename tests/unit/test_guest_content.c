/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What checked pages hold, and how a wrong one is named.
 *
 * LINK: tools/emu/guest/content.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include <zlib.h>

#include "check.h"

static const struct check_mix plain;
static uint8_t page[GUEST_PAGE_SIZE] __attribute__((aligned(4096)));

static enum check_found explain(uint64_t gfn, uint32_t version,
                                struct check_result *r)
{
    content_explain(page, gfn, version, &plain, r);
    return r->found;
}

static void every_single_bit_matters(void **state)
{
    struct check_result r;
    unsigned int i;

    (void)state;
    content_fill(page, 0x123, 7, &plain);
    assert_true(content_is(page, 0x123, 7, &plain));
    for ( i = 0; i < GUEST_PAGE_SIZE; i++ )
    {
        page[i] ^= 1u << i % 8;
        assert_false(content_is(page, 0x123, 7, &plain));
        explain(0x123, 7, &r);
        assert_int_not_equal(r.found, CHECK_OK);
        assert_int_equal(r.first_bad, i);
        page[i] ^= 1u << i % 8;
    }
    assert_true(content_is(page, 0x123, 7, &plain));
    assert_int_equal(explain(0x123, 7, &r), CHECK_OK);
}

static void other_versions_and_places_are_named(void **state)
{
    struct check_result r;

    (void)state;
    content_fill(page, 0x123, 7, &plain);
    assert_int_equal(explain(0x123, 8, &r), CHECK_STALE);
    assert_int_equal(r.found_version, 7);
    assert_int_equal(explain(0x123, 6, &r), CHECK_NEWER);
    assert_int_equal(explain(0x124, 7, &r), CHECK_MISPLACED);
    assert_int_equal(r.found_gfn, 0x123);
    memset(page, 0, sizeof(page));
    assert_int_equal(explain(0x123, 7, &r), CHECK_LOST_ZERO);
    memset(page, 0xc2, sizeof(page));
    assert_int_equal(explain(0x123, 7, &r), CHECK_LOST_POISON);
}

static void half_old_half_new_is_torn(void **state)
{
    uint8_t old[GUEST_PAGE_SIZE];
    struct check_result r;

    (void)state;
    content_fill(page, 5, 7, &plain);
    memcpy(old, page, sizeof(old));
    content_fill(page, 5, 8, &plain);
    memcpy(page + 2048, old + 2048, 2048);
    assert_int_equal(explain(5, 8, &r), CHECK_TORN);
    assert_in_range(r.first_bad, 2048, 2056);
    assert_int_equal(explain(5, 7, &r), CHECK_TORN);
}

static unsigned long deflated(void)
{
    uint8_t out[8192];
    uLongf len = sizeof(out);

    assert_int_equal(compress(out, &len, page, sizeof(page)), Z_OK);
    return len;
}

static void random_pages_do_not_compress(void **state)
{
    struct check_mix repeat = { .compressible_percent = 100 };

    (void)state;
    content_fill(page, 99, 3, &plain);
    assert_true(deflated() > GUEST_PAGE_SIZE);
    content_fill(page, 99, 3, &repeat);
    assert_true(deflated() < GUEST_PAGE_SIZE / 8);
    assert_true(content_is(page, 99, 3, &repeat));
    assert_false(content_is(page, 99, 4, &repeat));
}

static void zero_percent_is_kept(void **state)
{
    struct check_mix mix = { .zero_percent = 30, .compressible_percent = 20 };
    static const uint8_t zeros[GUEST_PAGE_SIZE];
    unsigned int gfn, nr_zero = 0;

    (void)state;
    for ( gfn = 0; gfn < 2000; gfn++ )
    {
        memset(page, 0xc2, sizeof(page));
        content_fill(page, gfn, 1, &mix);
        assert_true(content_is(page, gfn, 1, &mix));
        nr_zero += !memcmp(page, zeros, sizeof(page));
    }
    assert_in_range(nr_zero, 500, 700);
}

static void every_bit_matters_in_every_kind(void **state)
{
    static const struct check_mix mixes[] = {
        { .uniform_percent = 100 }, { .sparse_percent = 100 },
        { .same_percent = 100 },
        { .sparse_percent = 100, .same_percent = 100 },
        { .compressible_percent = 100, .same_percent = 100 },
    };
    unsigned int m, bit;

    (void)state;
    for ( m = 0; m < sizeof(mixes) / sizeof(mixes[0]); m++ )
    {
        content_fill(page, 77, 5, &mixes[m]);
        assert_true(content_is(page, 77, 5, &mixes[m]));
        assert_false(content_is(page, 77, 6, &mixes[m]));
        assert_false(content_is(page, 78, 5, &mixes[m]));
        for ( bit = 0; bit < GUEST_PAGE_SIZE * 8; bit += 13 )
        {
            page[bit / 8] ^= 1 << bit % 8;
            assert_false(content_is(page, 77, 5, &mixes[m]));
            page[bit / 8] ^= 1 << bit % 8;
        }
    }
}

static void a_page_that_stays_the_same_changes_in_few_bytes(void **state)
{
    struct check_mix same = { .same_percent = 100 };
    uint8_t before[GUEST_PAGE_SIZE];
    unsigned int i, changed = 0;

    (void)state;
    content_fill(before, 77, 8, &same);
    content_fill(page, 77, 9, &same);
    for ( i = 0; i < GUEST_PAGE_SIZE; i++ )
        changed += before[i] != page[i];
    assert_in_range(changed, 128, 2 * 128 + 16);
}

static void a_sparse_page_halves(void **state)
{
    struct check_mix sparse = { .sparse_percent = 100 };

    (void)state;
    content_fill(page, 77, 8, &sparse);
    assert_in_range(deflated(), GUEST_PAGE_SIZE / 4, GUEST_PAGE_SIZE / 2);
}

int main(void)
{
    const struct CMUnitTest tests[] =
    {
        cmocka_unit_test(every_single_bit_matters),
        cmocka_unit_test(other_versions_and_places_are_named),
        cmocka_unit_test(half_old_half_new_is_torn),
        cmocka_unit_test(random_pages_do_not_compress),
        cmocka_unit_test(zero_percent_is_kept),
        cmocka_unit_test(every_bit_matters_in_every_kind),
        cmocka_unit_test(a_page_that_stays_the_same_changes_in_few_bytes),
        cmocka_unit_test(a_sparse_page_halves),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
