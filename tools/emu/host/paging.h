/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Absent pages of a domain (Xen's mem_paging).
 *
 * A P2M entry with P2M_PAGING is one of Xen's types:
 *   paging_out   P2M_PAGING                           nominated, has its frame
 *   paged        P2M_PAGING | P2M_ABSENT              has none
 *   paging_in    P2M_PAGING | P2M_ASKED [| P2M_ABSENT]
 * A vCPU that touches one gets a signal, as the page has no page-table entry
 * (watch.h); its thread puts the request into the ring (vm_event.h) itself and
 * sleeps, with nobody in between.
 *
 * paging.c has faults, paging_op.c evicting and placing.
 */
#ifndef XMIG_EMU_PAGING_H
#define XMIG_EMU_PAGING_H

#include "host.h"
#include "touch.h"

int paging_init(struct domain *d);
void paging_done(struct domain *d);
/* The domain is destroyed: its vCPUs have ended. */
void paging_end(struct domain *d);

/* Entry e is replaced by something else; p2m_lock held for writing. */
void paging_gone(struct domain *d, uint32_t e);

/* ---- touching ----------------------------------------------------------- */

/* A vCPU touched gfn, which is absent; p2m_lock held. */
enum touched paging_touch(struct vcpu *v, uint64_t gfn);
/* dom0 wants gfn, which is not to be had now; p2m_lock held. */
void paging_ask(struct domain *d, uint64_t gfn);
/* Whoever runs this thread gave these gfns up; no lock held. */
void paging_dropped(struct domain *d, const uint64_t *gfns, unsigned int n);

/* ---- XENMEM_paging_op --------------------------------------------------- */

struct pt_batch;

/* One operation; it may flush.  buffer: its page (prep), or NULL. */
int paging_op(struct pt_batch *b, struct domain *d, unsigned int op,
              uint64_t gfn, const void *buffer);
/* A response says that gfn may be used again. */
void paging_resumed(struct domain *d, uint64_t gfn);

uint64_t paging_nr_absent(struct domain *d);

/* ---- the ring ----------------------------------------------------------- */

/* XEN_DOMCTL_VM_EVENT_OP_PAGING; domain.lock held. */
int paging_enable(struct domain *d, uint32_t *ret_port);
int paging_disable(struct domain *d);

#endif
