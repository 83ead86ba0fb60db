/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * XEN_SYSCTL_*: what the host is.
 */
#include <errno.h>
#include <string.h>
#include <xenctrl.h>

#include "domctl.h"
#include "host.h"
#include "hypercall.h"
#include "policy.h"

#define CPU_KHZ 2000000u

static int physinfo(struct host *h, struct xen_sysctl_physinfo *p)
{
    memset(p, 0, sizeof(*p));
    p->threads_per_core = 1;
    p->cores_per_socket = h->nr_cpus;
    p->nr_cpus = h->nr_cpus;
    p->max_cpu_id = h->nr_cpus - 1;
    p->nr_nodes = 1;
    p->cpu_khz = CPU_KHZ;
    p->capabilities = XEN_SYSCTL_PHYSCAP_hvm | XEN_SYSCTL_PHYSCAP_hap |
                      XEN_SYSCTL_PHYSCAP_gnttab_v1;
    pthread_mutex_lock(&h->machine.lock);
    p->total_pages = h->machine.nr_frames + h->dom0_pages;
    p->free_pages = h->machine.nr_free;
    p->outstanding_pages = h->machine.nr_claimed;
    pthread_mutex_unlock(&h->machine.lock);
    p->max_mfn = h->machine.nr_frames - 1;
    return 0;
}

static int domain_list(struct conn *c, struct xen_sysctl_getdomaininfolist *l)
{
    struct xen_domctl_getdomaininfo info;
    uint32_t n = 0, domid = l->first_domain;
    struct domain *d;
    int rc = 0;

    while ( !rc && n < l->max_domains &&
            (d = domain_find_from(c->host, domid)) )
    {
        domain_info(d, &info);
        domid = d->domid + 1;
        domain_put(d);
        rc = copy_to_client(c, (uintptr_t)l->buffer.p + n * sizeof(info),
                            &info, sizeof(info));
        n++;
    }
    l->num_domains = n;
    return rc;
}

static int cpu_topo(struct conn *c, struct xen_sysctl_cputopoinfo *t)
{
    uint32_t i, nr = c->host->nr_cpus;
    int rc = 0;

    for ( i = 0; t->cputopo.p && !rc && i < nr && i < t->num_cpus; i++ )
    {
        xen_sysctl_cputopo_t topo = { .core = i };

        rc = copy_to_client(c, (uintptr_t)t->cputopo.p + i * sizeof(topo),
                            &topo, sizeof(topo));
    }
    t->num_cpus = t->cputopo.p && t->num_cpus < nr ? t->num_cpus : nr;
    return rc;
}

static int numa(struct conn *c, struct xen_sysctl_numainfo *n)
{
    struct host *h = c->host;
    xen_sysctl_meminfo_t mem = {
        .memsize = (h->machine.nr_frames + h->dom0_pages) * PAGE_SIZE,
        .memfree = machine_free_pages(&h->machine) * PAGE_SIZE,
    };
    uint32_t distance = 10;
    int rc = 0;

    if ( (n->meminfo.p || n->distance.p) && !n->num_nodes )
        return 0;
    if ( n->meminfo.p )
        rc = copy_to_client(c, (uintptr_t)n->meminfo.p, &mem, sizeof(mem));
    if ( !rc && n->distance.p )
        rc = copy_to_client(c, (uintptr_t)n->distance.p, &distance,
                            sizeof(distance));
    n->num_nodes = 1;
    return rc;
}

static int cpupool(struct conn *c, struct xen_sysctl_cpupool_op *p)
{
    uint64_t cpus = c->host->nr_cpus >= 64 ?
                    ~0ull : (1ull << c->host->nr_cpus) - 1;
    uint32_t i;

    switch ( p->op )
    {
    case XEN_SYSCTL_CPUPOOL_OP_INFO:
        if ( p->cpupool_id )
            return -ENOENT;
        p->sched_id = XEN_SCHEDULER_CREDIT2;
        p->n_dom = 0;
        pthread_mutex_lock(&c->host->dom_lock);
        for ( i = 0; i < MAX_DOMID; i++ )
            p->n_dom += c->host->domains[i] != NULL;
        pthread_mutex_unlock(&c->host->dom_lock);
        return bitmap_to_client(c, &p->cpumap, cpus);

    case XEN_SYSCTL_CPUPOOL_OP_FREEINFO:
        return bitmap_to_client(c, &p->cpumap, 0);

    case XEN_SYSCTL_CPUPOOL_OP_MOVEDOMAIN:
        return p->cpupool_id ? -ENOENT : 0;
    }
    return (int)unmodelled(c, "cpupool_op", p->op);
}

static int cpu_policy(struct conn *c, struct xen_sysctl_cpu_policy *p)
{
    struct policy host;
    int rc = 0;

    if ( p->index > XEN_SYSCTL_cpu_policy_hvm_default )
        return -EINVAL;
    policy_host(&host);
    if ( !p->leaves.p )
        p->nr_leaves = POLICY_MAX_LEAVES;
    else if ( p->nr_leaves < host.nr_leaves )
        return -ENOBUFS;
    else
    {
        p->nr_leaves = host.nr_leaves;
        rc = copy_to_client(c, (uintptr_t)p->leaves.p, host.leaf,
                            host.nr_leaves * sizeof(*host.leaf));
    }
    if ( rc )
        return rc;
    if ( !p->msrs.p )
        p->nr_msrs = POLICY_MAX_MSRS;
    else if ( p->nr_msrs < host.nr_msrs )
        return -ENOBUFS;
    else
    {
        p->nr_msrs = host.nr_msrs;
        rc = copy_to_client(c, (uintptr_t)p->msrs.p, host.msr,
                            host.nr_msrs * sizeof(*host.msr));
    }
    return rc;
}

static int featureset(struct conn *c, struct xen_sysctl_cpu_featureset *f)
{
    uint32_t fs[POLICY_FEATURE_WORDS], nr = f->nr_features;
    struct policy host;
    int rc = 0;

    if ( f->index > XEN_SYSCTL_cpu_featureset_hvm_max )
        return -EINVAL;
    policy_host(&host);
    policy_features(&host, fs);
    if ( !f->features.p )
    {
        f->nr_features = POLICY_FEATURE_WORDS;
        return 0;
    }
    if ( nr > POLICY_FEATURE_WORDS )
        nr = POLICY_FEATURE_WORDS;
    rc = copy_to_client(c, (uintptr_t)f->features.p, fs, nr * sizeof(*fs));
    f->nr_features = nr;
    return rc;
}

static int dispatch(struct conn *c, struct xen_sysctl *op)
{
    switch ( op->cmd )
    {
    case XEN_SYSCTL_physinfo:
        return physinfo(c->host, &op->u.physinfo);

    case XEN_SYSCTL_sched_id:
        op->u.sched_id.sched_id = XEN_SCHEDULER_CREDIT2;
        return 0;

    case XEN_SYSCTL_getdomaininfolist:
        return domain_list(c, &op->u.getdomaininfolist);

    case XEN_SYSCTL_availheap:
        op->u.availheap.avail_bytes =
            machine_free_pages(&c->host->machine) * PAGE_SIZE;
        return 0;

    case XEN_SYSCTL_cputopoinfo:
        return cpu_topo(c, &op->u.cputopoinfo);

    case XEN_SYSCTL_numainfo:
        return numa(c, &op->u.numainfo);

    case XEN_SYSCTL_cpupool_op:
        return cpupool(c, &op->u.cpupool_op);

    case XEN_SYSCTL_get_cpu_policy:
        return cpu_policy(c, &op->u.cpu_policy);

    case XEN_SYSCTL_get_cpu_featureset:
        return featureset(c, &op->u.cpu_featureset);

    case XEN_SYSCTL_readconsole:
        op->u.readconsole.count = 0;
        return 0;
    }
    return (int)unmodelled(c, "sysctl", op->cmd);
}

int64_t do_sysctl(struct conn *c, uint64_t va)
{
    struct xen_sysctl op;
    int rc;

    rc = copy_from_client(c, &op, va, sizeof(op));
    if ( rc )
        return rc;
    if ( op.interface_version != XEN_SYSCTL_INTERFACE_VERSION )
        return -EACCES;
    rc = fault_check(c->host, c, "sysctl", sysctl_name(op.cmd));
    if ( !rc )
        rc = dispatch(c, &op);
    return rc ? rc : copy_to_client(c, va, &op, sizeof(op));
}
