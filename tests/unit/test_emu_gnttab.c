/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Uses of grant entries on the emulated host.
 *
 * LINK: tools/emu/host/gnttab_entry.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include <xenctrl.h>
#include <xen/grant_table.h>

#include "gnttab_entry.h"

#define NR 16u
#define REF 9u
#define GFN 0x1234u

static grant_entry_v1_t entries[NR];
static struct grant_active active[NR];
static struct grant_table table = { entries, NR, active };

static int begin(uint32_t ref, uint32_t domid, bool write, bool *ret_first)
{
    return gnttab_entry_begin(&table, ref, domid, write, ret_first);
}

static int setup(void **state)
{
    (void)state;
    memset(entries, 0, sizeof(entries));
    memset(active, 0, sizeof(active));
    entries[REF] = (grant_entry_v1_t) { GTF_permit_access, 0, GFN };

    return 0;
}

static void entry_not_granted_is_bad(void **state)
{
    bool first;

    (void)state;
    assert_int_equal(begin(REF + 1, 0, false, &first), GNTST_bad_gntref);
    assert_int_equal(begin(NR, 0, false, &first), GNTST_bad_gntref);
}

static void other_domain_is_denied(void **state)
{
    bool first;

    (void)state;
    assert_int_equal(begin(REF, 3, false, &first), GNTST_permission_denied);
    assert_int_equal(entries[REF].flags, GTF_permit_access);
}

static void writing_a_readonly_grant_is_denied(void **state)
{
    bool first;

    (void)state;
    entries[REF].flags |= GTF_readonly;
    assert_int_equal(begin(REF, 0, true, &first), GNTST_permission_denied);
    assert_int_equal(begin(REF, 0, false, &first), GNTST_okay);
    assert_int_equal(begin(REF, 0, true, &first), GNTST_permission_denied);
}

static void use_shows_in_the_flags(void **state)
{
    bool first;

    (void)state;
    assert_int_equal(begin(REF, 0, false, &first), GNTST_okay);
    assert_true(first);
    assert_int_equal(active[REF].gfn, GFN);
    assert_int_equal(entries[REF].flags, GTF_permit_access | GTF_reading);
    assert_int_equal(begin(REF, 0, true, &first), GNTST_okay);
    assert_false(first);
    assert_int_equal(entries[REF].flags,
                     GTF_permit_access | GTF_reading | GTF_writing);
    gnttab_entry_end(&table, REF, true);
    assert_int_equal(entries[REF].flags, GTF_permit_access | GTF_reading);
    gnttab_entry_end(&table, REF, false);
    assert_int_equal(entries[REF].flags, GTF_permit_access);
}

static void two_writers_keep_the_bit_until_both_end(void **state)
{
    bool first;

    (void)state;
    assert_int_equal(begin(REF, 0, true, &first), GNTST_okay);
    assert_int_equal(begin(REF, 0, true, &first), GNTST_okay);
    gnttab_entry_end(&table, REF, true);
    assert_int_equal(entries[REF].flags,
                     GTF_permit_access | GTF_reading | GTF_writing);
    gnttab_entry_end(&table, REF, true);
    assert_int_equal(entries[REF].flags, GTF_permit_access);
}

static void frame_in_use_does_not_change_under_the_user(void **state)
{
    bool first;

    (void)state;
    assert_int_equal(begin(REF, 0, false, &first), GNTST_okay);
    entries[REF].frame = GFN + 1;
    assert_int_equal(begin(REF, 0, false, &first), GNTST_okay);
    assert_int_equal(active[REF].gfn, GFN);
    gnttab_entry_end(&table, REF, false);
    gnttab_entry_end(&table, REF, false);
    assert_int_equal(begin(REF, 0, false, &first), GNTST_okay);
    assert_int_equal(active[REF].gfn, GFN + 1);
}

#define TEST(f) cmocka_unit_test_setup(f, setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(entry_not_granted_is_bad),
        TEST(other_domain_is_denied),
        TEST(writing_a_readonly_grant_is_denied),
        TEST(use_shows_in_the_flags),
        TEST(two_writers_keep_the_bit_until_both_end),
        TEST(frame_in_use_does_not_change_under_the_user),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
