/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Private to hv_xen_placer*.c: what a placer holds, and the two ways of making
 * gfns absent and placing pages.
 */
#ifndef XMIG_HV_XEN_PLACER_H
#define XMIG_HV_XEN_PLACER_H

#include "hv_xen.h"
#include "hv_xen_pager.h"
#include "pages.h"

#include <xen/event_channel.h>
#include <xen/memory.h>

#define NR_OPS     (2 * CHUNK_GFNS)
/* Operations, a populate, an event. */
#define NR_ENTRIES (NR_OPS + 2)

struct placer_ops
{
    /* Entries that place page from + i of the buffer at gfns[i]; returns how
     * many there are. */
    unsigned int (*fill)(struct hv_placer *pl, unsigned int from,
                         const uint64_t *gfns, unsigned int n);
    /* What became of each, in errs as hv_placer_place() has it; rc: of the
     * call. */
    void (*results)(struct hv_placer *pl, const uint64_t *gfns,
                    unsigned int n, int rc, int *errs);
    /* Make the n gfns in pl->gfns, ascending, absent; populate: they are
     * holes. */
    int (*evict)(struct hv_placer *pl, unsigned int n, bool populate,
                 struct pageset *absent, struct hv_evicted *done);
    /* Of at most NR_OPS gfns. */
    int (*look)(struct hv_placer *pl, uint64_t first, unsigned int n,
                struct pageset *absent);
};

struct hv_placer
{
    struct hv_pager *pager;
    const struct placer_ops *ops;
    uint32_t domid;
    unsigned int pages;
    xencall_handle *call;
    /* hypercall-safe */
    uint8_t *buffer;
    struct multicall_entry *entry;
    union
    {
        xen_mem_paging_op_t paging;
        xen_mem_access_op_t access;
    } *op;
    struct xen_memory_reservation *more;
    xen_pfn_t *gfns;
    struct evtchn_send *send;
    /* access: whose entry a page has */
    uint16_t entry_of[HV_PLACER_PAGES_MAX];
};

/* Entry i of the next call. */
void placer_set(struct hv_placer *pl, unsigned int i, unsigned long op,
                unsigned long a0, void *a1);
/* Entries [0, n).  0: their results are to be looked at. */
int placer_call(struct hv_placer *pl, unsigned int n);

static inline long placer_result(const struct hv_placer *pl, unsigned int i)
{
    return (long)pl->entry[i].result;
}

#endif
