/* SPDX-License-Identifier: LGPL-2.1-only */
/* The bounded cache of pages that were sent. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "code_cache.h"

#define PAGES 64u

static struct code_cache *c;

static int open_cache(void **state)
{
    (void)state;
    return code_cache_new(PAGES * 4096, &c);
}

static int close_cache(void **state)
{
    (void)state;
    code_cache_free(c);
    return 0;
}

static void put(uint64_t key, uint32_t round)
{
    uint8_t *p = code_cache_add(c, key, round);

    assert_non_null(p);
    memset(p, (int)(key * 7 + 1), 4096);
}

static void as_much_as_fits_is_found(void **state)
{
    unsigned int i;

    (void)state;
    for ( i = 0; i < PAGES; i++ )
        put(1000 + i, 1);
    for ( i = 0; i < PAGES; i++ )
    {
        uint8_t *p = code_cache_find(c, 1000 + i, 2);

        assert_non_null(p);
        assert_int_equal(p[0], (uint8_t)((1000 + i) * 7 + 1));
        assert_int_equal(p[4095], p[0]);
    }
    assert_null(code_cache_find(c, 999, 2));
    assert_null(code_cache_find(c, 1000 + PAGES, 2));
}

/* A guest that writes to twice as much gets deltas for half of it. */
static void pages_in_use_are_not_driven_out(void **state)
{
    unsigned int i, round, found = 0;

    (void)state;
    for ( round = 1; round < 6; round++ )
        for ( i = 0, found = 0; i < 2 * PAGES; i++ )
        {
            if ( code_cache_find(c, i, round) )
                found++;
            else
                code_cache_add(c, i, round);
        }
    assert_int_equal(found, PAGES);
}

static void pages_that_are_no_longer_of_use_make_room(void **state)
{
    unsigned int i;

    (void)state;
    for ( i = 0; i < PAGES; i++ )
        put(i, 1);
    assert_null(code_cache_add(c, PAGES, 2));
    for ( i = 0; i < PAGES; i++ )
        put(PAGES + i, 3);
    for ( i = 0; i < PAGES; i++ )
        assert_null(code_cache_find(c, i, 3));
}

static void what_is_dropped_is_gone(void **state)
{
    (void)state;
    put(5, 1);
    put(6, 1);
    code_cache_drop(c, 5);
    code_cache_drop(c, 7);
    assert_null(code_cache_find(c, 5, 1));
    assert_non_null(code_cache_find(c, 6, 1));
    code_cache_clear(c);
    assert_null(code_cache_find(c, 6, 1));
}

static void one_page_is_enough_to_begin_with(void **state)
{
    struct code_cache *small;

    (void)state;
    assert_int_equal(code_cache_new(1, &small), 0);
    assert_non_null(code_cache_add(small, UINT64_MAX - 1, 1));
    assert_non_null(code_cache_find(small, UINT64_MAX - 1, 1));
    code_cache_free(small);
    code_cache_free(NULL);
}

#define T(f) cmocka_unit_test_setup_teardown(f, open_cache, close_cache)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(as_much_as_fits_is_found),
        T(pages_in_use_are_not_driven_out),
        T(pages_that_are_no_longer_of_use_make_room),
        T(what_is_dropped_is_gone),
        T(one_page_is_enough_to_begin_with),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
