/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Work that two threads share: all of it is done, once, by whoever asks.
 *
 * LINK: tools/emu/host/share.c
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "share.h"

#define FIRST 12345u
#define NR    (1u << 20)
#define ASKERS 4u
#define TIMES 200u

struct seen
{
    _Atomic uint64_t calls, gfns, sum;
    uint64_t bad;                /* the piece with this gfn fails; 0: none */
};

static int piece(void *data, uint64_t first, uint64_t nr)
{
    struct seen *s = data;

    s->calls++;
    s->gfns += nr;
    s->sum += nr * first + nr * (nr - 1) / 2;
    return s->bad && s->bad - first < nr ? -EIO : 0;
}

static uint64_t sum_of(uint64_t first, uint64_t nr)
{
    return nr * first + nr * (nr - 1) / 2;
}

static void all_is_done_once(void **state)
{
    static const uint64_t sizes[] = { 0, 1, 16384, 16385, NR, NR + 7 };
    size_t i;

    (void)state;
    for ( i = 0; i < sizeof(sizes) / sizeof(*sizes); i++ )
    {
        struct seen s = { .bad = 0 };

        assert_int_equal(share_out(FIRST, sizes[i], piece, &s), 0);
        assert_true(s.gfns == sizes[i]);
        assert_true(s.sum == (sizes[i] ? sum_of(FIRST, sizes[i]) : 0));
    }
}

static void what_fails_is_told(void **state)
{
    static const uint64_t bad[] = { FIRST, FIRST + NR / 2, FIRST + NR - 1 };
    size_t i;

    (void)state;
    for ( i = 0; i < sizeof(bad) / sizeof(*bad); i++ )
    {
        struct seen s = { .bad = bad[i] };

        assert_int_equal(share_out(FIRST, NR, piece, &s), -EIO);
        assert_in_range(s.calls, 1, NR / 16384);
    }
}

static void *asker(void *arg)
{
    uintptr_t wrong = 0;
    unsigned int i;

    (void)arg;
    for ( i = 0; i < TIMES; i++ )
    {
        struct seen s = { .bad = 0 };

        if ( share_out(FIRST, NR, piece, &s) || s.gfns != NR ||
             s.sum != sum_of(FIRST, NR) )
            wrong++;
    }
    return (void *)wrong;
}

static void several_may_ask_at_once(void **state)
{
    pthread_t t[ASKERS];
    void *wrong;
    unsigned int i;

    (void)state;
    for ( i = 0; i < ASKERS; i++ )
        assert_int_equal(pthread_create(&t[i], NULL, asker, NULL), 0);
    for ( i = 0; i < ASKERS; i++ )
    {
        assert_int_equal(pthread_join(t[i], &wrong), 0);
        assert_null(wrong);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_is_done_once),
        cmocka_unit_test(what_fails_is_told),
        cmocka_unit_test(several_may_ask_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
