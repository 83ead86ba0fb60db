/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * P2M of a domain, and the address space its vCPUs run on.
 *
 * The two are changed together under p2m_lock: a gfn with a frame is mapped
 * at mem + gfn * 4096, a hole is PROT_NONE.  Runs of consecutive frames are
 * mapped by one mmap, which the kernel merges with their neighbours.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "access.h"
#include "dirty.h"
#include "p2m_entry.h"
#include "paging.h"
#include "vm_event.h"
#include "watch.h"

#define BATCH RUN_FRAMES

/* entry_set() for what may lie beyond all that was there before. */
static void entry_new(struct domain *d, uint64_t gfn, uint32_t e)
{
    entry_set(d, gfn, e);
    if ( gfn >= d->p2m.nr_gfns )
        d->p2m.nr_gfns = gfn + 1;
}

/* Entry e is replaced by something else. */
static void entry_gone(struct domain *d, uint32_t e)
{
    paging_gone(d, e);
    access_gone(d, e);
}

int p2m_init(struct domain *d)
{
    uint64_t max = d->host->max_gfns;
    void *p;

    d->p2m.max_gfns = max;
    p = mmap(NULL, max * sizeof(*d->p2m.entry), PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if ( p == MAP_FAILED )
        return -errno;
    d->p2m.entry = p;
    p = mmap(NULL, max * PAGE_SIZE, PROT_NONE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if ( p == MAP_FAILED )
        return -errno;
    d->p2m.mem = p;
    return 0;
}

void p2m_done(struct domain *d)
{
    if ( d->p2m.entry )
        munmap((void *)d->p2m.entry,
               d->p2m.max_gfns * sizeof(*d->p2m.entry));
    if ( d->p2m.mem )
        munmap(d->p2m.mem, d->p2m.max_gfns * PAGE_SIZE);
    d->p2m.entry = NULL;
    d->p2m.mem = NULL;
}

/* ---- guest address space; p2m_lock held for writing --------------------- */

/*
 * Both leave all as it was if they fail: the kernel allows a process some
 * 65,000 mappings, and looks at that first.
 */
static int va_fail(struct domain *d, uint64_t gfn, uint64_t nr)
{
    int rc = -errno;

    log_line("dom%u: can't remap gfns 0x%llx+%llu: %s", d->domid,
             (unsigned long long)gfn, (unsigned long long)nr, strerror(-rc));
    return rc;
}

static int va_map(struct domain *d, uint64_t gfn, uint64_t mfn, uint64_t nr)
{
    /* Denied from the first moment on; then there is no log-dirty. */
    if ( atomic_load(&d->access.deny_new) )
        return watch_map(d, gfn, nr, mfn);
    if ( mmap(va(d, gfn), nr * PAGE_SIZE, PROT_READ | PROT_WRITE,
              MAP_SHARED | MAP_FIXED | MAP_NORESERVE, d->host->machine.memfd,
              (off_t)(mfn * PAGE_SIZE)) == MAP_FAILED )
        return va_fail(d, gfn, nr);
    dirty_remapped(d, gfn, nr);
    watch_mapped(d, gfn, nr);
    return 0;
}

static int va_hole(struct domain *d, uint64_t gfn, uint64_t nr)
{
    if ( mmap(va(d, gfn), nr * PAGE_SIZE, PROT_NONE,
              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED,
              -1, 0) == MAP_FAILED )
        return va_fail(d, gfn, nr);
    dirty_hole(d, gfn, nr);
    return 0;
}

/* ---- look-ups ----------------------------------------------------------- */

int p2m_lookup(struct domain *d, uint64_t gfn, uint64_t *ret_mfn)
{
    uint32_t e;

    if ( gfn >= d->p2m.max_gfns )
        return -EINVAL;
    e = entry_get(d, gfn);
    if ( !e )
        return -ENOENT;
    if ( e & P2M_PAGING )
        return -EAGAIN;
    *ret_mfn = entry_mfn(e);
    return 0;
}

int p2m_pin(struct domain *d, uint64_t gfn, uint64_t *ret_mfn)
{
    int rc;

    pthread_rwlock_rdlock(&d->p2m_lock);
    rc = p2m_lookup(d, gfn, ret_mfn);
    if ( !rc )
        machine_pin(&d->host->machine, *ret_mfn);
    else if ( rc == -EAGAIN )
        paging_ask(d, gfn);
    pthread_rwlock_unlock(&d->p2m_lock);
    return rc;
}

int p2m_pin_runs(struct domain *d, const uint64_t *gfns, uint32_t num,
                 struct emu_run **ret_runs, uint32_t *ret_nr)
{
    struct emu_run *runs = NULL;
    uint32_t nr = 0, room = 0, i;

    pthread_rwlock_rdlock(&d->p2m_lock);
    for ( i = 0; i < num; i++ )
    {
        struct emu_run *last = nr ? &runs[nr - 1] : NULL;
        uint64_t mfn = 0;
        int err = p2m_lookup(d, gfns[i], &mfn);

        /* What privcmd's hypercall gives for an absent page, for a hole. */
        if ( err == -EAGAIN )
        {
            paging_ask(d, gfns[i]);
            err = -ENOENT;
        }
        else if ( err )
            err = -EINVAL;
        if ( last && last->err == err &&
             (err || last->mfn + last->nr == mfn) )
            last->nr++;
        else
        {
            if ( nr == room )
            {
                uint32_t more = room ? room * 2 : 64;
                void *p = realloc(runs, more * sizeof(*runs));

                if ( !p )
                    goto nomem;
                runs = p;
                room = more;
            }
            runs[nr++] = (struct emu_run){ .mfn = mfn, .nr = 1, .err = err };
        }
        if ( !err )
            machine_pin(&d->host->machine, mfn);
    }
    pthread_rwlock_unlock(&d->p2m_lock);
    vm_event_notify(d);
    *ret_runs = runs;
    *ret_nr = nr;
    return 0;

 nomem:
    pthread_rwlock_unlock(&d->p2m_lock);
    for ( i = 0; i < nr; i++ )
        for ( ; !runs[i].err && runs[i].nr; runs[i].nr-- )
            machine_unpin(&d->host->machine,
                          runs[i].mfn + runs[i].nr - 1);
    free(runs);
    return -ENOMEM;
}

/* ---- changes ------------------------------------------------------------ */

/*
 * Enter n frames, in runs; p2m_lock held for writing.  Returns how many
 * were entered; the first *ret_nr_old mfns of old[] lost their gfn.
 */
static unsigned int enter(struct domain *d, const uint64_t *gfns,
                          const uint32_t *mfns, unsigned int n,
                          uint32_t *old, unsigned int *ret_nr_old)
{
    unsigned int i, j, k, nr_old = 0;

    for ( i = 0; i < n; i = j )
    {
        for ( j = i + 1; j < n && gfns[j] == gfns[i] + (j - i) &&
                         mfns[j] == mfns[i] + (j - i); j++ )
            continue;
        if ( va_map(d, gfns[i], mfns[i], j - i) )
            break;
        for ( k = i; k < j; k++ )
        {
            uint32_t e = entry_get(d, gfns[k]);

            if ( entry_has_frame(e) )
                old[nr_old++] = entry_mfn(e);
            entry_gone(d, e);
            entry_new(d, gfns[k], (mfns[k] + 1) | access_new(d));
        }
    }
    *ret_nr_old = nr_old;
    return i < n ? i : n;
}

static long populate_some(struct domain *d, const uint64_t *gfns,
                          unsigned int n, bool all_or_none)
{
    struct machine *m = &d->host->machine;
    uint32_t mfns[BATCH], old[BATCH];
    unsigned int i, got, put, nr_old;

    for ( i = 0; i < n; i++ )
        if ( gfns[i] >= d->p2m.max_gfns ||
             (entry_get(d, gfns[i]) & P2M_FOREIGN) )
            break;
    if ( i < n && (!i || all_or_none) )
        return -EINVAL;

    got = machine_alloc(m, &d->p2m.slots, &d->acct, gfns, i, mfns);
    if ( got < n && all_or_none )
    {
        machine_free(m, &d->acct, mfns, got);
        return -ENOMEM;
    }
    put = enter(d, gfns, mfns, got, old, &nr_old);
    machine_free(m, &d->acct, mfns + put, got - put);
    machine_free(m, &d->acct, old, nr_old);
    return put ? (long)put : -ENOMEM;
}

static int populate_run(struct domain *d, uint64_t gfn)
{
    struct machine *m = &d->host->machine;
    uint32_t mfns[BATCH], old[BATCH], mfn;
    uint64_t gfns[BATCH];
    unsigned int i, put, nr_old;
    int rc;

    for ( i = 0; i < BATCH; i++ )
        if ( gfn + i >= d->p2m.max_gfns ||
             (entry_get(d, gfn + i) & P2M_FOREIGN) )
            return -EINVAL;
    rc = machine_alloc_run(m, &d->p2m.slots, &d->acct, gfn, &mfn);
    if ( rc )
        return rc;
    for ( i = 0; i < BATCH; i++ )
    {
        gfns[i] = gfn + i;
        mfns[i] = mfn + i;
    }
    put = enter(d, gfns, mfns, BATCH, old, &nr_old);
    machine_free(m, &d->acct, mfns + put, BATCH - put);
    machine_free(m, &d->acct, old, nr_old);
    return put == BATCH ? 0 : -ENOMEM;
}

static int populate_extent(struct domain *d, uint64_t gfn, unsigned int order)
{
    uint64_t gfns[BATCH];
    unsigned int i;
    long r;

    if ( gfn & ((1ull << order) - 1) )
        return -EINVAL;
    if ( order == RUN_ORDER )
        return populate_run(d, gfn);
    for ( i = 0; i < 1u << order; i++ )
        gfns[i] = gfn + i;
    r = populate_some(d, gfns, 1u << order, true);
    return r < 0 ? (int)r : 0;
}

long p2m_populate(struct domain *d, const uint64_t *gfns, unsigned int n,
                  unsigned int order)
{
    unsigned int done = 0;
    long r = 0;

    if ( order > RUN_ORDER )
        return -ENOMEM;
    pthread_rwlock_wrlock(&d->p2m_lock);
    while ( done < n )
    {
        unsigned int some = n - done < BATCH ? n - done : BATCH;

        if ( atomic_load(&d->dying) )
        {
            r = -EINVAL;
            break;
        }
        if ( order )
        {
            some = 1;
            r = populate_extent(d, gfns[done], order);
            r = r ? r : 1;
        }
        else
            r = populate_some(d, gfns + done, some, false);
        if ( r < 0 )
            break;
        done += (unsigned int)r;
        if ( (unsigned int)r < some )
            break;
    }
    pthread_rwlock_unlock(&d->p2m_lock);
    return done || !n ? (long)done : r;
}

struct taken
{
    uint32_t mfns[BATCH];        /* frames, still allocated */
    unsigned int nr;
    uint64_t drops[BATCH];       /* gfns that the pager had */
    unsigned int nr_drops;
};

/* A hole from now on; p2m_lock held. */
static unsigned int take_out(struct domain *d, const uint64_t *gfns,
                             unsigned int n, struct taken *t)
{
    unsigned int i, j, k;

    t->nr = t->nr_drops = 0;

    for ( i = 0; i < n; i = j )
    {
        for ( j = i; j < n && gfns[j] == gfns[i] + (j - i); j++ )
        {
            uint32_t e = gfns[j] < d->p2m.max_gfns ?
                         entry_get(d, gfns[j]) : 0;

            if ( !e || (e & P2M_FOREIGN) )
                break;
        }
        if ( j == i || va_hole(d, gfns[i], j - i) )
            break;
        for ( k = i; k < j; k++ )
        {
            uint32_t e = entry_get(d, gfns[k]);

            if ( entry_has_frame(e) )
                t->mfns[t->nr++] = entry_mfn(e);
            if ( e & (P2M_ABSENT | P2M_ASKED) )
                t->drops[t->nr_drops++] = gfns[k];
            entry_gone(d, e);
            entry_set(d, gfns[k], 0);
        }
    }
    d->p2m.nr_holes_made += i;
    return i;
}

long p2m_decrease(struct domain *d, const uint64_t *gfns, unsigned int n)
{
    unsigned int done = 0, some, out;
    struct taken t;

    do {
        some = n - done < BATCH ? n - done : BATCH;
        pthread_rwlock_wrlock(&d->p2m_lock);
        out = take_out(d, gfns + done, some, &t);
        pthread_rwlock_unlock(&d->p2m_lock);
        machine_free(&d->host->machine, &d->acct, t.mfns, t.nr);
        if ( t.nr_drops )
            paging_dropped(d, t.drops, t.nr_drops);
        done += out;
    } while ( out == some && done < n );
    return done || !n ? (long)done : -EINVAL;
}

int p2m_add_host_frame(struct domain *d, uint64_t gfn, uint64_t mfn)
{
    struct machine *m = &d->host->machine;
    uint32_t old = 0;
    int rc = -EINVAL;

    pthread_rwlock_wrlock(&d->p2m_lock);
    if ( gfn >= d->p2m.max_gfns || atomic_load(&d->dying) )
        goto out;
    old = entry_get(d, gfn);
    rc = va_map(d, gfn, mfn, 1);
    if ( rc )
    {
        old = 0;
        goto out;
    }
    machine_pin(m, mfn);
    entry_gone(d, old);
    entry_new(d, gfn, (uint32_t)(mfn + 1) | P2M_FOREIGN | access_new(d));

 out:
    pthread_rwlock_unlock(&d->p2m_lock);
    if ( entry_has_frame(old) )
    {
        uint32_t f = entry_mfn(old);

        machine_free(m, old & P2M_FOREIGN ? NULL : &d->acct, &f, 1);
    }
    return rc;
}

int p2m_remove(struct domain *d, uint64_t gfn)
{
    uint32_t e, f;
    int rc = -EINVAL;

    pthread_rwlock_wrlock(&d->p2m_lock);
    if ( gfn >= d->p2m.max_gfns )
        goto out;
    e = entry_get(d, gfn);
    if ( !e || (e & P2M_PAGING) )
        goto out;
    rc = va_hole(d, gfn, 1);
    if ( rc )
        goto out;
    entry_gone(d, e);
    entry_set(d, gfn, 0);
    f = entry_mfn(e);
    machine_free(&d->host->machine, e & P2M_FOREIGN ? NULL : &d->acct, &f, 1);

 out:
    pthread_rwlock_unlock(&d->p2m_lock);
    return rc;
}

void p2m_free_all(struct domain *d)
{
    struct machine *m = &d->host->machine;
    uint32_t mfns[BATCH];
    unsigned int n = 0;
    uint64_t gfn;

    pthread_rwlock_wrlock(&d->p2m_lock);
    if ( d->p2m.mem )
        va_hole(d, 0, d->p2m.max_gfns);
    for ( gfn = 0; gfn < d->p2m.nr_gfns; gfn++ )
    {
        uint32_t e = entry_get(d, gfn);

        if ( !e )
            continue;
        entry_gone(d, e);
        entry_set(d, gfn, 0);
        if ( e & P2M_ABSENT )
            continue;
        if ( e & P2M_FOREIGN )
        {
            machine_unpin(m, entry_mfn(e));
            continue;
        }
        mfns[n++] = entry_mfn(e);
        if ( n == BATCH )
        {
            machine_free(m, &d->acct, mfns, n);
            n = 0;
        }
    }
    machine_free(m, &d->acct, mfns, n);
    machine_forget_slots(m, &d->p2m.slots);
    pthread_rwlock_unlock(&d->p2m_lock);
}
