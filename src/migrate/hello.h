/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The first record of every connection, at both ends: docs/stream.md 2.4.
 */
#ifndef XMIG_HELLO_H
#define XMIG_HELLO_H

#include "conn.h"
#include "session.h"

/* What this end can do; WIRE_CAP_TOOLSTACK besides, where there are hooks. */
#define HELLO_CAPS (WIRE_CAP_ZERO | WIRE_CAP_LANES | WIRE_CAP_ALLOC | \
                    WIRE_CAP_FILL | WIRE_CAP_POSTCOPY | WIRE_CAP_BYE | \
                    WIRE_CAP_ACCESS | WIRE_CAP_EARLY_GO | \
                    WIRE_CAP_ECHO)
/* With option comp-accept. */
#define HELLO_CAPS_CODED (WIRE_CAP_ZLIB | WIRE_CAP_ZSTD | WIRE_CAP_DELTA)


/* id and token may be NULL: none. */
int hello_send(struct conn *c, const struct session *s, enum wire_role role,
               unsigned int lane, const uint8_t *id, const uint8_t *token);
/*
 * Receive the peer's, and see whether we can talk.
 *   -EPROTONOSUPPORT  no version in common, another architecture
 */
int hello_recv(struct conn *c, const struct session *s,
               struct wire_hello *ret_theirs, uint64_t *ret_caps);

#endif
