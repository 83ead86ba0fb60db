/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The scheduler's cap on a domain's CPU time.  Two of Xen's schedulers have
 * one; the domain's own tells by refusing the other's parameters.
 */
#include "hv_xen.h"

static int credit2(struct hv *hv, uint32_t domid, const unsigned int *set,
                   unsigned int *ret)
{
    struct xen_domctl_sched_credit2 p;
    int r, rc;

    rc = HV_CALL(hv, r, xc_sched_credit2_domain_get(hv->xch, domid, &p));
    if ( rc || !set )
    {
        if ( !rc )
            *ret = p.cap;
        return rc;
    }
    p.cap = (uint16_t)*set;

    return HV_CALL(hv, r, xc_sched_credit2_domain_set(hv->xch, domid, &p));
}

static int credit(struct hv *hv, uint32_t domid, const unsigned int *set,
                  unsigned int *ret)
{
    struct xen_domctl_sched_credit p;
    int r, rc;

    rc = HV_CALL(hv, r, xc_sched_credit_domain_get(hv->xch, domid, &p));
    if ( rc || !set )
    {
        if ( !rc )
            *ret = p.cap;
        return rc;
    }
    p.cap = (uint16_t)*set;

    return HV_CALL(hv, r, xc_sched_credit_domain_set(hv->xch, domid, &p));
}

static int cap(struct hv *hv, struct err *e, uint32_t domid,
               const unsigned int *set, unsigned int *ret, const char *what)
{
    int rc = credit2(hv, domid, set, ret);

    if ( rc == -EINVAL )
        rc = credit(hv, domid, set, ret);
    if ( rc == -EINVAL )
        return err_set(e, -EOPNOTSUPP, "domain %u: its scheduler has no cap "
                       "on CPU time (credit and credit2 do)", domid);

    return hv_done(e, rc, domid, what);
}

int hv_cpu_cap_get(struct hv *hv, struct err *e, uint32_t domid,
                   unsigned int *ret_percent)
{
    return cap(hv, e, domid, NULL, ret_percent, "get the cap on CPU time");
}

int hv_cpu_cap_set(struct hv *hv, struct err *e, uint32_t domid,
                   unsigned int percent)
{
    return cap(hv, e, domid, &percent, NULL, "set the cap on CPU time");
}
