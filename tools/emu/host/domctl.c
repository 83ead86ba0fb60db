/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * XEN_DOMCTL_*: find the domain, dispatch, copy back.  domain.lock is held
 * where an operation changes the domain; those that only look take what they
 * need themselves.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <xenctrl.h>

#include "access.h"
#include "domctl.h"
#include "evtchn.h"
#include "hypercall.h"
#include "paging.h"
#include "vm_event.h"

#define DEFAULT_WEIGHT 256
#define TSC_MODE_NATIVE 2u           /* never emulated */

struct domctl_state *domctl_state_new(void)
{
    struct domctl_state *s = calloc(1, sizeof(*s));
    unsigned int i;

    if ( !s )
        return NULL;
    pthread_mutex_init(&s->lock, NULL);
    s->weight = DEFAULT_WEIGHT;
    s->nodes = 1;
    for ( i = 0; i < MAX_VCPUS; i++ )
        s->hard[i] = s->soft[i] = ~0ull;
    s->tsc.gtsc_khz = 2000000;
    s->tsc_set_ns = now_ns();
    policy_host(&s->policy);
    return s;
}

void domctl_state_free(struct domctl_state *s)
{
    if ( !s )
        return;
    pthread_mutex_destroy(&s->lock);
    free(s->records);
    free(s);
}

/* ---- creation and the end ----------------------------------------------- */

static int create(struct conn *c, struct xen_domctl *op)
{
    const struct xen_domctl_createdomain *p = &op->u.createdomain;
    uint32_t domid = DOMID_ANY;
    struct domctl_state *ctl;
    struct domain *d = NULL;
    int rc;

    if ( !(p->flags & XEN_DOMCTL_CDF_hvm) )
    {
        log_line("pid %d: PV domains are not modelled", c->pid);
        return -EOPNOTSUPP;
    }
    if ( (p->flags & ~XEN_DOMCTL_CDF_MAX & ~(XEN_DOMCTL_CDF_MAX - 1)) ||
         p->iommu_opts || p->cpupool_id || !p->max_vcpus ||
         p->max_vcpus > MAX_VCPUS )
        return -EINVAL;
    if ( p->flags & (XEN_DOMCTL_CDF_iommu | XEN_DOMCTL_CDF_nested_virt) )
    {
        log_line("pid %d: passthrough and nested HVM are not modelled",
                 c->pid);
        return -EOPNOTSUPP;
    }
    if ( op->domain > 0 && op->domain < MAX_DOMID )
        domid = op->domain;
    ctl = domctl_state_new();
    if ( !ctl )
        return -ENOMEM;
    memcpy(ctl->handle, p->handle, sizeof(ctl->handle));
    ctl->ssidref = p->ssidref;
    ctl->max_vcpus = p->max_vcpus;
    ctl->hap = p->flags & XEN_DOMCTL_CDF_hap;
    ctl->arch = p->arch;
    rc = domain_create(c->host, domid, true, ctl, &d);
    if ( rc )
        return rc;
    op->domain = (domid_t)d->domid;
    op->u.getdomaininfo.domain = (domid_t)d->domid;
    domain_put(d);
    return 0;
}

static int max_vcpus(struct domain *d, uint32_t max)
{
    int rc = 0;

    if ( max != d->ctl->max_vcpus )
        return -EINVAL;
    while ( !rc && d->nr_vcpus < max )
        rc = vcpu_create(d, d->nr_vcpus);
    return rc;
}

static int destroy(struct domain *d)
{
    domain_destroy(d);
    evtchn_raise_virq(VIRQ_DOM_EXC);
    return 0;
}

/* ---- small ones --------------------------------------------------------- */

static int get_tsc(struct domain *d, struct xen_domctl_tsc_info *t)
{
    pthread_mutex_lock(&d->ctl->lock);
    *t = d->ctl->tsc;
    if ( t->tsc_mode == TSC_MODE_NATIVE )
        t->elapsed_nsec = t->gtsc_khz = 0;
    else
        t->elapsed_nsec += now_ns() - d->ctl->tsc_set_ns;
    pthread_mutex_unlock(&d->ctl->lock);
    return 0;
}

static int set_tsc(struct domain *d, const struct xen_domctl_tsc_info *t)
{
    if ( t->tsc_mode > TSC_MODE_NATIVE )
        return -EINVAL;
    pthread_mutex_lock(&d->ctl->lock);
    d->ctl->tsc = *t;
    d->ctl->tsc.pad = 0;
    /* Counted by who sets it, as Xen does. */
    d->ctl->tsc.incarnation++;
    if ( !t->gtsc_khz )
        d->ctl->tsc.gtsc_khz = 2000000;
    d->ctl->tsc_set_ns = now_ns();
    pthread_mutex_unlock(&d->ctl->lock);
    return 0;
}

static int set_max_mem(struct domain *d, uint64_t kib)
{
    pthread_mutex_lock(&d->host->machine.lock);
    d->acct.max_pages = kib >> (EMU_PAGE_SHIFT - 10);
    pthread_mutex_unlock(&d->host->machine.lock);
    return 0;
}

static int set_mempool(struct domain *d, uint64_t bytes)
{
    if ( bytes % PAGE_SIZE )
        return -EINVAL;
    pthread_mutex_lock(&d->ctl->lock);
    d->ctl->mempool_bytes = bytes;
    pthread_mutex_unlock(&d->ctl->lock);
    return 0;
}

static int set_handle(struct domain *d, const xen_domain_handle_t h)
{
    pthread_mutex_lock(&d->ctl->lock);
    memcpy(d->ctl->handle, h, sizeof(d->ctl->handle));
    pthread_mutex_unlock(&d->ctl->lock);
    return 0;
}

static int subscribe(struct domain *d, uint32_t port)
{
    pthread_mutex_lock(&d->sched_lock);
    d->suspend_port = port;
    pthread_mutex_unlock(&d->sched_lock);
    return 0;
}

/* ---- vm_event ----------------------------------------------------------- */

static int access_required(struct domain *d, bool required)
{
    if ( !d->hvm )
        return -EPERM;
    domain_pause(d);
    atomic_store(&d->access.required, required);
    domain_unpause(d);
    return 0;
}

static int vm_event(struct conn *c, struct domain *d,
                    struct xen_domctl_vm_event_op *v)
{
    bool paging = v->mode == XEN_DOMCTL_VM_EVENT_OP_PAGING;
    int rc = fault_check(c->host, c, "vm_event_op", vm_event_op_name(v->op));

    if ( rc )
        return rc;
    if ( !d->nr_vcpus )
        return -EINVAL;
    if ( !paging && v->mode != XEN_DOMCTL_VM_EVENT_OP_MONITOR )
        return (int)unmodelled(c, "vm_event_op of ring", v->mode);
    switch ( v->op )
    {
    case XEN_VM_EVENT_ENABLE:
        return paging ? paging_enable(d, &v->u.enable.port) :
                        monitor_enable(d, &v->u.enable.port);

    case XEN_VM_EVENT_DISABLE:
        return paging ? paging_disable(d) : monitor_disable(d);
    }
    return (int)unmodelled(c, "vm_event_op", v->op);
}

/* By itself, as it takes no lock: it is part of every fault. */
static int vm_event_resume(struct conn *c, struct domain *d, uint32_t mode)
{
    enum vm_event_ring ring = mode == XEN_DOMCTL_VM_EVENT_OP_PAGING ?
                              RING_PAGING : RING_MONITOR;

    int rc = fault_check(c->host, c, "vm_event_op", "resume");

    if ( !rc )
        rc = d->hvm ? ring_resume(d->rings[ring]) : -EINVAL;
    return rc;
}

/* ---- dispatch ----------------------------------------------------------- */

/* Only look; no domain.lock.  -ENOSYS: not one of these. */
static int look(struct conn *c, struct domain *d, struct xen_domctl *op)
{
    switch ( op->cmd )
    {
    case XEN_DOMCTL_getpageframeinfo3:
        return domctl_page_info(c, d, &op->u.getpageframeinfo3);

    case XEN_DOMCTL_getvcpuinfo:
        return vcpu_info(d, &op->u.getvcpuinfo);

    case XEN_DOMCTL_getvcpuaffinity:
        return domctl_vcpu_affinity(c, d, &op->u.vcpuaffinity, false);

    case XEN_DOMCTL_getnodeaffinity:
        return domctl_node_affinity(c, d, &op->u.nodeaffinity, false);

    case XEN_DOMCTL_gettscinfo:
        return get_tsc(d, &op->u.tsc_info);

    case XEN_DOMCTL_get_cpu_policy:
        return domctl_get_policy(c, d, &op->u.cpu_policy);

    case XEN_DOMCTL_get_paging_mempool_size:
        pthread_mutex_lock(&d->ctl->lock);
        op->u.paging_mempool.size = d->ctl->mempool_bytes;
        pthread_mutex_unlock(&d->ctl->lock);
        return 0;

    case XEN_DOMCTL_get_address_size:
        op->u.address_size.size = 64;
        return 0;

    case XEN_DOMCTL_vm_event_op:
        if ( op->u.vm_event_op.op == XEN_VM_EVENT_RESUME &&
             (op->u.vm_event_op.mode == XEN_DOMCTL_VM_EVENT_OP_PAGING ||
              op->u.vm_event_op.mode == XEN_DOMCTL_VM_EVENT_OP_MONITOR) )
            return vm_event_resume(c, d, op->u.vm_event_op.mode);
    }
    return -ENOSYS;
}

/* dom0's own as well as guests'; domain.lock held. */
static int change_any(struct conn *c, struct domain *d, struct xen_domctl *op)
{
    switch ( op->cmd )
    {
    case XEN_DOMCTL_setvcpuaffinity:
        return domctl_vcpu_affinity(c, d, &op->u.vcpuaffinity, true);

    case XEN_DOMCTL_setnodeaffinity:
        return domctl_node_affinity(c, d, &op->u.nodeaffinity, true);

    case XEN_DOMCTL_scheduler_op:
        return domctl_scheduler(d, &op->u.scheduler_op);

    case XEN_DOMCTL_setdomainhandle:
        return set_handle(d, op->u.setdomainhandle.handle);

    case XEN_DOMCTL_max_mem:
        return set_max_mem(d, op->u.max_mem.max_memkb);

    case XEN_DOMCTL_set_access_required:
        return access_required(d, op->u.access_required.access_required);

    case XEN_DOMCTL_settimeoffset:
        /* The guests here keep no wall clock. */
        return 0;
    }
    return -ENOSYS;
}

static int change(struct conn *c, struct domain *d, struct xen_domctl *op)
{
    switch ( op->cmd )
    {
    case XEN_DOMCTL_destroydomain:
        return destroy(d);

    case XEN_DOMCTL_pausedomain:
        return domain_ctl_pause(d);

    case XEN_DOMCTL_unpausedomain:
        return domain_ctl_unpause(d);

    case XEN_DOMCTL_resumedomain:
        return domain_resume(d);

    case XEN_DOMCTL_max_vcpus:
        return max_vcpus(d, op->u.max_vcpus.max);

    case XEN_DOMCTL_shadow_op:
        return domctl_shadow(c, d, &op->u.shadow_op);

    case XEN_DOMCTL_gethvmcontext:
        return hvm_context_get(c, d, &op->u.hvmcontext);

    case XEN_DOMCTL_sethvmcontext:
        return hvm_context_set(c, d, &op->u.hvmcontext);

    case XEN_DOMCTL_gethvmcontext_partial:
        return hvm_context_get_one(c, d, &op->u.hvmcontext_partial);

    case XEN_DOMCTL_getvcpucontext:
        return vcpu_context_get(c, d, &op->u.vcpucontext);

    case XEN_DOMCTL_setvcpucontext:
        return vcpu_context_set(c, d, &op->u.vcpucontext);

    case XEN_DOMCTL_settscinfo:
        return set_tsc(d, &op->u.tsc_info);

    case XEN_DOMCTL_set_cpu_policy:
        return domctl_set_policy(c, d, &op->u.cpu_policy);

    case XEN_DOMCTL_set_paging_mempool_size:
        return set_mempool(d, op->u.paging_mempool.size);

    case XEN_DOMCTL_vm_event_op:
        return vm_event(c, d, &op->u.vm_event_op);

    case XEN_DOMCTL_subscribe:
        return subscribe(d, op->u.subscribe.port);
    }
    return -ENOSYS;
}

static int dispatch(struct conn *c, struct domain *d, struct xen_domctl *op)
{
    int rc = look(c, d, op);

    if ( rc != -ENOSYS )
        return rc;
    pthread_mutex_lock(&d->lock);
    if ( atomic_load(&d->dying) )
        rc = op->cmd == XEN_DOMCTL_destroydomain ? 0 : -ESRCH;
    else
    {
        rc = change_any(c, d, op);
        if ( rc == -ENOSYS )
            rc = d->hvm ? change(c, d, op) : -EINVAL;
    }
    pthread_mutex_unlock(&d->lock);
    if ( rc == -ENOSYS )
        unmodelled(c, "domctl", op->cmd);
    return rc;
}

static int info(struct conn *c, struct xen_domctl *op)
{
    struct domain *d = domain_find_from(c->host, op->domain);

    if ( !d )
        return -ESRCH;
    domain_info(d, &op->u.getdomaininfo);
    op->domain = (domid_t)d->domid;
    domain_put(d);
    return 0;
}

int64_t do_domctl(struct conn *c, uint64_t va)
{
    struct xen_domctl op;
    struct domain *d;
    int rc, r;

    rc = copy_from_client(c, &op, va, sizeof(op));
    if ( rc )
        return rc;
    if ( op.interface_version != XEN_DOMCTL_INTERFACE_VERSION )
        return -EACCES;
    rc = fault_check(c->host, c, "domctl", domctl_name(op.cmd));
    if ( !rc && op.cmd == XEN_DOMCTL_shadow_op )
        rc = fault_check(c->host, c, "shadow_op",
                         shadow_op_name(op.u.shadow_op.op));
    if ( rc )
        return rc;

    if ( op.cmd == XEN_DOMCTL_createdomain )
        rc = create(c, &op);
    else if ( op.cmd == XEN_DOMCTL_getdomaininfo )
        rc = info(c, &op);
    else if ( op.cmd == XEN_DOMCTL_vm_event_op && op.domain == DOMID_INVALID &&
              op.u.vm_event_op.op == XEN_VM_EVENT_GET_VERSION )
        op.u.vm_event_op.u.version = VM_EVENT_INTERFACE_VERSION;
    else
    {
        d = domain_find(c->host, op.domain);
        if ( !d )
            return -ESRCH;
        rc = dispatch(c, d, &op);
        domain_put(d);
    }
    if ( rc && op.cmd != XEN_DOMCTL_set_cpu_policy )
        return rc;
    r = copy_to_client(c, va, &op, sizeof(op));
    return rc ? rc : r;
}
