/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Absent pages: touching them, and switching them on and off.
 *
 * An absent gfn stays mapped to the machine frame that it had, but without a
 * page-table entry (watch.h).  Placing is: take that frame again if it is
 * free, fill it through the host's own mapping, give the entry back.  Where
 * somebody else has the frame by now, the slot is mapped to other frames.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <xenctrl.h>

#include "domctl.h"
#include "p2m_entry.h"
#include "paging_priv.h"
#include "vm_event.h"
#include "watch.h"

/* Xen's p2m_type_t, as requests tell them. */
#define P2MT_PAGING_OUT 9
#define P2MT_PAGED      10
#define P2MT_PAGING_IN  11

int paging_init(struct domain *d)
{
    struct paging *pg = calloc(1, sizeof(*pg));
    unsigned int i;

    if ( !pg )
        return -ENOMEM;
    for ( i = 0; i < 64; i++ )
        pthread_mutex_init(&pg->slot_lock[i], NULL);
    d->paging = pg;
    return 0;
}

void paging_done(struct domain *d)
{
    unsigned int i;

    if ( !d->paging )
        return;
    for ( i = 0; i < 64; i++ )
        pthread_mutex_destroy(&d->paging->slot_lock[i]);
    free(d->paging);
    d->paging = NULL;
}

void paging_end(struct domain *d)
{
    paging_disable(d);
}

uint64_t paging_nr_absent(struct domain *d)
{
    return d->paging ? atomic_load(&d->paging->nr_absent) : 0;
}

void paging_gone(struct domain *d, uint32_t e)
{
    if ( e & P2M_ABSENT )
        atomic_fetch_sub(&d->paging->nr_absent, 1);
}

/* ---- on and off --------------------------------------------------------- */

/* What is absent must not show what is in its former frames. */
static void holes_for_absent(struct domain *d)
{
    uint64_t gfn, end;

    for ( gfn = 0; paging_nr_absent(d) && gfn < d->p2m.nr_gfns; gfn = end )
    {
        for ( end = gfn; end < d->p2m.nr_gfns &&
                         (entry_get(d, end) & P2M_ABSENT); end++ )
            entry_set(d, end, entry_get(d, end) & P2M_FLAGS);
        if ( end == gfn )
            end++;
        else if ( mmap(va(d, gfn), (end - gfn) * PAGE_SIZE, PROT_NONE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE |
                       MAP_FIXED, -1, 0) == MAP_FAILED )
            log_line("dom%u: can't take absent gfns 0x%llx+%llu away",
                     d->domid, (unsigned long long)gfn,
                     (unsigned long long)(end - gfn));
    }
}

static void stop_watching(struct domain *d)
{
    pthread_rwlock_wrlock(&d->p2m_lock);
    holes_for_absent(d);
    watch_stop(d, WATCH_PAGING);
    pthread_rwlock_unlock(&d->p2m_lock);
}

int paging_enable(struct domain *d, uint32_t *ret_port)
{
    struct vm_ring *r = d->rings[RING_PAGING];
    int rc;

    if ( !d->ctl->hap )
        return -ENODEV;
    rc = ring_check(r);
    if ( rc )
        return rc;
    /* Nothing may be nominated before it can be kept away. */
    pthread_rwlock_wrlock(&d->p2m_lock);
    rc = watch_start(d, WATCH_PAGING);
    pthread_rwlock_unlock(&d->p2m_lock);
    if ( rc )
        return -ENOSYS;
    rc = ring_on(r, ret_port);
    if ( rc )
        stop_watching(d);
    return rc;
}

int paging_disable(struct domain *d)
{
    struct vm_ring *r = d->rings[RING_PAGING];
    int rc;

    if ( !ring_there(r) )
        return -EINVAL;
    domain_pause(d);
    rc = ring_off(r);
    if ( !rc )
        stop_watching(d);
    domain_unpause(d);
    return rc;
}

/* ---- touching ----------------------------------------------------------- */

static void put(struct domain *d, const struct vcpu *v, bool paused,
                uint64_t gfn, uint32_t p2mt, uint32_t flags)
{
    vm_event_request_t req = {
        .reason = VM_EVENT_REASON_MEM_PAGING,
        .u.mem_paging = { .gfn = gfn, .p2mt = p2mt, .flags = flags },
    };

    ring_put(d->rings[RING_PAGING], v, paused, &req);
}

/* Ask for gfn on behalf of v (NULL: dom0); p2m_lock held. */
static enum touched ask(struct domain *d, struct vcpu *v, uint64_t gfn)
{
    struct vm_ring *r = d->rings[RING_PAGING];
    enum touched ret = TOUCH_AGAIN;
    uint32_t e, p2mt, flags = 0;

    switch ( ring_claim(r, v) )
    {
    case RING_OK:
        break;

    case RING_FULL:
        return TOUCH_FULL;

    default:
        return TOUCH_CRASH;
    }
    pthread_mutex_lock(slot_lock(d, gfn));
    e = entry_get(d, gfn);
    p2mt = e & P2M_ASKED ? P2MT_PAGING_IN :
           e & P2M_ABSENT ? P2MT_PAGED : P2MT_PAGING_OUT;
    if ( (e & P2M_PAGING) && !(e & P2M_ASKED) )
    {
        if ( p2mt == P2MT_PAGING_OUT )
            flags |= MEM_PAGING_EVICT_FAIL;
        entry_set(d, gfn, e | P2M_ASKED);
    }
    if ( (e & P2M_PAGING) && v )
    {
        /* It must not be answered before it sleeps. */
        vcpu_event_pause(v);
        ret = TOUCH_ASKED;
    }
    pthread_mutex_unlock(slot_lock(d, gfn));

    /* On its way already, or not absent any more. */
    if ( !(e & P2M_PAGING) || (!v && (e & P2M_ASKED)) )
        ring_cancel(r);
    else
        put(d, v, v != NULL, gfn, p2mt, flags);
    return ret;
}

void paging_ask(struct domain *d, uint64_t gfn)
{
    if ( ask(d, NULL, gfn) == TOUCH_CRASH )
    {
        log_line("dom%u: gfn 0x%llx is absent, and there is no ring; domain "
                 "crashes", d->domid, (unsigned long long)gfn);
        domain_shutdown(d, SHUTDOWN_crash, false);
    }
}

enum touched paging_touch(struct vcpu *v, uint64_t gfn)
{
    return ask(v->d, v, gfn);
}

void paging_dropped(struct domain *d, const uint64_t *gfns, unsigned int n)
{
    struct vcpu *v = vcpu_current();
    struct vm_ring *r = d->rings[RING_PAGING];
    unsigned int i;

    if ( v && v->d != d )
        v = NULL;
    for ( i = 0; i < n; i++ )
    {
        enum ring_claim c = ring_claim(r, v);

        while ( c == RING_FULL && v )
        {
            vm_event_notify(d);
            vcpu_fault_begin(v);
            vcpu_fault_wait(v, true);
            vcpu_fault_end(v);
            c = ring_claim(r, v);
        }
        /* Nobody but the guest waits for room, and nobody is told then. */
        if ( c == RING_OK )
            put(d, v, false, gfns[i], 0, MEM_PAGING_DROP_PAGE);
    }
    vm_event_notify(d);
}
