/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Entries of a P2M, and where the guest has what they say.
 */
#ifndef XMIG_EMU_P2M_ENTRY_H
#define XMIG_EMU_P2M_ENTRY_H

#include "host.h"

static inline uint32_t entry_get(struct domain *d, uint64_t gfn)
{
    return atomic_load_explicit(&d->p2m.entry[gfn], memory_order_acquire);
}

static inline void entry_set(struct domain *d, uint64_t gfn, uint32_t e)
{
    atomic_store_explicit(&d->p2m.entry[gfn], e, memory_order_release);
}

/* Of an entry that has one, or (P2M_ABSENT) had. */
static inline uint32_t entry_mfn(uint32_t e)
{
    return (e & ~P2M_FLAGS) - 1;
}

static inline bool entry_has_frame(uint32_t e)
{
    return e && !(e & P2M_ABSENT);
}

/* Where the guest has it. */
static inline void *va(struct domain *d, uint64_t gfn)
{
    return d->p2m.mem + gfn * PAGE_SIZE;
}

#endif
