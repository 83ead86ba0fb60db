/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Scheduling parameters and affinities: kept and given back; the cap is
 * heeded (sched.c).  vCPUs are threads, which the kernel of this machine
 * schedules as it likes.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "domctl.h"

#define MAX_BITMAP 1024u

int domctl_scheduler(struct domain *d, struct xen_domctl_scheduler_op *op)
{
    int rc = 0;

    if ( op->sched_id != XEN_SCHEDULER_CREDIT2 )
        return -EINVAL;
    pthread_mutex_lock(&d->ctl->lock);
    switch ( op->cmd )
    {
    case XEN_DOMCTL_SCHEDOP_getinfo:
        op->u.credit2.weight = d->ctl->weight;
        op->u.credit2.cap = d->ctl->cap;
        break;

    case XEN_DOMCTL_SCHEDOP_putinfo:
        if ( op->u.credit2.weight )
            d->ctl->weight = op->u.credit2.weight;
        if ( op->u.credit2.cap != 0xffff )
        {
            d->ctl->cap = op->u.credit2.cap;
            domain_cap(d, op->u.credit2.cap);
        }
        break;

    default:
        rc = -EINVAL;
    }
    pthread_mutex_unlock(&d->ctl->lock);
    return rc;
}

int bitmap_to_client(struct conn *c, const struct xenctl_bitmap *b,
                     uint64_t mask)
{
    uint8_t bytes[MAX_BITMAP / 8] = { 0 };
    uint32_t nr = b->nr_bits < MAX_BITMAP ? b->nr_bits : MAX_BITMAP;

    if ( !b->bitmap.p || !nr )
        return 0;
    if ( nr < 64 )
        mask &= (1ull << nr) - 1;
    memcpy(bytes, &mask, sizeof(mask));
    return copy_to_client(c, (uintptr_t)b->bitmap.p, bytes, (nr + 7) / 8);
}

static int bitmap_from_client(struct conn *c, const struct xenctl_bitmap *b,
                              uint64_t *ret_mask)
{
    uint32_t nr = b->nr_bits < 64 ? b->nr_bits : 64;
    uint64_t mask = 0;
    int rc;

    if ( !nr )
        return -EINVAL;
    rc = copy_from_client(c, &mask, (uintptr_t)b->bitmap.p, (nr + 7) / 8);
    if ( rc )
        return rc;
    if ( nr < 64 )
        mask &= (1ull << nr) - 1;
    *ret_mask = mask;
    return 0;
}

static uint64_t all_cpus(const struct domain *d)
{
    return d->host->nr_cpus >= 64 ? ~0ull : (1ull << d->host->nr_cpus) - 1;
}

/* One kind of affinity; b is read (set) and written. */
static int affinity(struct conn *c, struct domain *d, uint64_t *mine,
                    const struct xenctl_bitmap *b, bool hard, bool set)
{
    uint64_t mask = 0, shown;
    int rc = 0;

    if ( set )
    {
        rc = bitmap_from_client(c, b, &mask);
        if ( !rc && hard && !(mask & all_cpus(d)) )
            rc = -EINVAL;
    }
    if ( rc )
        return rc;
    pthread_mutex_lock(&d->ctl->lock);
    if ( set )
        *mine = mask;
    shown = set ? *mine & all_cpus(d) : *mine;
    pthread_mutex_unlock(&d->ctl->lock);
    return bitmap_to_client(c, b, shown);
}

int domctl_vcpu_affinity(struct conn *c, struct domain *d,
                         struct xen_domctl_vcpuaffinity *a, bool set)
{
    unsigned int nr;
    int rc = 0;

    pthread_mutex_lock(&d->sched_lock);
    nr = d->nr_vcpus;
    pthread_mutex_unlock(&d->sched_lock);
    if ( a->vcpu >= nr )
        return -ESRCH;
    if ( !(a->flags & (XEN_VCPUAFFINITY_HARD | XEN_VCPUAFFINITY_SOFT)) )
        return -EINVAL;
    if ( a->flags & XEN_VCPUAFFINITY_HARD )
        rc = affinity(c, d, &d->ctl->hard[a->vcpu], &a->cpumap_hard, true,
                      set);
    if ( !rc && (a->flags & XEN_VCPUAFFINITY_SOFT) )
        rc = affinity(c, d, &d->ctl->soft[a->vcpu], &a->cpumap_soft, false,
                      set);
    return rc;
}

int domctl_node_affinity(struct conn *c, struct domain *d,
                         struct xen_domctl_nodeaffinity *a, bool set)
{
    uint64_t mask = 0;
    int rc;

    if ( set )
    {
        rc = bitmap_from_client(c, &a->nodemap, &mask);
        if ( rc )
            return rc;
        if ( !(mask & 1) )
            return -EINVAL;
    }
    pthread_mutex_lock(&d->ctl->lock);
    if ( set )
        d->ctl->nodes = 1;
    mask = d->ctl->nodes;
    pthread_mutex_unlock(&d->ctl->lock);
    return set ? 0 : bitmap_to_client(c, &a->nodemap, mask);
}
