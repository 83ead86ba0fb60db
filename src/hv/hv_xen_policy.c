/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * CPU policies: the CPUID leaves and MSRs that a guest may rely on.
 */
#include "hv_xen.h"

#include <xen/sysctl.h>

#define LEAF_1_C_VMX   (1u << 5)
#define LEAF_8_1_C_SVM (1u << 2)

static_assert(sizeof(xen_cpuid_leaf_t) == 24, "leaves stand in streams");
static_assert(sizeof(xen_msr_entry_t) == 16, "MSRs stand in streams");

void hv_policy_done(struct hv_policy *p)
{
    free(p->leaves);
    free(p->msrs);
    memset(p, 0, sizeof(*p));
}

/* A policy as arrays of the right size. */
static int serialise(struct hv *hv, const xc_cpu_policy_t *policy,
                     struct hv_policy *ret)
{
    uint32_t nr_leaves, nr_msrs;
    struct hv_policy p = { 0 };
    int r, rc;

    rc = HV_CALL(hv, r, xc_cpu_policy_get_size(hv->xch, &nr_leaves,
                                               &nr_msrs));
    if ( rc )
        return rc;
    p.leaves = calloc(nr_leaves + 1, sizeof(xen_cpuid_leaf_t));
    p.msrs = calloc(nr_msrs + 1, sizeof(xen_msr_entry_t));
    if ( !p.leaves || !p.msrs )
    {
        rc = -ENOMEM;
        goto out;
    }
    p.nr_leaves = nr_leaves;
    p.nr_msrs = nr_msrs;
    rc = HV_CALL(hv, r, xc_cpu_policy_serialise(hv->xch, policy, p.leaves,
                                                &p.nr_leaves, p.msrs,
                                                &p.nr_msrs));
    if ( rc )
        goto out;
    *ret = p;
    memset(&p, 0, sizeof(p));

 out:
    hv_policy_done(&p);

    return rc;
}

int hv_policy_get(struct hv *hv, struct err *e, uint32_t domid,
                  struct hv_policy *ret)
{
    xc_cpu_policy_t *policy = xc_cpu_policy_init();
    int r, rc;

    if ( !policy )
        return err_set(e, -ENOMEM, "domain %u: CPU policy: out of memory",
                       domid);
    rc = HV_CALL(hv, r, xc_cpu_policy_get_domain(hv->xch, domid, policy));
    if ( !rc )
        rc = serialise(hv, policy, ret);
    xc_cpu_policy_destroy(policy);

    return hv_done(e, rc, domid, "CPU policy");
}

bool hv_policy_nests(const struct hv_policy *p)
{
    const xen_cpuid_leaf_t *leaf = p->leaves;
    uint32_t i;

    for ( i = 0; i < p->nr_leaves; i++ )
        if ( (leaf[i].leaf == 1 && leaf[i].c & LEAF_1_C_VMX) ||
             (leaf[i].leaf == 0x80000001 && leaf[i].c & LEAF_8_1_C_SVM) )
            return true;

    return false;
}

int hv_policy_check(struct hv *hv, struct err *e, const void *leaves,
                    uint32_t nr_leaves, const void *msrs, uint32_t nr_msrs)
{
    xc_cpu_policy_t *host = xc_cpu_policy_init();
    xc_cpu_policy_t *guest = xc_cpu_policy_init();
    bool fits = false;
    int r, rc;

    if ( !host || !guest )
    {
        rc = err_set(e, -ENOMEM, "CPU policy: out of memory");
        goto out;
    }
    rc = HV_CALL(hv, r, xc_cpu_policy_get_system(hv->xch,
                                                 XEN_SYSCTL_cpu_policy_hvm_max,
                                                 host));
    if ( rc )
    {
        err_set(e, rc, "CPU policy of this host: %s", err_text(rc));
        goto out;
    }
    rc = HV_CALL(hv, r, xc_cpu_policy_update_cpuid(hv->xch, guest, leaves,
                                                   nr_leaves));
    if ( !rc && nr_msrs )
        rc = HV_CALL(hv, r, xc_cpu_policy_update_msrs(hv->xch, guest, msrs,
                                                      nr_msrs));
    if ( rc )
    {
        rc = err_set(e, -EOPNOTSUPP, "CPU policy of the guest: %u leaves and "
                     "%u MSRs make no policy that this host understands",
                     nr_leaves, nr_msrs);
        goto out;
    }
    pthread_mutex_lock(&hv->xc_lock);
    fits = xc_cpu_policy_is_compatible(hv->xch, host, guest);
    pthread_mutex_unlock(&hv->xc_lock);
    if ( !fits )
        rc = err_set(e, -EOPNOTSUPP, "CPU policy of the guest needs features "
                     "that this host does not have");

 out:
    if ( host )
        xc_cpu_policy_destroy(host);
    if ( guest )
        xc_cpu_policy_destroy(guest);

    return rc;
}

int hv_policy_set(struct hv *hv, struct err *e, uint32_t domid,
                  const void *leaves, uint32_t nr_leaves, const void *msrs,
                  uint32_t nr_msrs)
{
    uint32_t leaf = -1u, subleaf = -1u, msr = -1u;
    int r, rc;

    rc = HV_CALL(hv, r, xc_set_domain_cpu_policy(
                     hv->xch, domid, nr_leaves, (xen_cpuid_leaf_t *)leaves,
                     nr_msrs, (xen_msr_entry_t *)msrs, &leaf, &subleaf,
                     &msr));
    if ( !rc )
        return 0;
    if ( leaf != -1u )
        return err_set(e, rc, "domain %u: set the CPU policy: leaf %#x "
                       "subleaf %#x: %s", domid, leaf, subleaf,
                       err_text(rc));
    if ( msr != -1u )
        return err_set(e, rc, "domain %u: set the CPU policy: MSR %#x: %s",
                       domid, msr, err_text(rc));

    return err_set(e, rc, "domain %u: set the CPU policy: %s", domid,
                   err_text(rc));
}
