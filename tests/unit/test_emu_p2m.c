/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * P2M and guest address space of the emulated host.
 *
 * LINK: tools/emu/host/p2m.c tools/emu/host/machine.c tools/emu/host/dirty.c
 * LINK: tools/emu/host/log.c tests/unit/emu_fake.c
 * LINK: tools/emu/host/uffd.c tools/emu/host/share.c
 * LINK: tests/unit/emu_fake_paging.c
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <cmocka.h>

#include "emu_fake.h"

#define MIB 8u

static int setup(void **state)
{
    *state = fake_domain(MIB, DIRTY_ASYNC);
    return 0;
}

static int teardown(void **state)
{
    fake_domain_free(*state);
    return 0;
}

static long populate(struct domain *d, uint64_t first, unsigned int n)
{
    uint64_t gfns[2048];
    unsigned int i;

    for ( i = 0; i < n; i++ )
        gfns[i] = first + i;
    return p2m_populate(d, gfns, n, 0);
}

static uint64_t mfn_of(struct domain *d, uint64_t gfn)
{
    uint64_t mfn = 0;

    assert_int_equal(p2m_lookup(d, gfn, &mfn), 0);
    return mfn;
}

/* True if the guest could touch this gfn. */
static bool accessible(struct domain *d, uint64_t gfn)
{
    unsigned char vec;
    void *at = d->p2m.mem + gfn * PAGE_SIZE;

    /* MADV_POPULATE_READ fails on PROT_NONE without a signal. */
    return !madvise(at, PAGE_SIZE, 22) && !mincore(at, PAGE_SIZE, &vec);
}

static void a_populated_gfn_is_the_guests_memory(void **state)
{
    struct domain *d = *state;
    uint64_t gfn = 0x800;

    assert_int_equal(populate(d, gfn, 3), 3);
    assert_int_equal(d->p2m.mem[gfn * PAGE_SIZE], 0xc2);
    d->p2m.mem[(gfn + 1) * PAGE_SIZE + 7] = 0x33;
    assert_int_equal(((uint8_t *)machine_ptr(&d->host->machine,
                                             mfn_of(d, gfn + 1)))[7], 0x33);
    assert_int_equal(d->p2m.nr_gfns, gfn + 3);
    assert_int_equal(d->acct.tot_pages, 3);
}

static void a_hole_is_not_accessible(void **state)
{
    struct domain *d = *state;
    uint64_t gfn = 5, mfn;

    populate(d, 4, 3);
    assert_true(accessible(d, gfn));
    assert_int_equal(p2m_decrease(d, &gfn, 1), 1);
    assert_int_equal(p2m_lookup(d, gfn, &mfn), -ENOENT);
    assert_false(accessible(d, gfn));
    assert_true(accessible(d, 4));
    assert_true(accessible(d, 6));
    assert_int_equal(d->acct.tot_pages, 2);
}

static void giving_up_a_hole_fails(void **state)
{
    struct domain *d = *state;
    uint64_t gfns[3] = { 1, 100, 2 };

    populate(d, 0, 4);
    assert_int_equal(p2m_decrease(d, gfns, 3), 1);
    assert_int_equal(p2m_decrease(d, gfns + 1, 1), -EINVAL);
}

static void populate_stops_when_memory_is_out(void **state)
{
    struct domain *d = *state;

    assert_int_equal(populate(d, 0, 1500), 1500);
    assert_int_equal(populate(d, 1500, 1000), MIB * 256 - 1500);
    assert_int_equal(populate(d, 4000, 1), -ENOMEM);
}

static void populating_twice_loses_the_old_page(void **state)
{
    struct domain *d = *state;

    populate(d, 9, 1);
    d->p2m.mem[9 * PAGE_SIZE] = 1;
    assert_int_equal(populate(d, 9, 1), 1);
    assert_int_equal(d->p2m.mem[9 * PAGE_SIZE], 0xc2);
    assert_int_equal(d->acct.tot_pages, 1);
    assert_int_equal(machine_free_pages(&d->host->machine), MIB * 256 - 1);
}

static void a_pinned_page_ballooned_out_and_in_has_another_frame(void **state)
{
    struct domain *d = *state;
    uint64_t gfn = 9, mfn;

    populate(d, gfn, 1);
    assert_int_equal(p2m_pin(d, gfn, &mfn), 0);
    p2m_decrease(d, &gfn, 1);
    populate(d, gfn, 1);
    assert_int_not_equal(mfn_of(d, gfn), mfn);
    machine_unpin(&d->host->machine, mfn);
}

static void two_mib_extents_are_runs(void **state)
{
    struct domain *d = *state;
    uint64_t gfn = 0x400, odd = 0x401;

    assert_int_equal(p2m_populate(d, &gfn, 1, RUN_ORDER), 1);
    assert_int_equal(mfn_of(d, gfn) % RUN_FRAMES, 0);
    assert_int_equal(mfn_of(d, gfn + 511), mfn_of(d, gfn) + 511);
    assert_int_equal(p2m_populate(d, &odd, 1, RUN_ORDER), -EINVAL);
    assert_int_equal(p2m_populate(d, &gfn, 1, 18), -ENOMEM);
}

static void gfns_beyond_the_address_space_are_refused(void **state)
{
    struct domain *d = *state;
    uint64_t gfn = d->p2m.max_gfns, far = ~0ull, mfn;

    assert_int_equal(p2m_populate(d, &gfn, 1, 0), -EINVAL);
    assert_int_equal(p2m_populate(d, &far, 1, 0), -EINVAL);
    assert_int_equal(p2m_decrease(d, &far, 1), -EINVAL);
    assert_int_equal(p2m_pin(d, far, &mfn), -EINVAL);
}

static void a_map_request_becomes_runs(void **state)
{
    struct domain *d = *state;
    uint64_t gfns[6] = { 10, 11, 12, 600, 601, 11 };
    struct emu_run *runs = NULL;
    uint32_t nr = 0, i, j;

    populate(d, 10, 3);
    assert_int_equal(p2m_pin_runs(d, gfns, 6, &runs, &nr), 0);
    assert_int_equal(nr, 3);
    assert_int_equal(runs[0].nr, 3);
    assert_int_equal(runs[0].mfn, mfn_of(d, 10));
    assert_int_equal(runs[1].nr, 2);
    assert_int_equal(runs[1].err, -EINVAL);
    assert_int_equal(runs[2].nr, 1);
    assert_int_equal(runs[2].mfn, mfn_of(d, 11));
    assert_int_equal(atomic_load(&d->host->machine.refs[runs[2].mfn]), 3);
    for ( i = 0; i < nr; i++ )
        for ( j = 0; !runs[i].err && j < runs[i].nr; j++ )
            machine_unpin(&d->host->machine, runs[i].mfn + j);
    free(runs);
}

static void everything_goes_but_the_pinned(void **state)
{
    struct domain *d = *state, *other = fake_sibling(d);
    uint64_t mfn;

    populate(other, 0, 700);
    other->p2m.mem[3 * PAGE_SIZE] = 0x77;
    assert_int_equal(p2m_pin(other, 3, &mfn), 0);
    fake_sibling_free(other);
    assert_int_equal(machine_free_pages(&d->host->machine), MIB * 256 - 1);
    assert_int_equal(*(uint8_t *)machine_ptr(&d->host->machine, mfn), 0x77);
    machine_unpin(&d->host->machine, mfn);
    assert_int_equal(machine_free_pages(&d->host->machine), MIB * 256);
}

/* The kernel's limit on mappings, 65,530 by default, is met half way. */
static void too_many_holes_are_refused_without_damage(void **state)
{
    const uint64_t nr = 74000;
    uint64_t gfn, holes = 0, mfn;
    struct domain *d;
    long r = 1;

    (void)state;
#ifdef __SANITIZE_THREAD__
    print_message("the sanitizer does not live without mappings\n");
    skip();
#endif
    d = fake_domain(300, DIRTY_ASYNC);
    for ( gfn = 0; gfn < nr; gfn += 2000 )
        assert_int_equal(populate(d, gfn, 2000), 2000);
    for ( gfn = 1; gfn < nr && r == 1; gfn += 2 )
    {
        r = p2m_decrease(d, &gfn, 1);
        holes += r == 1;
    }
    if ( r == 1 )
        skip();                  /* the limit is higher here */
    assert_int_equal(r, -EINVAL);
    gfn -= 2;
    assert_int_equal(p2m_lookup(d, gfn, &mfn), 0);
    d->p2m.mem[gfn * PAGE_SIZE] = 0x44;
    assert_int_equal(*(uint8_t *)machine_ptr(&d->host->machine, mfn), 0x44);
    assert_int_equal(d->acct.tot_pages, nr - holes);
    /* Memory for others comes from elsewhere, and all of it comes back. */
    assert_int_equal(machine_free_pages(&d->host->machine),
                     300 * 256 - nr + holes);
    fake_domain_free(d);
}

static void a_host_frame_comes_and_goes(void **state)
{
    struct domain *d = *state;
    uint64_t mfn, gfn = 0x50;

    assert_int_equal(machine_alloc_host(&d->host->machine, 1, &mfn), 0);
    assert_int_equal(p2m_add_host_frame(d, gfn, mfn), 0);
    assert_int_equal(mfn_of(d, gfn), mfn);
    assert_int_equal(p2m_decrease(d, &gfn, 1), -EINVAL);
    assert_int_equal(p2m_populate(d, &gfn, 1, 0), -EINVAL);
    assert_int_equal(p2m_remove(d, gfn), 0);
    assert_int_equal(p2m_remove(d, gfn), -EINVAL);
    assert_int_equal(atomic_load(&d->host->machine.refs[mfn]), 1);
    machine_unpin(&d->host->machine, mfn);
}

int main(void)
{
#define T(x) cmocka_unit_test_setup_teardown(x, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(a_populated_gfn_is_the_guests_memory),
        T(a_hole_is_not_accessible),
        T(giving_up_a_hole_fails),
        T(populate_stops_when_memory_is_out),
        T(populating_twice_loses_the_old_page),
        T(a_pinned_page_ballooned_out_and_in_has_another_frame),
        T(two_mib_extents_are_runs),
        T(gfns_beyond_the_address_space_are_refused),
        T(a_map_request_becomes_runs),
        T(everything_goes_but_the_pinned),
        cmocka_unit_test(too_many_holes_are_refused_without_damage),
        T(a_host_frame_comes_and_goes),
    };
#undef T

    return cmocka_run_group_tests(tests, NULL, NULL);
}
