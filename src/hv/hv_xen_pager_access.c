/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Xen's mem_access as a source of faults: can it be had, on and off; and how
 * much a domain lacks, whoever made it so.
 *
 * libxenctrl's xc_monitor_enable() takes the ring's page out of the guest at
 * once, when nobody else could map it any more (hv_pager_hold()): so the ring
 * is switched on by its own hypercall.
 */
#include "hv_xen.h"
#include "hv_xen_frames.h"
#include "hv_xen_pager.h"
#include "hv_xen_placer.h"

#include <xen/domctl.h>

/* What the hypervisor says of a domain without a ring; never 0. */
static int ask(struct hv *hv, uint32_t domid)
{
    xenmem_access_t access;
    int r, rc;

    rc = HV_CALL(hv, r, xc_get_mem_access(hv->xch, domid, 0, &access));

    return rc == -ESRCH || !rc ? -EBUSY : rc;
}

static int probe(struct hv *hv, struct err *e, uint32_t domid)
{
    struct hv_domain d;
    int rc;

    rc = ask(hv, domid == HV_NO_DOMAIN ? DOMID_INVALID : domid);
    if ( rc == -ENOSYS || rc == -EOPNOTSUPP )
        return pager_refuse(e, domid,
                            "the hypervisor is built without mem_access");
    if ( domid == HV_NO_DOMAIN )
        return 0;
    rc = hv_domain_info(hv, e, domid, &d);
    if ( rc )
        return rc;
    if ( !d.hvm || !d.hap )
        return pager_refuse(e, domid, "the domain does not use hardware "
                            "assisted paging (HAP)");
    rc = pager_refuse_pod(hv, e, domid);
    if ( rc )
        return rc;
    switch ( ask(hv, domid) )
    {
    case -ENODEV:
        return 0;

    case -EINVAL:
        return pager_refuse(e, domid, "mem_access needs a processor with "
                            "VMX (Intel's)");

    case -EBUSY:
        return pager_refuse(e, domid, "somebody monitors it already");

    default:
        return err_set(e, rc, "domain %u: absent pages: no permission",
                       domid);
    }
}

static int ring_on(struct hv *hv, uint32_t domid, uint32_t *ret_port)
{
    struct xen_domctl *op;
    int rc = -ENOMEM;

    pthread_mutex_lock(&hv->call_lock);
    op = xencall_alloc_buffer(hv->call, sizeof(*op));
    if ( op )
    {
        memset(op, 0, sizeof(*op));
        op->cmd = XEN_DOMCTL_vm_event_op;
        op->interface_version = XEN_DOMCTL_INTERFACE_VERSION;
        op->domain = (domid_t)domid;
        op->u.vm_event_op.op = XEN_VM_EVENT_ENABLE;
        op->u.vm_event_op.mode = XEN_DOMCTL_VM_EVENT_OP_MONITOR;
        errno = 0;
        rc = xencall1(hv->call, __HYPERVISOR_domctl,
                      (uint64_t)(uintptr_t)op) < 0 ? hv_rc() : 0;
        *ret_port = op->u.vm_event_op.u.enable.port;
        xencall_free_buffer(hv->call, op);
    }
    pthread_mutex_unlock(&hv->call_lock);

    return rc;
}

static int disable(struct hv *hv, uint32_t domid)
{
    int r, rc;

    rc = HV_CALL(hv, r, xc_monitor_disable(hv->xch, domid));
    if ( !rc )
        (void)HV_CALL(hv, r, xc_domain_set_access_required(hv->xch, domid,
                                                           0));

    return rc;
}

/* Without a ring a vCPU is to crash, and not to be given whatever is there. */
static int enable(struct hv *hv, struct err *e, uint32_t domid,
                  uint32_t *ret_port)
{
    int r, rc;

    rc = ring_on(hv, domid, ret_port);
    if ( rc == -EBUSY )
        return err_set(e, rc, "domain %u: absent pages: somebody monitors it "
                       "already", domid);
    if ( rc )
        return hv_done(e, rc, domid, "switch absent pages on");
    rc = HV_CALL(hv, r, xc_domain_set_access_required(hv->xch, domid, 1));
    if ( rc )
        disable(hv, domid);

    return hv_done(e, rc, domid, "have it stopped at absent pages");
}

/* What has become a hole meanwhile is not waited for by anybody. */
static uint64_t left(const struct hv_pager *p, const struct hv_domain *d)
{
    struct claimset *cs = &p->frames->absent;
    uint64_t gfn, end = p->frames->nr_gfns;
    xenmem_access_t access;
    int r, rc;

    (void)d;
    for ( gfn = claimset_next(cs, 0, end); gfn < end;
          gfn = claimset_next(cs, gfn + 1, end) )
    {
        rc = HV_CALL(p->hv, r, xc_get_mem_access(p->hv->xch, p->domid, gfn,
                                                 &access));
        if ( rc == -ESRCH || (!rc && access != XENMEM_access_n) )
            claimset_take(cs, gfn);
    }

    return cs->left;
}

const struct pager_kind pager_access = {
    .reason = VM_EVENT_REASON_MEM_ACCESS,
    .ring_param = HVM_PARAM_MONITOR_RING_PFN,
    .default_gfn = 0xfeff9u,
    .placer = &placer_access,
    .probe = probe,
    .enable = enable,
    .disable = disable,
    .left = left,
};

/* ---- Of any domain ------------------------------------------------------ */

/* Of those that have a frame, as there may be many gfns that have none. */
static int count_denied(struct hv *hv, struct err *e, uint32_t domid,
                        uint64_t *ret_pages)
{
    struct pageset ram = { 0 };
    xenmem_access_t access;
    uint64_t gfn, nr = 0;
    int r, rc;

    *ret_pages = 0;
    rc = hv_nr_gfns(hv, e, domid, &nr);
    if ( !rc )
        rc = hv_done(e, pageset_init(&ram, nr), domid, "count its pages");
    if ( !rc )
        rc = hv_page_types(hv, e, domid, 0, nr, &ram, NULL);
    for ( gfn = pageset_next_set(&ram, 0); !rc && gfn < nr;
          gfn = pageset_next_set(&ram, gfn + 1) )
        if ( !HV_CALL(hv, r, xc_get_mem_access(hv->xch, domid, gfn,
                                               &access)) )
            *ret_pages += access == XENMEM_access_n;
    pageset_done(&ram);

    return rc;
}

int hv_absent_pages(struct hv *hv, struct err *e, uint32_t domid,
                    uint64_t *ret_pages)
{
    struct hv_domain d;
    uint64_t denied = 0;
    int rc;

    rc = hv_domain_info(hv, e, domid, &d);
    if ( !rc && d.hvm && ask(hv, domid) == -EBUSY )
        rc = count_denied(hv, e, domid, &denied);
    if ( !rc )
        *ret_pages = d.paged_pages + denied;

    return rc;
}
