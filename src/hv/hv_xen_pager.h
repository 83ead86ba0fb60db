/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Private to hv_xen_pager*.c (the ring) and hv_xen_placer.c (the pages).
 */
#ifndef XMIG_HV_XEN_PAGER_H
#define XMIG_HV_XEN_PAGER_H

#include <xen/memory.h>
#include <xen/vm_event.h>

#include "hv_pager.h"
#include "hv_xen.h"

#define STATE_MAGIC      0x70676d78u    /* "xmgp" */

enum pending { PENDING_FREE, PENDING_TAKEN, PENDING_ANSWERED };

struct hv_pager
{
    /* set at open, then read-only */
    struct hv *hv;
    uint32_t domid;
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
struct hv_pager *hv_pager_new(struct hv *hv, uint32_t domid,
                              struct hv_pager_state *state);
/* Map the ring's page; populate: make it if it is not there. */
int hv_pager_map_ring(struct hv_pager *p, bool populate);
/* Bind the event channel that the state names. */
int hv_pager_bind(struct hv_pager *p);
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
