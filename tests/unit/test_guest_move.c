/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Every program, moved again and again at arbitrary moments: its memory is
 * mapped elsewhere each time and the old mapping is gone, so a pointer kept
 * over a step is found out.  Cancelled suspends are mixed in.
 *
 * LINK: tools/emu/guest/?*.c tests/unit/guest_f*.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <xen/sched.h>

#include "guest_fake.h"
#include "kernel.h"

static uint64_t figure(struct fake *f, const char *path, const char *name)
{
    const char *text = fake_xs_get(&f->xs, path);
    const char *at = text ? strstr(text, name) : NULL;

    return at ? strtoull(at + strlen(name), NULL, 10) : 0;
}

static void move_often(const char *cmdline, unsigned int nr_vcpus,
                       unsigned int moves)
{
    struct fake *f = fake_create(3000, 1000, nr_vcpus, cmdline);
    unsigned int i, resumes = 0;

    assert_true(fake_run(f, 3000000, fake_is_running));
    for ( i = 0; i < moves; i++ )
    {
        fake_run_us(f, 1000 + i * 7919 % 40000);
        assert_true(fake_suspend(f));
        assert_int_equal(f->shutdown, SHUTDOWN_suspend);
        if ( i % 4 == 3 )
            fake_cancel(f);
        else
        {
            fake_move(f);
            resumes++;
        }
        /* Now and then the next suspend comes in the middle of the walk. */
        if ( i % 3 == 0 )
            continue;
        assert_true(fake_run(f, 5000000, fake_has_verdict));
        if ( f->shutdown >= 0 )
            print_error("%s\n", f->console);
        assert_int_equal(f->shutdown, -1);
        assert_int_equal(figure(f, "data/verdict", "resumes="), resumes);
    }
    assert_null(strstr(f->console, "BAD"));
    assert_null(strstr(f->console, "error"));
    fake_destroy(f);
}

static void every_program_survives_moves(void **state)
{
    unsigned int i, nr_vcpus;
    char cmdline[128];

    (void)state;
    for ( i = 0; i < guest_nr_programs; i++ )
        for ( nr_vcpus = 1; nr_vcpus <= 3; nr_vcpus += 2 )
        {
            snprintf(cmdline, sizeof(cmdline), "program=%s fill=2M zero=10",
                     guest_programs[i]->name);
            if ( !strcmp(guest_programs[i]->name, "dirty") )
                strcat(cmdline, " size=4M rate=40M order=zipf");
            move_often(cmdline, nr_vcpus, 9);
        }
}

static void unlimited_dirtying_survives_moves(void **state)
{
    (void)state;
    move_often("program=dirty size=3M order=sequential compressible=40 "
               "verify=20ms", 2, 12);
}

static void ballooning_dirtier_survives_moves(void **state)
{
    (void)state;
    move_often("program=dirty size=3M rate=30M balloon=1M "
               "balloon-period=5ms", 2, 24);
}

/* More checked pages than there is RAM below the hole. */
static void memory_beyond_the_hole_moves(void **state)
{
    struct fake *f = fake_create(900, 1600, 2, "program=dirty size=4M "
                                 "rate=20M fill=4M balloon=256K "
                                 "balloon-period=2ms");
    unsigned int i, gfn, used = 0;

    (void)state;
    assert_true(fake_run(f, 3000000, fake_is_running));
    for ( i = 0; i < 6; i++ )
    {
        fake_run_us(f, 9000);
        assert_true(fake_suspend(f));
        fake_move(f);
        assert_true(fake_run(f, 5000000, fake_has_verdict));
        assert_int_equal(f->shutdown, -1);
    }
    for ( gfn = FAKE_PAGES_HIGH; gfn < f->nr_gfns; gfn++ )
        used += f->hole[gfn] || *(uint8_t *)fake_page(f, gfn) != 0xc2;
    assert_true(used > 1000);
    fake_destroy(f);
}

/* Without any checked memory there is nothing to find wrong. */
static void empty_guest_survives_moves(void **state)
{
    (void)state;
    move_often("", 1, 4);
}

static void progress_goes_on_and_never_back(void **state)
{
    struct fake *f = fake_create(2048, 0, 2, "program=cpu publish=1ms");
    uint64_t last = 0, now;
    unsigned int i;

    (void)state;
    assert_true(fake_run(f, 2000000, fake_is_running));
    for ( i = 0; i < 5; i++ )
    {
        fake_run_us(f, 50000);
        now = figure(f, "data/program", "additions=");
        assert_true(now > last);
        last = now;
        assert_true(fake_suspend(f));
        fake_move(f);
    }
    fake_destroy(f);
}

/* The rate is kept, and a pause is not made up for. */
static void dirty_rate_is_kept(void **state)
{
    struct fake *f = fake_create(3000, 0, 2,
                                 "program=dirty size=2M rate=16M publish=1ms");
    uint64_t before, written;

    (void)state;
    assert_true(fake_run(f, 2000000, fake_is_running));
    fake_run_us(f, 10000);
    before = figure(f, "data/writes", "");
    fake_run_us(f, 1000000);
    written = figure(f, "data/writes", "") - before;
    assert_in_range(written, 4096 - 200, 4096 + 200);

    assert_true(fake_suspend(f));
    fake_move(f);
    f->now_ns += 2000000000;
    before += written;
    fake_run_us(f, 1000000);
    written = figure(f, "data/writes", "") - before;
    assert_in_range(written, 4096 - 300, 4096 + 300);
    fake_destroy(f);
}

int main(void)
{
    const struct CMUnitTest tests[] =
    {
        cmocka_unit_test(every_program_survives_moves),
        cmocka_unit_test(unlimited_dirtying_survives_moves),
        cmocka_unit_test(ballooning_dirtier_survives_moves),
        cmocka_unit_test(memory_beyond_the_hole_moves),
        cmocka_unit_test(empty_guest_survives_moves),
        cmocka_unit_test(progress_goes_on_and_never_back),
        cmocka_unit_test(dirty_rate_is_kept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
