/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Log-dirty of a domain.
 *
 * DIRTY_ASYNC: the kernel itself lifts write protection at a fault, and
 * PAGEMAP_SCAN finds the pages that are not protected and protects them again.
 * DIRTY_SYNC: each first write is reported to a thread, which sets the bit in
 * the software bitmap and lifts the protection.
 * Either way what was found is or'ed into the software bitmap, which also
 * holds what vCPUs did not write (grant unmaps, P2M changes), and is taken
 * from there.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "dirty.h"
#include "share.h"
#include "uffd.h"
#include "watch.h"

#define SYNC_FEATURES  UFFD_FEATURE_WP_HUGETLBFS_SHMEM
#define ASYNC_FEATURES (UFFD_FEATURE_WP_ASYNC | SYNC_FEATURES | \
                        UFFD_FEATURE_WP_UNPOPULATED)
#define SCAN_REGIONS   512u

static int pagemap_fd = -1;

/* ---- what the kernel offers --------------------------------------------- */

static uint64_t features_of(enum dirty_mode mode)
{
    return mode == DIRTY_ASYNC ? ASYNC_FEATURES : SYNC_FEATURES;
}

static bool scan_works(void)
{
    struct scan_arg arg = { .size = sizeof(arg) };

    if ( pagemap_fd < 0 )
        pagemap_fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    return pagemap_fd >= 0 && ioctl(pagemap_fd, SCAN_IOCTL, &arg) >= 0;
}

int dirty_probe(enum dirty_mode want)
{
    enum dirty_mode mode = want == DIRTY_SYNC ? DIRTY_SYNC : DIRTY_ASYNC;
    int fd;

    for ( ; ; )
    {
        fd = mode == DIRTY_SYNC || scan_works()
             ? uffd_open(features_of(mode)) : -EOPNOTSUPP;
        if ( fd >= 0 )
        {
            close(fd);
            return (int)mode;
        }
        if ( want != DIRTY_AUTO || mode == DIRTY_SYNC )
            return -EOPNOTSUPP;
        mode = DIRTY_SYNC;
    }
}

void dirty_init(struct domain *d)
{
    pthread_mutex_init(&d->dirty.lock, NULL);
    d->dirty.uffd = d->dirty.stop_fd = -1;
}

/* ---- software bitmap ---------------------------------------------------- */

static void soft_set(struct domain *d, uint64_t gfn)
{
    atomic_fetch_or(&d->dirty.soft[gfn / 64], 1ull << (gfn % 64));
}

static void soft_set_range(struct domain *d, uint64_t first, uint64_t nr)
{
    uint64_t end = first + nr;

    while ( first < end )
    {
        unsigned int bit = first % 64;
        uint64_t n = 64 - bit < end - first ? 64 - bit : end - first;
        uint64_t mask = n == 64 ? ~0ull : ((1ull << n) - 1) << bit;

        atomic_fetch_or(&d->dirty.soft[first / 64], mask);
        first += n;
    }
}

void p2m_mark_dirty(struct domain *d, uint64_t gfn)
{
    if ( atomic_load(&d->dirty.soft_on) && gfn < d->p2m.max_gfns )
        soft_set(d, gfn);
}

/* ---- write protection --------------------------------------------------- */

static int protect(struct domain *d, uint64_t first, uint64_t nr, bool on)
{
    struct uffdio_writeprotect wp = {
        .range.start = (uintptr_t)d->p2m.mem + first * PAGE_SIZE,
        .range.len = nr * PAGE_SIZE,
        .mode = on ? UFFDIO_WRITEPROTECT_MODE_WP : 0,
    };

    while ( ioctl(d->dirty.uffd, UFFDIO_WRITEPROTECT, &wp) )
        if ( errno != EAGAIN )
            return -errno;
    return 0;
}

static int protect_piece(void *data, uint64_t first, uint64_t nr)
{
    return protect(data, first, nr, true);
}

/* Track gfns [first, first + nr), all of them mapped. */
static int track(struct domain *d, uint64_t first, uint64_t nr)
{
    struct uffdio_register reg = {
        .range.start = (uintptr_t)d->p2m.mem + first * PAGE_SIZE,
        .range.len = nr * PAGE_SIZE,
        .mode = UFFDIO_REGISTER_MODE_WP,
    };

    if ( ioctl(d->dirty.uffd, UFFDIO_REGISTER, &reg) )
        return -errno;
    return share_out(first, nr, protect_piece, d);
}

/* Call fn for each stretch of mapped gfns; p2m_lock held. */
static int each_stretch(struct domain *d,
                        int (*fn)(struct domain *d, uint64_t first,
                                  uint64_t nr))
{
    uint64_t gfn, first, end = d->p2m.nr_gfns, mfn;
    int rc;

    for ( gfn = 0; gfn < end; )
    {
        if ( p2m_lookup(d, gfn, &mfn) )
        {
            gfn++;
            continue;
        }
        for ( first = gfn; gfn < end && !p2m_lookup(d, gfn, &mfn); gfn++ )
            continue;
        rc = fn(d, first, gfn - first);
        if ( rc )
            return rc;
    }
    return 0;
}

void dirty_remapped(struct domain *d, uint64_t first, uint64_t nr)
{
    int rc;

    pthread_mutex_lock(&d->dirty.lock);
    if ( d->dirty.enabled )
    {
        rc = track(d, first, nr);
        soft_set_range(d, first, nr);
        d->dirty.failed |= rc != 0;
        if ( rc )
            log_line("dom%u: can't track gfns 0x%llx+%llu: %s", d->domid,
                     (unsigned long long)first, (unsigned long long)nr,
                     strerror(-rc));
    }
    pthread_mutex_unlock(&d->dirty.lock);
}

void dirty_hole(struct domain *d, uint64_t first, uint64_t nr)
{
    pthread_mutex_lock(&d->dirty.lock);
    if ( d->dirty.enabled )
        soft_set_range(d, first, nr);
    pthread_mutex_unlock(&d->dirty.lock);
}

/* ---- the thread of DIRTY_SYNC ------------------------------------------- */

static void sync_fault(struct domain *d, uint64_t addr)
{
    uint64_t gfn = (addr - (uintptr_t)d->p2m.mem) / PAGE_SIZE;
    struct uffdio_range range = {
        .start = addr & ~(uint64_t)(PAGE_SIZE - 1), .len = PAGE_SIZE,
    };

    if ( gfn >= d->p2m.max_gfns )
        return;
    /* The bit first: protection must never be gone with the bit not set. */
    soft_set(d, gfn);
    atomic_fetch_add(&d->dirty.faults, 1);
    /* The gfn may just have been remapped: then the access is retried. */
    if ( protect(d, gfn, 1, false) )
        ioctl(d->dirty.uffd, UFFDIO_WAKE, &range);
}

static void *sync_thread(void *arg)
{
    struct domain *d = arg;
    struct pollfd p[2] = {
        { .fd = d->dirty.uffd, .events = POLLIN },
        { .fd = d->dirty.stop_fd, .events = POLLIN },
    };
    struct uffd_msg msg[64];
    ssize_t r, i;

    for ( ; ; )
    {
        if ( poll(p, 2, -1) < 0 && errno != EINTR )
            break;
        if ( p[1].revents )
            break;
        r = read(d->dirty.uffd, msg, sizeof(msg));
        for ( i = 0; i < r / (ssize_t)sizeof(*msg); i++ )
            if ( msg[i].event == UFFD_EVENT_PAGEFAULT )
                sync_fault(d, msg[i].arg.pagefault.address);
    }
    return NULL;
}

/* ---- on and off --------------------------------------------------------- */

static void stop_tracking(struct domain *d)
{
    struct dirty_log *l = &d->dirty;
    struct uffdio_range all = {
        .start = (uintptr_t)d->p2m.mem, .len = d->p2m.nr_gfns * PAGE_SIZE,
    };
    uint64_t one = 1;

    if ( l->uffd < 0 )
        return;
    if ( all.len )
        ioctl(l->uffd, UFFDIO_UNREGISTER, &all);
    if ( l->stop_fd >= 0 )
    {
        while ( write(l->stop_fd, &one, sizeof(one)) < 0 && errno == EINTR )
            continue;
        pthread_join(l->thread, NULL);
        close(l->stop_fd);
        l->stop_fd = -1;
    }
    close(l->uffd);
    l->uffd = -1;
}

static int start_tracking(struct domain *d)
{
    struct dirty_log *l = &d->dirty;
    int rc;

    l->mode = d->host->dirty_mode;
    rc = uffd_open(features_of(l->mode));
    if ( rc < 0 )
        return rc;
    l->uffd = rc;
    if ( l->mode == DIRTY_SYNC )
    {
        l->stop_fd = eventfd(0, EFD_CLOEXEC);
        if ( l->stop_fd < 0 )
            rc = -errno;
        else
            rc = -pthread_create(&l->thread, NULL, sync_thread, d);
        if ( rc )
        {
            if ( l->stop_fd >= 0 )
                close(l->stop_fd);
            l->stop_fd = -1;
            stop_tracking(d);
            return rc;
        }
    }
    rc = each_stretch(d, track);
    if ( rc )
        stop_tracking(d);
    return rc;
}

static void soft_clear(struct domain *d)
{
    /* Sparse again. */
    madvise((void *)d->dirty.soft, (d->p2m.max_gfns + 63) / 64 * 8,
            MADV_DONTNEED);
}

int dirty_enable(struct domain *d)
{
    struct dirty_log *l = &d->dirty;
    int rc = -EINVAL;
    void *p;

    pthread_rwlock_rdlock(&d->p2m_lock);
    pthread_mutex_lock(&l->lock);
    if ( l->enabled )
        goto out;
    if ( watch_on(d) )
    {
        log_line("dom%u: no log-dirty mode while pages are kept from the "
                 "guest", d->domid);
        rc = -EBUSY;
        goto out;
    }
    if ( !l->soft )
    {
        p = mmap(NULL, (d->p2m.max_gfns + 63) / 64 * 8,
                 PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if ( p == MAP_FAILED )
        {
            rc = -ENOMEM;
            goto out;
        }
        l->soft = p;
    }
    soft_clear(d);
    atomic_store(&l->faults, 0);
    atomic_store(&l->soft_on, true);
    rc = start_tracking(d);
    if ( rc )
        atomic_store(&l->soft_on, false);
    else
        l->enabled = true;
    l->failed = false;

 out:
    pthread_mutex_unlock(&l->lock);
    pthread_rwlock_unlock(&d->p2m_lock);
    return rc;
}

int dirty_disable(struct domain *d)
{
    struct dirty_log *l = &d->dirty;

    pthread_rwlock_rdlock(&d->p2m_lock);
    pthread_mutex_lock(&l->lock);
    if ( l->enabled )
    {
        l->enabled = false;
        atomic_store(&l->soft_on, false);
        stop_tracking(d);
    }
    pthread_mutex_unlock(&l->lock);
    pthread_rwlock_unlock(&d->p2m_lock);
    return 0;
}

void dirty_done(struct domain *d)
{
    if ( d->p2m.mem )
        dirty_disable(d);
    if ( d->dirty.soft )
        munmap((void *)d->dirty.soft, (d->p2m.max_gfns + 63) / 64 * 8);
    d->dirty.soft = NULL;
    pthread_mutex_destroy(&d->dirty.lock);
}

/* ---- collecting --------------------------------------------------------- */

/*
 * What the MMU saw since the last call goes into the software bitmap, and is
 * protected again even if that is not cleaned.  Asked so, and for nothing but
 * what was written to, the kernel leaves out what is not tracked and takes
 * half the time.
 */
static int scan(void *data, uint64_t first, uint64_t nr)
{
    struct domain *d = data;
    struct scan_region region[SCAN_REGIONS];
    uint64_t base = (uintptr_t)d->p2m.mem;
    struct scan_arg arg = {
        .size = sizeof(arg),
        .flags = SCAN_WP_MATCHING,
        .start = base + first * PAGE_SIZE,
        .end = base + (first + nr) * PAGE_SIZE,
        .vec = (uintptr_t)region,
        .vec_len = SCAN_REGIONS,
        .category_mask = SCAN_IS_WRITTEN,
        .return_mask = SCAN_IS_WRITTEN,
    };
    long n, i;

    while ( arg.start < arg.end )
    {
        n = ioctl(pagemap_fd, SCAN_IOCTL, &arg);
        if ( n < 0 )
        {
            if ( errno == EINTR || errno == EAGAIN )
                continue;
            return -errno;
        }
        for ( i = 0; i < n; i++ )
        {
            uint64_t written = (region[i].end - region[i].start) / PAGE_SIZE;

            soft_set_range(d, (region[i].start - base) / PAGE_SIZE, written);
            atomic_fetch_add(&d->dirty.faults, written);
        }
        if ( arg.walk_end <= arg.start )
            return -EIO;
        arg.start = arg.walk_end;
    }
    return 0;
}

/* DIRTY_SYNC: protect again what is set in this word of 64 gfns. */
static uint64_t protect_word(struct domain *d, uint64_t word, uint64_t bits)
{
    uint64_t failed = 0, mfn;
    unsigned int i, j;

    for ( i = 0; i < 64; i = j )
    {
        j = i + 1;
        if ( !(bits >> i & 1) || p2m_lookup(d, word * 64 + i, &mfn) )
            continue;
        while ( j < 64 && (bits >> j & 1) &&
                !p2m_lookup(d, word * 64 + j, &mfn) )
            j++;
        if ( protect(d, word * 64 + i, j - i, true) )
            failed |= (j - i == 64 ? ~0ull : (1ull << (j - i)) - 1) << i;
    }
    return failed;
}

static uint32_t take(struct domain *d, uint8_t *bitmap, uint64_t nr_gfns,
                     bool clean)
{
    uint64_t w, nr_words = (d->p2m.max_gfns + 63) / 64;
    uint64_t end = (d->p2m.nr_gfns + 63) / 64, dirty = 0;

    for ( w = 0; w * 64 < nr_gfns || w < end; w++ )
    {
        uint64_t left = w * 64 < nr_gfns ? nr_gfns - w * 64 : 0;
        uint64_t mask = left >= 64 ? ~0ull : (1ull << left) - 1;
        uint64_t bits = w < nr_words ? atomic_load(&d->dirty.soft[w]) : 0;

        if ( bits )
            dirty += (unsigned int)__builtin_popcountll(bits);
        if ( bitmap && left )
        {
            uint64_t out = bits & mask;

            memcpy(bitmap + w * 8, &out,
                   left >= 64 ? 8 : (size_t)(left + 7) / 8);
        }
        if ( clean && (bits & mask) )
        {
            atomic_fetch_and(&d->dirty.soft[w], ~(bits & mask));
            if ( d->dirty.mode == DIRTY_SYNC )
            {
                uint64_t failed = protect_word(d, w, bits & mask);

                /* Not tracked: better reported again than lost. */
                if ( failed )
                    atomic_fetch_or(&d->dirty.soft[w], failed);
            }
        }
    }
    return dirty > UINT32_MAX ? UINT32_MAX : (uint32_t)dirty;
}

int dirty_collect(struct domain *d, uint8_t *bitmap, uint64_t nr_gfns,
                  bool clean, uint32_t *ret_faults, uint32_t *ret_dirty)
{
    struct dirty_log *l = &d->dirty;
    int rc = 0;

    if ( nr_gfns > d->p2m.max_gfns * 8 )
        return -EINVAL;
    pthread_rwlock_rdlock(&d->p2m_lock);
    pthread_mutex_lock(&l->lock);
    *ret_faults = *ret_dirty = 0;
    if ( !l->enabled )
    {
        if ( bitmap )
            memset(bitmap, 0, (nr_gfns + 7) / 8);
        goto out;
    }
    if ( l->failed )
        rc = -ENOMEM;
    else if ( l->mode == DIRTY_ASYNC )
        rc = share_out(0, d->p2m.nr_gfns, scan, d);
    if ( rc )
        goto out;
    *ret_dirty = take(d, bitmap, nr_gfns, clean);
    *ret_faults = (uint32_t)atomic_load(&l->faults);
    if ( clean )
    {
        atomic_store(&l->faults, 0);
        l->nr_clean++;
    }

 out:
    pthread_mutex_unlock(&l->lock);
    pthread_rwlock_unlock(&d->p2m_lock);
    return rc;
}
