/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The guest's judgement: whatever a migration may do wrong to its memory or
 * its registers is found, named on the console and in xenstore, and kills
 * the guest; a right migration is said to be right.
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

#include "check.h"
#include "guest_fake.h"
#include "kernel.h"

#define CMDLINE "program=dirty size=1M rate=20M order=random fill=2M zero=20"

static struct fake *f;

static struct kernel *kernel(void)
{
    return fake_page(f, KERNEL_GFN);
}

static struct check_entry *entry(unsigned int i)
{
    return (struct check_entry *)fake_page(f, kernel()->table_gfn) + i;
}

/* A table entry whose page is not all zeros. */
static unsigned int some_entry(unsigned int from)
{
    while ( !*(uint64_t *)fake_page(f, entry(from)->gfn) )
        from++;
    return from;
}

static int boot(void **state)
{
    (void)state;
    f = fake_create(2048, 512, 2, CMDLINE);
    assert_true(fake_run(f, 2000000, fake_is_running));
    assert_int_equal(f->shutdown, -1);
    fake_run_us(f, 50000);
    assert_true(fake_suspend(f));
    assert_int_equal(f->shutdown, SHUTDOWN_suspend);
    return 0;
}

static int end(void **state)
{
    (void)state;
    fake_destroy(f);
    return 0;
}

static void found_bad(const char *word)
{
    const char *verdict;

    assert_true(fake_run(f, 5000000, fake_has_verdict));
    assert_true(fake_run(f, 1000000, fake_is_down));
    assert_int_equal(f->shutdown, SHUTDOWN_crash);
    assert_non_null(strstr(f->console, word));
    verdict = fake_xs_get(&f->xs, "data/verdict");
    assert_non_null(verdict);
    assert_int_equal(strncmp(verdict, "bad ", 4), 0);
    assert_non_null(strstr(verdict, word));
}

static void right_memory_is_ok(void **state)
{
    char want[64];
    const char *verdict;

    (void)state;
    snprintf(want, sizeof(want), "ok pages=%u resumes=1 cancels=0 writes=",
             (1 + 2) * 256);
    fake_move(f);
    assert_true(fake_run(f, 5000000, fake_has_verdict));
    verdict = fake_xs_get(&f->xs, "data/verdict");
    assert_int_equal(strncmp(verdict, want, strlen(want)), 0);
    fake_run_us(f, 100000);
    assert_int_equal(f->shutdown, -1);
}

static void lost_page_is_found(void **state)
{
    unsigned int i = some_entry(300);

    (void)state;
    fake_move(f);
    memset(fake_page(f, entry(i)->gfn), 0xc2, GUEST_PAGE_SIZE);
    found_bad("lost (never written)");
}

static void zeroed_page_is_found(void **state)
{
    unsigned int i = some_entry(300);

    (void)state;
    fake_move(f);
    memset(fake_page(f, entry(i)->gfn), 0, GUEST_PAGE_SIZE);
    found_bad("lost (zeros)");
}

static void poison_where_zeros_belong_is_found(void **state)
{
    unsigned int i = 300;

    (void)state;
    while ( *(uint64_t *)fake_page(f, entry(i)->gfn) )
        i++;
    fake_move(f);
    memset(fake_page(f, entry(i)->gfn), 0xc2, GUEST_PAGE_SIZE);
    found_bad("lost (never written)");
}

static void stale_work_page_is_found(void **state)
{
    struct check_mix mix = { .zero_percent = 20 };
    unsigned int i = 0;
    uint32_t version;

    (void)state;
    /* A page written at least three times, its last but one not zeros. */
    for ( ;; i++ )
    {
        version = entry(i)->version;
        content_fill(fake_page(f, 0x40), entry(i)->gfn, version - 1, &mix);
        if ( version >= 3 && *(uint64_t *)fake_page(f, 0x40) )
            break;
    }
    fake_move(f);
    content_fill(fake_page(f, entry(i)->gfn), entry(i)->gfn, version - 1,
                 &mix);
    found_bad("stale");
}

static void torn_page_is_found(void **state)
{
    unsigned int i = some_entry(300);

    (void)state;
    fake_move(f);
    memset((uint8_t *)fake_page(f, entry(i)->gfn) + 1024, 0x11, 64);
    found_bad("torn");
}

static void swapped_pages_are_found(void **state)
{
    unsigned int i = some_entry(300), j = some_entry(i + 1);

    (void)state;
    fake_move(f);
    memcpy(fake_page(f, entry(i)->gfn), fake_page(f, entry(j)->gfn),
           GUEST_PAGE_SIZE);
    found_bad("of another gfn");
}

static void last_page_of_the_last_vcpu_is_looked_at(void **state)
{
    unsigned int i = 3 * 256 - 1;

    (void)state;
    fake_move(f);
    ((uint8_t *)fake_page(f, entry(i)->gfn))[4095] ^= 1;
    assert_true(fake_run(f, 5000000, fake_is_down));
    assert_int_equal(f->shutdown, SHUTDOWN_crash);
    assert_non_null(strstr(f->console, "(vcpu 1 entry 383)"));
}

static void old_table_page_is_found(void **state)
{
    struct check_entry old[512];

    (void)state;
    memcpy(old, entry(0), sizeof(old));
    fake_cancel(f);
    fake_run_us(f, 100000);
    assert_true(fake_suspend(f));
    fake_move(f);
    memcpy(entry(0), old, sizeof(old));
    assert_true(fake_run(f, 5000000, fake_is_down));
    assert_int_equal(f->shutdown, SHUTDOWN_crash);
}

/* All of memory as it was a little earlier, but the registers of now. */
static void consistent_old_image_is_found(void **state)
{
    struct fake *g = f;
    struct guest_regs now[2];

    (void)state;
    f = fake_create(2048, 512, 2, CMDLINE);
    assert_true(fake_run(f, 2000000, fake_is_running));
    fake_run_us(f, 50000);
    assert_true(fake_suspend(f));
    /* f is deterministic, so it is what g was; g goes on for a while. */
    fake_cancel(g);
    fake_run_us(g, 50000);
    assert_true(fake_suspend(g));
    memcpy(now, g->regs, sizeof(now));
    fake_destroy(g);

    memcpy(f->regs, now, sizeof(now));
    fake_move(f);
    found_bad("image of another moment");
}

static void old_registers_are_found(void **state)
{
    struct guest_regs old = f->regs[1];

    (void)state;
    fake_cancel(f);
    fake_run_us(f, 50000);
    assert_true(fake_suspend(f));
    fake_move(f);
    f->regs[1] = old;
    found_bad("image of another moment: table of vcpu 1");
}

/* The program overwrites pages before the walk reaches them. */
static void page_is_judged_before_it_is_overwritten(void **state)
{
    unsigned int i;

    (void)state;
    fake_destroy(f);
    f = fake_create(2048, 512, 1, "program=dirty size=1M rate=50M "
                    "order=sequential verify-delay=10s");
    assert_true(fake_run(f, 2000000, fake_is_running));
    assert_true(fake_suspend(f));
    fake_move(f);
    for ( i = 0; i < 256; i++ )
        ((uint8_t *)fake_page(f, entry(i)->gfn))[100] ^= 1;
    assert_true(fake_run(f, 1000000, fake_is_down));
    assert_int_equal(f->shutdown, SHUTDOWN_crash);
    assert_non_null(strstr(f->console, "is torn"));
}

static void verify_off_says_unchecked(void **state)
{
    (void)state;
    fake_destroy(f);
    f = fake_create(2048, 0, 1, "program=idle fill=1M verify=off");
    assert_true(fake_run(f, 2000000, fake_is_running));
    assert_true(fake_suspend(f));
    fake_move(f);
    fake_run_us(f, 500000);
    assert_int_equal(f->shutdown, -1);
    assert_non_null(strstr(fake_xs_get(&f->xs, "data/verdict"),
                           "unchecked"));
}

static void periodic_walk_finds_damage_without_a_move(void **state)
{
    (void)state;
    fake_destroy(f);
    f = fake_create(2048, 0, 2, "program=idle fill=1M verify=100ms");
    assert_true(fake_run(f, 2000000, fake_is_running));
    assert_true(fake_run(f, 1000000, fake_has_verdict));
    assert_int_equal(f->shutdown, -1);
    ((uint8_t *)fake_page(f, entry(5)->gfn))[9] ^= 1;
    assert_true(fake_run(f, 1000000, fake_is_down));
    assert_int_equal(f->shutdown, SHUTDOWN_crash);
}

static void wrong_options_are_refused(void **state)
{
    static const char *const bad[] =
    {
        "program=dirty sise=1M", "program=dirtier", "program=dirty size=x",
        "program=dirty size=1T", "program=idle fill=6M zero=101",
        "program=idle fill=100M", "zero=60 compressible=50",
        "program=dirty order=sideways", "program=idle size=1M",
        "balloon=1Q", "balloon=1M balloon-period=x", "verify=soon",
    };
    unsigned int i;

    (void)state;
    for ( i = 0; i < sizeof(bad) / sizeof(bad[0]); i++ )
    {
        fake_destroy(f);
        f = fake_create(2048, 0, 1, bad[i]);
        assert_true(fake_run(f, 2000000, fake_is_down));
        assert_int_equal(f->shutdown, SHUTDOWN_crash);
        assert_non_null(strstr(f->console, "BAD: "));
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, boot, end)

int main(void)
{
    const struct CMUnitTest tests[] =
    {
        TEST(right_memory_is_ok),
        TEST(lost_page_is_found),
        TEST(zeroed_page_is_found),
        TEST(poison_where_zeros_belong_is_found),
        TEST(stale_work_page_is_found),
        TEST(torn_page_is_found),
        TEST(swapped_pages_are_found),
        TEST(last_page_of_the_last_vcpu_is_looked_at),
        TEST(old_table_page_is_found),
        TEST(consistent_old_image_is_found),
        TEST(old_registers_are_found),
        TEST(page_is_judged_before_it_is_overwritten),
        TEST(verify_off_says_unchecked),
        TEST(periodic_walk_finds_damage_without_a_move),
        TEST(wrong_options_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
