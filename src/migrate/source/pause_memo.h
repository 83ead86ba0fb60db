/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What the parts of a pause that do not depend on memory took the last time:
 * the guest to stand still, the destination to take its state over and to let
 * it run.  It is others' work, which nothing can measure before it is done;
 * noted in xenstore, so until the host boots.
 */
#ifndef XMIG_PAUSE_MEMO_H
#define XMIG_PAUSE_MEMO_H

#include <stdint.h>

#include "store.h"

/* Microseconds; 0: nobody knows. */
struct pause_memo
{
    uint64_t suspend_us;
    uint64_t state_us, commit_us;        /* without the round trip in each */
};

/*
 * manager  what manages the domain ("libxl"), and has more to do when it is to
 *          run there; NULL: nothing does
 */
void pause_memo_read(struct store *st, const char *manager,
                     struct pause_memo *ret);
/* What is known.  Failing does no harm. */
void pause_memo_write(struct store *st, const char *manager,
                      const struct pause_memo *m);

#endif
