/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Xen's mem_access: pages that have their frame, but that the guest may not
 * touch (XENMEM_access_n), and the monitor ring by which that is told.  Of
 * the other kinds there is only rwx.
 *
 * Such a P2M entry has P2M_DENIED, and the page has no page-table entry
 * (watch.h).  Only the guest is kept away: whoever reaches the frame by
 * another way finds it, whatever the access is.
 *
 * access.c has the P2M's side, access_op.c XENMEM_access_op.
 */
#ifndef XMIG_EMU_ACCESS_H
#define XMIG_EMU_ACCESS_H

#include "host.h"
#include "touch.h"

struct pt_batch;

/* The domain is destroyed: its vCPUs have ended. */
void access_end(struct domain *d);

/* ---- for p2m.c, p2m_lock held for writing ------------------------------- */

/* Entry e is replaced by something else. */
static inline void access_gone(struct domain *d, uint32_t e)
{
    if ( e & P2M_DENIED )
        atomic_fetch_sub(&d->access.nr_denied, 1);
}

/* The flag of an entry that is made. */
static inline uint32_t access_new(struct domain *d)
{
    if ( !atomic_load(&d->access.deny_new) )
        return 0;
    atomic_fetch_add(&d->access.nr_denied, 1);
    return P2M_DENIED;
}

/* ---- touching ----------------------------------------------------------- */

/* A vCPU touched a denied page; p2m_lock held. */
enum touched access_touch(struct vcpu *v, const struct touch *t);

/* ---- XENMEM_access_op --------------------------------------------------- */

/* n, else rwx, for gfns [first, first + nr); holes are passed over.  The
 * change is complete when the batch is flushed.
 *   -EBUSY       log-dirty is on
 *   -EOPNOTSUPP  one is absent; those before it are done
 *   -EINVAL      the domain goes */
int access_set(struct pt_batch *b, struct domain *d, uint64_t first,
               uint64_t nr, bool deny);
/* The same for what is populated from now on. */
int access_set_default(struct pt_batch *b, struct domain *d, bool deny);

/* access_op.c */
int64_t do_access_op(struct conn *c, uint64_t at);

/* ---- the monitor ring --------------------------------------------------- */

/* XEN_DOMCTL_VM_EVENT_OP_MONITOR; domain.lock held. */
int monitor_enable(struct domain *d, uint32_t *ret_port);
int monitor_disable(struct domain *d);
/* Log-dirty is wanted: stop watching if nothing is denied any more.
 * domain.lock held. */
void access_make_way(struct domain *d);

#endif
