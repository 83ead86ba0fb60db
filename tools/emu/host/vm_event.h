/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The vm_event rings of a domain: its pager's (paging.h) and its monitor's
 * (access.h).  Responses are handled alike whichever ring they arrive on.
 */
#ifndef XMIG_EMU_VM_EVENT_H
#define XMIG_EMU_VM_EVENT_H

#include <xenctrl.h>
#include <xen/vm_event.h>

#include "host.h"

int vm_event_init(struct domain *d);
void vm_event_done(struct domain *d);

/* ---- requests ----------------------------------------------------------- */

enum ring_claim { RING_OK, RING_FULL, RING_NONE };

bool ring_there(struct vm_ring *r);
/* Reserve a place; v: the vCPU that asks, who is told when there is room. */
enum ring_claim ring_claim(struct vm_ring *r, struct vcpu *v);
void ring_cancel(struct vm_ring *r);
/* Fill the place reserved with reason and u of req, on behalf of v (NULL:
 * dom0); paused: v waits for the answer. */
void ring_put(struct vm_ring *r, const struct vcpu *v, bool paused,
              vm_event_request_t *req);
/* Tell who listens of what was put into the rings; no lock held but
 * gnttab's. */
void vm_event_notify(struct domain *d);

/* ---- on, off, responses ------------------------------------------------- */

/* domain.lock held.  0, or why the ring can't be had: -EBUSY, -EOPNOTSUPP. */
int ring_check(struct vm_ring *r);
/* The same, -EINVAL or -ENOENT for its page; then it is there. */
int ring_on(struct vm_ring *r, uint32_t *ret_port);
/* domain.lock held, domain paused.  -EBUSY: a vCPU waits for room.  A vCPU
 * that waits for an answer goes on waiting, as in Xen; it may come by another
 * ring. */
int ring_off(struct vm_ring *r);
/* Take the responses that are there.  -ENODEV. */
int ring_resume(struct vm_ring *r);

#endif
