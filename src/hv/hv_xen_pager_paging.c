/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Xen's mem_paging as a source of faults: can it be had, on and off.
 */
#include "hv_xen.h"
#include "hv_xen_pager.h"

#define NOT_BUILT                                                       \
    "the hypervisor is built without mem_paging (for domains without "  \
    "devices there is fault-source access)"

/* An operation on no domain's pages: says whether there are any at all. */
static int probe_hypervisor(struct hv *hv, struct err *e, uint32_t domid)
{
    uint32_t who = domid == HV_NO_DOMAIN ? DOMID_INVALID : domid;
    int r, rc;

    rc = HV_CALL(hv, r, xc_mem_paging_evict(hv->xch, who, ~0ull >> 12));
    switch ( rc )
    {
    case -ENOSYS:
    case -EOPNOTSUPP:
        return pager_refuse(e, domid, NOT_BUILT);

    case -EPERM:
    case -EACCES:
        return err_set(e, rc, "domain %u: absent pages: no permission", who);

    /* It has a ring, and there is no such page. */
    case -EBUSY:
        return pager_refuse(e, domid, "it has a pager already");

    default:
        return 0;
    }
}

static int probe(struct hv *hv, struct err *e, uint32_t domid)
{
    struct hv_domain d;
    struct hv_host host;
    int rc;

    rc = hv_domain_info(hv, e, 0, &d);
    if ( !rc )
        rc = hv_host_info(hv, e, &host);
    if ( rc )
        return rc;
    if ( d.hvm )
        return pager_refuse(e, domid, "dom0 is HVM or PVH");
    if ( !host.hap )
        return pager_refuse(e, domid, "no hardware assisted paging (HAP)");
    if ( domid != HV_NO_DOMAIN )
    {
        rc = hv_domain_info(hv, e, domid, &d);
        if ( rc )
            return rc;
        if ( !d.hvm || !d.hap )
            return pager_refuse(e, domid, "the domain does not use hardware "
                                "assisted paging (HAP)");
        rc = pager_refuse_pod(hv, e, domid);
        if ( rc )
            return rc;
    }

    return probe_hypervisor(hv, e, domid);
}

static int enable(struct hv *hv, struct err *e, uint32_t domid,
                  uint32_t *ret_port)
{
    int r, rc;

    rc = HV_CALL(hv, r, xc_mem_paging_enable(hv->xch, domid, ret_port));
    switch ( rc )
    {
    case 0:
        return 0;

    case -ENOSYS:
        return pager_refuse(e, domid, NOT_BUILT);

    case -EOPNOTSUPP:
        return pager_refuse(e, domid, "dom0 is HVM or PVH");

    case -ENODEV:
        return pager_refuse(e, domid, "the domain does not use hardware "
                            "assisted paging (HAP)");

    case -EMLINK:
        return pager_refuse(e, domid, "it has an IOMMU");

    case -EXDEV:
        return pager_refuse(e, domid, "it is populated on demand (PoD)");

    case -EBUSY:
        return err_set(e, rc, "domain %u: absent pages: it has a pager "
                       "already", domid);
    }

    return hv_done(e, rc, domid, "switch absent pages on");
}

static int disable(struct hv *hv, uint32_t domid)
{
    int r;

    return HV_CALL(hv, r, xc_mem_paging_disable(hv->xch, domid));
}

static uint64_t left(const struct hv_pager *p, const struct hv_domain *d)
{
    (void)p;

    return d->paged_pages;
}

const struct pager_kind pager_paging = {
    .reason = VM_EVENT_REASON_MEM_PAGING,
    .ring_param = HVM_PARAM_PAGING_RING_PFN,
    .default_gfn = 0xfeff8u,
    .placer = &placer_paging,
    .probe = probe,
    .enable = enable,
    .disable = disable,
    .left = left,
};
