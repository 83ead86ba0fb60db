/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Page types and log-dirty, as the toolstack asks for them.
 */
#include <errno.h>
#include <string.h>

#include "access.h"
#include "dirty.h"
#include "domctl.h"
#include "hypercall.h"

#define MAX_PAGE_INFO 1024u

int domctl_page_info(struct conn *c, struct domain *d,
                     struct xen_domctl_getpageframeinfo3 *p)
{
    uint64_t *array, i;
    unsigned int left = p->num / 2;

    if ( p->num > MAX_PAGE_INFO )
        return -E2BIG;
    if ( !d->hvm )
        return -EINVAL;
    array = client_ptr(c, (uintptr_t)p->array.p, p->num * sizeof(*array));
    if ( !array )
        return -EFAULT;
    for ( i = 0; i < p->num; i++ )
    {
        uint64_t gfn;
        uint32_t e = 0;

        memcpy(&gfn, &array[i], sizeof(gfn));
        if ( gfn < d->p2m.max_gfns )
            e = atomic_load_explicit(&d->p2m.entry[gfn],
                                     memory_order_acquire);
        gfn = e && !(e & (P2M_FOREIGN | P2M_ABSENT)) ?
              XEN_DOMCTL_PFINFO_NOTAB : XEN_DOMCTL_PFINFO_XTAB;
        memcpy(&array[i], &gfn, sizeof(gfn));
    }
    /* A call that Xen has interrupted and gone on with: count and handle
     * stand where it went on. */
    p->array.p += p->num - left;
    p->num = left;
    return 0;
}

static int collect(struct conn *c, struct domain *d,
                   struct xen_domctl_shadow_op *op)
{
    uint8_t *bitmap = NULL;
    uint32_t faults = 0, dirty = 0;
    int rc;

    if ( op->mode & ~XEN_DOMCTL_SHADOW_LOGDIRTY_FINAL )
        return -EINVAL;
    if ( op->pages > d->p2m.max_gfns * 8 )
        return -EINVAL;
    if ( op->dirty_bitmap.p && op->pages )
    {
        bitmap = client_ptr(c, (uintptr_t)op->dirty_bitmap.p,
                            (op->pages + 7) / 8);
        if ( !bitmap )
            return -EFAULT;
    }
    /* FINAL adds what the host itself has mapped writably: no such gfns
     * here, grant maps are logged when they end. */
    domain_pause(d);
    rc = dirty_collect(d, bitmap, op->pages,
                       op->op == XEN_DOMCTL_SHADOW_OP_CLEAN, &faults, &dirty);
    domain_unpause(d);
    if ( rc )
        return rc;
    /* Xen counts them for shadow page tables only. */
    op->stats.fault_count = d->ctl->hap ? 0 : faults;
    op->stats.dirty_count = dirty;
    return 0;
}

static int log_dirty(struct domain *d)
{
    access_make_way(d);
    return dirty_enable(d);
}

int domctl_shadow(struct conn *c, struct domain *d,
                  struct xen_domctl_shadow_op *op)
{
    if ( !d->nr_vcpus )
        return -EINVAL;

    switch ( op->op )
    {
    case XEN_DOMCTL_SHADOW_OP_ENABLE:
        if ( !(op->mode & XEN_DOMCTL_SHADOW_ENABLE_LOG_DIRTY) )
            return -EINVAL;
        return log_dirty(d);

    case XEN_DOMCTL_SHADOW_OP_ENABLE_LOGDIRTY:
        return log_dirty(d);

    case XEN_DOMCTL_SHADOW_OP_OFF:
        return dirty_disable(d);

    case XEN_DOMCTL_SHADOW_OP_CLEAN:
    case XEN_DOMCTL_SHADOW_OP_PEEK:
        return collect(c, d, op);

    case XEN_DOMCTL_SHADOW_OP_GET_ALLOCATION:
        pthread_mutex_lock(&d->ctl->lock);
        op->mb = (uint32_t)((d->ctl->mempool_bytes + (1u << 20) - 1) >> 20);
        pthread_mutex_unlock(&d->ctl->lock);
        return 0;

    case XEN_DOMCTL_SHADOW_OP_SET_ALLOCATION:
        pthread_mutex_lock(&d->ctl->lock);
        d->ctl->mempool_bytes = (uint64_t)op->mb << 20;
        pthread_mutex_unlock(&d->ctl->lock);
        return 0;
    }
    return (int)unmodelled(c, "shadow_op", op->op);
}
