/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Which pages vCPUs touch first, by page tables that the test writes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "firstpages.h"

#define NR 64u

#define PG   (1ull << 31)
#define LMA  (1ull << 10)
#define LA57 (1ull << 12)

static uint64_t mem[NR][512];
static struct firstpages found;

static const uint8_t *page(void *data, uint64_t gfn)
{
    (void)data;

    return gfn < NR ? (const uint8_t *)mem[gfn] : NULL;
}

static void entry(uint64_t table, unsigned int index, uint64_t gfn,
                  uint64_t bits)
{
    mem[table][index] = gfn << 12 | bits | 1;
}

static void find(const struct hv_vcpu *v, unsigned int nr)
{
    firstpages_find(v, nr, NR, page, NULL, &found);
}

static void expect(const uint64_t *gfns, unsigned int nr)
{
    unsigned int i;

    assert_int_equal(found.nr, nr);
    for ( i = 0; i < nr; i++ )
        assert_int_equal(found.gfns[i], gfns[i]);
}

#define EXPECT(...) \
    expect((const uint64_t[]){ __VA_ARGS__ }, \
           sizeof((const uint64_t[]){ __VA_ARGS__ }) / sizeof(uint64_t))

static int clear(void **state)
{
    (void)state;
    memset(mem, 0, sizeof(mem));

    return 0;
}

static void without_paging_addresses_are_physical(void **state)
{
    /* The stack is what is left of its 16 KiB. */
    const struct hv_vcpu v = { .rip = 0x5123, .rsp = 0x9ff8,
                               .tables = { 0x3000 } };

    (void)state;
    find(&v, 1);
    EXPECT(5, 9, 10, 11, 3);
}

static void tables_come_before_what_they_lead_to(void **state)
{
    /* Top of the address space: the last entries but for the page. */
    const struct hv_vcpu v = { .cr0 = PG, .efer = LMA, .cr3 = 0x1000,
                               .rip = 0xffffffffffe07123ull,
                               .rsp = 0xffffffffffe0b000ull };

    (void)state;
    entry(1, 511, 2, 0);
    entry(2, 511, 3, 0);
    entry(3, 511, 4, 0);
    entry(4, 7, 20, 0);
    entry(4, 11, 21, 0);
    find(&v, 1);
    EXPECT(1, 2, 3, 4, 20, 21);
}

static void large_pages_end_the_walk(void **state)
{
    struct hv_vcpu v = { .cr0 = PG, .efer = LMA, .cr3 = 0x1000,
                         .rip = 0x23456, .rsp = 0x27fff };

    (void)state;
    entry(1, 0, 2, 0);
    entry(2, 0, 3, 0);
    entry(3, 0, 0, 1 << 7);              /* 2 MiB at 0 */
    find(&v, 1);
    EXPECT(1, 2, 3, 0x23, 0x27);
    /* Bit 12 of it is PAT, and no address. */
    entry(2, 0, 1, 1 << 7);              /* 1 GiB at 0 */
    find(&v, 1);
    EXPECT(1, 2, 0x23, 0x27);
}

static void five_levels(void **state)
{
    const struct hv_vcpu v = { .cr0 = PG, .efer = LMA, .cr4 = LA57,
                               .cr3 = 0x1000, .rip = 1ull << 48,
                               .rsp = (1ull << 48) + 0x3000 };

    (void)state;
    entry(1, 1, 2, 0);
    entry(2, 0, 3, 0);
    entry(3, 0, 4, 0);
    entry(4, 0, 5, 0);
    entry(5, 0, 30, 0);
    entry(5, 3, 31, 0);
    find(&v, 1);
    EXPECT(1, 2, 3, 4, 5, 30, 31);
}

static void what_is_not_there_is_left_out(void **state)
{
    struct hv_vcpu v[2] = {
        { .cr0 = PG, .efer = LMA, .cr3 = NR << 12, .rip = 0x1000,
          .rsp = 0x3000 },
        { .cr0 = PG, .cr3 = 0x2000, .rip = 0x1000 },     /* not long mode */
    };

    (void)state;
    find(v, 2);
    assert_int_equal(found.nr, 0);
    v[0].cr3 = 0x1000;
    entry(1, 0, NR + 5, 0);
    find(v, 1);
    EXPECT(1);
    v[0].rip = v[0].rsp = UINT64_MAX;    /* no end of the stack below 2^64 */
    find(v, 1);
    EXPECT(1);
}

static void many_vcpus_share_and_fit(void **state)
{
    static struct hv_vcpu v[FIRSTPAGES_MAX + 8];
    unsigned int i;

    (void)state;
    for ( i = 0; i < FIRSTPAGES_MAX + 8; i++ )
        v[i] = (struct hv_vcpu){ .rip = 0x1000, .rsp = (i % 16) << 14 };
    find(v, FIRSTPAGES_MAX + 8);
    assert_int_equal(found.nr, NR);
    for ( i = 0; i < FIRSTPAGES_MAX + 8; i++ )
        v[i].rsp = (uint64_t)i << 14;
    firstpages_find(v, FIRSTPAGES_MAX + 8, 1u << 20, page, NULL, &found);
    assert_int_equal(found.nr, FIRSTPAGES_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(without_paging_addresses_are_physical, clear),
        cmocka_unit_test_setup(tables_come_before_what_they_lead_to, clear),
        cmocka_unit_test_setup(large_pages_end_the_walk, clear),
        cmocka_unit_test_setup(five_levels, clear),
        cmocka_unit_test_setup(what_is_not_there_is_left_out, clear),
        cmocka_unit_test_setup(many_vcpus_share_and_fit, clear),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
