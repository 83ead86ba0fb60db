/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * XENMEM_access_op: its refusals, in Xen's order, and its lists.
 */
#include <errno.h>
#include <stddef.h>
#include <xenctrl.h>
#include <xen/memory.h>

#include "access.h"
#include "batch.h"
#include "domctl.h"
#include "hypercall.h"
#include "p2m_entry.h"
#include "vm_event.h"

#define CHUNK 512u
#define ALL_NEW (~0ull)          /* the pfn that stands for the default */
/* What page tables of four levels can't hold is refused. */
#define MAX_GFN (1ull << 36)

static int parse(struct conn *c, struct domain *d, unsigned int access,
                 bool *ret_deny)
{
    switch ( access )
    {
    case XENMEM_access_n:
        *ret_deny = true;
        return 0;

    case XENMEM_access_rwx:
        *ret_deny = false;
        return 0;

    case XENMEM_access_default:
        *ret_deny = atomic_load(&d->access.deny_new);
        return 0;
    }
    if ( access > XENMEM_access_default )
        return -EINVAL;
    log_line("pid %d: of access kinds the emulated host does n and rwx, not "
             "%u", c->pid, access);
    return -EOPNOTSUPP;
}

/* p2m_lock held, by the batch. */
static bool beyond(struct domain *d, uint64_t gfn)
{
    return gfn > (d->p2m.nr_gfns ? d->p2m.nr_gfns - 1 : 0);
}

static int set(struct conn *c, struct pt_batch *b, struct domain *d,
               const xen_mem_access_op_t *mao)
{
    uint64_t last = mao->pfn + mao->nr - 1;
    bool deny;
    int rc;

    if ( mao->pfn != ALL_NEW )
    {
        if ( b->d != d )
            batch_begin(b, d, false);
        if ( last < mao->pfn || beyond(d, last) )
            return -EINVAL;
    }
    rc = parse(c, d, mao->access, &deny);
    if ( rc )
        return rc;
    return mao->pfn == ALL_NEW ? access_set_default(b, d, deny) :
                                 access_set(b, d, mao->pfn, mao->nr, deny);
}

/* One after the other, up to the first that fails. */
static int set_multi(struct conn *c, struct pt_batch *b, struct domain *d,
                     const xen_mem_access_op_t *mao)
{
    uint64_t gfns[CHUNK], done;
    uint8_t access[CHUNK];
    unsigned int i, n;
    bool deny;
    int rc = 0;

    for ( done = 0; done < mao->nr; done += n )
    {
        n = mao->nr - done < CHUNK ? (unsigned int)(mao->nr - done) : CHUNK;
        rc = copy_from_client(c, gfns, (uintptr_t)mao->pfn_list.p +
                              done * sizeof(*gfns), n * sizeof(*gfns));
        if ( !rc )
            rc = copy_from_client(c, access, (uintptr_t)mao->access_list.p +
                                  done, n);
        for ( i = 0; !rc && i < n; i++ )
        {
            rc = parse(c, d, access[i], &deny);
            if ( !rc && gfns[i] >= MAX_GFN )
                rc = -EINVAL;
            if ( !rc )
                rc = access_set(b, d, gfns[i], 1, deny);
        }
        if ( rc )
            break;
    }
    return rc;
}

static int get(struct conn *c, struct pt_batch *b, struct domain *d,
               const xen_mem_access_op_t *mao, uint64_t at)
{
    uint8_t access = XENMEM_access_rwx;
    uint32_t e;

    if ( mao->pfn == ALL_NEW )
    {
        if ( atomic_load(&d->access.deny_new) )
            access = XENMEM_access_n;
    }
    else
    {
        if ( b->d != d )
            batch_begin(b, d, false);
        if ( beyond(d, mao->pfn) )
            return -EINVAL;
        e = mao->pfn < d->p2m.max_gfns ? entry_get(d, mao->pfn) : 0;
        if ( !entry_has_frame(e) )
            return -ESRCH;
        if ( e & P2M_DENIED )
            access = XENMEM_access_n;
    }
    return copy_to_client(c, at + offsetof(xen_mem_access_op_t, access),
                          &access, sizeof(access));
}

static int one(struct conn *c, struct domain *d,
               const xen_mem_access_op_t *mao, uint64_t at)
{
    struct pt_batch *b;

    if ( atomic_load(&d->dying) )
        return -EINVAL;
    if ( !d->hvm )
        return -EPERM;
    if ( c->host->no_vmx || !d->ctl->hap )
        return -EINVAL;
    if ( !ring_there(d->rings[RING_MONITOR]) )
        return -ENODEV;
    b = batch_of(c);
    if ( !b )
        return -ENOMEM;
    switch ( mao->op )
    {
    case XENMEM_access_op_set_access:
        return set(c, b, d, mao);

    case XENMEM_access_op_set_access_multi:
        return set_multi(c, b, d, mao);

    case XENMEM_access_op_get_access:
        return get(c, b, d, mao, at);
    }
    return -ENOSYS;
}

int64_t do_access_op(struct conn *c, uint64_t at)
{
    xen_mem_access_op_t mao;
    struct domain *d;
    int rc;

    rc = copy_from_client(c, &mao, at, sizeof(mao));
    if ( !rc )
        rc = fault_check(c->host, c, "access_op", access_op_name(mao.op));
    if ( rc )
        return rc;
    /* The domain of the batch has a reference already. */
    d = c->batch && c->batch->d && c->batch->d->domid == mao.domid ?
        domain_get(c->batch->d) : domain_find(c->host, mao.domid);
    if ( !d )
        return -ESRCH;
    rc = one(c, d, &mao, at);
    domain_put(d);
    return rc;
}
