/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The states of an operation, and who owns the guest: two facts, each with
 * one setter that knows every legal move.
 *
 * The state is the engine's place in its own work; it is the same list at
 * either end.  The owner is a fact about the guest and outlives the
 * operation (struct err, journal, exit status).
 */
#ifndef XMIG_STATE_H
#define XMIG_STATE_H

#include "err.h"

enum state
{
    STATE_IDLE,                  /* nothing begun */
    STATE_SETUP,                 /* connecting, hello, preparing D */
    STATE_LIVE,                  /* rounds, the guest runs at the source */
    STATE_ARMED,                 /* PERMIT / MAY_START are durable */
    STATE_SUSPENDING,            /* the guest has been asked to suspend */
    STATE_SWITCHOVER,            /* runs nowhere: last round, state, READY */
    STATE_COMMIT,                /* S: GO may have left; D: GO was read */
    STATE_DRAIN,                 /* runs at D, pages still at S */
    STATE_HELD,                  /* the same, and the link is lost: nobody
                                    moves */
    STATE_ROLLBACK,              /* undoing; S: the guest runs on here */
    STATE_IN_DOUBT,              /* runs nowhere until the journals met */
    STATE_DONE,
    STATE_FAILED,                /* undone; owner says where the guest is */
    STATE_NR_,
};

/* "live", "switchover" ...; never NULL. */
const char *state_name(enum state st);
/* Is the step from -> to legal? */
bool state_legal(enum state from, enum state to);

/* Engine thread sets; any thread may read. */
struct state_cell
{
    _Atomic int now;
    /* set at the start, then read-only */
    void (*on_set)(void *data, enum state to);   /* or NULL */
    void *data;
};

void state_init(struct state_cell *c);
enum state state_get(const struct state_cell *c);
/* -EINVAL and an error text for an illegal step, which is not taken. */
int state_set(struct state_cell *c, struct err *e, enum state to);

/* ---- Who owns the guest ------------------------------------------------ */

/*
 * Legal moves:
 *   NONE       -> AT_SOURCE (an operation on a domain begins), AT_DESTINATION
 *                 (restored from a file), SPLIT (it came by post-copy)
 *   AT_SOURCE  -> IN_DOUBT (GO may leave, or may be obeyed), LOST (it
 *                 crashed), NONE (saved to a file and destroyed)
 *   IN_DOUBT   -> AT_SOURCE (ABANDONED is proved), AT_DESTINATION (STARTED
 *                 is proved), SPLIT, LOST
 *   SPLIT      -> AT_DESTINATION (every page arrived), LOST
 *   AT_DESTINATION -> LOST
 *   any        -> itself
 */
bool owner_legal(enum xmig_guest from, enum xmig_guest to);

/*
 * The one function that changes it; e is the operation's error record,
 * which holds the fact.  -EINVAL for an illegal move, which is not made.
 */
int owner_set(struct err *e, enum xmig_guest to);
enum xmig_guest owner_get(struct err *e);
/* A new operation begins on this record: back to NONE. */
void owner_reset(struct err *e);

#endif
