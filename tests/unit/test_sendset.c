/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The send set: every gfn is in exactly one state, dirty beats all else, and
 * what is known of populated gfns follows what was sent.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sendset.h"

#define NR 700u

static int setup(void **state)
{
    static struct sendset set;

    assert_int_equal(sendset_init(&set, NR), 0);
    *state = &set;

    return 0;
}

static int teardown(void **state)
{
    sendset_done(*state);

    return 0;
}

/* In how many of the states that exclude each other is it? */
static unsigned int nr_states(const struct sendset *set, uint64_t gfn)
{
    return pageset_test(&set->pending, gfn) + pageset_test(&set->held, gfn) +
           pageset_test(&set->skipped, gfn) + pageset_test(&set->absent, gfn);
}

static void hold(struct sendset *set, uint64_t gfn)
{
    struct pageset one;

    assert_int_equal(pageset_init(&one, NR), 0);
    pageset_set(&one, gfn);
    sendset_pend(set, gfn);
    sendset_hold_set(set, &one);
    pageset_done(&one);
}

static void nothing_is_pending_at_first(void **state)
{
    struct sendset *set = *state;

    assert_int_equal(set->pending.count, 0);
    assert_int_equal(set->present.count, 0);
    assert_int_equal(sendset_state(set, 5), SEND_NONE);
}

static void a_pending_gfn_leaves_every_other_state(void **state)
{
    struct sendset *set = *state;

    hold(set, 1);
    sendset_skip(set, 2);
    sendset_leave_absent(set, 3);
    sendset_sent_page(set, 4, 7);
    for ( uint64_t gfn = 1; gfn <= 4; gfn++ )
    {
        sendset_pend(set, gfn);
        assert_int_equal(sendset_state(set, gfn), SEND_PENDING);
        assert_int_equal(nr_states(set, gfn), 1);
    }
}

static void dirty_beats_held_skipped_absent_and_sent(void **state)
{
    struct sendset *set = *state;
    struct pageset dirty;

    assert_int_equal(pageset_init(&dirty, NR), 0);
    pageset_set_run(&dirty, 1, 4);
    hold(set, 1);
    sendset_skip(set, 2);
    sendset_leave_absent(set, 3);
    sendset_sent_page(set, 4, 0);
    sendset_skip(set, 5);
    sendset_pend_set(set, &dirty);
    for ( uint64_t gfn = 1; gfn <= 4; gfn++ )
    {
        assert_int_equal(sendset_state(set, gfn), SEND_PENDING);
        assert_int_equal(nr_states(set, gfn), 1);
    }
    assert_int_equal(sendset_state(set, 5), SEND_SKIPPED);
    assert_int_equal(set->pending.count, 4);
    pageset_done(&dirty);
}

static void what_is_sent_again_is_sent_and_present(void **state)
{
    struct sendset *set = *state;

    sendset_pend(set, 64);
    sendset_sent_page(set, 64, 3);
    assert_int_equal(sendset_state(set, 64), SEND_SENT);
    assert_int_equal(set->epoch[64], 3);
    assert_true(pageset_test(&set->present, 64));
    sendset_pend(set, 64);
    sendset_sent_page(set, 64, 4);
    assert_int_equal(set->epoch[64], 4);
    assert_int_equal(set->present.count, 1);
    assert_int_equal(set->pending.count, 0);
}

static void a_hole_that_was_told_is_neither_sent_nor_present(void **state)
{
    struct sendset *set = *state;

    sendset_sent_page(set, 699, 0);
    sendset_pend(set, 699);
    sendset_sent_hole(set, 699, 1);
    assert_int_equal(sendset_state(set, 699), SEND_NONE);
    assert_int_equal(set->present.count, 0);
    sendset_pend(set, 699);
    sendset_sent_page(set, 699, 2);
    assert_int_equal(sendset_state(set, 699), SEND_SENT);
    assert_int_equal(set->present.count, 1);
}

static void held_and_skipped_come_back_whole(void **state)
{
    struct sendset *set = *state;

    for ( uint64_t gfn = 0; gfn < NR; gfn += 3 )
        hold(set, gfn);
    for ( uint64_t gfn = 1; gfn < NR; gfn += 3 )
        sendset_skip(set, gfn);
    sendset_pend_held(set);
    assert_int_equal(set->held.count, 0);
    assert_int_equal(set->pending.count, (NR + 2) / 3);
    sendset_pend_skipped(set);
    assert_int_equal(set->skipped.count, 0);
    assert_int_equal(set->pending.count, (NR + 2) / 3 + (NR + 1) / 3);
}

static void counts_follow_every_move(void **state)
{
    struct sendset *set = *state;
    uint64_t x = 88172645463325252ull, gfn, n[6] = { 0 };
    unsigned int i;

    for ( i = 0; i < 20000; i++ )
    {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        gfn = x % NR;
        switch ( x >> 40 & 7 )
        {
        case 0: sendset_pend(set, gfn); break;
        case 1: hold(set, gfn); break;
        case 2: sendset_skip(set, gfn); break;
        case 3: sendset_leave_absent(set, gfn); break;
        case 4: sendset_sent_page(set, gfn, i); break;
        case 5: sendset_sent_hole(set, gfn, i); break;
        case 6: if ( !(i % 50) ) sendset_pend_held(set); break;
        case 7: if ( !(i % 50) ) sendset_pend_skipped(set); break;
        }
    }
    for ( gfn = 0; gfn < NR; gfn++ )
    {
        assert_true(nr_states(set, gfn) <= 1);
        n[sendset_state(set, gfn)]++;
    }
    assert_int_equal(n[SEND_PENDING], set->pending.count);
    assert_int_equal(n[SEND_HELD], set->held.count);
    assert_int_equal(n[SEND_SKIPPED], set->skipped.count);
    assert_int_equal(n[SEND_ABSENT], set->absent.count);
}

int main(void)
{
#define T(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
    static const struct CMUnitTest tests[] = {
        T(nothing_is_pending_at_first),
        T(a_pending_gfn_leaves_every_other_state),
        T(dirty_beats_held_skipped_absent_and_sent),
        T(what_is_sent_again_is_sent_and_present),
        T(a_hole_that_was_told_is_neither_sent_nor_present),
        T(held_and_skipped_come_back_whole),
        T(counts_follow_every_move),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
