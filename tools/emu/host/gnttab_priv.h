/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What the gnttab_*.c files share.  One lock for the grant tables of all
 * domains of this process: level 2 of host.h.
 */
#ifndef XMIG_EMU_GNTTAB_PRIV_H
#define XMIG_EMU_GNTTAB_PRIV_H

#include <pthread.h>

#include "gnttab.h"
#include "gnttab_entry.h"

struct gnttab_domain
{
    struct grant_table table;
    uint64_t mfn;                /* of the first frame; they follow it */
};

extern pthread_mutex_t gnttab_lock;

/*
 * Begin a use of d's grant by dom0, under gnttab_lock: the frame is pinned
 * once for this use.  Returns GNTST_*.
 */
int16_t gnttab_use(struct domain *d, uint32_t ref, bool write,
                   uint64_t *ret_mfn);
/*
 * End it, under gnttab_lock, also after the end of the domain.  What may have
 * been written is logged as dirty.
 */
void gnttab_unuse(struct domain *d, uint32_t ref, bool write, uint64_t mfn);

/*
 * GNTST_eagain: domid's page is absent.  Wait as Linux does, a millisecond
 * longer each time, holding no lock.  False: it has been long enough (33 s),
 * or the domain is going; *delay_ms is 1 at first.
 */
bool gnttab_wait_absent(struct conn *c, uint32_t domid,
                        unsigned int *delay_ms);

/* gnttab_copy.c: EMU_GNTTAB_COPY. */
int gnttab_copy_msg(struct conn *c, uint32_t len);

#endif
