/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * A vm_event ring of a domain: places in it, requests, responses.
 *
 * The ring page is shared with who listens, who may write anything: all
 * positions are kept here.  As in Xen a request holds its place until a
 * response has been taken, a vCPU that finds no place waits, and dom0 is told
 * to come again.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <xenctrl.h>
#include <xen/hvm/params.h>

#include "evtchn.h"
#include "paging.h"
#include "vm_event.h"

/* Of a response, beside those that go without saying here. */
#define FLAGS_MODELLED (VM_EVENT_FLAG_VCPU_PAUSED | VM_EVENT_FLAG_FOREIGN | \
                        VM_EVENT_FLAG_ALTERNATE_P2M)

struct vm_ring
{
    /* set at creation, then read-only */
    struct domain *d;
    unsigned int param;          /* names the gfn of its page */

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

int vm_event_init(struct domain *d)
{
    static const unsigned int param[NR_RINGS] = {
        [RING_PAGING] = HVM_PARAM_PAGING_RING_PFN,
        [RING_MONITOR] = HVM_PARAM_MONITOR_RING_PFN,
    };
    unsigned int i;

    for ( i = 0; i < NR_RINGS; i++ )
    {
        struct vm_ring *r = calloc(1, sizeof(*r));

        if ( !r )
            return -ENOMEM;
        r->d = d;
        r->param = param[i];
        pthread_mutex_init(&r->lock, NULL);
        d->rings[i] = r;
    }
    return 0;
}

void vm_event_done(struct domain *d)
{
    unsigned int i;

    for ( i = 0; i < NR_RINGS; i++ )
    {
        if ( !d->rings[i] )
            continue;
        pthread_mutex_destroy(&d->rings[i]->lock);
        free(d->rings[i]);
        d->rings[i] = NULL;
    }
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

void ring_cancel(struct vm_ring *r)
{
    pthread_mutex_lock(&r->lock);
    if ( r->page )
    {
        r->reserved--;
        wake(r, room(r));
    }
    pthread_mutex_unlock(&r->lock);
}

/* ---- requests ----------------------------------------------------------- */

void ring_put(struct vm_ring *r, const struct vcpu *v, bool paused,
              vm_event_request_t *req)
{
    req->version = VM_EVENT_INTERFACE_VERSION;
    req->flags = (paused ? VM_EVENT_FLAG_VCPU_PAUSED : 0) |
                 (v ? 0 : VM_EVENT_FLAG_FOREIGN);
    req->vcpu_id = v ? v->id : 0;

    pthread_mutex_lock(&r->lock);
    if ( r->page )
    {
        memcpy(RING_GET_REQUEST(&r->front, r->front.req_prod_pvt), req,
               sizeof(*req));
        r->front.req_prod_pvt++;
        RING_PUSH_REQUESTS(&r->front);
        r->reserved--;
        wake(r, room(r));
        atomic_store(&r->tell, true);
    }
    pthread_mutex_unlock(&r->lock);
}

void vm_event_notify(struct domain *d)
{
    unsigned int i;

    for ( i = 0; i < NR_RINGS; i++ )
    {
        struct vm_ring *r = d->rings[i];

        if ( r && atomic_load(&r->tell) && atomic_exchange(&r->tell, false) )
            evtchn_send(d->domid, r->port);
    }
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

/* Of a vCPU that waits for an answer. */
static void answered(struct domain *d, struct vcpu *v,
                     const vm_event_response_t *rsp)
{
    if ( rsp->flags & ~(uint32_t)FLAGS_MODELLED )
        log_line("dom%u: vm_event response flags 0x%x are not modelled",
                 d->domid, rsp->flags);
    if ( rsp->reason == VM_EVENT_REASON_MEM_PAGING &&
         !(rsp->u.mem_paging.flags & MEM_PAGING_DROP_PAGE) )
        paging_resumed(d, rsp->u.mem_paging.gfn);
    if ( rsp->flags & VM_EVENT_FLAG_VCPU_PAUSED )
        vcpu_event_unpause(v);
}

int ring_resume(struct vm_ring *r)
{
    struct domain *d = r->d;
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
        if ( vcpu_event_paused(v) )
            answered(d, v, &rsp);
    }
    return 0;
}

static void on_event(void *arg)
{
    ring_resume(arg);
}

/* ---- on and off --------------------------------------------------------- */

int ring_check(struct vm_ring *r)
{
    if ( ring_there(r) )
        return -EBUSY;
    return atomic_load(&r->d->params[r->param]) ? 0 : -EOPNOTSUPP;
}

int ring_on(struct vm_ring *r, uint32_t *ret_port)
{
    struct machine *m = &r->d->host->machine;
    uint64_t mfn;
    int rc = ring_check(r);

    if ( rc )
        return rc;
    rc = p2m_pin(r->d, atomic_load(&r->d->params[r->param]), &mfn);
    if ( rc )
        return rc == -EAGAIN ? -ENOENT : -EINVAL;
    rc = evtchn_alloc_consumed(r->d->domid, 0, on_event, r, &r->port);
    if ( rc )
    {
        machine_unpin(m, mfn);
        return rc;
    }

    pthread_mutex_lock(&r->lock);
    r->mfn = mfn;
    r->page = machine_ptr(m, mfn);
    FRONT_RING_INIT(&r->front, (vm_event_sring_t *)r->page, PAGE_SIZE);
    r->reserved = 0;
    atomic_store(&r->there, true);
    pthread_mutex_unlock(&r->lock);
    *ret_port = r->port;
    return 0;
}

int ring_off(struct vm_ring *r)
{
    uint64_t mfn = 0;
    int rc = 0;

    pthread_mutex_lock(&r->lock);
    if ( r->nr_waiting && !atomic_load(&r->d->dying) )
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
    if ( rc )
        return rc;
    evtchn_close_consumed(r->d->domid, r->port);
    machine_unpin(&r->d->host->machine, mfn);
    return 0;
}
