/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Machine memory and its frame allocator.
 *
 * Memory is divided into runs of 512 frames.  A run is wholly free, or
 * belongs to one aligned slot of 512 gfns of one domain, or is broken and
 * handed out frame by frame.  A slot's gfns use the matching frames of its
 * run, in whatever order they come.  When memory runs short, frames that a
 * slot's run has left are taken away by breaking that run.
 *
 * Knows nothing of P2Ms or domains beyond their slots and accounts.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "machine.h"

#define PAGE_BYTES 4096u
#define POISON     0xc2
#define MAX_SLOTS  (1u << 20)
#define MAX_RUNS   ((1u << 19) - 1)      /* a P2M entry holds any mfn + 1 */

/* ---- run lists; lock held ----------------------------------------------- */

static void list_unlink(struct machine *m, uint32_t r)
{
    struct run *run = &m->runs[r];

    if ( run->list == RUN_FULL )
        return;
    if ( run->prev == NO_RUN )
        m->head[run->list] = run->next;
    else
        m->runs[run->prev].next = run->next;
    if ( run->next == NO_RUN )
        m->tail[run->list] = run->prev;
    else
        m->runs[run->next].prev = run->prev;
    run->list = RUN_FULL;
}

static void list_append(struct machine *m, uint32_t r, enum run_list list)
{
    struct run *run = &m->runs[r];

    run->list = list;
    run->next = NO_RUN;
    run->prev = m->tail[list];
    if ( run->prev == NO_RUN )
        m->head[list] = r;
    else
        m->runs[run->prev].next = r;
    m->tail[list] = r;
}

/* Put the run into the list that fits its state now. */
static void run_settle(struct machine *m, uint32_t r)
{
    struct run *run = &m->runs[r];
    enum run_list want;

    if ( !run->nr_used )
    {
        if ( run->owner )
            run->owner->run[run->slot] = NO_RUN;
        run->owner = NULL;
        run->broken = false;
        want = RUN_FREE;
    }
    else if ( run->nr_used == RUN_FRAMES )
        want = RUN_FULL;
    else
        want = run->owner ? RUN_ASSIGNED : RUN_BROKEN;

    if ( want == run->list )
        return;
    list_unlink(m, r);
    if ( want != RUN_FULL )
        list_append(m, r, want);
}

static bool frame_used(const struct run *run, unsigned int i)
{
    return run->used[i / 64] >> (i % 64) & 1;
}

static uint32_t take(struct machine *m, uint32_t r, unsigned int i)
{
    struct run *run = &m->runs[r];
    uint32_t mfn = r * RUN_FRAMES + i;

    run->used[i / 64] |= 1ull << (i % 64);
    run->nr_used++;
    m->nr_free--;
    atomic_store(&m->refs[mfn], 1);
    run_settle(m, r);
    return mfn;
}

static unsigned int first_free(const struct run *run)
{
    unsigned int w;

    for ( w = 0; w < RUN_FRAMES / 64; w++ )
        if ( ~run->used[w] )
            return w * 64 + (unsigned int)__builtin_ctzll(~run->used[w]);
    return 0;
}

static void run_break(struct machine *m, uint32_t r)
{
    struct run *run = &m->runs[r];

    if ( run->owner )
        run->owner->run[run->slot] = NO_RUN;
    run->owner = NULL;
    run->broken = true;
}

/* Any frame at all; nr_free is not 0. */
static uint32_t take_any(struct machine *m)
{
    uint32_t r = m->head[RUN_BROKEN];

    if ( r == NO_RUN )
        r = m->head[RUN_FREE];
    if ( r == NO_RUN )
        r = m->head[RUN_ASSIGNED];
    run_break(m, r);
    return take(m, r, first_free(&m->runs[r]));
}

static int slots_reach(struct slots *s, uint64_t slot)
{
    uint32_t *run;
    uint64_t nr;

    if ( slot < s->nr )
        return 0;
    if ( slot >= MAX_SLOTS )
        return -EINVAL;
    nr = (slot + 64) & ~63ull;
    run = realloc(s->run, nr * sizeof(*run));
    if ( !run )
        return -ENOMEM;
    memset(run + s->nr, 0xff, (nr - s->nr) * sizeof(*run));
    s->run = run;
    s->nr = nr;
    return 0;
}

static void slot_assign(struct machine *m, struct slots *s, uint64_t slot,
                        uint32_t r)
{
    m->runs[r].owner = s;
    m->runs[r].slot = slot;
    s->run[slot] = r;
}

/* How many pages this account may still get. */
static uint64_t allowance(const struct machine *m, const struct account *a)
{
    uint64_t others = m->nr_claimed - a->claim;
    uint64_t avail = m->nr_free > others ? m->nr_free - others : 0;
    uint64_t quota = a->max_pages > a->tot_pages ?
                     a->max_pages - a->tot_pages : 0;

    return avail < quota ? avail : quota;
}

static void charge(struct machine *m, struct account *a, uint64_t n)
{
    uint64_t c = a->claim < n ? a->claim : n;

    a->tot_pages += n;
    a->claim -= c;
    m->nr_claimed -= c;
}

/* ---- allocation --------------------------------------------------------- */

unsigned int machine_alloc(struct machine *m, struct slots *s,
                           struct account *a, const uint64_t *gfns,
                           unsigned int n, uint32_t *ret_mfns)
{
    unsigned int done = 0;
    uint64_t may;

    pthread_mutex_lock(&m->lock);
    may = allowance(m, a);
    while ( done < n && done < may )
    {
        uint64_t slot = gfns[done] / RUN_FRAMES;
        unsigned int i = gfns[done] % RUN_FRAMES;
        uint32_t r;

        if ( slots_reach(s, slot) )
            break;
        r = s->run[slot];
        if ( r == NO_RUN && m->head[RUN_FREE] != NO_RUN )
        {
            r = m->head[RUN_FREE];
            slot_assign(m, s, slot, r);
        }
        if ( r != NO_RUN && !frame_used(&m->runs[r], i) )
            ret_mfns[done] = take(m, r, i);
        else
            ret_mfns[done] = take_any(m);
        done++;
    }
    charge(m, a, done);
    pthread_mutex_unlock(&m->lock);
    return done;
}

int machine_alloc_run(struct machine *m, struct slots *s, struct account *a,
                      uint64_t gfn, uint32_t *ret_mfn)
{
    uint64_t slot = gfn / RUN_FRAMES;
    int rc = -ENOMEM;
    unsigned int i;
    uint32_t r;

    pthread_mutex_lock(&m->lock);
    r = m->head[RUN_FREE];
    if ( r == NO_RUN || allowance(m, a) < RUN_FRAMES )
        goto out;
    rc = slots_reach(s, slot);
    if ( rc )
        goto out;
    /* A run that this slot had keeps its frames, but not the slot. */
    if ( s->run[slot] != NO_RUN )
    {
        uint32_t old = s->run[slot];

        run_break(m, old);
        run_settle(m, old);
    }
    slot_assign(m, s, slot, r);
    for ( i = 0; i < RUN_FRAMES; i++ )
        take(m, r, i);
    charge(m, a, RUN_FRAMES);
    *ret_mfn = r * RUN_FRAMES;
    rc = 0;

 out:
    pthread_mutex_unlock(&m->lock);
    return rc;
}

int machine_alloc_at(struct machine *m, struct slots *s, struct account *a,
                     uint64_t gfn, uint64_t mfn)
{
    uint64_t slot = gfn / RUN_FRAMES;
    uint32_t r = (uint32_t)(mfn / RUN_FRAMES);
    unsigned int i = mfn % RUN_FRAMES;
    struct run *run = &m->runs[r];
    int rc;

    pthread_mutex_lock(&m->lock);
    rc = allowance(m, a) ? slots_reach(s, slot) : -ENOMEM;
    if ( rc )
        goto out;
    rc = -EBUSY;
    if ( frame_used(run, i) ||
         (run->owner && (run->owner != s || run->slot != slot)) )
        goto out;
    if ( !run->nr_used && s->run[slot] == NO_RUN && i == gfn % RUN_FRAMES )
        slot_assign(m, s, slot, r);
    else if ( !run->nr_used )
        run_break(m, r);
    take(m, r, i);
    charge(m, a, 1);
    rc = 0;

 out:
    pthread_mutex_unlock(&m->lock);
    return rc;
}

/* nr consecutive free frames of a run: index, or -1. */
static int free_stretch(const struct run *run, unsigned int nr)
{
    unsigned int i, got = 0;

    for ( i = 0; i < RUN_FRAMES; i++ )
    {
        got = frame_used(run, i) ? 0 : got + 1;
        if ( got == nr )
            return (int)(i + 1 - nr);
    }
    return -1;
}

int machine_alloc_host(struct machine *m, unsigned int nr, uint64_t *ret_mfn)
{
    enum run_list list;
    uint32_t r;
    int first = -1;

    if ( !nr || nr > RUN_FRAMES )
        return -EINVAL;
    pthread_mutex_lock(&m->lock);
    if ( m->nr_free < m->nr_claimed + nr )
        goto out;
    for ( list = RUN_BROKEN; first < 0; )
    {
        for ( r = m->head[list]; r != NO_RUN; r = m->runs[r].next )
        {
            first = free_stretch(&m->runs[r], nr);
            if ( first >= 0 )
                break;
        }
        if ( first >= 0 || list == RUN_ASSIGNED )
            break;
        list = list == RUN_BROKEN ? RUN_FREE : RUN_ASSIGNED;
    }
    if ( first >= 0 )
    {
        unsigned int i;

        run_break(m, r);
        for ( i = 0; i < nr; i++ )
            take(m, r, (unsigned int)first + i);
        *ret_mfn = (uint64_t)r * RUN_FRAMES + (unsigned int)first;
    }

 out:
    pthread_mutex_unlock(&m->lock);
    return first < 0 ? -ENOMEM : 0;
}

/* ---- references --------------------------------------------------------- */

/* What nobody may read any more: back to poison. */
static void poison(struct machine *m, uint64_t mfn, uint64_t nr)
{
    if ( m->untouched &&
         !fallocate(m->memfd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                    (off_t)(mfn * PAGE_BYTES), (off_t)(nr * PAGE_BYTES)) )
        return;
    memset(machine_ptr(m, mfn), POISON, nr * PAGE_BYTES);
}

/* Frames without references; sorted runs are poisoned in one go. */
static void release(struct machine *m, const uint32_t *mfns, unsigned int n)
{
    unsigned int i, j;

    for ( i = 0; i < n; i = j )
    {
        for ( j = i + 1; j < n && mfns[j] == mfns[i] + (j - i); j++ )
            continue;
        poison(m, mfns[i], j - i);
    }

    pthread_mutex_lock(&m->lock);
    for ( i = 0; i < n; i++ )
    {
        uint32_t r = mfns[i] / RUN_FRAMES;
        unsigned int f = mfns[i] % RUN_FRAMES;

        m->runs[r].used[f / 64] &= ~(1ull << (f % 64));
        m->runs[r].nr_used--;
        m->nr_free++;
        run_settle(m, r);
    }
    pthread_mutex_unlock(&m->lock);
}

void machine_pin(struct machine *m, uint64_t mfn)
{
    atomic_fetch_add(&m->refs[mfn], 1);
}

void machine_unpin(struct machine *m, uint64_t mfn)
{
    if ( atomic_fetch_sub(&m->refs[mfn], 1) == 1 )
    {
        uint32_t f = (uint32_t)mfn;

        release(m, &f, 1);
    }
}

void machine_free(struct machine *m, struct account *a, const uint32_t *mfns,
                  unsigned int n)
{
    uint32_t gone[RUN_FRAMES];
    unsigned int i, nr = 0;

    if ( a )
    {
        pthread_mutex_lock(&m->lock);
        a->tot_pages -= n;
        pthread_mutex_unlock(&m->lock);
    }
    for ( i = 0; i < n; i++ )
    {
        if ( atomic_fetch_sub(&m->refs[mfns[i]], 1) == 1 )
            gone[nr++] = mfns[i];
        if ( nr == RUN_FRAMES || (nr && i == n - 1) )
        {
            release(m, gone, nr);
            nr = 0;
        }
    }
}

void machine_forget_slots(struct machine *m, struct slots *s)
{
    uint64_t i;

    pthread_mutex_lock(&m->lock);
    for ( i = 0; i < s->nr; i++ )
    {
        uint32_t r = s->run[i];

        if ( r == NO_RUN )
            continue;
        run_break(m, r);
        run_settle(m, r);
    }
    free(s->run);
    s->run = NULL;
    s->nr = 0;
    pthread_mutex_unlock(&m->lock);
}

/* ---- claims ------------------------------------------------------------- */

int machine_claim(struct machine *m, struct account *a, uint64_t pages)
{
    uint64_t want;
    int rc = 0;

    pthread_mutex_lock(&m->lock);
    if ( !pages )
    {
        m->nr_claimed -= a->claim;
        a->claim = 0;
        goto out;
    }
    rc = -EINVAL;
    if ( a->claim || pages < a->tot_pages || pages > a->max_pages )
        goto out;
    want = pages - a->tot_pages;
    rc = -ENOMEM;
    if ( want > m->nr_free - m->nr_claimed )
        goto out;
    a->claim = want;
    m->nr_claimed += want;
    rc = 0;

 out:
    pthread_mutex_unlock(&m->lock);
    return rc;
}

uint64_t machine_free_pages(struct machine *m)
{
    uint64_t nr;

    pthread_mutex_lock(&m->lock);
    nr = m->nr_free;
    pthread_mutex_unlock(&m->lock);
    return nr;
}

/* ---- start and end ------------------------------------------------------ */

struct touch
{
    uint8_t *from;
    size_t len;
};

static void *touch_thread(void *arg)
{
    struct touch *t = arg;

    memset(t->from, POISON, t->len);
    return NULL;
}

/* First touch is slow, so two threads share it. */
static void touch_all(struct machine *m)
{
    size_t half = m->nr_frames * PAGE_BYTES / 2;
    struct touch lower = { m->base, half };
    struct touch upper = { m->base + half, m->nr_frames * PAGE_BYTES - half };
    pthread_t t;
    bool two = !pthread_create(&t, NULL, touch_thread, &lower);

    touch_thread(&upper);
    if ( two )
        pthread_join(t, NULL);
    else
        touch_thread(&lower);
}

int machine_init(struct machine *m, uint64_t bytes, bool untouched)
{
    uint64_t run_bytes = (uint64_t)RUN_FRAMES * PAGE_BYTES;
    uint32_t r;
    int rc;

    memset(m, 0, sizeof(*m));
    m->memfd = -1;
    m->base = MAP_FAILED;
    m->untouched = untouched;
    m->nr_runs = (uint32_t)(bytes / run_bytes);
    m->nr_frames = (uint64_t)m->nr_runs * RUN_FRAMES;
    if ( !m->nr_runs || bytes / run_bytes > MAX_RUNS )
        return -EINVAL;
    pthread_mutex_init(&m->lock, NULL);

    m->memfd = memfd_create("xmig-emu-machine",
                            MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if ( m->memfd < 0 || ftruncate(m->memfd, (off_t)(m->nr_runs * run_bytes)) )
        goto fail;
    /* A client holds this descriptor: it must not take memory away. */
    if ( fcntl(m->memfd, F_ADD_SEALS,
               F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) )
        goto fail;
    /* A machine's RAM is in no LRU list: its mappings need no recency. */
    posix_fadvise(m->memfd, 0, 0, POSIX_FADV_NOREUSE);
    m->base = mmap(NULL, m->nr_frames * PAGE_BYTES, PROT_READ | PROT_WRITE,
                   MAP_SHARED | MAP_NORESERVE, m->memfd, 0);
    if ( m->base == MAP_FAILED )
        goto fail;
    m->refs = calloc(m->nr_frames, sizeof(*m->refs));
    m->runs = calloc(m->nr_runs, sizeof(*m->runs));
    if ( !m->refs || !m->runs )
    {
        errno = ENOMEM;
        goto fail;
    }

    for ( r = 0; r < RUN_FULL; r++ )
        m->head[r] = m->tail[r] = NO_RUN;
    for ( r = 0; r < m->nr_runs; r++ )
        list_append(m, r, RUN_FREE);
    m->nr_free = m->nr_frames;
    if ( !untouched )
        touch_all(m);
    return 0;

 fail:
    rc = -errno;
    machine_done(m);
    return rc;
}

void machine_done(struct machine *m)
{
    if ( m->base != MAP_FAILED )
        munmap(m->base, m->nr_frames * PAGE_BYTES);
    if ( m->memfd >= 0 )
        close(m->memfd);
    free(m->refs);
    free(m->runs);
    pthread_mutex_destroy(&m->lock);
    memset(m, 0, sizeof(*m));
    m->memfd = -1;
    m->base = MAP_FAILED;
}
