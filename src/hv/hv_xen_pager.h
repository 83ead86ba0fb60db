/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Private to hv_xen_pager*.c (the ring) and hv_xen_placer*.c (the pages).
 */
#ifndef XMIG_HV_XEN_PAGER_H
#define XMIG_HV_XEN_PAGER_H

#include <xen/memory.h>
#include <xen/vm_event.h>

#include "hv_pager.h"
#include "hv_xen.h"

#define STATE_MAGIC      0x70676d78u    /* "xmgp" */

enum pending { PENDING_FREE, PENDING_TAKEN, PENDING_ANSWERED };

struct frames;
struct placer_ops;

/* What differs between the sources of faults. */
struct pager_kind
{
    uint32_t reason;             /* VM_EVENT_REASON_* */
    uint32_t ring_param;         /* HVM_PARAM_* of the ring's gfn */
    uint64_t default_gfn;        /* where a toolstack puts it; see
                                  * libxenguest's special pages */
    const struct placer_ops *placer;

    /* As hv_pager_probe(). */
    int (*probe)(struct hv *hv, struct err *e, uint32_t domid);
    /* *ret_port is the hypervisor's end.  What failed is in e. */
    int (*enable)(struct hv *hv, struct err *e, uint32_t domid,
                  uint32_t *ret_port);
    int (*disable)(struct hv *hv, uint32_t domid);
    /* What is absent still, of a domain that lives. */
    uint64_t (*left)(const struct hv_pager *p, const struct hv_domain *d);
};

extern const struct pager_kind pager_paging, pager_access;
extern const struct placer_ops placer_paging, placer_access;

/* By enum hv_faults; NULL: there is none. */
const struct pager_kind *pager_kind(uint32_t by);

struct hv_pager
{
    /* set at open, then read-only */
    struct hv *hv;
    uint32_t domid;
    const struct pager_kind *kind;
    struct frames *frames;       /* access: see hv_xen_frames.h; else NULL */
    struct hv_pager_state *state, own_state;
    uint64_t ring_gfn;
    void *page;
    xenevtchn_handle *xce;
    evtchn_port_t port;          /* of ours */

    /* the thread of hv_pager_next() */
    bool sealed, holding;

    pthread_mutex_t lock;
    /* under lock */
    vm_event_back_ring_t back;
    unsigned int nr_pending;
};

/* A pager without a ring, closed by hv_pager_leave(); NULL: no memory. */
struct hv_pager *hv_pager_new(struct hv *hv, enum hv_faults by,
                              uint32_t domid, uint64_t nr_gfns,
                              struct hv_pager_state *state);
/* Why a domain, or (HV_NO_DOMAIN) this host, can't have absent pages:
 * -EOPNOTSUPP. */
int pager_refuse(struct err *e, uint32_t domid, const char *why);
/* Is it populated on demand?  Then that is recorded. */
int pager_refuse_pod(struct hv *hv, struct err *e, uint32_t domid);
/* What somebody else left absent becomes this pager's (access). */
int access_adopt(struct hv_pager *p, struct err *e);
/* Map the ring's page; populate: make it if it is not there. */
int hv_pager_map_ring(struct hv_pager *p, bool populate);
/* Bind the event channel that the state names. */
int hv_pager_bind(struct hv_pager *p);
/* The gfn that a request or response is about. */
static inline uint64_t pager_gfn(const vm_event_request_t *q)
{
    return q->reason == VM_EVENT_REASON_MEM_ACCESS ? q->u.mem_access.gfn
                                                   : q->u.mem_paging.gfn;
}
/* One response, under lock. */
void hv_pager_push(struct hv_pager *p, uint32_t vcpu, uint32_t flags,
                   uint64_t gfn, bool drop);

/*
 * Put the responses to n requests into the ring; the hypervisor is told by
 * hv_pager_port() getting an event.  Any thread.
 */
void hv_pager_respond(struct hv_pager *p, const struct hv_pager_request *rq,
                      unsigned int n);
/* This process's end of the event channel. */
uint32_t hv_pager_port(const struct hv_pager *p);

#endif
