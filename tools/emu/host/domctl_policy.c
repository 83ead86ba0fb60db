/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * CPU policy of a domain: get and set.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "domctl.h"

int domctl_get_policy(struct conn *c, struct domain *d,
                      struct xen_domctl_cpu_policy *p)
{
    struct policy *pol = malloc(sizeof(*pol));
    int rc = 0;

    if ( !pol )
        return -ENOMEM;
    pthread_mutex_lock(&d->ctl->lock);
    *pol = d->ctl->policy;
    pthread_mutex_unlock(&d->ctl->lock);

    if ( !p->leaves.p )
        p->nr_leaves = POLICY_MAX_LEAVES;
    else if ( p->nr_leaves < pol->nr_leaves )
        rc = -ENOBUFS;
    else
    {
        p->nr_leaves = pol->nr_leaves;
        rc = copy_to_client(c, (uintptr_t)p->leaves.p, pol->leaf,
                            pol->nr_leaves * sizeof(*pol->leaf));
    }
    if ( rc )
        goto out;
    if ( !p->msrs.p )
        p->nr_msrs = POLICY_MAX_MSRS;
    else if ( p->nr_msrs < pol->nr_msrs )
        rc = -ENOBUFS;
    else
    {
        p->nr_msrs = pol->nr_msrs;
        rc = copy_to_client(c, (uintptr_t)p->msrs.p, pol->msr,
                            pol->nr_msrs * sizeof(*pol->msr));
    }

 out:
    free(pol);
    return rc;
}

int domctl_set_policy(struct conn *c, struct domain *d,
                      struct xen_domctl_cpu_policy *p)
{
    xen_cpuid_leaf_t *leaf = NULL;
    xen_msr_entry_t msr[POLICY_MAX_MSRS];
    int rc;

    p->err_leaf = p->err_subleaf = p->err_msr = ~0u;
    if ( p->nr_leaves > POLICY_MAX_LEAVES || p->nr_msrs > POLICY_MAX_MSRS )
        return -E2BIG;
    leaf = malloc(POLICY_MAX_LEAVES * sizeof(*leaf));
    if ( !leaf )
        return -ENOMEM;
    rc = p->nr_leaves ?
         copy_from_client(c, leaf, (uintptr_t)p->leaves.p,
                          p->nr_leaves * sizeof(*leaf)) : 0;
    if ( !rc && p->nr_msrs )
        rc = copy_from_client(c, msr, (uintptr_t)p->msrs.p,
                              p->nr_msrs * sizeof(*msr));
    if ( !rc )
    {
        pthread_mutex_lock(&d->ctl->lock);
        rc = policy_merge(&d->ctl->policy, leaf, p->nr_leaves, msr,
                          p->nr_msrs, &p->err_leaf, &p->err_subleaf,
                          &p->err_msr);
        pthread_mutex_unlock(&d->ctl->lock);
    }
    free(leaf);
    return rc;
}
