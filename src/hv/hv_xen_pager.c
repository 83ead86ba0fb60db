/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The ring of a domain's absent pages: one of Xen's vm_event rings.
 *
 * A request keeps its entry until its response has been taken, whoever it was
 * for.  Responses need no order, but each overwrites the entry of a request
 * that was taken earlier: what is unanswered is kept in struct
 * hv_pager_state, for whoever takes the ring over.  Xen drops a response
 * without version and reason, and its vCPU sleeps for ever.
 *
 * Before it is sealed the guest could write to the ring, and a process that
 * holds it could have gone mad: what is read is checked.
 */
#include "hv_xen.h"
#include "hv_xen_frames.h"
#include "hv_xen_pager.h"

#include <poll.h>
#include <xen/hvm/save.h>

#include "pages.h"

/* A millisecond each. */
#define CLOSE_TRIES 1000u

const struct pager_kind *pager_kind(uint32_t by)
{
    static const struct pager_kind *const kinds[] = {
        [HV_FAULTS_PAGING] = &pager_paging,
        [HV_FAULTS_ACCESS] = &pager_access,
    };

    return by < sizeof(kinds) / sizeof(kinds[0]) ? kinds[by] : NULL;
}

/* ---- Can it be done? ---------------------------------------------------- */

int pager_refuse(struct err *e, uint32_t domid, const char *why)
{
    if ( domid == HV_NO_DOMAIN )
        return err_set(e, -EOPNOTSUPP, "absent pages on this host: %s", why);

    return err_set(e, -EOPNOTSUPP, "domain %u: absent pages: %s", domid, why);
}

int pager_refuse_pod(struct hv *hv, struct err *e, uint32_t domid)
{
    xen_pod_target_t pod = { 0 };
    int r, rc;

    rc = HV_CALL(hv, r, xc_domain_get_pod_target(
                            hv->xch, domid, &pod.tot_pages,
                            &pod.pod_cache_pages, &pod.pod_entries));
    if ( !rc && (pod.pod_entries || pod.pod_cache_pages) )
        return pager_refuse(e, domid, "it is populated on demand (PoD)");

    return 0;
}

int hv_pager_probe(struct hv *hv, struct err *e, enum hv_faults by,
                   uint32_t domid)
{
    return pager_kind(by)->probe(hv, e, domid);
}

/* ---- The ring page ----------------------------------------------------- */

static int find_gfn(const struct hv_pager *p, uint64_t *ret_gfn)
{
    const struct pager_kind *k = p->kind;
    struct hv *hv = p->hv;
    uint64_t gfn = 0;
    int r, rc;

    rc = HV_CALL(hv, r, xc_hvm_param_get(hv->xch, p->domid, k->ring_param,
                                         &gfn));
    if ( !rc && !gfn )
    {
        gfn = k->default_gfn;
        rc = HV_CALL(hv, r, xc_hvm_param_set(hv->xch, p->domid,
                                             k->ring_param, gfn));
    }
    if ( !rc )
        *ret_gfn = gfn;

    return rc;
}

static bool is_populated(struct hv *hv, uint32_t domid, uint64_t gfn)
{
    struct pageset one;
    bool yes = false;

    if ( pageset_init(&one, gfn + 1) )
        return false;
    if ( !hv_page_types(hv, NULL, domid, gfn, 1, &one, NULL) )
        yes = pageset_test(&one, gfn);
    pageset_done(&one);

    return yes;
}

int hv_pager_map_ring(struct hv_pager *p, bool populate)
{
    int rc;

    rc = find_gfn(p, &p->ring_gfn);
    if ( rc )
        return rc;
    if ( !is_populated(p->hv, p->domid, p->ring_gfn) )
    {
        if ( !populate )
            return -ENOENT;
        rc = hv_populate(p->hv, NULL, p->domid, &p->ring_gfn, 1, NULL);
        if ( rc )
            return rc;
    }

    return hv_map(p->hv, NULL, p->domid, true, &p->ring_gfn, 1, NULL,
                  &p->page);
}

int hv_pager_bind(struct hv_pager *p)
{
    xenevtchn_port_or_error_t port;

    errno = 0;
    port = xenevtchn_bind_interdomain(p->xce, p->domid, p->state->port);
    if ( port < 0 )
        return hv_rc();
    p->port = (evtchn_port_t)port;

    return 0;
}

struct hv_pager *hv_pager_new(struct hv *hv, enum hv_faults by,
                              uint32_t domid, uint64_t nr_gfns,
                              struct hv_pager_state *state)
{
    struct hv_pager *p = calloc(1, sizeof(*p));

    if ( !p )
        return NULL;
    p->hv = hv;
    p->kind = pager_kind(by);
    p->domid = domid;
    p->state = state ? state : &p->own_state;
    pthread_mutex_init(&p->lock, NULL);
    p->xce = xenevtchn_open(&hv->log.vt, 0);
    if ( p->xce && (by == HV_FAULTS_PAGING ||
                    !frames_open(hv, domid, nr_gfns, &p->frames)) )
        return p;
    hv_pager_leave(p);

    return NULL;
}

void hv_pager_leave(struct hv_pager *p)
{
    if ( !p )
        return;
    if ( p->xce )
        xenevtchn_close(p->xce);
    hv_unmap(p->hv, p->page, 1);
    frames_close(p->frames);
    pthread_mutex_destroy(&p->lock);
    free(p);
}

/* ---- Open, seal --------------------------------------------------------- */

int hv_pager_open(struct hv *hv, struct err *e, enum hv_faults by,
                  uint32_t domid, uint64_t nr_gfns,
                  struct hv_pager_state *state, struct hv_pager **ret_p)
{
    struct hv_pager *p;
    uint32_t port;
    int rc;

    rc = hv_pager_probe(hv, e, by, domid);
    if ( rc )
        return rc;
    p = hv_pager_new(hv, by, domid, nr_gfns, state);
    if ( !p )
        return hv_done(e, -ENOMEM, domid, "make a ring for absent pages");
    rc = hv_pager_map_ring(p, true);
    if ( rc )
    {
        hv_done(e, rc, domid, "map the ring for absent pages");
        goto failed;
    }
    SHARED_RING_INIT((vm_event_sring_t *)p->page);
    BACK_RING_INIT(&p->back, (vm_event_sring_t *)p->page, PAGE_BYTES);
    rc = p->kind->enable(hv, e, domid, &port);
    if ( rc )
        goto failed;
    *p->state = (struct hv_pager_state){
        .magic = STATE_MAGIC, .domid = domid, .port = port, .by = by,
        .nr_gfns = nr_gfns,
    };
    rc = hv_pager_bind(p);
    if ( rc )
    {
        hv_done(e, rc, domid, "bind the event channel of absent pages");
        p->kind->disable(hv, domid);
        goto failed;
    }
    *ret_p = p;

    return 0;

 failed:
    hv_pager_leave(p);

    return rc;
}

int hv_pager_seal(struct hv_pager *p, struct err *e)
{
    int rc;

    if ( p->sealed )
        return 0;
    rc = hv_depopulate(p->hv, e, p->domid, p->ring_gfn, 1);
    p->sealed = !rc;

    return rc;
}

/* ---- Requests ---------------------------------------------------------- */

int hv_pager_fd(const struct hv_pager *p)
{
    return xenevtchn_fd(p->xce);
}

uint32_t hv_pager_port(const struct hv_pager *p)
{
    return p->port;
}

/* Take one notification, if there is one. */
static bool notified(struct hv_pager *p)
{
    struct pollfd pfd = { .fd = hv_pager_fd(p), .events = POLLIN };
    xenevtchn_port_or_error_t port;

    if ( poll(&pfd, 1, 0) <= 0 )
        return false;
    port = xenevtchn_pending(p->xce);
    if ( port >= 0 )
        xenevtchn_unmask(p->xce, (evtchn_port_t)port);

    return port >= 0;
}

/* A place in the state, written before the request counts as taken.  Under
 * lock. */
static void note(struct hv_pager *p, const vm_event_request_t *q)
{
    unsigned int i;

    for ( i = 0; i < HV_PAGER_PENDING_MAX; i++ )
        if ( p->state->pending[i].used == PENDING_FREE )
            break;
    p->state->pending[i].vcpu = q->vcpu_id;
    p->state->pending[i].flags = q->flags;
    p->state->pending[i].gfn = pager_gfn(q);
    __atomic_store_n(&p->state->pending[i].used, PENDING_TAKEN,
                     __ATOMIC_RELEASE);
    p->nr_pending++;
}

static int take_request(struct hv_pager *p, vm_event_request_t *q)
{
    RING_IDX there;
    int rc = -EAGAIN;

    pthread_mutex_lock(&p->lock);
    there = __atomic_load_n(&p->back.sring->req_prod, __ATOMIC_ACQUIRE) -
            p->back.req_cons;
    if ( !there )
        goto out;
    rc = -EPROTO;
    if ( there > RING_SIZE(&p->back) )
        goto out;
    memcpy(q, RING_GET_REQUEST(&p->back, p->back.req_cons), sizeof(*q));
    if ( q->version != VM_EVENT_INTERFACE_VERSION ||
         q->reason != p->kind->reason )
        goto out;
    rc = -EBUSY;
    if ( p->nr_pending == HV_PAGER_PENDING_MAX )
        goto out;
    note(p, q);
    p->back.req_cons++;
    /* Also tells whoever takes over how far we are. */
    __atomic_store_n(&p->back.sring->req_event, p->back.req_cons + 1,
                     __ATOMIC_RELEASE);
    rc = 0;

 out:
    pthread_mutex_unlock(&p->lock);

    return rc;
}

int hv_pager_next(struct hv_pager *p, struct err *e,
                  struct hv_pager_request *ret)
{
    uint32_t flags = 0;          /* of paging */
    vm_event_request_t q;
    int rc;

    do {
        rc = take_request(p, &q);
    } while ( rc == -EAGAIN && notified(p) );
    if ( rc == -EPROTO )
        return err_set(e, rc, "domain %u: what is in the ring of absent "
                       "pages is no request", p->domid);
    if ( rc )
        return rc;
    if ( q.reason == VM_EVENT_REASON_MEM_PAGING )
        flags = q.u.mem_paging.flags;
    *ret = (struct hv_pager_request){
        .gfn = pager_gfn(&q),
        .vcpu = q.vcpu_id,
        .vcpu_paused = q.flags & VM_EVENT_FLAG_VCPU_PAUSED,
        .drop = flags & MEM_PAGING_DROP_PAGE,
        .foreign = q.flags & VM_EVENT_FLAG_FOREIGN,
        .evict_failed = flags & MEM_PAGING_EVICT_FAIL,
        .raw_flags = q.flags,
    };

    return 0;
}

/* ---- Responses --------------------------------------------------------- */

void hv_pager_push(struct hv_pager *p, uint32_t vcpu, uint32_t flags,
                    uint64_t gfn, bool drop)
{
    vm_event_response_t r;

    memset(&r, 0, sizeof(r));
    r.version = VM_EVENT_INTERFACE_VERSION;
    r.reason = p->kind->reason;
    r.vcpu_id = vcpu;
    r.flags = flags & VM_EVENT_FLAG_VCPU_PAUSED;
    if ( r.reason == VM_EVENT_REASON_MEM_ACCESS )
        r.u.mem_access.gfn = gfn;
    else
    {
        r.u.mem_paging.gfn = gfn;
        r.u.mem_paging.flags = drop ? MEM_PAGING_DROP_PAGE : 0;
    }
    memcpy(RING_GET_RESPONSE(&p->back, p->back.rsp_prod_pvt), &r, sizeof(r));
    p->back.rsp_prod_pvt++;
    RING_PUSH_RESPONSES(&p->back);
}

/* The entry of this request, marked: it is being answered.  Under lock. */
static uint32_t *mark(struct hv_pager *p, const struct hv_pager_request *rq)
{
    unsigned int i;

    for ( i = 0; i < HV_PAGER_PENDING_MAX; i++ )
    {
        uint32_t *used = &p->state->pending[i].used;

        if ( *used == PENDING_TAKEN &&
             p->state->pending[i].vcpu == rq->vcpu &&
             p->state->pending[i].gfn == rq->gfn &&
             p->state->pending[i].flags == rq->raw_flags )
        {
            __atomic_store_n(used, PENDING_ANSWERED, __ATOMIC_RELEASE);
            return used;
        }
    }

    return NULL;
}

void hv_pager_respond(struct hv_pager *p, const struct hv_pager_request *rq,
                      unsigned int n)
{
    unsigned int i;

    pthread_mutex_lock(&p->lock);
    for ( i = 0; i < n; i++ )
    {
        uint32_t *used = mark(p, &rq[i]);

        /* Twice would shift the whole ring. */
        if ( !used )
            continue;
        hv_pager_push(p, rq[i].vcpu, rq[i].raw_flags, rq[i].gfn, rq[i].drop);
        __atomic_store_n(used, PENDING_FREE, __ATOMIC_RELEASE);
        p->nr_pending--;
    }
    pthread_mutex_unlock(&p->lock);
}

int hv_pager_answer(struct hv_pager *p, struct err *e,
                    const struct hv_pager_request *rq, unsigned int n)
{
    if ( !n )
        return 0;
    hv_pager_respond(p, rq, n);
    errno = 0;
    if ( xenevtchn_notify(p->xce, p->port) < 0 )
        return hv_done(e, hv_rc(), p->domid, "answer requests for absent "
                       "pages");

    return 0;
}

/* ---- Close ------------------------------------------------------------- */

/*
 * A vCPU that has met an absent page puts its request into the ring a moment
 * later, when somebody may have placed the page.  This call pauses the domain
 * for its own time: then what vCPUs had begun stands in the ring.
 */
static void settle_vcpus(struct hv_pager *p)
{
    HVM_SAVE_TYPE(CPU) cpu;
    int r;

    (void)HV_CALL(p->hv, r, xc_domain_hvm_getcontext_partial(
                      p->hv->xch, p->domid, HVM_SAVE_CODE(CPU), 0, &cpu,
                      sizeof(cpu)));
}

/* Nothing is absent: whoever still waits goes on.  Xen forgets them with the
 * ring, and they would sleep for ever. */
static void answer_rest(struct hv_pager *p)
{
    struct hv_pager_request rq = { .drop = true };
    vm_event_request_t q;
    unsigned int i;

    for ( i = 0; i < HV_PAGER_PENDING_MAX; i++ )
    {
        rq.vcpu = p->state->pending[i].vcpu;
        rq.raw_flags = p->state->pending[i].flags;
        rq.gfn = p->state->pending[i].gfn;
        if ( p->state->pending[i].used == PENDING_TAKEN )
            hv_pager_respond(p, &rq, 1);
    }
    while ( !take_request(p, &q) )
    {
        rq.vcpu = q.vcpu_id;
        rq.raw_flags = q.flags;
        rq.gfn = pager_gfn(&q);
        hv_pager_respond(p, &rq, 1);
    }
    xenevtchn_notify(p->xce, p->port);
}

int hv_pager_close(struct hv_pager *p, struct err *e)
{
    unsigned int tries = 0;
    struct hv_domain d;
    uint64_t left;
    int rc;

    if ( !p )
        return 0;
    rc = hv_domain_info(p->hv, NULL, p->domid, &d);
    if ( !rc && !d.dying )
    {
        left = p->kind->left(p, &d);
        if ( left )
            return err_set(e, -EBUSY, "domain %u: switch absent pages off: "
                           "%" PRIu64 " are still absent", p->domid, left);
        /* Those that wait for room in the ring come when there is some. */
        do {
            settle_vcpus(p);
            answer_rest(p);
            rc = p->kind->disable(p->hv, p->domid);
        } while ( rc == -EBUSY && tries++ < CLOSE_TRIES &&
                  !poll(NULL, 0, 1) );
        if ( rc && rc != -ESRCH && rc != -EINVAL )
            return hv_done(e, rc, p->domid, "switch absent pages off");
    }
    hv_pager_leave(p);

    return 0;
}
