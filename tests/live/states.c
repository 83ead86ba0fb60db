/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The states that tests/live/monitor.t has to cancel a migration in, one a
 * line: name, and what is to be seen.  A state that is added breaks the build
 * here until it has a row, and the test until it has a way to get there.
 */
#include <assert.h>
#include <stdio.h>

#include "state.h"

static const char *const rows[] = {
    [STATE_IDLE] = "unseen",             /* before there is a monitor */
    [STATE_SETUP] = "cancel",
    [STATE_LIVE] = "cancel",
    [STATE_ARMED] = "cancel",
    [STATE_SUSPENDING] = "cancel",
    [STATE_SWITCHOVER] = "cancel",
    [STATE_COMMIT] = "refuse",
    [STATE_DRAIN] = "unreachable",       /* no code sets it */
    [STATE_ROLLBACK] = "moot",
    [STATE_IN_DOUBT] = "unseen",         /* entered at the very end */
    [STATE_DONE] = "unseen",
    [STATE_FAILED] = "unseen",
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
