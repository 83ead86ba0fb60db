/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * See watch.h.  A page whose entry is taken away stays mapped to its frame
 * (or, absent, to the one that it had), so the number of mappings does not
 * grow with the pages, and giving it back is one UFFDIO_CONTINUE.
 *
 * The faults come as SIGBUS (UFFD_FEATURE_SIGBUS), so no thread of the host
 * stands between a fault and the ring.  A page that may be touched but has no
 * entry faults likewise, and is given one, together with its neighbours.
 */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "p2m_entry.h"
#include "uffd.h"
#include "watch.h"

#define FEATURES (UFFD_FEATURE_SIGBUS | UFFD_FEATURE_MISSING_SHMEM | \
                  UFFD_FEATURE_MINOR_SHMEM)
#define MODES    (UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_MINOR)
/* Neighbours of a fault that get their entries, too (64 KiB). */
#define AROUND   16u

/* ---- registering -------------------------------------------------------- */

static int uffd_register(struct domain *d, uint64_t first, uint64_t nr)
{
    struct uffdio_register reg = {
        .range.start = (uintptr_t)va(d, first),
        .range.len = nr * PAGE_SIZE,
        .mode = MODES,
    };

    if ( !ioctl(d->watch.uffd, UFFDIO_REGISTER, &reg) )
        return 0;
    log_line("dom%u: can't watch gfns 0x%llx+%llu for faults: %s", d->domid,
             (unsigned long long)first, (unsigned long long)nr,
             strerror(errno));
    return -errno;
}

void watch_mapped(struct domain *d, uint64_t first, uint64_t nr)
{
    if ( watch_on(d) )
        uffd_register(d, first, nr);
}

/* The end of the stretch of mapped gfns that begins at gfn; 0: none does. */
static uint64_t stretch_end(struct domain *d, uint64_t gfn)
{
    uint64_t end = gfn;

    while ( end < d->p2m.nr_gfns && (entry_get(d, end) & ~P2M_FLAGS) )
        end++;
    return end == gfn ? 0 : end;
}

static int register_all(struct domain *d)
{
    uint64_t gfn, end;
    int rc = 0;

    for ( gfn = 0; !rc && gfn < d->p2m.nr_gfns; gfn = end )
    {
        end = stretch_end(d, gfn);
        if ( end )
            rc = uffd_register(d, gfn, end - gfn);
        else
            end = gfn + 1;
    }
    return rc;
}

static bool log_dirty(struct domain *d)
{
    bool on;

    pthread_mutex_lock(&d->dirty.lock);
    on = d->dirty.enabled;
    pthread_mutex_unlock(&d->dirty.lock);
    return on;
}

int watch_start(struct domain *d, enum watch_user user)
{
    struct watch *w = &d->watch;
    int rc = -EBUSY;

    if ( w->users )
        goto ok;
    if ( log_dirty(d) )
    {
        log_line("dom%u: pages can't be kept from the guest while it is in "
                 "log-dirty mode", d->domid);
        return rc;
    }
    rc = uffd_open(FEATURES);
    if ( rc < 0 )
    {
        log_line("dom%u: pages can't be kept from the guest on this kernel: "
                 "%s", d->domid, strerror(-rc));
        return rc;
    }
    w->uffd = rc;
    rc = register_all(d);
    if ( rc )
    {
        close(w->uffd);
        return rc;
    }
    atomic_store(&w->on, true);

 ok:
    w->users |= user;
    return 0;
}

void watch_stop(struct domain *d, enum watch_user user)
{
    struct watch *w = &d->watch;

    if ( !(w->users & user) )
        return;
    w->users &= ~user;
    if ( w->users )
        return;
    atomic_store(&w->on, false);
    /* Unregisters all. */
    close(w->uffd);
}

/* ---- entries ------------------------------------------------------------ */

void watch_zap(struct domain *d, uint64_t first, uint64_t nr)
{
    if ( nr && madvise(va(d, first), nr * PAGE_SIZE, MADV_DONTNEED) )
        log_line("dom%u: can't take gfns 0x%llx+%llu away: %s", d->domid,
                 (unsigned long long)first, (unsigned long long)nr,
                 strerror(errno));
}

/* Have the frame's page in the file, as a sparse host may not. */
static void instantiate(struct domain *d, uint64_t gfn)
{
    uint8_t *p = machine_ptr(&d->host->machine, entry_mfn(entry_get(d, gfn)));

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
    int rc = ioctl(d->watch.uffd, UFFDIO_CONTINUE, &c) ? errno : 0;

    *ret_pages = c.mapped > 0 ? (uint64_t)c.mapped / PAGE_SIZE : 0;
    return rc;
}

int watch_continue(struct domain *d, uint64_t first, uint64_t nr)
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

static bool touchable(struct domain *d, uint64_t gfn)
{
    uint32_t e = entry_get(d, gfn);

    return e && !(e & (P2M_PAGING | P2M_DENIED));
}

int watch_continue_around(struct domain *d, uint64_t gfn)
{
    uint64_t from = gfn & ~(uint64_t)(AROUND - 1), to = gfn, end;

    end = from + AROUND;
    while ( to + 1 < end && touchable(d, to + 1) )
        to++;
    for ( end = gfn; end > from && touchable(d, end - 1); end-- )
        continue;
    return watch_continue(d, end, to - end + 1);
}

int watch_map(struct domain *d, uint64_t first, uint64_t nr, uint64_t mfn)
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
        log_line("dom%u: can't map watched gfns 0x%llx+%llu: %s", d->domid,
                 (unsigned long long)first, (unsigned long long)nr,
                 strerror(-rc));
    return rc;
}
