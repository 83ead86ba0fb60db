/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Absent by mem_paging: an absent gfn has no frame, and a page is placed by
 * one step of the hypervisor.
 */
#include "hv_xen_placer.h"

/* Somebody has taken a reference between nominating and evicting. */
#define UNDO_TRIES 1000u

/* Entry i is this operation; page: NULL, or in the buffer. */
static void set_paging(struct hv_placer *pl, unsigned int i,
                       unsigned int nr_op, uint8_t op, uint64_t gfn,
                       void *page)
{
    xen_mem_paging_op_t *o = &pl->op[nr_op].paging;

    memset(o, 0, sizeof(*o));
    o->op = op;
    o->domain = (domid_t)pl->domid;
    o->gfn = gfn;
    set_xen_guest_handle_raw(o->buffer, page);
    placer_set(pl, i, __HYPERVISOR_memory_op, XENMEM_paging_op, o);
}

/* ---- Placing ------------------------------------------------------------ */

static unsigned int fill(struct hv_placer *pl, unsigned int from,
                         const uint64_t *gfns, unsigned int n)
{
    unsigned int i;

    for ( i = 0; i < n; i++ )
        set_paging(pl, i, i, XENMEM_paging_op_prep, gfns[i],
                   hv_placer_page(pl, from + i));

    return n;
}

static void results(struct hv_placer *pl, const uint64_t *gfns,
                    unsigned int n, int rc, int *errs)
{
    unsigned int i;

    (void)gfns;
    for ( i = 0; !rc && i < n; i++ )
    {
        errs[i] = (int)placer_result(pl, i);
        /* Neither paging_in nor paged: Xen says that there is no such gfn. */
        if ( errs[i] == -ENOENT )
            errs[i] = -EEXIST;
    }
}

/* ---- Making absent ------------------------------------------------------ */

static int one_op(struct hv_placer *pl, uint8_t op, uint64_t gfn)
{
    int rc;

    set_paging(pl, 0, 0, op, gfn, NULL);
    rc = placer_call(pl, 1);

    return rc ? rc : (int)placer_result(pl, 0);
}

/*
 * It was nominated, but not evicted: somebody has just touched or mapped it.
 * Present again, or absent after all.
 */
static int undo(struct hv_placer *pl, uint64_t gfn)
{
    unsigned int i;
    int rc;

    for ( i = 0; i < UNDO_TRIES; i++ )
    {
        rc = one_op(pl, XENMEM_paging_op_prep, gfn);
        if ( !rc )
            return -EBUSY;
        if ( rc != -ENOENT )
            return rc;
        /* Nobody has asked for it: then it may be evictable by now. */
        rc = one_op(pl, XENMEM_paging_op_evict, gfn);
        if ( !rc )
            return 0;
    }

    return -EBUSY;
}

static void set_populate(struct hv_placer *pl, unsigned int i,
                         unsigned int n)
{
    memset(pl->more, 0, sizeof(*pl->more));
    set_xen_guest_handle_raw(pl->more->extent_start, pl->gfns);
    pl->more->nr_extents = n;
    pl->more->domid = (domid_t)pl->domid;
    placer_set(pl, i, __HYPERVISOR_memory_op, XENMEM_populate_physmap,
               pl->more);
}

static int evict(struct hv_placer *pl, unsigned int n, bool populate,
                 struct pageset *absent, struct hv_evicted *done)
{
    bool nominated[CHUNK_GFNS], evicted[CHUNK_GFNS];
    unsigned int i, at = 0;
    int rc;

    if ( populate )
        set_populate(pl, at++, n);
    for ( i = 0; i < n; i++ )
        set_paging(pl, at + i, i, XENMEM_paging_op_nominate, pl->gfns[i],
                   NULL);
    for ( i = 0; i < n; i++ )
        set_paging(pl, at + n + i, n + i, XENMEM_paging_op_evict,
                   pl->gfns[i], NULL);
    rc = placer_call(pl, at + 2 * n);
    if ( rc )
        return rc;
    if ( populate && placer_result(pl, 0) < 0 )
        return (int)placer_result(pl, 0);
    if ( populate && placer_result(pl, 0) < (long)n )
        rc = -ENOMEM;
    for ( i = 0; i < n; i++ )
    {
        nominated[i] = !placer_result(pl, at + i);
        evicted[i] = nominated[i] && !placer_result(pl, at + n + i);
    }
    for ( i = 0; i < n; i++ )
    {
        if ( nominated[i] && !evicted[i] )
            evicted[i] = !undo(pl, pl->gfns[i]);
        if ( evicted[i] )
            pageset_set(absent, pl->gfns[i]);
        *(evicted[i] ? &done->absent : &done->kept) += 1;
    }

    return rc;
}

static int look(struct hv_placer *pl, uint64_t first, unsigned int n,
                struct pageset *absent)
{
    unsigned int i;
    int rc;

    for ( i = 0; i < n; i++ )
        set_paging(pl, i, i, XENMEM_paging_op_prep, first + i, NULL);
    rc = placer_call(pl, n);
    /* Absent, and no page was given. */
    for ( i = 0; !rc && i < n; i++ )
        if ( placer_result(pl, i) == -EINVAL )
            pageset_set(absent, first + i);
        else
            pageset_clear(absent, first + i);

    return rc;
}

const struct placer_ops placer_paging = {
    .fill = fill,
    .results = results,
    .evict = evict,
    .look = look,
};
