/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The guest's balloon: memory/target, and the self-driven one of tests.
 *
 * LINK: tools/emu/guest/?*.c tests/unit/guest_f*.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include <xen/sched.h>

#include "guest_fake.h"
#include "kernel.h"

#define RAM 2048u

static struct fake *f;

static unsigned int nr_holes(void)
{
    unsigned int gfn, n = 0;

    for ( gfn = 0; gfn < RAM; gfn++ )
        n += f->hole[gfn] && gfn != SHARED_INFO_GFN;
    return n;
}

static void set_target(unsigned int pages)
{
    char text[32];

    snprintf(text, sizeof(text), "%u", pages * 4);
    fake_xs_set(&f->xs, "memory/target", text);
}

static int boot(void **state)
{
    (void)state;
    f = fake_create(RAM, 0, 1, "program=idle fill=1M");
    fake_xs_set(&f->xs, "memory/static-max", "8448");   /* 64 pages more */
    set_target(RAM + 64);
    assert_true(fake_run(f, 2000000, fake_is_running));
    fake_run_us(f, 100000);
    return 0;
}

static int end(void **state)
{
    (void)state;
    fake_destroy(f);
    return 0;
}

static void full_target_leaves_all_memory(void **state)
{
    (void)state;
    assert_int_equal(nr_holes(), 0);
}

static void target_is_followed_out_and_in(void **state)
{
    struct kernel *k = fake_page(f, KERNEL_GFN);
    uint64_t nr_free = k->nr_free;

    (void)state;
    set_target(RAM + 64 - 700);
    fake_run_us(f, 200000);
    assert_int_equal(nr_holes(), 700);
    assert_int_equal(k->nr_free, nr_free - 700);
    set_target(RAM + 64 - 100);
    fake_run_us(f, 200000);
    assert_int_equal(nr_holes(), 100);
    set_target(RAM + 64);
    fake_run_us(f, 200000);
    assert_int_equal(nr_holes(), 0);
    assert_int_equal(k->nr_free, nr_free);
}

static void used_memory_is_not_given_up(void **state)
{
    struct kernel *k = fake_page(f, KERNEL_GFN);
    unsigned int nr_free = k->nr_free;

    (void)state;
    set_target(64);
    fake_run_us(f, 3000000);
    assert_int_equal(nr_holes(), nr_free);
    assert_int_equal(f->shutdown, -1);
    set_target(RAM + 64);
    fake_run_us(f, 200000);
    assert_int_equal(nr_holes(), 0);
}

static void refused_memory_is_asked_for_again(void **state)
{
    (void)state;
    set_target(RAM - 100);
    fake_run_us(f, 200000);
    f->populate_fails = true;
    set_target(RAM + 64);
    fake_run_us(f, 500000);
    assert_int_not_equal(nr_holes(), 0);
    f->populate_fails = false;
    fake_run_us(f, 40000000);
    assert_int_equal(nr_holes(), 0);
}

static void ballooned_guest_moves(void **state)
{
    (void)state;
    set_target(RAM + 64 - 700);
    fake_run_us(f, 200000);
    assert_true(fake_suspend(f));
    fake_move(f);
    fake_xs_set(&f->xs, "memory/static-max", "8448");
    set_target(RAM + 64 - 700);
    assert_true(fake_run(f, 1000000, fake_has_verdict));
    assert_int_equal(f->shutdown, -1);
    assert_int_equal(nr_holes(), 700);
    set_target(RAM + 64);
    fake_run_us(f, 200000);
    assert_int_equal(nr_holes(), 0);
}

static void self_driven_balloon_goes_out_and_in(void **state)
{
    unsigned int i, n, most = 0, least = RAM;

    (void)state;
    fake_destroy(f);
    f = fake_create(RAM, 0, 2, "program=dirty size=1M rate=1M balloon=1M "
                    "balloon-period=5ms verify=10ms");
    assert_true(fake_run(f, 2000000, fake_is_running));
    for ( i = 0; i < 200; i++ )
    {
        fake_run_us(f, 300);
        n = nr_holes();
        most = n > most ? n : most;
        least = n < least ? n : least;
    }
    assert_int_equal(most, 256);
    assert_int_equal(least, 0);
    assert_int_equal(f->shutdown, -1);
}

/* A gfn that came back and was missed holds what the new host put there. */
static void missed_repopulation_is_found(void **state)
{
    uint8_t before[GUEST_PAGE_SIZE];
    unsigned int gfn, i;

    (void)state;
    fake_destroy(f);
    f = fake_create(RAM, 0, 1, "program=idle balloon=256K "
                    "balloon-period=5ms");
    assert_true(fake_run(f, 2000000, fake_is_running));
    while ( nr_holes() != 64 )
        fake_run_us(f, 100);
    for ( gfn = 0; !f->hole[gfn]; gfn++ )
        ;
    while ( nr_holes() )
        fake_run_us(f, 100);
    memcpy(before, fake_page(f, gfn), sizeof(before));
    for ( i = 0; i < 2; i++ )
    {
        while ( nr_holes() != 64 )
            fake_run_us(f, 100);
        while ( nr_holes() )
            fake_run_us(f, 100);
    }
    assert_true(fake_suspend(f));
    assert_int_equal(nr_holes(), 0);
    fake_move(f);
    memcpy(fake_page(f, gfn), before, sizeof(before));
    assert_true(fake_run(f, 1000000, fake_is_down));
    assert_int_equal(f->shutdown, SHUTDOWN_crash);
    assert_non_null(strstr(f->console, "is stale"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, boot, end)

int main(void)
{
    const struct CMUnitTest tests[] =
    {
        TEST(full_target_leaves_all_memory),
        TEST(target_is_followed_out_and_in),
        TEST(used_memory_is_not_given_up),
        TEST(refused_memory_is_asked_for_again),
        TEST(ballooned_guest_moves),
        TEST(self_driven_balloon_goes_out_and_in),
        TEST(missed_repopulation_is_found),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
