/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Absent pages of a domain (Xen's mem_paging), and the ring by which its
 * pager is told.
 *
 * A P2M entry with P2M_PAGING is one of Xen's types:
 *   paging_out   P2M_PAGING                           nominated, has its frame
 *   paged        P2M_PAGING | P2M_ABSENT              has none
 *   paging_in    P2M_PAGING | P2M_ASKED [| P2M_ABSENT]
 * A vCPU that touches one gets a signal, as the range is registered with
 * userfaultfd and the page has no page-table entry; its thread puts the
 * request into the ring itself and sleeps, with nobody in between.
 *
 * paging.c has faults and page tables, paging_op.c evicting and placing,
 * paging_event.c the ring.
 */
#ifndef XMIG_EMU_PAGING_H
#define XMIG_EMU_PAGING_H

#include "host.h"

int paging_init(struct domain *d);
void paging_done(struct domain *d);
/* The domain is destroyed: its vCPUs have ended. */
void paging_end(struct domain *d);

/* ---- for p2m.c, p2m_lock held for writing ------------------------------- */

/* gfns [first, first + nr) are mapped anew at their place. */
void paging_mapped(struct domain *d, uint64_t first, uint64_t nr);
/* Entry e is replaced by something else. */
void paging_gone(struct domain *d, uint32_t e);

/* ---- touching ----------------------------------------------------------- */

/*
 * The guest's thread touched gfn and got a signal.  True: try again.
 * May leave the step by a jump (vcpu_fault_end()).
 */
bool paging_fault(struct vcpu *v, uint64_t gfn);
/* dom0 wants gfn, which is not to be had now; p2m_lock held. */
void paging_ask(struct domain *d, uint64_t gfn);
/* Tell the pager of what paging_ask() has put into the ring; no lock held
 * but gnttab's. */
void paging_notify(struct domain *d);
/* Whoever runs this thread gave these gfns up; no lock held. */
void paging_dropped(struct domain *d, const uint64_t *gfns, unsigned int n);

/* ---- XENMEM_paging_op --------------------------------------------------- */

/*
 * What a multicall does to absent pages is done to the page tables in runs,
 * at the end of it or before anything else happens: until paging_flush() the
 * domain's p2m_lock is held.
 */
struct paging_batch
{
    struct domain *d;            /* NULL: empty; a reference */
    bool writing;                /* evicting, else placing */
    uint64_t first, nr;          /* to be zapped or continued */
    uint32_t frames[RUN_FRAMES]; /* to be freed when they are zapped */
    unsigned int nr_frames;
};

/* One operation; it may flush.  buffer: its page (prep), or NULL. */
int paging_op(struct paging_batch *b, struct domain *d, unsigned int op,
              uint64_t gfn, const void *buffer);
void paging_flush(struct paging_batch *b);

uint64_t paging_nr_absent(struct domain *d);

/* ---- the ring ----------------------------------------------------------- */

/* XEN_DOMCTL_VM_EVENT_OP_PAGING; domain.lock held. */
int paging_enable(struct domain *d, uint32_t *ret_port);
int paging_disable(struct domain *d);
int paging_resume(struct domain *d);

#endif
