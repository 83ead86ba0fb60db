/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The dirty log within a round: against a model of a guest that writes while
 * a reader walks over its memory.  Virtual time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "clock.h"
#include "rounds_early.h"

#define GFNS 1000u

static uint64_t fake_us;

static uint64_t fake_now(void)
{
    return fake_us;
}

struct model
{
    unsigned int version[GFNS], sent[GFNS];
    struct pageset log, pending;
};

static void write_to(struct model *m, unsigned int gfn)
{
    m->version[gfn]++;
    pageset_set(&m->log, gfn);
}

static void random_writes(struct model *m, unsigned int nr)
{
    while ( nr-- )
        write_to(m, (unsigned int)rand() % GFNS);
}

/* One round with a fetch every so many pages (0: none); pages sent. */
static uint64_t one_round(struct model *m, struct rounds_early *e,
                          unsigned int every)
{
    struct pageset log;
    uint64_t nr = 0;
    unsigned int g;

    assert_int_equal(pageset_init(&log, GFNS), 0);
    rounds_early_begin(e, &m->pending);
    for ( g = 0; g < GFNS; g++ )
    {
        random_writes(m, 1);
        if ( every && g % every == every - 1 )
        {
            pageset_or(&log, &m->log);
            pageset_zero(&m->log);
            rounds_early_take(e, &log, g, nr);
            assert_true(pageset_empty(&log));
        }
        if ( pageset_test(&m->pending, g) )
        {
            m->sent[g] = m->version[g];
            nr++;
        }
    }
    pageset_or(&log, &m->log);
    pageset_zero(&m->log);
    assert_true(rounds_early_end(e, &log) >= log.count);
    pageset_copy(&m->pending, &log);
    pageset_done(&log);

    return nr;
}

static uint64_t rounds_of(unsigned int every)
{
    struct rounds_early e = { 0 };
    struct model m = { 0 };
    uint64_t nr = 0;
    unsigned int i, g;

    srand(7);
    assert_int_equal(rounds_early_init(&e, GFNS), 0);
    assert_int_equal(pageset_init(&m.log, GFNS), 0);
    assert_int_equal(pageset_init(&m.pending, GFNS), 0);
    pageset_fill(&m.pending);
    for ( i = 0; i < 6; i++ )
    {
        nr += one_round(&m, &e, every);
        /* Whatever was not read since is to be sent again. */
        for ( g = 0; g < GFNS; g++ )
            if ( m.sent[g] != m.version[g] )
                assert_true(pageset_test(&m.pending, g));
    }
    pageset_done(&m.log);
    pageset_done(&m.pending);
    rounds_early_done(&e);

    return nr;
}

static void no_write_is_lost_and_less_is_sent_twice(void **state)
{
    uint64_t without = rounds_of(0), with = rounds_of(50);

    (void)state;
    print_message("%u without, %u with\n", (unsigned int)without,
                  (unsigned int)with);
    assert_true(with < without - without / 8);
}

static void what_is_not_of_this_round_is_kept(void **state)
{
    struct rounds_early e = { 0 };
    struct pageset pending, log;

    (void)state;
    assert_int_equal(rounds_early_init(&e, GFNS), 0);
    assert_int_equal(pageset_init(&pending, GFNS), 0);
    assert_int_equal(pageset_init(&log, GFNS), 0);
    pageset_set(&pending, 700);
    pageset_set(&pending, 100);
    rounds_early_begin(&e, &pending);
    pageset_set(&log, 100);      /* read before */
    pageset_set(&log, 700);      /* read later */
    pageset_set(&log, 800);      /* new: nobody reads it */
    rounds_early_take(&e, &log, 500, 1);
    assert_int_equal(rounds_early_end(&e, &log), 3);
    assert_int_equal(log.count, 2);
    assert_true(pageset_test(&log, 100) && pageset_test(&log, 800));
    /* Nothing of it is left for the next round. */
    pageset_zero(&log);
    assert_int_equal(rounds_early_end(&e, &log), 0);
    assert_true(pageset_empty(&log));
    pageset_done(&pending);
    pageset_done(&log);
    rounds_early_done(&e);
}

static void it_is_not_fetched_too_often(void **state)
{
    struct rounds_early e = { 0 };
    struct pageset pending;

    (void)state;
    clock_hook_set(fake_now);
    assert_int_equal(rounds_early_init(&e, GFNS), 0);
    assert_int_equal(pageset_init(&pending, GFNS), 0);
    assert_false(rounds_early_is_due(&e, 500, 0));   /* no round runs */
    pageset_fill(&pending);
    rounds_early_begin(&e, &pending);
    assert_false(rounds_early_is_due(&e, 500, 100)); /* too soon */
    fake_us += 1000000;
    assert_false(rounds_early_is_due(&e, 10, 100));  /* nothing to gain */
    assert_true(rounds_early_is_due(&e, 500, 100));
    assert_false(rounds_early_is_due(&e, 500, 100000));  /* it would hurt */
    assert_false(rounds_early_is_due(&e, 990, 100)); /* about to end */
    pageset_done(&pending);
    rounds_early_done(&e);
    clock_hook_set(NULL);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_write_is_lost_and_less_is_sent_twice),
        cmocka_unit_test(what_is_not_of_this_round_is_kept),
        cmocka_unit_test(it_is_not_fetched_too_often),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
