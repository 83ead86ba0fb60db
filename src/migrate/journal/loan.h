/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Settings of a domain that a migration changes for a while, and that have to
 * come back whatever happens: what it had is noted in xenstore, which lives
 * as long as the host's domains do, under /tool/xmig/<setting>-<uuid>.  So
 * whoever comes next can give back what a killed process has left.
 *
 * Thread: one at a time for a domain.
 */
#ifndef XMIG_LOAN_H
#define XMIG_LOAN_H

#include <stdint.h>

#include "hv.h"
#include "store.h"

enum loan
{
    LOAN_CAP,                    /* the scheduler's cap on CPU time */
    LOAN_MAX_MEM,                /* the memory limit */
    LOANS
};

/*
 * Let it use percent of one CPU in all, or of its own cap if that is less.
 * May be called again.
 *   -EOPNOTSUPP  its scheduler has no caps
 */
int loan_cap(struct hv *hv, struct store *st, struct err *e, uint32_t domid,
             unsigned int percent);
/*
 * Keep it from populating memory: the limit is set below what it has, so it
 * can give up pages and gets none.  May be called again.
 */
int loan_max_mem(struct hv *hv, struct store *st, struct err *e,
                 uint32_t domid);
/*
 * As it was before, whichever process has changed it; nothing to do is 0.  A
 * domain that is gone only loses its note.
 */
int loan_return(struct hv *hv, struct store *st, struct err *e,
                uint32_t domid, const uint8_t uuid[IDENT_BYTES],
                enum loan loan);
/* All there are.  The first failure; the others are returned all the same. */
int loan_return_all(struct hv *hv, struct store *st, struct err *e,
                    uint32_t domid, const uint8_t uuid[IDENT_BYTES]);

#endif
