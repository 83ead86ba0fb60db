/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Between paging.c and paging_op.c.
 */
#ifndef XMIG_EMU_PAGING_PRIV_H
#define XMIG_EMU_PAGING_PRIV_H

#include "paging.h"

struct paging
{
    atomic_uint_fast64_t nr_absent;
    pthread_mutex_t slot_lock[64];   /* entries of absent gfns, by slot */
};

/* Entries of absent gfns change under it, p2m_lock held for reading. */
static inline pthread_mutex_t *slot_lock(struct domain *d, uint64_t gfn)
{
    return &d->paging->slot_lock[gfn / RUN_FRAMES % 64];
}

#endif
