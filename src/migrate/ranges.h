/* SPDX-License-Identifier: LGPL-2.1-only */
/* Sets of gfns as records: MEMORY, ABSENT, REMAINING (docs/stream.md 2). */
#ifndef XMIG_RANGES_H
#define XMIG_RANGES_H

#include "conn.h"
#include "pages.h"

/*
 * Send ps in as many records of this type as it takes; the first ones say
 * that another follows.  An empty set takes one.
 *
 *   -ENOMEM, or as conn_send(); told to c->err
 */
int ranges_send(struct conn *c, uint32_t type, const struct pageset *ps);

#endif
