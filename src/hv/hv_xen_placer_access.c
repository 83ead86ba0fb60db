/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Absent by mem_access: an absent gfn has its frame, and no vCPU the right to
 * use it.  A page is placed in two steps, its contents and then the right; the
 * frames' claimset sees to it that only one placer takes them.
 */
#include "hv_xen_frames.h"
#include "hv_xen_placer.h"

#define NO_ENTRY UINT16_MAX

/* Entry i gives or takes the right to use [first, first + count). */
static void set_access(struct hv_placer *pl, unsigned int i, uint8_t op,
                       uint8_t access, uint64_t first, uint32_t count)
{
    xen_mem_access_op_t *o = &pl->op[i].access;

    memset(o, 0, sizeof(*o));
    o->op = op;
    o->access = access;
    o->domid = (domid_t)pl->domid;
    o->nr = count;
    o->pfn = first;
    placer_set(pl, i, __HYPERVISOR_memory_op, XENMEM_access_op, o);
}

/* One more of this operation, or one gfn more in the last. */
static unsigned int add(struct hv_placer *pl, unsigned int nr, uint8_t access,
                        uint64_t gfn)
{
    xen_mem_access_op_t *last = nr ? &pl->op[nr - 1].access : NULL;

    if ( last && last->access == access && last->pfn + last->nr == gfn )
    {
        last->nr++;
        return nr;
    }
    set_access(pl, nr, XENMEM_access_op_set_access, access, gfn, 1);

    return nr + 1;
}

/* ---- Placing ------------------------------------------------------------ */

static unsigned int fill(struct hv_placer *pl, unsigned int from,
                         const uint64_t *gfns, unsigned int n)
{
    struct frames *f = pl->pager->frames;
    unsigned int i, nr = 0;

    for ( i = 0; i < n; i++ )
    {
        pl->entry_of[i] = NO_ENTRY;
        if ( !claimset_take(&f->absent, gfns[i]) )
            continue;
        memcpy(frames_page(f, gfns[i]), hv_placer_page(pl, from + i),
               PAGE_BYTES);
        nr = add(pl, nr, XENMEM_access_rwx, gfns[i]);
        pl->entry_of[i] = (uint16_t)(nr - 1);
    }

    return nr;
}

static void results(struct hv_placer *pl, const uint64_t *gfns,
                    unsigned int n, int rc, int *errs)
{
    unsigned int i;

    for ( i = 0; i < n; i++ )
    {
        errs[i] = -EEXIST;
        if ( pl->entry_of[i] == NO_ENTRY )
            continue;
        errs[i] = rc ? rc : (int)placer_result(pl, pl->entry_of[i]);
        if ( errs[i] )
            claimset_put(&pl->pager->frames->absent, gfns[i]);
    }
}

/* ---- Making absent ------------------------------------------------------ */

static int populate_some(struct hv_placer *pl, unsigned int n)
{
    struct hv *hv = pl->pager->hv;

    if ( pl->gfns[n - 1] - pl->gfns[0] == n - 1 )
        return hv_populate_range(hv, NULL, pl->domid, pl->gfns[0], n, NULL);

    return hv_populate(hv, NULL, pl->domid, pl->gfns, n, NULL);
}

static int set_all(struct hv_placer *pl, unsigned int n, const bool *which,
                   uint8_t access)
{
    unsigned int i, nr = 0;
    int rc;

    for ( i = 0; i < n; i++ )
        if ( which[i] )
            nr = add(pl, nr, access, pl->gfns[i]);
    rc = nr ? placer_call(pl, nr) : 0;
    for ( i = 0; !rc && i < nr; i++ )
        rc = (int)placer_result(pl, i);

    return rc;
}

static int evict(struct hv_placer *pl, unsigned int n, bool populate,
                 struct pageset *absent, struct hv_evicted *done)
{
    struct frames *f = pl->pager->frames;
    bool mapped[CHUNK_GFNS] = { false };
    unsigned int i;
    int rc;

    rc = populate ? populate_some(pl, n) : 0;
    if ( !rc )
        rc = frames_map(f, pl->gfns, n, mapped);
    if ( !rc )
        rc = set_all(pl, n, mapped, XENMEM_access_n);
    for ( i = 0; !rc && i < n; i++ )
    {
        *(mapped[i] ? &done->absent : &done->kept) += 1;
        if ( !mapped[i] )
            continue;
        claimset_put(&f->absent, pl->gfns[i]);
        pageset_set(absent, pl->gfns[i]);
    }

    return rc;
}

static int look(struct hv_placer *pl, uint64_t first, unsigned int n,
                struct pageset *absent)
{
    unsigned int i;
    int rc;

    for ( i = 0; i < n; i++ )
        set_access(pl, i, XENMEM_access_op_get_access, 0, first + i, 0);
    rc = placer_call(pl, n);
    for ( i = 0; !rc && i < n; i++ )
        if ( !placer_result(pl, i) &&
             pl->op[i].access.access == XENMEM_access_n )
            pageset_set(absent, first + i);
        else
            pageset_clear(absent, first + i);

    return rc;
}

const struct placer_ops placer_access = {
    .fill = fill,
    .results = results,
    .evict = evict,
    .look = look,
};

/* ---- Another process's -------------------------------------------------- */

static int adopt_chunk(struct hv_placer *pl, struct pageset *absent,
                       uint64_t first, uint64_t count)
{
    struct frames *f = pl->pager->frames;
    bool mapped[CHUNK_GFNS] = { false };
    uint64_t gfn;
    unsigned int n = 0, i;
    int rc = look(pl, first, (unsigned int)count, absent);

    for ( gfn = first; !rc && gfn < first + count; gfn++ )
        if ( pageset_test(absent, gfn) )
            pl->gfns[n++] = gfn;
    if ( !rc )
        rc = frames_map(f, pl->gfns, n, mapped);
    for ( i = 0; !rc && i < n; i++ )
        if ( mapped[i] )
            claimset_put(&f->absent, pl->gfns[i]);

    return rc;
}

int access_adopt(struct hv_pager *p, struct err *e)
{
    struct pageset absent = { 0 };
    struct hv_placer *pl = NULL;
    uint64_t gfn, nr = p->frames->nr_gfns, n;
    int rc;

    rc = hv_placer_open(p, e, 1, &pl);
    if ( !rc )
        rc = pageset_init(&absent, nr);
    if ( !rc )
        rc = hv_pause(p->hv, e, p->domid);
    if ( rc )
        goto out;
    for ( gfn = 0; !rc && gfn < nr; gfn += n )
    {
        n = nr - gfn < CHUNK_GFNS ? nr - gfn : CHUNK_GFNS;
        rc = adopt_chunk(pl, &absent, gfn, n);
    }
    hv_unpause(p->hv, NULL, p->domid);

 out:
    pageset_done(&absent);
    hv_placer_close(pl);

    return rc;
}
