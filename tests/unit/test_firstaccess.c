/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * First accesses: which are told to be dear, and that making them changes
 * nothing.  A dear one is a page that a signal handler makes accessible.
 */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <cmocka.h>

#include "clock.h"
#include "firstaccess.h"
#include "pages.h"

#define NR (FIRST_ACCESS_SAMPLES * FIRST_ACCESS_STRIDE)

static uint8_t *mem;
static unsigned int exits;
static int made;                 /* what a page is made to allow */

/* As an exit to a hypervisor would take. */
static void on_fault(int sig, siginfo_t *info, void *context)
{
    uintptr_t page = (uintptr_t)info->si_addr & ~(uintptr_t)(PAGE_BYTES - 1);
    uint64_t until = clock_now_us() + 20;

    (void)sig;
    (void)context;
    exits++;
    while ( clock_now_us() < until )
        ;
    mprotect((void *)page, PAGE_BYTES, made);
}

/* Within a test: cmocka has a handler of its own while one runs. */
static void catch_faults(void)
{
    struct sigaction sa = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO };

    assert_int_equal(sigaction(SIGSEGV, &sa, NULL), 0);
}

static int make_memory(void **state)
{
    (void)state;
    exits = 0;
    mem = mmap(NULL, NR * PAGE_BYTES, PROT_READ | PROT_WRITE,
               MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if ( mem == MAP_FAILED )
        return -1;
    memset(mem, 0x5a, NR * PAGE_BYTES);

    return 0;
}

static int drop_memory(void **state)
{
    (void)state;

    return munmap(mem, NR * PAGE_BYTES);
}

static bool ask(bool write, unsigned int nr_dear, int allowed)
{
    void *pages[FIRST_ACCESS_SAMPLES];
    unsigned int i;

    made = write ? PROT_READ | PROT_WRITE : PROT_READ;
    for ( i = 0; i < FIRST_ACCESS_SAMPLES; i++ )
    {
        pages[i] = mem + (size_t)i * FIRST_ACCESS_STRIDE * PAGE_BYTES;
        if ( i < nr_dear )
            assert_int_equal(mprotect(pages[i], PAGE_BYTES, allowed), 0);
    }

    return first_access_is_dear(pages, write);
}

static void most_of_them_tell(void **state)
{
    (void)state;
    catch_faults();
    assert_false(ask(false, 0, PROT_NONE));
    assert_int_equal(exits, 0);
    assert_true(ask(false, FIRST_ACCESS_SAMPLES, PROT_NONE));
    assert_int_equal(exits, FIRST_ACCESS_SAMPLES);
    /* One that was interrupted says nothing. */
    assert_false(ask(false, FIRST_ACCESS_SAMPLES / 4, PROT_NONE));
}

static void writing_is_told_apart(void **state)
{
    (void)state;
    catch_faults();
    assert_true(ask(true, FIRST_ACCESS_SAMPLES, PROT_READ));
    assert_int_equal(exits, FIRST_ACCESS_SAMPLES);
    assert_false(ask(true, 0, PROT_READ));
    assert_int_equal(exits, FIRST_ACCESS_SAMPLES);
}

static void each_page_is_written_and_keeps_its_bytes(void **state)
{
    size_t i;

    (void)state;
    catch_faults();
    made = PROT_READ | PROT_WRITE;
    assert_int_equal(mprotect(mem, NR * PAGE_BYTES, PROT_READ), 0);
    first_access_make(mem + PAGE_BYTES, NR - 2);
    assert_int_equal(exits, NR - 2);
    for ( i = 0; i < NR * PAGE_BYTES; i++ )
        if ( mem[i] != 0x5a )
            fail_msg("byte %zu has changed", i);
}

struct storing
{
    _Atomic bool begun;
    _Atomic unsigned int passes;
    unsigned int lost;
};

/* As a lane stores pages: past the caches, and then looks. */
static void *store(void *arg)
{
    static _Alignas(PAGE_BYTES) uint32_t page[PAGE_BYTES / 4];
    struct storing *s = arg;
    unsigned int pass, i;

    for ( pass = 1; pass <= 200; pass++ )
    {
        s->begun = true;
        for ( i = 0; i < NR; i++ )
        {
            page[0] = pass * NR + i;
            pages_store(mem + i * PAGE_BYTES, page, 1);
            s->lost += *(volatile uint32_t *)(mem + i * PAGE_BYTES) != page[0];
        }
        s->passes = pass;
    }

    return NULL;
}

static void what_others_write_meanwhile_stays(void **state)
{
    struct storing s = { .lost = 0 };
    pthread_t thread;

    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, store, &s), 0);
    while ( !s.begun )
        ;
    while ( s.passes < 200 )
        first_access_make(mem, NR);
    pthread_join(thread, NULL);
    assert_int_equal(s.lost, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(most_of_them_tell, make_memory,
                                        drop_memory),
        cmocka_unit_test_setup_teardown(writing_is_told_apart, make_memory,
                                        drop_memory),
        cmocka_unit_test_setup_teardown(
            each_page_is_written_and_keeps_its_bytes, make_memory,
            drop_memory),
        cmocka_unit_test_setup_teardown(what_others_write_meanwhile_stays,
                                        make_memory, drop_memory),
    };

    return cmocka_run_group_tests_name("firstaccess", tests, NULL, NULL);
}
