/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What the toolstack told the hypervisor about a domain, and the domctls.
 */
#ifndef XMIG_EMU_DOMCTL_H
#define XMIG_EMU_DOMCTL_H

#include <xenctrl.h>

#include "host.h"
#include "policy.h"

/* Under lock, which is a leaf. */
struct domctl_state
{
    pthread_mutex_t lock;
    xen_domain_handle_t handle;
    uint32_t ssidref;
    uint32_t max_vcpus;
    bool hap;
    struct xen_arch_domainconfig arch;
    uint16_t weight, cap;
    uint64_t hard[MAX_VCPUS], soft[MAX_VCPUS];
    uint64_t nodes;
    uint64_t mempool_bytes;
    struct xen_domctl_tsc_info tsc;
    uint64_t tsc_set_ns;
    struct policy policy;
    /* HVM context records other than CPU, as they were set. */
    uint8_t *records;
    size_t records_len;
    uint32_t nr_map_entries;
};

struct domctl_state *domctl_state_new(void);
void domctl_state_free(struct domctl_state *s);

/* domctl_info.c */
void domain_info(struct domain *d, struct xen_domctl_getdomaininfo *info);
int vcpu_info(struct domain *d, struct xen_domctl_getvcpuinfo *info);

/* domctl_mem.c */
int domctl_page_info(struct conn *c, struct domain *d,
                     struct xen_domctl_getpageframeinfo3 *p);
int domctl_shadow(struct conn *c, struct domain *d,
                  struct xen_domctl_shadow_op *op);

/* hvmctx.c; domain.lock held */
int hvm_context_get(struct conn *c, struct domain *d,
                    struct xen_domctl_hvmcontext *h);
int hvm_context_set(struct conn *c, struct domain *d,
                    struct xen_domctl_hvmcontext *h);
int hvm_context_get_one(struct conn *c, struct domain *d,
                        struct xen_domctl_hvmcontext_partial *h);
int vcpu_context_get(struct conn *c, struct domain *d,
                     struct xen_domctl_vcpucontext *ctx);
int vcpu_context_set(struct conn *c, struct domain *d,
                     struct xen_domctl_vcpucontext *ctx);

/* domctl_policy.c */
int domctl_get_policy(struct conn *c, struct domain *d,
                      struct xen_domctl_cpu_policy *p);
int domctl_set_policy(struct conn *c, struct domain *d,
                      struct xen_domctl_cpu_policy *p);

/* domctl_sched.c */
int domctl_scheduler(struct domain *d, struct xen_domctl_scheduler_op *op);
int domctl_vcpu_affinity(struct conn *c, struct domain *d,
                         struct xen_domctl_vcpuaffinity *a, bool set);
int domctl_node_affinity(struct conn *c, struct domain *d,
                         struct xen_domctl_nodeaffinity *a, bool set);
/* Write bits of mask to a bitmap of the client's. */
int bitmap_to_client(struct conn *c, const struct xenctl_bitmap *b,
                     uint64_t mask);

#endif
