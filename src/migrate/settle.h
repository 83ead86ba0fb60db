/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Asking a destination what became of a migration: QUERY and OUTCOME.
 */
#ifndef XMIG_SETTLE_H
#define XMIG_SETTLE_H

#include "conn.h"
#include "session.h"

/*
 * Ask once.  abandon: GO will not be sent (again), so the destination may
 * give it up if it has not started.  ret_conn (may be NULL) keeps the
 * connection, for settle_bye().
 */
int settle_ask(const struct session *s, const char *host, uint16_t port,
               const uint8_t id[IDENT_BYTES], bool abandon, struct err *e,
               struct wire_outcome *ret, struct conn **ret_conn);
/*
 * Ask again and again, with back-off, until the answer is STARTED or
 * ABANDONED, or the deadline passes; at least once.
 *
 * Returns 0 with whatever was answered last (UNKNOWN and PENDING too), or
 * why the last attempt failed.
 */
int settle_until(const struct session *s, const char *host, uint16_t port,
                 const uint8_t id[IDENT_BYTES], bool abandon,
                 uint64_t deadline_us, struct err *e,
                 struct wire_outcome *ret);
/* The copy here is destroyed: tell the destination, unless it knows.  0 when
 * nothing is left to tell. */
int settle_bye(const struct session *s, const char *host, uint16_t port,
               const uint8_t id[IDENT_BYTES]);

#endif
