/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Hypercalls in words: what is asked for, and what came back.  Arguments lie
 * in the caller's hypercall buffers, which are ordinary memory to us.
 */
#include <stdio.h>
#include <xenctrl.h>
#include <xen/event_channel.h>
#include <xen/hvm/hvm_op.h>
#include <xen/hvm/params.h>
#include <xen/hvm/save.h>
#include <xen/memory.h>
#include <xen/sched.h>

#include "hypercall.h"
#include "trace.h"

static void *ptr(uint64_t arg)
{
    return (void *)(uintptr_t)arg;
}

static void add_name(struct trace_line *l, const char *kind,
                     const char *name, uint64_t nr)
{
    if ( name )
        trace_add(l, "%s:%s", kind, name);
    else
        trace_add(l, "%s:%llu", kind, (unsigned long long)nr);
}

/* ---- domctl ------------------------------------------------------------- */

static void ask_domctl(struct trace_line *l, const struct xen_domctl *d)
{
    const struct xen_domctl_shadow_op *s = &d->u.shadow_op;

    add_name(l, "domctl", domctl_name(d->cmd), d->cmd);
    if ( d->cmd == XEN_DOMCTL_shadow_op )
        trace_add(l, ":%s mode=%u pages=%llu",
                  shadow_op_name(s->op) ? shadow_op_name(s->op) : "?",
                  s->mode, (unsigned long long)s->pages);
    if ( d->cmd != XEN_DOMCTL_createdomain )
        trace_add(l, " dom=%u", d->domain);
    switch ( d->cmd )
    {
    case XEN_DOMCTL_createdomain:
        trace_add(l, " flags=%#x emu=%#x vcpus=%u ports=%u grants=%d/%d/%u",
                  d->u.createdomain.flags,
                  d->u.createdomain.arch.emulation_flags,
                  d->u.createdomain.max_vcpus,
                  d->u.createdomain.max_evtchn_port,
                  d->u.createdomain.max_grant_frames,
                  d->u.createdomain.max_maptrack_frames,
                  d->u.createdomain.grant_opts);
        break;

    case XEN_DOMCTL_getpageframeinfo3:
        l->nr_types = d->u.getpageframeinfo3.num;
        l->types = ptr((uintptr_t)d->u.getpageframeinfo3.array.p);
        trace_add(l, " n=%llu", (unsigned long long)l->nr_types);
        break;

    case XEN_DOMCTL_max_mem:
        trace_add(l, " kib=%llu", (unsigned long long)d->u.max_mem.max_memkb);
        break;

    case XEN_DOMCTL_max_vcpus:
        trace_add(l, " vcpus=%u", d->u.max_vcpus.max);
        break;

    case XEN_DOMCTL_set_paging_mempool_size:
        trace_add(l, " bytes=%llu",
                  (unsigned long long)d->u.paging_mempool.size);
        break;

    case XEN_DOMCTL_gethvmcontext:
        trace_add(l, "%s", d->u.hvmcontext.buffer.p ? " data" : " size");
        break;

    case XEN_DOMCTL_settscinfo:
        trace_add(l, " mode=%u khz=%u", d->u.tsc_info.tsc_mode,
                  d->u.tsc_info.gtsc_khz);
        break;
    }
}

static void add_types(struct trace_line *l)
{
    unsigned int count[16] = { 0 }, i;
    uint64_t n;

    for ( n = 0; n < l->nr_types; n++ )
        count[l->types[n] >> XEN_DOMCTL_PFINFO_LTAB_SHIFT & 15]++;
    for ( i = 0; i < 16; i++ )
        if ( count[i] )
            trace_add(l, " type%x=%u", i, count[i]);
}

/* The types of its parts, in order. */
static void add_context(struct trace_line *l,
                        const struct xen_domctl_hvmcontext *h)
{
    const uint8_t *p = ptr((uintptr_t)h->buffer.p);
    const struct hvm_save_descriptor *d;
    size_t at = 0;

    trace_add(l, " bytes=%u", h->size);
    if ( !p )
        return;
    trace_add(l, " parts");
    while ( at + sizeof(*d) <= h->size )
    {
        d = (const void *)(p + at);
        trace_add(l, "%c%u", at ? ',' : '=', d->typecode);
        at += sizeof(*d) + d->length;
        if ( !d->typecode )
            break;
    }
}

static void answer_domctl(struct trace_line *l, const struct xen_domctl *d)
{
    switch ( d->cmd )
    {
    case XEN_DOMCTL_createdomain:
        trace_add(l, " dom=%u", d->domain);
        break;

    case XEN_DOMCTL_getdomaininfo:
        trace_add(l, " dom=%u flags=%#x tot=%llu max=%llu out=%llu vcpus=%u "
                  "emu=%#x", d->domain, d->u.getdomaininfo.flags,
                  (unsigned long long)d->u.getdomaininfo.tot_pages,
                  (unsigned long long)d->u.getdomaininfo.max_pages,
                  (unsigned long long)d->u.getdomaininfo.outstanding_pages,
                  d->u.getdomaininfo.max_vcpu_id + 1,
                  d->u.getdomaininfo.arch_config.emulation_flags);
        break;

    case XEN_DOMCTL_shadow_op:
        trace_add(l, " pages=%llu faults=%u dirty=%u",
                  (unsigned long long)d->u.shadow_op.pages,
                  d->u.shadow_op.stats.fault_count,
                  d->u.shadow_op.stats.dirty_count);
        break;

    case XEN_DOMCTL_getpageframeinfo3:
        add_types(l);
        break;

    case XEN_DOMCTL_get_paging_mempool_size:
        trace_add(l, " bytes=%llu",
                  (unsigned long long)d->u.paging_mempool.size);
        break;

    case XEN_DOMCTL_gethvmcontext:
        add_context(l, &d->u.hvmcontext);
        break;

    case XEN_DOMCTL_gettscinfo:
        trace_add(l, " mode=%u khz=%u inc=%u", d->u.tsc_info.tsc_mode,
                  d->u.tsc_info.gtsc_khz, d->u.tsc_info.incarnation);
        break;

    case XEN_DOMCTL_get_cpu_policy:
        trace_add(l, " leaves=%u msrs=%u", d->u.cpu_policy.nr_leaves,
                  d->u.cpu_policy.nr_msrs);
        break;
    }
}

/* ---- memory_op ---------------------------------------------------------- */

static void ask_memory(struct trace_line *l, uint64_t sub, const void *arg)
{
    const struct xen_memory_reservation *r = arg;

    add_name(l, "memory_op", memory_op_name(sub), sub);
    switch ( sub )
    {
    case XENMEM_populate_physmap:
    case XENMEM_decrease_reservation:
    case XENMEM_claim_pages:
        trace_add(l, " dom=%u order=%u n=%llu", r->domid, r->extent_order,
                  (unsigned long long)r->nr_extents);
        break;

    case XENMEM_maximum_gpfn:
        trace_add(l, " dom=%u", *(const domid_t *)arg);
        break;

    case XENMEM_get_vnumainfo:
        trace_add(l, " dom=%u", ((const struct xen_vnuma_topology_info *)
                                 arg)->domid);
        break;

    case XENMEM_get_pod_target:
        trace_add(l, " dom=%u", ((const struct xen_pod_target *)arg)->domid);
        break;
    }
}

/* ---- the rest ----------------------------------------------------------- */

static void ask_hvm(struct trace_line *l, uint64_t sub, const void *arg)
{
    const struct xen_hvm_param *p = arg;

    add_name(l, "hvm_op", hvm_op_name(sub), sub);
    if ( sub == HVMOP_set_param || sub == HVMOP_get_param )
        trace_add(l, " dom=%u index=%u", p->domid, p->index);
    if ( sub == HVMOP_set_param )
        trace_add(l, " value=%#llx", (unsigned long long)p->value);
}

static void ask_evtchn(struct trace_line *l, uint64_t sub, const void *arg)
{
    const struct evtchn_alloc_unbound *a = arg;

    add_name(l, "event_channel_op", evtchn_op_name(sub), sub);
    if ( sub == EVTCHNOP_alloc_unbound )
        trace_add(l, " dom=%u remote=%u", a->dom, a->remote_dom);
}

/* The one call in a multicall. */
static const multicall_entry_t *wrapped(unsigned int op,
                                        const uint64_t args[5])
{
    return op == __HYPERVISOR_multicall && args[1] == 1 ? ptr(args[0]) : NULL;
}

void trace_ask(struct trace_line *l, unsigned int op, const uint64_t args[5])
{
    const multicall_entry_t *m = wrapped(op, args);
    const struct xen_sysctl *s;
    uint64_t inner[5] = { 0 };

    if ( m )
    {
        inner[0] = m->args[0];
        inner[1] = m->args[1];
        trace_ask(l, (unsigned int)m->op, inner);
        return;
    }
    switch ( op )
    {
    case __HYPERVISOR_domctl:
        ask_domctl(l, ptr(args[0]));
        break;

    case __HYPERVISOR_sysctl:
        s = ptr(args[0]);
        add_name(l, "sysctl", sysctl_name(s->cmd), s->cmd);
        break;

    case __HYPERVISOR_memory_op:
        ask_memory(l, args[0], ptr(args[1]));
        break;

    case __HYPERVISOR_hvm_op:
        ask_hvm(l, args[0], ptr(args[1]));
        break;

    case __HYPERVISOR_event_channel_op:
        ask_evtchn(l, args[0], ptr(args[1]));
        break;

    case __HYPERVISOR_sched_op:
        add_name(l, "sched_op", sched_op_name(args[0]), args[0]);
        break;

    case __HYPERVISOR_xen_version:
        add_name(l, "xen_version", NULL, args[0]);
        break;

    default:
        add_name(l, "hypercall", hypercall_name(op), op);
    }
}

void trace_answer(struct trace_line *l, unsigned int op,
                  const uint64_t args[5], long rc)
{
    const multicall_entry_t *m = wrapped(op, args);
    uint64_t inner[5] = { 0 };

    if ( m && !rc )
    {
        inner[0] = m->args[0];
        inner[1] = m->args[1];
        trace_answer(l, (unsigned int)m->op, inner, (long)m->result);
        return;
    }
    trace_add(l, " = %ld", rc);
    if ( op == __HYPERVISOR_event_channel_op && !rc &&
         args[0] == EVTCHNOP_alloc_unbound )
        trace_add(l, " port=%u",
                  ((const struct evtchn_alloc_unbound *)ptr(args[1]))->port);
    if ( op == __HYPERVISOR_domctl && rc >= 0 )
        answer_domctl(l, ptr(args[0]));
    if ( op == __HYPERVISOR_hvm_op && !rc && args[0] == HVMOP_get_param )
        trace_add(l, " value=%#llx", (unsigned long long)
                  ((const struct xen_hvm_param *)ptr(args[1]))->value);
}
