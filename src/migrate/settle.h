/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Asking a destination what became of a migration: QUERY and OUTCOME.
 */
#ifndef XMIG_SETTLE_H
#define XMIG_SETTLE_H

#include "peer.h"
#include "session.h"

struct settle
{
    const struct session *s;
    const struct peer *peer;
    const uint8_t *id;           /* of the migration */
    bool abandon;                /* GO will not be sent (again), so the
                                    destination may give it up if it has not
                                    started */
    const struct cancel *cancel; /* NULL = nothing stops it */
};

/* Ask once. */
int settle_ask(const struct settle *st, struct err *e,
               struct wire_outcome *ret);
/*
 * Ask again and again, with back-off, until the answer is STARTED or
 * ABANDONED, or the deadline passes; at least once.
 *
 * Returns 0 with whatever was answered last (UNKNOWN and PENDING too), or
 * why the last attempt failed.
 */
int settle_until(const struct settle *st, uint64_t deadline_us,
                 struct err *e, struct wire_outcome *ret);
/* The copy here is destroyed: tell the destination, unless it knows.  0 when
 * nothing is left to tell. */
int settle_bye(const struct settle *st);

#endif
