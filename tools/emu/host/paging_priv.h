/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Between paging.c, paging_op.c and paging_event.c.
 */
#ifndef XMIG_EMU_PAGING_PRIV_H
#define XMIG_EMU_PAGING_PRIV_H

#include "paging.h"

struct vm_ring;

struct paging
{
    /* set while no vCPU can fault: under p2m_lock for writing */
    int uffd;                    /* -1: off */
    atomic_bool on;              /* the guest's memory is registered */

    atomic_uint_fast64_t nr_absent;
    pthread_mutex_t slot_lock[64];   /* entries of absent gfns, by slot */
    struct vm_ring *ring;
};

int ring_new(struct vm_ring **ret_r);
void ring_free(struct vm_ring *r);

enum ring_claim { RING_OK, RING_FULL, RING_NONE };

/* Reserve a place; v: the vCPU that asks, who is told when there is room. */
enum ring_claim ring_claim(struct vm_ring *r, struct vcpu *v);
void ring_cancel(struct domain *d, struct vm_ring *r);
/* Fill the place reserved. */
void ring_put(struct domain *d, struct vm_ring *r, const struct vcpu *v,
              uint64_t gfn, uint32_t p2mt, uint32_t flags, bool paused);
bool ring_there(struct vm_ring *r);

int paging_start(struct domain *d);
void paging_stop(struct domain *d);
/* A response says that gfn may be used again. */
void paging_resumed(struct domain *d, uint64_t gfn);

/* Page-table entries for present gfns [first, first + nr); p2m_lock held.
 * 0 or -errno, which is logged: not all have theirs. */
int paging_continue_range(struct domain *d, uint64_t first, uint64_t nr);
/* Map gfns to frames from mfn on, without a moment in which an absent page
 * could be touched.  0 or -errno. */
int paging_map_watched(struct domain *d, uint64_t first, uint64_t nr,
                       uint64_t mfn);

static inline uint32_t entry_get(struct domain *d, uint64_t gfn)
{
    return atomic_load_explicit(&d->p2m.entry[gfn], memory_order_acquire);
}

static inline void entry_set(struct domain *d, uint64_t gfn, uint32_t e)
{
    atomic_store_explicit(&d->p2m.entry[gfn], e, memory_order_release);
}

/* Where the guest has it. */
static inline void *va(struct domain *d, uint64_t gfn)
{
    return d->p2m.mem + gfn * PAGE_SIZE;
}

/* Entries of absent gfns change under it, p2m_lock held for reading. */
static inline pthread_mutex_t *slot_lock(struct domain *d, uint64_t gfn)
{
    return &d->paging->slot_lock[gfn / RUN_FRAMES % 64];
}

#endif
