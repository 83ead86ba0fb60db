/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Legal steps of the engine's state and of the guest's ownership.
 */
#include "state.h"

#include <errno.h>

#define S(x) (1u << STATE_##x)

static const struct
{
    const char *name;
    unsigned int next;           /* S() of the states that may follow */
} states[STATE_NR_] = {
    [STATE_IDLE] = { "idle", S(SETUP) | S(HELD) | S(FAILED) },
    /* A file operation on a paused guest has no live part. */
    [STATE_SETUP] = { "setup", S(LIVE) | S(SUSPENDING) | S(SWITCHOVER) |
                               S(ROLLBACK) },
    /* Files need no permission from anyone: from live to suspending. */
    [STATE_LIVE] = { "live", S(ARMED) | S(SUSPENDING) | S(SWITCHOVER) |
                             S(ROLLBACK) },
    [STATE_ARMED] = { "armed", S(SUSPENDING) | S(SWITCHOVER) |
                               S(ROLLBACK) },
    [STATE_SUSPENDING] = { "suspending", S(SWITCHOVER) | S(ROLLBACK) },
    [STATE_SWITCHOVER] = { "switchover", S(COMMIT) | S(ROLLBACK) },
    [STATE_COMMIT] = { "commit", S(DRAIN) | S(ROLLBACK) | S(IN_DOUBT) |
                                 S(DONE) | S(FAILED) },
    [STATE_DRAIN] = { "drain", S(HELD) | S(DONE) | S(FAILED) },
    [STATE_HELD] = { "held", S(DRAIN) | S(DONE) | S(FAILED) },
    [STATE_ROLLBACK] = { "rollback", S(FAILED) | S(IN_DOUBT) },
    [STATE_IN_DOUBT] = { "in-doubt", S(DONE) | S(ROLLBACK) | S(DRAIN) |
                                     S(IDLE) },
    [STATE_DONE] = { "done", S(IDLE) },
    [STATE_FAILED] = { "failed", S(IDLE) },
};

const char *state_name(enum state st)
{
    return (unsigned int)st < STATE_NR_ ? states[st].name : "no state";
}

bool state_legal(enum state from, enum state to)
{
    if ( (unsigned int)from >= STATE_NR_ || (unsigned int)to >= STATE_NR_ )
        return false;

    return states[from].next >> to & 1;
}

void state_init(struct state_cell *c)
{
    c->now = STATE_IDLE;
    c->on_set = NULL;
    c->data = NULL;
}

enum state state_get(const struct state_cell *c)
{
    return c->now;
}

int state_set(struct state_cell *c, struct err *e, enum state to)
{
    enum state from = state_get(c);

    if ( !state_legal(from, to) )
        return err_set(e, -EINVAL, "internal error: step from state %s to %s",
                       state_name(from), state_name(to));
    c->now = to;
    if ( c->on_set )
        c->on_set(c->data, to);

    return 0;
}

/* ---- Who owns the guest ------------------------------------------------ */

#define G(x) (1u << XMIG_GUEST_##x)
#define NR_GUESTS (XMIG_GUEST_LOST + 1)

static const struct
{
    const char *name;
    unsigned int next;
} guests[NR_GUESTS] = {
    [XMIG_GUEST_NONE] = { "none", G(AT_SOURCE) | G(AT_DESTINATION) |
                                   G(SPLIT) },
    [XMIG_GUEST_AT_SOURCE] = { "at-source",
                               G(IN_DOUBT) | G(LOST) | G(NONE) },
    [XMIG_GUEST_AT_DESTINATION] = { "at-destination", G(LOST) },
    [XMIG_GUEST_SPLIT] = { "split", G(AT_DESTINATION) | G(LOST) },
    [XMIG_GUEST_IN_DOUBT] = { "in-doubt", G(AT_SOURCE) | G(AT_DESTINATION) |
                                          G(SPLIT) | G(LOST) },
    [XMIG_GUEST_LOST] = { "lost", 0 },
};

const char *xmig_guest_name(enum xmig_guest guest)
{
    return (unsigned int)guest < NR_GUESTS ? guests[guest].name : "unknown";
}

bool owner_legal(enum xmig_guest from, enum xmig_guest to)
{
    if ( (unsigned int)from >= NR_GUESTS || (unsigned int)to >= NR_GUESTS )
        return false;

    return from == to || (guests[from].next >> to & 1);
}

int owner_set(struct err *e, enum xmig_guest to)
{
    enum xmig_guest from = err_guest(e);

    if ( !owner_legal(from, to) )
        return err_set(e, -EINVAL,
                       "internal error: guest %s cannot become %s",
                       xmig_guest_name(from), xmig_guest_name(to));
    err_guest_set(e, to);

    return 0;
}

enum xmig_guest owner_get(struct err *e)
{
    return err_guest(e);
}

void owner_reset(struct err *e)
{
    err_guest_set(e, XMIG_GUEST_NONE);
}
