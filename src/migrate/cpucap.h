/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Holding a domain back by its scheduler's cap on CPU time, so that the cap
 * it had comes back whatever happens: it is kept in xenstore, which lives as
 * long as the domain does, under /tool/xmig/cap-<uuid>.
 *
 * Thread: one at a time for a domain.
 */
#ifndef XMIG_CPUCAP_H
#define XMIG_CPUCAP_H

#include <stdint.h>

#include "hv.h"
#include "store.h"

/*
 * Let it use percent of one CPU in all, or of its own cap if that is less.
 *   -EOPNOTSUPP  its scheduler has no caps
 */
int cpucap_hold(struct hv *hv, struct store *st, struct err *e,
                uint32_t domid, unsigned int percent);
/*
 * As it was before cpucap_hold(), of this process or a dead one's; nothing to
 * do is 0.  A domain that is gone only loses its note.
 */
int cpucap_release(struct hv *hv, struct store *st, struct err *e,
                   uint32_t domid, const uint8_t uuid[IDENT_BYTES]);

#endif
