/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * States and ownership: every pair is tried, against lists written down here
 * once more.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "state.h"

struct step
{
    int from, to;
};

static const struct step legal[] = {
    { STATE_IDLE, STATE_SETUP }, { STATE_IDLE, STATE_FAILED },
    { STATE_SETUP, STATE_LIVE }, { STATE_SETUP, STATE_SUSPENDING },
    { STATE_SETUP, STATE_SWITCHOVER }, { STATE_SETUP, STATE_ROLLBACK },
    { STATE_LIVE, STATE_ARMED }, { STATE_LIVE, STATE_SUSPENDING },
    { STATE_LIVE, STATE_SWITCHOVER }, { STATE_LIVE, STATE_ROLLBACK },
    { STATE_ARMED, STATE_SUSPENDING }, { STATE_ARMED, STATE_SWITCHOVER },
    { STATE_ARMED, STATE_ROLLBACK },
    { STATE_SUSPENDING, STATE_SWITCHOVER },
    { STATE_SUSPENDING, STATE_ROLLBACK },
    { STATE_SWITCHOVER, STATE_COMMIT }, { STATE_SWITCHOVER, STATE_ROLLBACK },
    { STATE_COMMIT, STATE_DRAIN }, { STATE_COMMIT, STATE_ROLLBACK },
    { STATE_COMMIT, STATE_IN_DOUBT }, { STATE_COMMIT, STATE_DONE },
    { STATE_COMMIT, STATE_FAILED },
    { STATE_IDLE, STATE_HELD },
    { STATE_DRAIN, STATE_HELD }, { STATE_HELD, STATE_DRAIN },
    { STATE_HELD, STATE_DONE }, { STATE_HELD, STATE_FAILED },
    { STATE_DRAIN, STATE_DONE }, { STATE_DRAIN, STATE_FAILED },
    { STATE_ROLLBACK, STATE_FAILED }, { STATE_ROLLBACK, STATE_IN_DOUBT },
    { STATE_IN_DOUBT, STATE_DONE }, { STATE_IN_DOUBT, STATE_ROLLBACK },
    { STATE_IN_DOUBT, STATE_DRAIN }, { STATE_IN_DOUBT, STATE_IDLE },
    { STATE_DONE, STATE_IDLE }, { STATE_FAILED, STATE_IDLE },
};

static const struct step moves[] = {
    { XMIG_GUEST_NONE, XMIG_GUEST_AT_SOURCE },
    { XMIG_GUEST_NONE, XMIG_GUEST_AT_DESTINATION },
    { XMIG_GUEST_NONE, XMIG_GUEST_SPLIT },
    { XMIG_GUEST_AT_SOURCE, XMIG_GUEST_IN_DOUBT },
    { XMIG_GUEST_AT_SOURCE, XMIG_GUEST_LOST },
    { XMIG_GUEST_AT_SOURCE, XMIG_GUEST_NONE },
    { XMIG_GUEST_IN_DOUBT, XMIG_GUEST_AT_SOURCE },
    { XMIG_GUEST_IN_DOUBT, XMIG_GUEST_AT_DESTINATION },
    { XMIG_GUEST_IN_DOUBT, XMIG_GUEST_SPLIT },
    { XMIG_GUEST_IN_DOUBT, XMIG_GUEST_LOST },
    { XMIG_GUEST_SPLIT, XMIG_GUEST_AT_DESTINATION },
    { XMIG_GUEST_SPLIT, XMIG_GUEST_LOST },
    { XMIG_GUEST_AT_DESTINATION, XMIG_GUEST_LOST },
};

#define NR(list) (sizeof(list) / sizeof((list)[0]))

static bool listed(const struct step *list, size_t nr, int from, int to)
{
    size_t i;

    for ( i = 0; i < nr; i++ )
        if ( list[i].from == from && list[i].to == to )
            return true;

    return false;
}

static void every_pair_of_states_is_as_listed(void **state)
{
    int from, to;

    (void)state;
    for ( from = -1; from <= STATE_NR_; from++ )
        for ( to = -1; to <= STATE_NR_; to++ )
            if ( state_legal(from, to) !=
                 listed(legal, NR(legal), from, to) )
                fail_msg("%s to %s", state_name(from), state_name(to));
}

static void every_state_has_a_name(void **state)
{
    int st, other;

    (void)state;
    for ( st = 0; st < STATE_NR_; st++ )
        for ( other = 0; other < st; other++ )
            assert_string_not_equal(state_name(st), state_name(other));
    assert_string_equal(state_name(STATE_NR_), "no state");
}

static void an_illegal_step_is_not_taken(void **state)
{
    struct state_cell c;
    struct err e;

    (void)state;
    err_init(&e);
    state_init(&c);
    assert_int_equal(state_get(&c), STATE_IDLE);
    assert_int_equal(state_set(&c, &e, STATE_COMMIT), -EINVAL);
    assert_int_equal(err_code(&e), -EINVAL);
    assert_int_equal(state_get(&c), STATE_IDLE);
    err_reset(&e);
    assert_int_equal(state_set(&c, &e, STATE_SETUP), 0);
    assert_int_equal(state_get(&c), STATE_SETUP);
    assert_int_equal(err_code(&e), 0);
    err_done(&e);
}

static void every_pair_of_owners_is_as_listed(void **state)
{
    int from, to;

    (void)state;
    for ( from = -1; from <= XMIG_GUEST_LOST + 1; from++ )
        for ( to = -1; to <= XMIG_GUEST_LOST + 1; to++ )
        {
            bool real = from >= 0 && from <= XMIG_GUEST_LOST;

            if ( owner_legal(from, to) !=
                 (listed(moves, NR(moves), from, to) ||
                  (real && from == to)) )
                fail_msg("%s to %s", xmig_guest_name(from),
                         xmig_guest_name(to));
        }
}

static void a_lost_guest_stays_lost(void **state)
{
    struct err e;

    (void)state;
    err_init(&e);
    assert_int_equal(owner_set(&e, XMIG_GUEST_AT_SOURCE), 0);
    assert_int_equal(owner_set(&e, XMIG_GUEST_AT_DESTINATION), -EINVAL);
    assert_int_equal(owner_get(&e), XMIG_GUEST_AT_SOURCE);
    err_reset(&e);
    assert_int_equal(owner_set(&e, XMIG_GUEST_LOST), 0);
    assert_int_equal(owner_set(&e, XMIG_GUEST_AT_SOURCE), -EINVAL);
    owner_reset(&e);
    assert_int_equal(owner_get(&e), XMIG_GUEST_NONE);
    err_done(&e);
}

static void owners_have_names(void **state)
{
    (void)state;
    assert_string_equal(xmig_guest_name(XMIG_GUEST_IN_DOUBT), "in-doubt");
    assert_string_equal(xmig_guest_name(77), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_pair_of_states_is_as_listed),
        cmocka_unit_test(every_state_has_a_name),
        cmocka_unit_test(an_illegal_step_is_not_taken),
        cmocka_unit_test(every_pair_of_owners_is_as_listed),
        cmocka_unit_test(a_lost_guest_stays_lost),
        cmocka_unit_test(owners_have_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
