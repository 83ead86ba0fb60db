/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * A domain under Xen's mem_access and its monitor ring, for programs that
 * test the host: calls return 0 or -errno, what merely has to work bails out.
 * All of it is static: include it once, and tap.h before it.
 */
#ifndef XMIG_TESTS_ACCESS_H
#define XMIG_TESTS_ACCESS_H

#include <errno.h>
#include <poll.h>
#include <sys/mman.h>
#include <xencall.h>
#include <xenctrl.h>
#include <xenevtchn.h>
#include <xenforeignmemory.h>
#include <xen/hvm/params.h>
#include <xen/memory.h>
#include <xen/vm_event.h>

#include "clock.h"

#define PATIENCE (30 * US_PER_S)
#define PLACES   16u             /* more than the ring has */

static xc_interface *xch;
static xencall_handle *call;
static xenforeignmemory_handle *fmem;
static xenevtchn_handle *ev;
static uint32_t domid;
static xen_pfn_t max_gfn;
static unsigned int nr_vcpus;

static vm_event_back_ring_t ring;
static void *ring_page;
static int ring_port;            /* our end */

/* ---- claims ------------------------------------------------------------- */

static inline void need(bool good, const char *what)
{
    if ( !good )
        must(err_set(&err, errno ? -errno : -EIO, "%s", what));
}

static inline void is(int64_t got, int64_t wanted, const char *what)
{
    if ( got != wanted )
        err_set(&err, -EPROTO, "got %lld, wanted %lld", (long long)got,
                (long long)wanted);
    claim(got == wanted, "%s", what);
}

/* ---- access ------------------------------------------------------------- */

static inline int set_of(uint32_t dom, unsigned int access, uint64_t gfn,
                         uint32_t nr_gfns)
{
    return xc_set_mem_access(xch, dom, access, gfn, nr_gfns) ? -errno : 0;
}

static inline int set(unsigned int access, uint64_t gfn, uint32_t nr_gfns)
{
    return set_of(domid, access, gfn, nr_gfns);
}

/* The kind, or -errno. */
static inline int get(uint64_t gfn)
{
    xenmem_access_t access;

    return xc_get_mem_access(xch, domid, gfn, &access) ? -errno : (int)access;
}

/* Of gfns below end. */
static inline unsigned int denied_below(uint64_t end)
{
    unsigned int n = 0;
    uint64_t gfn;

    for ( gfn = 0; gfn < end; gfn++ )
        n += get(gfn) == XENMEM_access_n;

    return n;
}

static inline void deny_all(void)
{
    is(set(XENMEM_access_n, 0, (uint32_t)max_gfn + 1), 0, "all is denied");
}

/* ---- the domain --------------------------------------------------------- */

static inline void pause_domain(void)
{
    need(!xc_domain_pause(xch, domid), "pause");
}

static inline void unpause_domain(void)
{
    need(!xc_domain_unpause(xch, domid), "unpause");
}

static inline xc_domaininfo_t info(void)
{
    xc_domaininfo_t i;

    need(xc_domain_getinfolist(xch, domid, 1, &i) == 1 && i.domain == domid,
         "domain info");

    return i;
}

static inline int log_dirty(bool on)
{
    return xc_shadow_control(xch, domid,
                             on ? XEN_DOMCTL_SHADOW_OP_ENABLE_LOGDIRTY :
                                  XEN_DOMCTL_SHADOW_OP_OFF, NULL, 0) < 0 ?
           -errno : 0;
}

/* ---- the ring ----------------------------------------------------------- */

/* xc_monitor_enable() would take the ring's page out of the guest. */
static inline int ring_enable(uint32_t *ret_port)
{
    struct xen_domctl *op = xencall_alloc_buffer(call, sizeof(*op));
    int rc;

    need(op != NULL, "hypercall buffer");
    memset(op, 0, sizeof(*op));
    op->cmd = XEN_DOMCTL_vm_event_op;
    op->interface_version = XEN_DOMCTL_INTERFACE_VERSION;
    op->domain = (domid_t)domid;
    op->u.vm_event_op.op = XEN_VM_EVENT_ENABLE;
    op->u.vm_event_op.mode = XEN_DOMCTL_VM_EVENT_OP_MONITOR;
    rc = xencall1(call, __HYPERVISOR_domctl, (uintptr_t)op) ? -errno : 0;
    if ( !rc )
        *ret_port = op->u.vm_event_op.u.enable.port;
    xencall_free_buffer(call, op);

    return rc;
}

static inline void ring_on(void)
{
    uint32_t port = 0;

    SHARED_RING_INIT((vm_event_sring_t *)ring_page);
    BACK_RING_INIT(&ring, (vm_event_sring_t *)ring_page, XC_PAGE_SIZE);
    is(ring_enable(&port), 0, "the ring is on");
    ring_port = xenevtchn_bind_interdomain(ev, domid, port);
    need(ring_port >= 0, "bind the ring's port");
}

static inline int ring_disable(void)
{
    return xc_monitor_disable(xch, domid) ? -errno : 0;
}

static inline void ring_off(void)
{
    need(!xenevtchn_unbind(ev, (evtchn_port_t)ring_port), "unbind");
    is(ring_disable(), 0, "the ring is off");
}

static inline bool asked(void)
{
    struct pollfd pfd = { .fd = xenevtchn_fd(ev), .events = POLLIN };
    uint64_t deadline = deadline_in(PATIENCE);

    while ( !RING_HAS_UNCONSUMED_REQUESTS(&ring) )
    {
        if ( deadline_passed(deadline) )
            return false;
        if ( poll(&pfd, 1, deadline_poll_ms(deadline)) == 1 )
            xenevtchn_unmask(ev, (evtchn_port_t)xenevtchn_pending(ev));
    }

    return true;
}

/* Those that are there. */
static inline unsigned int take(vm_event_request_t rqs[PLACES])
{
    unsigned int n = 0;

    while ( n < PLACES && RING_HAS_UNCONSUMED_REQUESTS(&ring) )
    {
        memcpy(&rqs[n++], RING_GET_REQUEST(&ring, ring.req_cons),
               sizeof(*rqs));
        ring.req_cons++;
    }

    return n;
}

static inline void answer(unsigned int vcpu)
{
    vm_event_response_t *rsp = RING_GET_RESPONSE(&ring, ring.rsp_prod_pvt);

    memset(rsp, 0, sizeof(*rsp));
    rsp->version = VM_EVENT_INTERFACE_VERSION;
    rsp->reason = VM_EVENT_REASON_MEM_ACCESS;
    rsp->flags = VM_EVENT_FLAG_VCPU_PAUSED;
    rsp->vcpu_id = vcpu;
    ring.rsp_prod_pvt++;
    RING_PUSH_RESPONSES(&ring);
}

/* Of answers, by one of the two ways there are. */
static inline void tell(bool by_event)
{
    need(!(by_event ? xenevtchn_notify(ev, (evtchn_port_t)ring_port) :
                      xc_monitor_resume(xch, domid)), "tell of answers");
}

/* All is allowed, and nobody waits any more. */
static inline void let_go(void)
{
    vm_event_request_t rqs[PLACES];
    unsigned int n;

    is(set(XENMEM_access_rwx, 0, (uint32_t)max_gfn + 1), 0, "all is allowed");
    /* Who touched one before has asked when the pause has begun. */
    pause_domain();
    for ( n = take(rqs); n; )
        answer(rqs[--n].vcpu_id);
    tell(false);
    unpause_domain();
}

/* ---- start -------------------------------------------------------------- */

static inline void access_start(const char *dom)
{
    uint64_t param = 0;
    xen_pfn_t gfn;
    int bad;

    setvbuf(stdout, NULL, _IOLBF, 0);
    err_init(&err);
    domid = (uint32_t)strtoul(dom, NULL, 0);
    xch = xc_interface_open(NULL, NULL, 0);
    call = xencall_open(NULL, 0);
    fmem = xenforeignmemory_open(NULL, 0);
    ev = xenevtchn_open(NULL, 0);
    need(xch && call && fmem && ev, "open");
    nr_vcpus = info().max_vcpu_id + 1;
    need(!xc_domain_maximum_gpfn(xch, domid, &max_gfn) &&
         !xc_hvm_param_get(xch, domid, HVM_PARAM_MONITOR_RING_PFN, &param),
         "the domain's figures");
    gfn = param;
    ring_page = xenforeignmemory_map(fmem, domid, PROT_READ | PROT_WRITE, 1,
                                     &gfn, &bad);
    need(ring_page && !bad, "map the ring");
}

static inline int access_end(void)
{
    xenforeignmemory_unmap(fmem, ring_page, 1);
    xenevtchn_close(ev);
    xenforeignmemory_close(fmem);
    xencall_close(call);
    xc_interface_close(xch);
    err_done(&err);

    return tap_done();
}

#endif
