/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Which pages are kept out of a round; and, by a model of a guest that writes
 * while its memory is sent, what that is good for.  Virtual time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "clock.h"
#include "hotpages.h"

#define GFNS     1000u
#define PAGE_US  1000u           /* to send one */
#define GOODPUT  (PAGE_BYTES * (US_PER_S / PAGE_US))

static uint64_t fake_us;

static uint64_t fake_now(void)
{
    return fake_us;
}

static int setup(void **state)
{
    static struct hotpages h;

    fake_us = 1000000;
    clock_hook_set(fake_now);
    memset(&h, 0, sizeof(h));
    *state = &h;

    return hotpages_init(&h, GFNS);
}

static int teardown(void **state)
{
    hotpages_done(*state);
    clock_hook_set(NULL);

    return 0;
}

/* us later a look finds [first, first + count) dirty. */
static void look(struct hotpages *h, uint64_t us, uint64_t first,
                 uint64_t count)
{
    struct pageset dirty;

    assert_int_equal(pageset_init(&dirty, GFNS), 0);
    pageset_set_run(&dirty, first, count);
    fake_us += us;
    hotpages_note(h, &dirty);
    pageset_done(&dirty);
}

/* How many of [0, count) are kept back; all of them lie at 100 or above. */
static uint64_t kept_of(struct hotpages *h, uint64_t count)
{
    const struct pageset *kept;
    struct pageset pending;
    uint64_t nr = 0;

    assert_int_equal(pageset_init(&pending, GFNS), 0);
    pageset_set_run(&pending, 0, count);
    kept = hotpages_keep_back(h, &pending, GOODPUT);
    if ( kept )
    {
        nr = kept->count;
        assert_int_equal(pageset_count_and(kept, &pending), nr);
        assert_int_equal(pageset_count_run(kept, 0, 100), 0);
    }
    pageset_done(&pending);

    return nr;
}

static void what_was_dirty_once_is_sent(void **state)
{
    assert_int_equal(kept_of(*state, GFNS), 0);
    look(*state, 50000, 100, 20);
    assert_int_equal(kept_of(*state, GFNS), 0);
    look(*state, 50000, 120, 20);
    assert_int_equal(kept_of(*state, GFNS), 0);
}

static void what_was_dirty_twice_is_kept_back(void **state)
{
    look(*state, 50000, 100, 20);
    look(*state, 50000, 110, 20);
    assert_int_equal(kept_of(*state, GFNS), 10);
    look(*state, 50000, 110, 20);
    assert_int_equal(kept_of(*state, 115), 5);   /* of what is pending */
}

static void what_cools_down_is_sent(void **state)
{
    look(*state, 50000, 100, 20);
    look(*state, 50000, 100, 20);
    look(*state, 50000, 500, 20);
    assert_int_equal(kept_of(*state, GFNS), 0);
}

/* 50 ms, in which 50 pages are sent. */
static void a_round_that_is_too_short_sends_all(void **state)
{
    look(*state, 50000, 100, 20);
    look(*state, 20000, 100, 20);
    assert_int_equal(kept_of(*state, 120 + 29), 20);
    look(*state, 50000, 100, 100);
    look(*state, 50000, 100, 100);
    assert_int_equal(kept_of(*state, 200), 100);
    look(*state, 101000, 100, 100);
    assert_int_equal(kept_of(*state, 200), 0);
    /* It is the longer of the last two that counts. */
    look(*state, 50000, 100, 100);
    assert_int_equal(kept_of(*state, 200), 0);
    look(*state, 50000, 100, 100);
    assert_int_equal(kept_of(*state, 200), 100);
}

static void if_all_is_hot_all_is_sent(void **state)
{
    look(*state, 50000, 100, 400);
    look(*state, 50000, 100, 400);
    assert_int_equal(kept_of(*state, 100 + 400), 400);
    look(*state, 150000, 100, 400);
    look(*state, 150000, 100, 400);
    assert_int_equal(kept_of(*state, 100 + 400), 0);
}

/* ---- The model ---------------------------------------------------------- */

/* Of a memory of 1000 pages, 100 are written nine times as fast as pages are
 * sent, all others a third as fast.  There are eight looks in a round. */
struct model
{
    struct pageset log, dirty, pending;
    uint64_t sent;
};

static void page_time(struct model *m)
{
    unsigned int i;

    for ( i = 0; i < 9; i++ )
        pageset_set(&m->log, (unsigned int)rand() % 100 * 10);
    if ( rand() % 3 == 0 )
        pageset_set(&m->log, (unsigned int)rand() % GFNS);
    fake_us += PAGE_US;
}

static void fetch(struct model *m, struct hotpages *h)
{
    hotpages_note(h, &m->log);
    pageset_or(&m->dirty, &m->log);
    pageset_zero(&m->log);
}

static void one_round(struct model *m, struct hotpages *h, bool keep)
{
    const struct pageset *hot =
        keep ? hotpages_keep_back(h, &m->pending, GOODPUT) : NULL;
    struct pageset kept;
    uint64_t part, done = 0;
    unsigned int g;

    assert_int_equal(pageset_init(&kept, GFNS), 0);
    if ( hot )
        pageset_copy(&kept, hot);
    pageset_andnot(&m->pending, &kept);
    part = m->pending.count / 8 + 1;
    for ( g = 0; g < GFNS; g++ )
    {
        if ( !pageset_test(&m->pending, g) )
            continue;
        page_time(m);
        if ( ++done % part == 0 )
            fetch(m, h);
    }
    m->sent += done;
    fetch(m, h);
    pageset_copy(&m->pending, &m->dirty);
    pageset_or(&m->pending, &kept);
    pageset_zero(&m->dirty);
    pageset_done(&kept);
}

/* Pages sent in six rounds, and what is left then. */
static uint64_t six_rounds(struct hotpages *h, bool keep, uint64_t *left)
{
    struct model m = { .sent = 0 };
    unsigned int i;

    srand(7);
    assert_int_equal(pageset_init(&m.log, GFNS), 0);
    assert_int_equal(pageset_init(&m.dirty, GFNS), 0);
    assert_int_equal(pageset_init(&m.pending, GFNS), 0);
    pageset_fill(&m.pending);
    for ( i = 0; i < 6; i++ )
        one_round(&m, h, keep);
    *left = m.pending.count;
    pageset_done(&m.log);
    pageset_done(&m.dirty);
    pageset_done(&m.pending);

    return m.sent + *left;
}

static void less_is_sent_in_vain(void **state)
{
    uint64_t left_with, left_without, with, without;

    without = six_rounds(*state, false, &left_without);
    teardown(state);
    assert_int_equal(setup(state), 0);
    with = six_rounds(*state, true, &left_with);
    print_message("%u pages without, %u with; %u and %u left\n",
                  (unsigned int)without, (unsigned int)with,
                  (unsigned int)left_without, (unsigned int)left_with);
    assert_true(with < without - without / 20);
    assert_true(left_with <= left_without + left_without / 20);
}

int main(void)
{
#define T(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
    static const struct CMUnitTest tests[] = {
        T(what_was_dirty_once_is_sent),
        T(what_was_dirty_twice_is_kept_back),
        T(what_cools_down_is_sent),
        T(a_round_that_is_too_short_sends_all),
        T(if_all_is_hot_all_is_sent),
        T(less_is_sent_in_vain),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
