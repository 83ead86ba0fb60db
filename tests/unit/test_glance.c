/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * A look at a few pages: which are mapped, how often, and what is left
 * mapped.  The mapping here is the test's own.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "glance.h"

#define DOMID  7u
#define NR     (GLANCE_GFNS * (GLANCE_BLOCKS + 2) - 10)
#define HOLE   70u               /* cannot be mapped */
#define BROKEN 3u                /* nor can this block */

static unsigned int maps, mapped;
static struct glance g;

int hv_map_range(struct hv *hv, struct err *e, uint32_t domid, bool writable,
                 uint64_t first, size_t n, int *errs, void **ret_addr)
{
    uint8_t *mem;
    size_t i;

    assert_null(hv);
    assert_null(e);
    assert_int_equal(domid, DOMID);
    assert_false(writable);
    assert_int_equal(first % GLANCE_GFNS, 0);
    assert_true(first + n <= NR);
    maps++;
    if ( first / GLANCE_GFNS == BROKEN )
        return -ENOMEM;
    mem = calloc(n, PAGE_BYTES);
    assert_non_null(mem);
    for ( i = 0; i < n; i++ )
    {
        uint64_t gfn = first + i;

        memcpy(mem + i * PAGE_BYTES, &gfn, sizeof(gfn));
        errs[i] = gfn == HOLE ? -EINVAL : 0;
    }
    mapped += n;
    *ret_addr = mem;

    return 0;
}

void hv_unmap(struct hv *hv, void *addr, size_t n)
{
    assert_null(hv);
    if ( !addr )
        return;
    mapped -= n;
    free(addr);
}

static int setup(void **state)
{
    (void)state;
    maps = mapped = 0;
    glance_open(&g, NULL, DOMID, NR);

    return 0;
}

/* What has been mapped has been unmapped. */
static int teardown(void **state)
{
    (void)state;
    glance_close(&g);

    return mapped != 0;
}

static bool shows(uint64_t gfn)
{
    const uint8_t *page;
    uint64_t there;

    assert_int_equal(glance_page(&g, gfn, &page), 0);
    if ( !page )
        return false;
    memcpy(&there, page, sizeof(there));
    assert_int_equal(there, gfn);

    return true;
}

static void pages_of_a_block_are_one_mapping(void **state)
{
    (void)state;
    assert_true(shows(65));
    assert_true(shows(127));
    assert_int_equal(maps, 1);
    assert_true(shows(128));
    assert_true(shows(64));
    assert_int_equal(maps, 2);
}

static void the_last_block_is_short(void **state)
{
    (void)state;
    assert_true(shows(NR - 1));
    assert_false(shows(NR));
    assert_int_equal(maps, 1);
}

static void what_cant_be_mapped_is_not_there(void **state)
{
    (void)state;
    assert_true(shows(HOLE - 1));
    assert_false(shows(HOLE));
    assert_true(shows(HOLE + 1));
    assert_false(shows(BROKEN * GLANCE_GFNS));
    assert_false(shows(BROKEN * GLANCE_GFNS + 1));
    assert_int_equal(maps, 2);
}

static void it_says_when_it_is_full(void **state)
{
    const uint8_t *page = (const uint8_t *)state;
    uint64_t i;

    for ( i = 0; i < GLANCE_BLOCKS; i++ )
        assert_int_equal(shows(i * GLANCE_GFNS), i != BROKEN);
    assert_int_equal(glance_page(&g, i * GLANCE_GFNS, &page), -ENOSPC);
    assert_null(page);
    assert_true(shows(1));
    assert_int_equal(maps, GLANCE_BLOCKS);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(pages_of_a_block_are_one_mapping),
        TEST(the_last_block_is_short),
        TEST(what_cant_be_mapped_is_not_there),
        TEST(it_says_when_it_is_full),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
