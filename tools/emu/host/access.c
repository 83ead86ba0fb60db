/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Denied pages: the P2M's side of access.h.
 *
 * Denying needs p2m_lock for writing, as the page-table entries go; allowing
 * does with it for reading, and clears the flag by an atomic operation.
 */
#include <errno.h>

#include "access.h"
#include "batch.h"
#include "p2m_entry.h"
#include "vm_event.h"
#include "watch.h"

/* ---- setting ------------------------------------------------------------ */

/* True: it was denied. */
static bool allow_one(struct domain *d, uint64_t gfn)
{
    /* Most calls find nothing to do. */
    if ( !(entry_get(d, gfn) & P2M_DENIED) ||
         !(atomic_fetch_and(&d->p2m.entry[gfn], ~P2M_DENIED) & P2M_DENIED) )
        return false;
    atomic_fetch_sub(&d->access.nr_denied, 1);
    return true;
}

static void allow(struct pt_batch *b, struct domain *d, uint64_t first,
                  uint64_t end)
{
    uint64_t gfn;

    batch_begin(b, d, false);
    for ( gfn = first; gfn < end && gfn < d->p2m.nr_gfns; gfn++ )
        if ( allow_one(d, gfn) )
            batch_add(b, gfn, 1);
}

static int deny_begin(struct pt_batch *b, struct domain *d)
{
    batch_begin(b, d, true);
    return atomic_load(&d->dying) ? -EINVAL : watch_start(d, WATCH_ACCESS);
}

static int deny(struct pt_batch *b, struct domain *d, uint64_t first,
                uint64_t end)
{
    uint64_t gfn;
    int rc = deny_begin(b, d);

    if ( rc )
        return rc;
    if ( end > d->p2m.nr_gfns )
        end = d->p2m.nr_gfns;
    for ( gfn = first; gfn < end; gfn++ )
    {
        uint32_t e = entry_get(d, gfn);

        if ( e & P2M_PAGING )
        {
            log_line("dom%u: access to absent pages (gfn 0x%llx) is not "
                     "modelled", d->domid, (unsigned long long)gfn);
            rc = -EOPNOTSUPP;
            break;
        }
        if ( !e || (e & P2M_DENIED) )
            continue;
        entry_set(d, gfn, e | P2M_DENIED);
        atomic_fetch_add(&d->access.nr_denied, 1);
    }
    /* Holes among them do no harm, and make no more calls. */
    if ( gfn > first )
        batch_add(b, first, gfn - first);
    return rc;
}

int access_set(struct pt_batch *b, struct domain *d, uint64_t first,
               uint64_t nr, bool deny_it)
{
    if ( deny_it )
        return deny(b, d, first, first + nr);
    allow(b, d, first, first + nr);
    return 0;
}

int access_set_default(struct pt_batch *b, struct domain *d, bool deny_it)
{
    int rc = 0;

    if ( deny_it )
        rc = deny_begin(b, d);
    else
        batch_begin(b, d, true);
    if ( !rc )
        atomic_store(&d->access.deny_new, deny_it);
    return rc;
}

/* ---- touching ----------------------------------------------------------- */

/* Nobody listens. */
static enum touched unheard(struct vcpu *v, uint64_t gfn)
{
    struct domain *d = v->d;

    if ( atomic_load(&d->access.required) )
    {
        log_line("dom%u: vCPU %u may not touch gfn 0x%llx, and no vm_event "
                 "listener is there, which is required", d->domid, v->id,
                 (unsigned long long)gfn);
        return TOUCH_CRASH;
    }
    allow_one(d, gfn);
    return watch_continue_around(d, gfn) ? TOUCH_CRASH : TOUCH_AGAIN;
}

enum touched access_touch(struct vcpu *v, const struct touch *t)
{
    struct vm_ring *r = v->d->rings[RING_MONITOR];
    vm_event_request_t req = {
        .reason = VM_EVENT_REASON_MEM_ACCESS,
        .u.mem_access = {
            .gfn = t->gfn,
            .flags = t->write ? MEM_ACCESS_W : MEM_ACCESS_R,
            .offset = t->offset,
        },
    };

    switch ( ring_claim(r, v) )
    {
    case RING_OK:
        break;

    case RING_FULL:
        return TOUCH_FULL;

    default:
        return unheard(v, t->gfn);
    }
    /* It must not be answered before it sleeps. */
    vcpu_event_pause(v);
    ring_put(r, v, true, &req);
    return TOUCH_ASKED;
}

/* ---- the monitor ring --------------------------------------------------- */

/* The domain stands still, or its vCPUs have ended. */
static void stop_watching(struct domain *d, bool by_force)
{
    pthread_rwlock_wrlock(&d->p2m_lock);
    if ( by_force || (!atomic_load(&d->access.nr_denied) &&
                      !atomic_load(&d->access.deny_new)) )
        watch_stop(d, WATCH_ACCESS);
    pthread_rwlock_unlock(&d->p2m_lock);
}

int monitor_enable(struct domain *d, uint32_t *ret_port)
{
    return ring_on(d->rings[RING_MONITOR], ret_port);
}

int monitor_disable(struct domain *d)
{
    struct vm_ring *r = d->rings[RING_MONITOR];
    int rc;

    if ( !ring_there(r) )
        return -EINVAL;
    domain_pause(d);
    rc = ring_off(r);
    /* What is denied stays so, until it is touched. */
    if ( !rc )
        stop_watching(d, false);
    domain_unpause(d);
    return rc;
}

void access_make_way(struct domain *d)
{
    if ( !watch_on(d) )
        return;
    domain_pause(d);
    stop_watching(d, false);
    domain_unpause(d);
}

void access_end(struct domain *d)
{
    monitor_disable(d);
    stop_watching(d, true);
}
