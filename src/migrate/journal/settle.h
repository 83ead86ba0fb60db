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
    bool gone;                   /* in SPLIT: what it needs is not here any
                                    more */
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
/*
 * The same on a connection to it, control or query; caps are those agreed on.
 * 0 when the destination has settled the guest's name and its journal (one
 * without WIRE_CAP_BYE does not say so: when it was told).  The connection has
 * its deadline and its cancel from the caller; what comes before the answer
 * is of no interest any more.
 */
int settle_bye_on(struct conn *c, uint64_t caps);

#endif
