/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Absent pages: the P2M's side and the page tables'.
 *
 * An absent gfn stays mapped to the machine frame that it had, but without a
 * page-table entry, in a range registered with userfaultfd in the modes for
 * missing and minor faults.  So the number of mappings does not grow with the
 * pages, and placing is: take that frame again if it is free, fill it through
 * the host's own mapping, UFFDIO_CONTINUE.  Where somebody else has the frame
 * by now, the slot is mapped to other frames.
 *
 * The faults come as SIGBUS (UFFD_FEATURE_SIGBUS) in the vCPU's own thread: no
 * thread of the host stands between a fault and the ring.  A present page
 * without a page-table entry faults likewise, and is given one, together with
 * its neighbours.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <xenctrl.h>
#include <xen/vm_event.h>

#include "paging_priv.h"
#include "uffd.h"

#define FEATURES (UFFD_FEATURE_SIGBUS | UFFD_FEATURE_MISSING_SHMEM | \
                  UFFD_FEATURE_MINOR_SHMEM)
#define MODES    (UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_MINOR)
/* Present neighbours of a fault that get their entries, too (64 KiB). */
#define AROUND   16u

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
    if ( ring_new(&pg->ring) )
    {
        free(pg);
        return -ENOMEM;
    }
    pg->uffd = -1;
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
    ring_free(d->paging->ring);
    free(d->paging);
    d->paging = NULL;
}

void paging_end(struct domain *d)
{
    if ( !d->paging )
        return;
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

/* ---- page tables -------------------------------------------------------- */

static int uffd_register(struct domain *d, uint64_t first, uint64_t nr)
{
    struct uffdio_register reg = {
        .range.start = (uintptr_t)va(d, first),
        .range.len = nr * PAGE_SIZE,
        .mode = MODES,
    };

    if ( !ioctl(d->paging->uffd, UFFDIO_REGISTER, &reg) )
        return 0;
    log_line("dom%u: can't watch gfns 0x%llx+%llu for faults: %s", d->domid,
             (unsigned long long)first, (unsigned long long)nr,
             strerror(errno));
    return -errno;
}

void paging_mapped(struct domain *d, uint64_t first, uint64_t nr)
{
    if ( d->paging && atomic_load(&d->paging->on) )
        uffd_register(d, first, nr);
}

/* Have the frame's page in the file, as a sparse host may not. */
static void instantiate(struct domain *d, uint64_t gfn)
{
    uint8_t *p = machine_ptr(&d->host->machine,
                             (entry_get(d, gfn) & ~P2M_FLAGS) - 1);

    __atomic_fetch_or(p, 0, __ATOMIC_RELAXED);
}

/* One call; 0 or the errno it failed with, behind *ret_pages that it did. */
static int continue_some(struct domain *d, uint64_t first, uint64_t nr,
                         uint64_t *ret_pages)
{
    struct uffdio_continue c = {
        .range.start = (uintptr_t)va(d, first),
        .range.len = nr * PAGE_SIZE,
        .mode = UFFDIO_CONTINUE_MODE_DONTWAKE,
    };
    int rc = ioctl(d->paging->uffd, UFFDIO_CONTINUE, &c) ? errno : 0;

    *ret_pages = c.mapped > 0 ? (uint64_t)c.mapped / PAGE_SIZE : 0;
    return rc;
}

int paging_continue_range(struct domain *d, uint64_t first, uint64_t nr)
{
    uint64_t end = first + nr, some = nr, done;

    while ( first < end )
    {
        int rc;

        if ( some > end - first )
            some = end - first;
        rc = continue_some(d, first, some, &done);
        first += done;
        if ( !rc || done )
            some *= 2;
        else if ( rc == EEXIST )
            first++;
        else if ( rc == EFAULT )
            instantiate(d, first);
        /* A call must lie within one mapping of the host's, and they are
         * small where frames have been given up and had again. */
        else if ( rc == ENOENT && some > 1 )
            some /= 2;
        else if ( rc != EAGAIN )
        {
            log_line("dom%u: page-table entry of gfn 0x%llx: %s", d->domid,
                     (unsigned long long)first, strerror(rc));
            return -rc;
        }
    }
    return 0;
}

/* A present page was touched that has no entry; p2m_lock held. */
static int continue_around(struct domain *d, uint64_t gfn)
{
    uint64_t from = gfn & ~(uint64_t)(AROUND - 1), to = gfn, end;

    end = from + AROUND;
    while ( to + 1 < end && entry_get(d, to + 1) &&
            !(entry_get(d, to + 1) & P2M_PAGING) )
        to++;
    for ( end = gfn; end > from && entry_get(d, end - 1) &&
                     !(entry_get(d, end - 1) & P2M_PAGING); end-- )
        continue;
    return paging_continue_range(d, end, to - end + 1);
}

int paging_map_watched(struct domain *d, uint64_t first, uint64_t nr,
                       uint64_t mfn)
{
    int rc = 0;

    if ( mmap(va(d, first), nr * PAGE_SIZE, PROT_NONE,
              MAP_SHARED | MAP_FIXED | MAP_NORESERVE, d->host->machine.memfd,
              (off_t)(mfn * PAGE_SIZE)) == MAP_FAILED )
        rc = -errno;
    if ( !rc )
        rc = uffd_register(d, first, nr);
    if ( !rc && mprotect(va(d, first), nr * PAGE_SIZE,
                         PROT_READ | PROT_WRITE) )
        rc = -errno;
    if ( rc )
        log_line("dom%u: can't remap absent gfns 0x%llx+%llu: %s", d->domid,
                 (unsigned long long)first, (unsigned long long)nr,
                 strerror(-rc));
    return rc;
}

/* ---- on and off --------------------------------------------------------- */

/* The end of the stretch of mapped gfns that begins at gfn; 0: none does. */
static uint64_t stretch_end(struct domain *d, uint64_t gfn)
{
    uint64_t end = gfn;

    while ( end < d->p2m.nr_gfns && (entry_get(d, end) & ~P2M_FLAGS) )
        end++;
    return end == gfn ? 0 : end;
}

int paging_start(struct domain *d)
{
    struct paging *pg = d->paging;
    uint64_t gfn, end;
    int rc;

    pthread_rwlock_wrlock(&d->p2m_lock);
    rc = uffd_open(FEATURES);
    if ( rc < 0 )
        goto out;
    pg->uffd = rc;
    rc = 0;
    for ( gfn = 0; !rc && gfn < d->p2m.nr_gfns; gfn = end )
    {
        end = stretch_end(d, gfn);
        if ( end )
            rc = uffd_register(d, gfn, end - gfn);
        else
            end = gfn + 1;
    }
    atomic_store(&pg->on, !rc);
    if ( rc )
    {
        close(pg->uffd);
        pg->uffd = -1;
    }

 out:
    pthread_rwlock_unlock(&d->p2m_lock);
    return rc;
}

void paging_stop(struct domain *d)
{
    struct paging *pg = d->paging;
    uint64_t gfn, end;

    pthread_rwlock_wrlock(&d->p2m_lock);
    if ( pg->uffd < 0 )
        goto out;
    /* What is absent must not show what is in its former frames. */
    for ( gfn = 0; atomic_load(&pg->nr_absent) && gfn < d->p2m.nr_gfns;
          gfn = end )
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
    /* Unregisters all. */
    close(pg->uffd);
    pg->uffd = -1;
    atomic_store(&pg->on, false);

 out:
    pthread_rwlock_unlock(&d->p2m_lock);
}

/* ---- touching ----------------------------------------------------------- */

enum touched { TOUCH_AGAIN, TOUCH_ASKED, TOUCH_FULL, TOUCH_CRASH };

/* Ask for gfn on behalf of v (NULL: dom0); p2m_lock held. */
static enum touched ask(struct domain *d, struct vcpu *v, uint64_t gfn)
{
    struct vm_ring *r = d->paging->ring;
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
        ring_cancel(d, r);
    else
        ring_put(d, r, v, gfn, p2mt, flags, v != NULL);
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

static enum touched touch(struct vcpu *v, uint64_t gfn)
{
    struct domain *d = v->d;
    enum touched ret = TOUCH_CRASH;
    uint32_t e;

    pthread_rwlock_rdlock(&d->p2m_lock);
    e = entry_get(d, gfn);
    if ( e & P2M_PAGING )
        ret = ask(d, v, gfn);
    else if ( e && atomic_load(&d->paging->on) )
    {
        if ( !continue_around(d, gfn) )
            ret = TOUCH_AGAIN;
    }
    pthread_rwlock_unlock(&d->p2m_lock);
    return ret;
}

bool paging_fault(struct vcpu *v, uint64_t gfn)
{
    struct domain *d = v->d;
    bool waited = false;
    enum touched t;

    if ( gfn >= d->p2m.max_gfns || !entry_get(d, gfn) )
        return false;
    /* It counts as running until its request is in the ring: so it is there
     * when a pause of the domain has come to its end. */
    for ( ;; waited = true )
    {
        t = touch(v, gfn);
        /* After a wait paging may be off, and the page there. */
        if ( t == TOUCH_AGAIN || t == TOUCH_CRASH )
            return t == TOUCH_AGAIN || waited;
        if ( t == TOUCH_ASKED )
            paging_notify(d);
        vcpu_fault_begin(v);
        vcpu_fault_wait(v, t == TOUCH_FULL);
        vcpu_fault_end(v);
        if ( t == TOUCH_ASKED )
            return true;
    }
}

void paging_dropped(struct domain *d, const uint64_t *gfns, unsigned int n)
{
    struct vcpu *v = vcpu_current();
    struct vm_ring *r = d->paging->ring;
    unsigned int i;

    if ( v && v->d != d )
        v = NULL;
    for ( i = 0; i < n; i++ )
    {
        enum ring_claim c = ring_claim(r, v);

        while ( c == RING_FULL && v )
        {
            paging_notify(d);
            vcpu_fault_begin(v);
            vcpu_fault_wait(v, true);
            vcpu_fault_end(v);
            c = ring_claim(r, v);
        }
        /* Nobody but the guest waits for room, and nobody is told then. */
        if ( c == RING_OK )
            ring_put(d, r, v, gfns[i], 0, MEM_PAGING_DROP_PAGE, false);
    }
    paging_notify(d);
}
