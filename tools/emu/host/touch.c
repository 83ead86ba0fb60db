/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * See touch.h.  Runs on the vCPU's own thread, within its fault handler.
 */
#include "access.h"
#include "p2m_entry.h"
#include "paging.h"
#include "touch.h"
#include "vm_event.h"
#include "watch.h"

static enum touched once(struct vcpu *v, const struct touch *t)
{
    struct domain *d = v->d;
    enum touched ret = TOUCH_CRASH;
    uint32_t e;

    pthread_rwlock_rdlock(&d->p2m_lock);
    e = entry_get(d, t->gfn);
    if ( e & P2M_PAGING )
        ret = paging_touch(v, t->gfn);
    else if ( e & P2M_DENIED )
        ret = access_touch(v, t);
    else if ( e && watch_on(d) && !watch_continue_around(d, t->gfn) )
        ret = TOUCH_AGAIN;
    pthread_rwlock_unlock(&d->p2m_lock);
    return ret;
}

bool guest_touch(struct vcpu *v, const struct touch *t)
{
    struct domain *d = v->d;
    bool waited = false;
    enum touched r;

    if ( t->gfn >= d->p2m.max_gfns || !entry_get(d, t->gfn) )
        return false;
    /* It counts as running until its request is in the ring: so it is there
     * when a pause of the domain has come to its end. */
    for ( ;; waited = true )
    {
        r = once(v, t);
        /* After a wait the ring may be off, and the page there. */
        if ( r == TOUCH_AGAIN || r == TOUCH_CRASH )
            return r == TOUCH_AGAIN || waited;
        if ( r == TOUCH_ASKED )
            vm_event_notify(d);
        vcpu_fault_begin(v);
        vcpu_fault_wait(v, r == TOUCH_FULL);
        vcpu_fault_end(v);
        if ( r == TOUCH_ASKED )
            return true;
    }
}
