/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Absent pages of a domain: making them, being told who wants one, putting
 * them back.  Over Xen's mem_paging, or its mem_access where the hypervisor
 * has only that; hv_xen_p*.c and hv_xen_access*.c alone know how.
 *
 * A gfn of a domain is present (has contents), a hole, or absent: whoever
 * touches it waits until somebody has placed a page.
 *
 * By mem_paging (HV_FAULTS_PAGING) an absent gfn has no frame:
 *
 *   - A vCPU is paused and a request is put into the ring.  It goes on when
 *     the request has been answered, and faults again, with another request,
 *     if the page is still absent then.
 *   - A foreign mapping fails for that page with ENOENT, and a request is put
 *     into the ring, once until the page is there.  libxenforeignmemory
 *     repeats such a mapping every 100 us until it succeeds: hv_map() of an
 *     absent gfn RETURNS ONLY WHEN SOMEBODY ELSE HAS PLACED IT.  A thread
 *     that places must not map.
 *   - Mapping or copying by a grant, the hypervisor's own copies (hypercall
 *     arguments of the guest): a request likewise; the backend is told EAGAIN
 *     and tries again, the guest's hypercall is repeated.
 *   - The guest gives the gfn up (balloon): it is a hole at once, and a
 *     request with drop tells.
 *   - The guest, or a toolstack, populates the gfn: it is present at once;
 *     nobody is told, placing it finds it present.
 *   - hv_page_types() cannot tell an absent gfn from a hole: see
 *     hv_placer_look().
 *
 * The ring outlives the process that opened it: whoever touches an absent page
 * then just waits.  Without a ring a touch crashes the domain.
 *
 * Frames of absent pages are the host's again.  A claim (hv_claim()) that was
 * used up by populating does not come back by evicting: claim anew, or
 * placing may fail with -ENOMEM.
 *
 * By mem_access (HV_FAULTS_ACCESS) it keeps its frame, and vCPUs alone are
 * told apart from everybody else:
 *
 *   - A vCPU that reads or writes it waits as above.
 *   - NOBODY ELSE WAITS.  A foreign mapping, a grant, the hypervisor's copies
 *     of hypercall arguments, and what it writes by itself reach whatever lies
 *     in the frame: so no domain with a backend, see docs/postcopy.md.
 *   - The guest gives the gfn up, or somebody populates it: nobody is told;
 *     placing it is harmless, and counts as placed.
 *   - All of its memory is there from the start.  The frames are mapped, in
 *     the process that has the pager, from before the guest runs until they
 *     are let go: so what is placed can't hit another frame that the gfn has
 *     by now.
 *   - Placing is contents first, then the right; that a page is placed once
 *     only is seen to by the pager, for the placers of its process.
 */
#ifndef XMIG_HV_PAGER_H
#define XMIG_HV_PAGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "hv.h"
#include "pages.h"

enum hv_faults
{
    HV_FAULTS_PAGING,            /* mem_paging */
    HV_FAULTS_ACCESS,            /* mem_access */
};

/*
 * Could a domain have absent pages on this host; with a domid: could that one?
 * domid = HV_NO_DOMAIN: asks for the host alone.  Changes nothing.
 *   -EOPNOTSUPP  no, and the reason is in e.  Paging: the hypervisor is built
 *                without it; dom0 is HVM or PVH; no hardware assisted paging;
 *                populate-on-demand; another pager has the ring.  Access: it
 *                is built without it; no VMX, no hardware assisted paging (in
 *                either case of a domain); populate-on-demand
 * An IOMMU in use (paging), a ring in use (access) is found by hv_pager_open()
 * only.
 */
#define HV_NO_DOMAIN UINT32_MAX
int hv_pager_probe(struct hv *hv, struct err *e, enum hv_faults by,
                   uint32_t domid);

/*
 * How many gfns of the domain are absent, whoever made them so.  By access
 * each page is asked for, if there is a monitor's ring.
 */
int hv_absent_pages(struct hv *hv, struct err *e, uint32_t domid,
                    uint64_t *ret_pages);

/* ---- The ring ---------------------------------------------------------- */

struct hv_pager;

/* At most so many requests are unanswered at a time (Xen's ring has fewer
 * entries; further vCPUs that fault wait in the hypervisor). */
#define HV_PAGER_PENDING_MAX 64u

/*
 * What a process that takes the ring over has to know of it.  It is kept in
 * memory of the caller's, which may be shared with another process (a memfd),
 * and is right at every instant: a process may be killed anywhere.  Fields
 * are hv_xen_pager*.c's; all zeros at first.
 */
struct hv_pager_state
{
    uint32_t magic;
    uint32_t domid;
    uint32_t port;               /* the hypervisor's end */
    uint32_t by;                 /* enum hv_faults */
    uint64_t nr_gfns;
    struct
    {
        uint32_t used;
        uint32_t vcpu;
        uint32_t flags;
        uint32_t reserved;
        uint64_t gfn;
    } pending[HV_PAGER_PENDING_MAX];
};

/*
 * Make the ring and switch the faults on.  The domain has a vCPU; it is paused
 * by the caller, or has not run yet, until hv_pager_seal().
 *
 * nr_gfns  what is made absent lies below
 * state    NULL: the ring ends with this process.  Else see above; must live
 *          as long as the pager.
 *
 *   -EOPNOTSUPP  as hv_pager_probe(), or the domain has an IOMMU
 *   -EBUSY       there is a pager already
 *   -ENOMEM      no memory for the ring (one page of the domain's limit, for
 *                as long as it is not sealed)
 */
int hv_pager_open(struct hv *hv, struct err *e, enum hv_faults by,
                  uint32_t domid, uint64_t nr_gfns,
                  struct hv_pager_state *state, struct hv_pager **ret_p);
/*
 * Take the ring page out of the guest's memory, so that the guest can't write
 * to it.  Must be done before the guest runs.  Whoever wants to be able to
 * take the ring over maps it before that: hv_pager_hold().
 */
int hv_pager_seal(struct hv_pager *p, struct err *e);
/*
 * Switch the faults off and free.  p may be NULL.  Requests that are
 * unanswered, or that nobody has taken yet, are answered.
 *
 *   -EBUSY  some gfns are still absent: the domain would crash at the first
 *           touch.  Nothing has been done, p is as it was.
 * Thread: no other uses p any more.
 * A domain that is dying or gone is no obstacle.
 */
int hv_pager_close(struct hv_pager *p, struct err *e);
/*
 * Free what this process holds, and leave the faults on: for a child that
 * hands over, or after the domain was destroyed.  p may be NULL.
 */
void hv_pager_leave(struct hv_pager *p);

struct hv_pager_request
{
    uint64_t gfn;
    uint32_t vcpu;               /* whose request; of dom0's if foreign */
    bool vcpu_paused;            /* that vCPU of the guest waits */
    bool drop;                   /* the gfn is a hole now, nothing to place */
    bool foreign;                /* not the guest: a mapping, a grant */
    bool evict_failed;           /* it was only being evicted: the page is
                                  * still there, placing brings it back */
    uint32_t raw_flags;          /* private */
};

/* Readable when there may be requests.  It is level-triggered until
 * hv_pager_next() has said -EAGAIN. */
int hv_pager_fd(const struct hv_pager *p);
/*
 * The next request.  EVERY request is to be answered, once, in any order, by
 * hv_pager_answer() or hv_placer_serve(), also those with drop and those that
 * nobody waits for: it keeps its place in the ring until then.
 *
 *   -EAGAIN  none; hv_pager_fd() will say
 *   -EPROTO  what is in the ring is no request; the ring is of no use any more
 *   -EBUSY   HV_PAGER_PENDING_MAX are unanswered
 *
 * Thread: one at a time.
 */
int hv_pager_next(struct hv_pager *p, struct err *e,
                  struct hv_pager_request *ret);
/*
 * Answer n requests: their vCPUs go on.
 * Thread: any.
 */
int hv_pager_answer(struct hv_pager *p, struct err *e,
                    const struct hv_pager_request *rq, unsigned int n);

/* ---- Taking the ring over ---------------------------------------------- */

/*
 * A process that wants to be able to go on when the one that opened the ring
 * has died (a tiny holder) calls hv_pager_hold() between that one's
 * hv_pager_open() and hv_pager_seal(), and then keeps the result: a mapping
 * of the ring page.  Such a mapping can neither be inherited by fork nor be
 * passed over a socket, and once the ring is sealed nobody can map it again.
 * The event channel needs no keeping: when its process has died, the
 * hypervisor's end (state->port) waits to be bound again.  Unanswered
 * requests stand in state.
 *
 * hv_pager_take() makes a working pager of it, once the other process is
 * gone.  All requests that were unanswered are answered by it: vCPUs that
 * still miss a page fault again, so the new owner sees everything that
 * matters by hv_pager_next().
 *
 *   hv_pager_hold: -ENOENT   the ring is sealed already
 *   hv_pager_take: -EBUSY    the other process still has the event channel
 *                  -ENODEV   there is no ring any more
 *                  -EPROTO   state does not fit the ring
 */
int hv_pager_hold(struct hv *hv, struct err *e, uint32_t domid,
                  struct hv_pager_state *state, struct hv_pager **ret_p);
int hv_pager_take(struct hv_pager *p, struct err *e);

/* ---- Making absent, placing -------------------------------------------- */

/*
 * A thread's own set of handles and its own buffer, for placing and evicting.
 * Several threads work on one domain side by side with a placer each; the
 * hypervisor (paging) or the pager (access) sorts out who comes first.
 * Thread: one at a time per placer.
 */
struct hv_placer;

#define HV_PLACER_PAGES_MAX 512u

/* With a buffer of so many pages, 1 ... HV_PLACER_PAGES_MAX.  p is of this
 * process, and outlives it. */
int hv_placer_open(struct hv_pager *p, struct err *e, unsigned int pages,
                   struct hv_placer **ret_pl);
void hv_placer_close(struct hv_placer *pl);
/* Page i of the buffer; they follow each other.  Receive into it: what the
 * hypervisor reads has to lie in memory that does not fault. */
void *hv_placer_page(const struct hv_placer *pl, unsigned int i);

/*
 * Place n pages: page from + i of the buffer becomes gfns[i], by one atomic
 * step each, from absent to present with the contents.
 *
 * errs  n entries, may be NULL (then any but -EEXIST is the result):
 *         0        it is placed
 *         -EEXIST  the gfn is not absent (any more): present, or a hole.
 *                  Drop the page.
 *         -ENOMEM  the host or the domain's limit has no frame
 *
 * Returns 0 if all is said in errs.  Nobody is woken: see hv_pager_answer().
 */
int hv_placer_place(struct hv_placer *pl, struct err *e, unsigned int from,
                    const uint64_t *gfns, unsigned int n, int *errs);
/*
 * The same, and answer nr_rq requests, all in one call of the hypervisor: the
 * fast way for faults.  p is of the same domain.
 */
int hv_placer_serve(struct hv_placer *pl, struct hv_pager *p, struct err *e,
                    unsigned int from, const uint64_t *gfns, unsigned int n,
                    int *errs, const struct hv_pager_request *rq,
                    unsigned int nr_rq);
/* A page that lies elsewhere; by way of page 0 of the buffer. */
int hv_placer_put(struct hv_placer *pl, struct err *e, uint64_t gfn,
                  const void *page);

struct hv_evicted
{
    uint64_t absent;             /* made absent */
    uint64_t kept;               /* were not: mapped by somebody, special, or
                                  * holes */
};

/*
 * Make the gfns of want (NULL: all) in [first, first + count) absent.  They
 * have frames, whose contents are lost.
 *
 * absent  the bit of each gfn that is absent now is set; no other is touched
 * ret     may be NULL
 *
 * A gfn that somebody has mapped (a window of ours, a backend) or that is
 * special stays as it is and is counted as kept.  Returns 0 then, too.
 */
int hv_placer_evict(struct hv_placer *pl, struct err *e, uint64_t first,
                    uint64_t count, const struct pageset *want,
                    struct pageset *absent, struct hv_evicted *ret);
/*
 * Make holes absent: the gfns are populated and evicted, a bit at a time, so
 * that hardly any memory is needed for it.  Else as hv_placer_evict().
 *   -ENOMEM  not even for the bit at a time
 */
int hv_placer_make(struct hv_placer *pl, struct err *e, uint64_t first,
                   uint64_t count, const struct pageset *want,
                   struct pageset *absent, struct hv_evicted *ret);
/*
 * Which gfns of [first, first + count) are absent?  Sets and clears their bits
 * in absent.  (A page being evicted at this moment by somebody else may be
 * brought back by it.)
 */
int hv_placer_look(struct hv_placer *pl, struct err *e, uint64_t first,
                  uint64_t count, struct pageset *absent);

#endif
