/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Grant table entries.  The hypervisor marks an entry while it is mapped, so
 * entries change hands by compare-and-exchange.
 */
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <xen/xen.h>
#include <xen/grant_table.h>

#include "grants.h"

static struct grant_entry_v1 *entry_get(struct guest_env *env, uint32_t ref)
{
    unsigned int nr = 0;
    struct grant_entry_v1 *table = env->hv->grant_table(env, &nr);

    return table && ref < nr ? table + ref : NULL;
}

int grant_revoke(struct guest_env *env, uint32_t ref)
{
    struct grant_entry_v1 *e = entry_get(env, ref);
    uint16_t flags;

    if ( !e )
        return -ENOSPC;
    flags = __atomic_load_n(&e->flags, __ATOMIC_ACQUIRE);
    do
        if ( flags & (GTF_reading | GTF_writing) )
            return -EBUSY;
    while ( !__atomic_compare_exchange_n(&e->flags, &flags, GTF_invalid,
                                         false, __ATOMIC_ACQ_REL,
                                         __ATOMIC_ACQUIRE) );
    return 0;
}

int grant_give(struct guest_env *env, uint32_t ref, uint16_t domid,
               uint64_t gfn)
{
    struct grant_entry_v1 *e = entry_get(env, ref);
    int rc = grant_revoke(env, ref);

    if ( rc )
        return rc;
    e->domid = domid;
    e->frame = gfn;
    __atomic_store_n(&e->flags, GTF_permit_access, __ATOMIC_RELEASE);
    return 0;
}
