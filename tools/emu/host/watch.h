/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Page-table entries of a guest that can be taken away and given back.
 *
 * The guest's memory is registered with userfaultfd in the modes for missing
 * and minor faults: a page that has its frame but no page-table entry raises
 * a signal in the vCPU's own thread (touch.h).  There is one registration for
 * all who need it, as the kernel allows one only, and none together with
 * log-dirty.
 */
#ifndef XMIG_EMU_WATCH_H
#define XMIG_EMU_WATCH_H

#include "host.h"

enum watch_user
{
    WATCH_PAGING = 1,            /* paging.c */
    WATCH_ACCESS = 2,            /* access.c */
};

static inline bool watch_on(struct domain *d)
{
    return atomic_load(&d->watch.on);
}

/* p2m_lock held for writing.  0 or -errno, which is logged: -EBUSY with
 * log-dirty; also for a user that has it already. */
int watch_start(struct domain *d, enum watch_user user);
/* The same, and no vCPU is in a step but those that wait in a fault; no
 * effect for who is no user. */
void watch_stop(struct domain *d, enum watch_user user);

/* ---- p2m_lock held for writing ------------------------------------------ */

/* gfns [first, first + nr) are mapped anew at their place. */
void watch_mapped(struct domain *d, uint64_t first, uint64_t nr);
/* Take the entries away; holes among them do no harm. */
void watch_zap(struct domain *d, uint64_t first, uint64_t nr);

/* ---- p2m_lock held ------------------------------------------------------ */

/* Map gfns to frames from mfn on, without a moment in which they could be
 * touched, and without entries.  0 or -errno, which is logged. */
int watch_map(struct domain *d, uint64_t first, uint64_t nr, uint64_t mfn);
/* Entries for gfns [first, first + nr), which all have frames.  0 or -errno,
 * which is logged: not all have theirs. */
int watch_continue(struct domain *d, uint64_t first, uint64_t nr);
/* The same for gfn and those of its neighbours that may be touched. */
int watch_continue_around(struct domain *d, uint64_t gfn);

#endif
