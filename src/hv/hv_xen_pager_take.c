/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Holding the ring of absent pages beside its owner, and taking it over when
 * that one has died.
 */
#include "hv_xen.h"
#include "hv_xen_pager.h"

#include "pages.h"

int hv_pager_hold(struct hv *hv, struct err *e, uint32_t domid,
                  struct hv_pager_state *state, struct hv_pager **ret_p)
{
    struct hv_pager *p = NULL;
    int rc;

    if ( pager_kind(state->by) )
        p = hv_pager_new(hv, state->by, domid, state->nr_gfns, state);
    if ( !p )
        return hv_done(e, -ENOMEM, domid, "hold the ring of absent pages");
    rc = hv_pager_map_ring(p, false);
    if ( rc )
    {
        hv_pager_leave(p);
        return hv_done(e, rc, domid, "hold the ring of absent pages");
    }
    p->holding = true;
    *ret_p = p;

    return 0;
}

/*
 * Positions from the ring, what is unanswered from the state.  The process
 * may have died between noting a request and taking it (the entry is dropped,
 * the request is still to come), or while answering one: whether that answer
 * is out shows in the count.
 */
static int attach(struct hv_pager *p)
{
    vm_event_sring_t *s = p->page;
    struct hv_pager_state *st = p->state;
    vm_event_request_t next;
    unsigned int i, taken = 0, answered = 0, owed;
    RING_IDX cons = s->req_event - 1, prod = s->req_prod;

    BACK_RING_INIT(&p->back, s, PAGE_BYTES);
    p->back.req_cons = cons;
    p->back.rsp_prod_pvt = s->rsp_prod;
    owed = cons - s->rsp_prod;
    if ( st->magic != STATE_MAGIC || st->domid != p->domid ||
         owed > RING_SIZE(&p->back) || prod - cons > RING_SIZE(&p->back) )
        return -EPROTO;
    for ( i = 0; i < HV_PAGER_PENDING_MAX; i++ )
    {
        taken += st->pending[i].used == PENDING_TAKEN;
        answered += st->pending[i].used == PENDING_ANSWERED;
    }
    memcpy(&next, RING_GET_REQUEST(&p->back, cons), sizeof(next));
    for ( i = 0; i < HV_PAGER_PENDING_MAX && taken > owed && prod != cons;
          i++ )
        if ( st->pending[i].used == PENDING_TAKEN &&
             st->pending[i].vcpu == next.vcpu_id &&
             st->pending[i].gfn == pager_gfn(&next) )
        {
            st->pending[i].used = PENDING_FREE;
            taken--;
        }
    if ( taken + answered < owed || taken > owed )
        return -EPROTO;
    p->nr_pending = 0;
    for ( i = 0; i < HV_PAGER_PENDING_MAX; i++ )
    {
        if ( st->pending[i].used == PENDING_TAKEN ||
             (st->pending[i].used == PENDING_ANSWERED && taken < owed) )
            hv_pager_push(p, st->pending[i].vcpu, st->pending[i].flags,
                    st->pending[i].gfn, true);
        st->pending[i].used = PENDING_FREE;
    }

    return 0;
}

int hv_pager_take(struct hv_pager *p, struct err *e)
{
    int rc;

    if ( !p->holding )
        return hv_done(e, -EINVAL, p->domid, "take the ring of absent pages "
                       "over");
    rc = hv_pager_bind(p);
    /* Xen's word for a port that is somebody's, or nobody's any more. */
    if ( rc == -EINVAL )
        rc = hv_domain_info(p->hv, NULL, p->domid, &(struct hv_domain){ 0 })
             ? -ENODEV : -EBUSY;
    if ( rc == -ESRCH )
        rc = -ENODEV;
    if ( !rc )
    {
        rc = attach(p);
        p->holding = false;
        p->sealed = true;
    }
    if ( !rc && xenevtchn_notify(p->xce, p->port) < 0 )
        rc = hv_rc();
    if ( !rc && p->frames )
        return access_adopt(p, e);

    return hv_done(e, rc, p->domid, "take the ring of absent pages over");
}
