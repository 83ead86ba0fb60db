/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * memory_op.
 */
#include <errno.h>
#include <xenctrl.h>
#include <xen/memory.h>

#include "access.h"
#include "batch.h"
#include "gnttab.h"
#include "host.h"
#include "hypercall.h"
#include "paging.h"

#define CHUNK           512u
#define MAX_MAP_ENTRIES 128u

static struct domain *find(struct conn *c, domid_t domid)
{
    return domain_find(c->host, domid == DOMID_SELF ? 0 : domid);
}

/* ---- reservations ------------------------------------------------------- */

/* Give up one extent: 2^order gfns. */
static long decrease_extent(struct domain *d, uint64_t gfn,
                            unsigned int order)
{
    uint64_t gfns[CHUNK];
    unsigned int i;

    for ( i = 0; i < 1u << order; i++ )
        gfns[i] = gfn + i;
    return p2m_decrease(d, gfns, 1u << order) == 1l << order ? 1 : -EINVAL;
}

static long some_extents(struct domain *d, uint64_t sub,
                         const uint64_t *gfns, unsigned int n,
                         unsigned int order)
{
    unsigned int i;
    long r;

    if ( sub == XENMEM_populate_physmap )
        return p2m_populate(d, gfns, n, order);
    if ( !order )
        return p2m_decrease(d, gfns, n);
    for ( i = 0; i < n; i++ )
    {
        r = decrease_extent(d, gfns[i], order);
        if ( r < 0 )
            break;
    }
    return i;
}

/*
 * Populate or give up: returns how many extents were done.  The list is
 * copied in pieces, since the client could change it meanwhile.
 */
static int64_t reservation(struct conn *c, uint64_t sub, uint64_t va)
{
    struct xen_memory_reservation r;
    uint64_t gfns[CHUNK], done = 0;
    struct domain *d;
    long got = 0;
    int rc;

    rc = copy_from_client(c, &r, va, sizeof(r));
    if ( rc )
        return rc;
    if ( r.extent_order > RUN_ORDER )
        return 0;
    d = find(c, r.domid);
    if ( !d )
        return -ESRCH;
    while ( d->hvm && done < r.nr_extents )
    {
        unsigned int n = r.nr_extents - done < CHUNK ?
                         (unsigned int)(r.nr_extents - done) : CHUNK;

        got = copy_from_client(c, gfns,
                               (uintptr_t)r.extent_start.p +
                               done * sizeof(*gfns), n * sizeof(*gfns));
        if ( got )
            break;
        got = some_extents(d, sub, gfns, n, r.extent_order);
        if ( got < 0 )
            break;
        done += (unsigned long)got;
        if ( (unsigned long)got < n )
            break;
    }
    rc = d->hvm ? 0 : -EPERM;
    domain_put(d);
    if ( rc || (got == -EFAULT && !done) )
        return rc ? rc : -EFAULT;
    /* Xen says how far it came, not why it stopped. */
    return (int64_t)done;
}

static int64_t claim(struct conn *c, uint64_t va)
{
    struct xen_memory_reservation r;
    struct domain *d;
    int rc;

    rc = copy_from_client(c, &r, va, sizeof(r));
    if ( rc )
        return rc;
    if ( r.extent_start.p || r.extent_order || r.mem_flags )
        return -EINVAL;
    d = find(c, r.domid);
    if ( !d )
        return -ESRCH;
    /* Under the lock: a dead domain must not leave a claim behind. */
    pthread_mutex_lock(&d->lock);
    rc = d->hvm && !atomic_load(&d->dying) ?
         machine_claim(&c->host->machine, &d->acct, r.nr_extents) : -EINVAL;
    pthread_mutex_unlock(&d->lock);
    domain_put(d);
    return rc;
}

/* ---- what a domain has -------------------------------------------------- */

static int64_t ask(struct conn *c, uint64_t sub, uint64_t va)
{
    struct domain *d;
    int64_t ret = 0;
    domid_t domid;
    int rc;

    rc = copy_from_client(c, &domid, va, sizeof(domid));
    if ( rc )
        return rc;
    d = find(c, domid);
    if ( !d )
        return -ESRCH;
    if ( sub == XENMEM_maximum_gpfn )
    {
        pthread_rwlock_rdlock(&d->p2m_lock);
        ret = d->p2m.nr_gfns ? (int64_t)d->p2m.nr_gfns - 1 : 0;
        pthread_rwlock_unlock(&d->p2m_lock);
    }
    else
    {
        pthread_mutex_lock(&c->host->machine.lock);
        ret = (int64_t)(sub == XENMEM_current_reservation ?
                        d->acct.tot_pages : d->acct.max_pages);
        pthread_mutex_unlock(&c->host->machine.lock);
    }
    domain_put(d);
    return ret;
}

/* No populate-on-demand here: targets do nothing, as for any other domain. */
static int64_t pod_target(struct conn *c, uint64_t va)
{
    xen_pod_target_t t;
    struct domain *d;
    int rc;

    rc = copy_from_client(c, &t, va, sizeof(t));
    if ( rc )
        return rc;
    d = find(c, t.domid);
    if ( !d )
        return -ESRCH;
    pthread_mutex_lock(&c->host->machine.lock);
    t.tot_pages = d->acct.tot_pages;
    pthread_mutex_unlock(&c->host->machine.lock);
    t.pod_cache_pages = t.pod_entries = 0;
    domain_put(d);
    return copy_to_client(c, va, &t, sizeof(t));
}

static int64_t set_map(struct conn *c, uint64_t va)
{
    struct xen_foreign_memory_map f;
    struct domain *d;
    int rc;

    rc = copy_from_client(c, &f, va, sizeof(f));
    if ( rc )
        return rc;
    if ( f.map.nr_entries > MAX_MAP_ENTRIES )
        return -EINVAL;
    d = find(c, f.domid);
    if ( !d )
        return -ESRCH;
    /* Guests of ours take their memory map from the boot page. */
    rc = d->hvm ? 0 : -EPERM;
    domain_put(d);
    return rc;
}

/* ---- single frames ------------------------------------------------------ */

static int64_t add_to_physmap(struct conn *c, uint64_t va)
{
    struct xen_add_to_physmap a;
    struct domain *d;
    uint64_t mfn;
    int rc;

    rc = copy_from_client(c, &a, va, sizeof(a));
    if ( rc )
        return rc;
    if ( a.space != XENMAPSPACE_grant_table )
        return unmodelled(c, "add_to_physmap space", a.space);
    d = find(c, a.domid);
    if ( !d )
        return -ESRCH;
    rc = d->hvm ? gnttab_pin_frames(d, XENMEM_resource_grant_table_id_shared,
                                    a.idx, 1, &mfn) : -EINVAL;
    if ( !rc )
    {
        rc = p2m_add_host_frame(d, a.gpfn, mfn);
        machine_unpin(&c->host->machine, mfn);
    }
    domain_put(d);
    return rc;
}

static int64_t remove_from_physmap(struct conn *c, uint64_t va)
{
    struct xen_remove_from_physmap r;
    struct domain *d;
    int rc;

    rc = copy_from_client(c, &r, va, sizeof(r));
    if ( rc )
        return rc;
    d = find(c, r.domid);
    if ( !d )
        return -ESRCH;
    rc = d->hvm ? p2m_remove(d, r.gpfn) : -EINVAL;
    domain_put(d);
    return rc;
}

/* ---- absent pages ------------------------------------------------------- */

static int64_t paging(struct conn *c, uint64_t va)
{
    const void *buffer = NULL;
    xen_mem_paging_op_t mpo;
    struct pt_batch *b;
    struct domain *d;
    int rc;

    rc = copy_from_client(c, &mpo, va, sizeof(mpo));
    if ( !rc && mpo.op > XENMEM_paging_op_prep )
        rc = -ENOSYS;
    if ( !rc )
        rc = fault_check(c->host, c, "paging_op", paging_op_name(mpo.op));
    if ( rc )
        return rc;
    b = batch_of(c);
    if ( !b )
        return -ENOMEM;
    /* The domain of the batch has a reference already. */
    d = b->d && b->d->domid == mpo.domain ? domain_get(b->d)
                                          : domain_find(c->host, mpo.domain);
    if ( !d || atomic_load(&d->dying) )
        rc = -ESRCH;
    else if ( !d->hvm )
        rc = -EPERM;
    if ( !rc && mpo.op == XENMEM_paging_op_prep && mpo.buffer.p )
    {
        buffer = client_ptr(c, (uintptr_t)mpo.buffer.p, PAGE_SIZE);
        if ( !buffer )
            rc = -EINVAL;
    }
    if ( !rc )
        rc = paging_op(b, d, mpo.op, mpo.gfn, buffer);
    domain_put(d);
    return rc;
}

int64_t do_memory_op(struct conn *c, uint64_t sub, uint64_t va)
{
    switch ( sub )
    {
    case XENMEM_populate_physmap:
    case XENMEM_decrease_reservation:
        return reservation(c, sub, va);

    case XENMEM_claim_pages:
        return claim(c, va);

    case XENMEM_maximum_gpfn:
    case XENMEM_current_reservation:
    case XENMEM_maximum_reservation:
        return ask(c, sub, va);

    case XENMEM_maximum_ram_page:
        return (int64_t)c->host->machine.nr_frames - 1;

    case XENMEM_get_sharing_freed_pages:
    case XENMEM_get_sharing_shared_pages:
        return 0;

    case XENMEM_set_pod_target:
    case XENMEM_get_pod_target:
        return pod_target(c, va);

    case XENMEM_set_memory_map:
        return set_map(c, va);

    case XENMEM_add_to_physmap:
        return add_to_physmap(c, va);

    case XENMEM_remove_from_physmap:
        return remove_from_physmap(c, va);

    case XENMEM_paging_op:
        return paging(c, va);

    case XENMEM_access_op:
        return do_access_op(c, va);

    case XENMEM_get_vnumainfo:
        /* No vNUMA: as Xen says of a domain without. */
        return -EOPNOTSUPP;
    }
    return unmodelled(c, "memory_op", sub);
}
