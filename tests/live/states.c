/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The states that tests/live/monitor.t has to cancel a migration in, and
 * kill.t has to kill each end and each host of one in and to cut its link,
 * one a line: name, what a cancel leads to, and where the guest is after the
 * death of the source's process, of the destination's, of the source's host,
 * of the destination's, and after the cut.  A state that is added breaks the
 * build here until it has a row, and the tests until they have a way to get
 * there.
 *
 * "fenced": in doubt, until an operator says that the destination is off.
 * "held": paused at the destination, and lost when one says that the source
 * is.
 * "gone": with the destination; the source's copy never runs again.
 */
#include <assert.h>
#include <stdio.h>

#include "state.h"

static const char *const rows[] = {
    /* before there is a monitor */
    [STATE_IDLE] = "unseen - - - - -",
    [STATE_SETUP] = "cancel source source lost source source",
    [STATE_LIVE] = "cancel source source lost source source",
    [STATE_ARMED] = "cancel source source lost source source",
    [STATE_SUSPENDING] = "cancel source source lost source source",
    [STATE_SWITCHOVER] = "cancel source source lost source source",
    /* STARTED stands in the destination's journal, it does not run yet */
    [STATE_COMMIT] = "refuse destination destination destination fenced "
                     "destination",
    /* neither host has all of it; a process leaves its memory behind */
    [STATE_DRAIN] = "refuse destination destination held gone destination",
    [STATE_HELD] = "refuse destination destination held gone destination",
    [STATE_ROLLBACK] = "moot source source lost source source",
    /* entered at the very end */
    [STATE_IN_DOUBT] = "unseen - - - - -",
    [STATE_DONE] = "unseen - - - - -",
    [STATE_FAILED] = "unseen - - - - -",
};
static_assert(sizeof(rows) / sizeof(rows[0]) == STATE_NR_,
              "every state has a row");

int main(void)
{
    int i;

    for ( i = 0; i < STATE_NR_; i++ )
        printf("%s %s\n", state_name(i), rows[i] ? rows[i] : "missing");

    return 0;
}
