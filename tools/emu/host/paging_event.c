/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The vm_event ring of a domain's pager: places in it, requests, responses.
 *
 * The ring page is shared with the pager, which may write anything: all
 * positions are kept here.  As in Xen a request holds its place until a
 * response has been taken, a vCPU that finds no place waits, and dom0 is told
 * to come again.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <xenctrl.h>
#include <xen/hvm/params.h>
#include <xen/vm_event.h>

#include "domctl.h"
#include "evtchn.h"
#include "paging_priv.h"


struct vm_ring
{
    pthread_mutex_t lock;
    /* under lock */
    vm_event_front_ring_t front;
    void *page;                  /* NULL: off */
    uint64_t mfn;                /* pinned */
    uint32_t port;               /* the domain's end */
    unsigned int reserved;       /* places claimed, not yet filled */
    struct vcpu *waiting[MAX_VCPUS]; /* for room; by vCPU number */
    unsigned int nr_waiting, last_woken;

    atomic_bool there;
    atomic_bool tell;            /* a notification is due */
};

int ring_new(struct vm_ring **ret_r)
{
    struct vm_ring *r = calloc(1, sizeof(*r));

    if ( !r )
        return -ENOMEM;
    pthread_mutex_init(&r->lock, NULL);
    *ret_r = r;
    return 0;
}

void ring_free(struct vm_ring *r)
{
    pthread_mutex_destroy(&r->lock);
    free(r);
}

bool ring_there(struct vm_ring *r)
{
    return atomic_load(&r->there);
}

/* ---- places; lock held -------------------------------------------------- */

static unsigned int room(const struct vm_ring *r)
{
    int n = (int)RING_FREE_REQUESTS(&r->front) - (int)r->reserved;

    return n > 0 ? (unsigned int)n : 0;
}

/* As many of those that wait as there is room for, in turn. */
static void wake(struct vm_ring *r, unsigned int n)
{
    unsigned int i, k = r->last_woken;

    for ( i = 1; i <= MAX_VCPUS && n && r->nr_waiting; i++ )
    {
        struct vcpu *v;

        k = (r->last_woken + i) % MAX_VCPUS;
        v = r->waiting[k];
        if ( !v )
            continue;
        r->waiting[k] = NULL;
        r->nr_waiting--;
        n--;
        vcpu_event_room(v);
    }
    r->last_woken = k;
}

enum ring_claim ring_claim(struct vm_ring *r, struct vcpu *v)
{
    enum ring_claim ret = RING_OK;

    pthread_mutex_lock(&r->lock);
    if ( !r->page )
        ret = RING_NONE;
    else if ( room(r) )
        r->reserved++;
    else
    {
        ret = RING_FULL;
        if ( v && !r->waiting[v->id] )
        {
            r->waiting[v->id] = v;
            r->nr_waiting++;
        }
    }
    pthread_mutex_unlock(&r->lock);
    return ret;
}

void ring_cancel(struct domain *d, struct vm_ring *r)
{
    (void)d;
    pthread_mutex_lock(&r->lock);
    if ( r->page )
    {
        r->reserved--;
        wake(r, room(r));
    }
    pthread_mutex_unlock(&r->lock);
}

/* ---- requests ----------------------------------------------------------- */

void ring_put(struct domain *d, struct vm_ring *r, const struct vcpu *v,
              uint64_t gfn, uint32_t p2mt, uint32_t flags, bool paused)
{
    vm_event_request_t req;

    (void)d;
    memset(&req, 0, sizeof(req));
    req.version = VM_EVENT_INTERFACE_VERSION;
    req.reason = VM_EVENT_REASON_MEM_PAGING;
    req.flags = (paused ? VM_EVENT_FLAG_VCPU_PAUSED : 0) |
                (v ? 0 : VM_EVENT_FLAG_FOREIGN);
    req.vcpu_id = v ? v->id : 0;
    req.u.mem_paging.gfn = gfn;
    req.u.mem_paging.p2mt = p2mt;
    req.u.mem_paging.flags = flags;

    pthread_mutex_lock(&r->lock);
    if ( r->page )
    {
        memcpy(RING_GET_REQUEST(&r->front, r->front.req_prod_pvt), &req,
               sizeof(req));
        r->front.req_prod_pvt++;
        RING_PUSH_REQUESTS(&r->front);
        r->reserved--;
        wake(r, room(r));
        atomic_store(&r->tell, true);
    }
    pthread_mutex_unlock(&r->lock);
}

void paging_notify(struct domain *d)
{
    struct vm_ring *r = d->paging ? d->paging->ring : NULL;

    if ( r && atomic_load(&r->tell) && atomic_exchange(&r->tell, false) )
        evtchn_send(d->domid, r->port);
}

/* ---- responses ---------------------------------------------------------- */

static bool next_response(struct vm_ring *r, vm_event_response_t *ret)
{
    bool got = false;

    pthread_mutex_lock(&r->lock);
    if ( r->page && RING_HAS_UNCONSUMED_RESPONSES(&r->front) )
    {
        memcpy(ret, RING_GET_RESPONSE(&r->front, r->front.rsp_cons),
               sizeof(*ret));
        r->front.rsp_cons++;
        r->front.sring->rsp_event = r->front.rsp_cons + 1;
        wake(r, room(r));
        got = true;
    }
    pthread_mutex_unlock(&r->lock);
    return got;
}

int paging_resume(struct domain *d)
{
    struct vm_ring *r = d->paging->ring;
    vm_event_response_t rsp;
    struct vcpu *v;
    unsigned int n;

    if ( !ring_there(r) )
        return -ENODEV;
    /* Xen believes any number of responses; a ringful will do here. */
    for ( n = 0; n < 64 && next_response(r, &rsp); n++ )
    {
        if ( rsp.version != VM_EVENT_INTERFACE_VERSION )
        {
            log_line("dom%u: vm_event interface version mismatch", d->domid);
            continue;
        }
        if ( rsp.vcpu_id >= d->nr_vcpus )
            continue;
        v = d->vcpus[rsp.vcpu_id];
        if ( !vcpu_event_paused(v) )
            continue;
        if ( rsp.reason == VM_EVENT_REASON_MEM_PAGING &&
             !(rsp.u.mem_paging.flags & MEM_PAGING_DROP_PAGE) )
            paging_resumed(d, rsp.u.mem_paging.gfn);
        if ( rsp.flags & VM_EVENT_FLAG_VCPU_PAUSED )
            vcpu_event_unpause(v);
    }
    return 0;
}

static void on_event(void *arg)
{
    paging_resume(arg);
}

/* ---- on and off --------------------------------------------------------- */

int paging_enable(struct domain *d, uint32_t *ret_port)
{
    struct vm_ring *r = d->paging->ring;
    uint64_t gfn = atomic_load(&d->params[HVM_PARAM_PAGING_RING_PFN]), mfn;
    int rc;

    if ( !d->ctl->hap )
        return -ENODEV;
    if ( ring_there(r) )
        return -EBUSY;
    if ( !gfn )
        return -EOPNOTSUPP;
    rc = p2m_pin(d, gfn, &mfn);
    if ( rc )
        return rc == -EAGAIN ? -ENOENT : -EINVAL;
    rc = paging_start(d);
    if ( rc )
    {
        log_line("dom%u: absent pages can't be had on this kernel: %s",
                 d->domid, strerror(-rc));
        rc = -ENOSYS;
        goto fail;
    }
    rc = evtchn_alloc_consumed(d->domid, 0, on_event, d, &r->port);
    if ( rc )
    {
        paging_stop(d);
        goto fail;
    }

    pthread_mutex_lock(&r->lock);
    r->mfn = mfn;
    r->page = machine_ptr(&d->host->machine, mfn);
    FRONT_RING_INIT(&r->front, (vm_event_sring_t *)r->page, PAGE_SIZE);
    r->reserved = 0;
    atomic_store(&r->there, true);
    pthread_mutex_unlock(&r->lock);
    *ret_port = r->port;
    return 0;

 fail:
    machine_unpin(&d->host->machine, mfn);
    return rc;
}

int paging_disable(struct domain *d)
{
    struct vm_ring *r = d->paging->ring;
    uint64_t mfn;
    int rc = 0;

    if ( !ring_there(r) )
        return -EINVAL;
    domain_pause(d);
    pthread_mutex_lock(&r->lock);
    if ( r->nr_waiting && !atomic_load(&d->dying) )
        rc = -EBUSY;
    else
    {
        memset(r->waiting, 0, sizeof(r->waiting));
        r->nr_waiting = 0;
        r->page = NULL;
        mfn = r->mfn;
        atomic_store(&r->there, false);
    }
    pthread_mutex_unlock(&r->lock);
    if ( !rc )
    {
        evtchn_close_consumed(d->domid, r->port);
        paging_stop(d);
        machine_unpin(&d->host->machine, mfn);
    }
    domain_unpause(d);
    return rc;
}
