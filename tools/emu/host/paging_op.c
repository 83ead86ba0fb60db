/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * XENMEM_paging_op: nominating, evicting and placing.
 */
#include <errno.h>
#include <string.h>
#include <xenctrl.h>
#include <xen/memory.h>

#include "batch.h"
#include "p2m_entry.h"
#include "paging_priv.h"
#include "vm_event.h"
#include "watch.h"

/* ---- taking away -------------------------------------------------------- */

/* How many references its frame has besides the domain's. */
static bool in_use(struct domain *d, uint32_t e)
{
    return atomic_load(&d->host->machine.refs[entry_mfn(e)]) != 1;
}

static int nominate(struct pt_batch *b, uint64_t gfn)
{
    struct domain *d = b->d;
    uint32_t e = gfn < d->p2m.max_gfns ? entry_get(d, gfn) : 0;

    if ( !e || (e & (P2M_PAGING | P2M_FOREIGN | P2M_DENIED)) ||
         in_use(d, e) )
        return -EBUSY;
    entry_set(d, gfn, e | P2M_PAGING);
    batch_add(b, gfn, 1);
    return 0;
}

static int evict(struct pt_batch *b, uint64_t gfn)
{
    struct domain *d = b->d;
    uint32_t e = gfn < d->p2m.max_gfns ? entry_get(d, gfn) : 0;

    if ( (e & P2M_FLAGS) != P2M_PAGING || in_use(d, e) )
        return -EBUSY;
    entry_set(d, gfn, e | P2M_ABSENT);
    atomic_fetch_add(&d->paging->nr_absent, 1);
    /* Nominating it has taken it away, or will before frames are freed. */
    batch_free_frame(b, entry_mfn(e));
    return 0;
}

/* ---- placing ------------------------------------------------------------ */

/*
 * gfn's frame is to be mfn, but another one lies mapped: map the frame, and
 * where it is of the slot's own run, map all that is absent in the slot to
 * that run, so that it happens once.  slot_lock held.
 */
static int remap(struct domain *d, uint64_t gfn, uint64_t mfn)
{
    uint64_t first = gfn, end = gfn + 1, lo, hi, g;
    int rc;

    if ( mfn % RUN_FRAMES == gfn % RUN_FRAMES )
    {
        lo = gfn & ~(uint64_t)(RUN_FRAMES - 1);
        hi = lo + RUN_FRAMES;
        while ( first > lo && (entry_get(d, first - 1) & P2M_ABSENT) )
            first--;
        while ( end < hi && (entry_get(d, end) & P2M_ABSENT) )
            end++;
    }
    mfn -= gfn - first;
    rc = watch_map(d, first, end - first, mfn);
    if ( rc )
        return rc;
    for ( g = first; g < end; g++ )
        entry_set(d, g, (entry_get(d, g) & P2M_FLAGS) |
                        (uint32_t)(mfn + (g - first) + 1));
    return 0;
}

/* A frame for the absent gfn, mapped at its place. */
static int get_frame(struct domain *d, uint64_t gfn, uint32_t *ret_mfn)
{
    struct machine *m = &d->host->machine;
    uint32_t e = entry_get(d, gfn), mfn;
    int rc = -EBUSY;

    if ( e & ~P2M_FLAGS )
    {
        mfn = entry_mfn(e);
        rc = machine_alloc_at(m, &d->p2m.slots, &d->acct, gfn, mfn);
    }
    if ( rc == -EBUSY )
    {
        if ( machine_alloc(m, &d->p2m.slots, &d->acct, &gfn, 1, &mfn) != 1 )
            return -ENOMEM;
        rc = remap(d, gfn, mfn);
        if ( rc )
        {
            machine_free(m, &d->acct, &mfn, 1);
            return -ENOMEM;
        }
    }
    if ( !rc )
        *ret_mfn = mfn;
    return rc;
}

static int prepare(struct pt_batch *b, uint64_t gfn, const void *buffer)
{
    struct domain *d = b->d;
    uint32_t e, mfn;
    int rc = -ENOENT;

    if ( gfn >= d->p2m.max_gfns )
        return -ENOENT;
    pthread_mutex_lock(slot_lock(d, gfn));
    e = entry_get(d, gfn);
    /* Xen: paging_in and paged only. */
    if ( !(e & (P2M_ASKED | P2M_ABSENT)) )
        goto out;
    if ( !(e & P2M_ABSENT) )
        mfn = entry_mfn(e);
    else
    {
        rc = -EINVAL;
        if ( !buffer )
            goto out;
        rc = get_frame(d, gfn, &mfn);
        if ( rc )
            goto out;
        memcpy(machine_ptr(&d->host->machine, mfn), buffer, PAGE_SIZE);
        atomic_fetch_sub(&d->paging->nr_absent, 1);
    }
    entry_set(d, gfn, mfn + 1);
    rc = 0;

 out:
    pthread_mutex_unlock(slot_lock(d, gfn));
    if ( !rc )
        batch_add(b, gfn, 1);
    return rc;
}

void paging_resumed(struct domain *d, uint64_t gfn)
{
    struct pt_batch b = { .d = NULL };
    uint32_t e = gfn < d->p2m.max_gfns ? entry_get(d, gfn) : 0;

    /* Only what was nominated, asked for and never evicted. */
    if ( (e & P2M_FLAGS) != (P2M_PAGING | P2M_ASKED) )
        return;
    batch_begin(&b, d, false);
    prepare(&b, gfn, NULL);
    batch_flush(&b);
}

int paging_op(struct pt_batch *b, struct domain *d, unsigned int op,
              uint64_t gfn, const void *buffer)
{
    if ( !ring_there(d->rings[RING_PAGING]) )
        return -ENODEV;
    batch_begin(b, d, op != XENMEM_paging_op_prep);
    switch ( op )
    {
    case XENMEM_paging_op_nominate:
        return nominate(b, gfn);

    case XENMEM_paging_op_evict:
        return evict(b, gfn);

    default:
        return prepare(b, gfn, buffer);
    }
}
