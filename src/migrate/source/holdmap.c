/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Mapping the suspended guest: see holdmap.h.
 */
#include "holdmap.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <errno.h>

enum
{
    CHUNK_NONE,
    CHUNK_BUSY,                  /* somebody is mapping it */
    CHUNK_READY,
    CHUNK_FAILED,
};

struct chunk
{
    _Atomic int state;
    uint8_t *addr;               /* NULL: all holes */
    uint64_t hole[CHUNK_GFNS / 64];
};

struct holdmap
{
    /* set at the start, then read-only */
    struct hv *hv;
    uint32_t domid;
    uint64_t nr_gfns, nr_chunks;

    struct chunk *chunks;
    pthread_mutex_t lock;
    pthread_cond_t cond;         /* a chunk is no longer BUSY */

    pthread_mutex_t ram_lock;
    struct pageset ram;          /* scratch: what is populated, of a chunk */
};

int holdmap_open(struct hv *hv, struct err *e, uint32_t domid,
                 uint64_t nr_gfns, struct holdmap **ret_h)
{
    struct holdmap *h = calloc(1, sizeof(*h));
    int rc = -ENOMEM;

    if ( !h )
        return err_set(e, rc, "hold the guest's memory: %s", err_text(rc));
    pthread_mutex_init(&h->lock, NULL);
    pthread_cond_init(&h->cond, NULL);
    pthread_mutex_init(&h->ram_lock, NULL);
    h->domid = domid;
    h->nr_gfns = nr_gfns;
    h->nr_chunks = (nr_gfns + CHUNK_GFNS - 1) / CHUNK_GFNS;
    h->chunks = calloc(h->nr_chunks + 1, sizeof(*h->chunks));
    if ( !h->chunks || pageset_init(&h->ram, nr_gfns) )
        err_set(e, rc, "hold the guest's memory: %s", err_text(rc));
    else
        rc = hv_clone(hv, e, &h->hv);
    if ( rc )
        holdmap_close(h);
    else
        *ret_h = h;

    return rc;
}

static uint64_t gfns_of(const struct holdmap *h, uint64_t chunk)
{
    uint64_t left = h->nr_gfns - chunk * CHUNK_GFNS;

    return left < CHUNK_GFNS ? left : CHUNK_GFNS;
}

void holdmap_close(struct holdmap *h)
{
    uint64_t i;

    if ( !h )
        return;
    for ( i = 0; h->chunks && i < h->nr_chunks; i++ )
        if ( h->chunks[i].addr )
            hv_unmap(h->hv, h->chunks[i].addr, gfns_of(h, i));
    hv_close(h->hv);
    free(h->chunks);
    pageset_done(&h->ram);
    pthread_mutex_destroy(&h->ram_lock);
    pthread_cond_destroy(&h->cond);
    pthread_mutex_destroy(&h->lock);
    free(h);
}

/* Some could not be mapped: holes, or is something wrong? */
static int classify(struct holdmap *h, struct err *e, uint64_t first,
                    uint64_t n, const int *errs, uint64_t *hole)
{
    uint64_t i;
    int rc;

    pthread_mutex_lock(&h->ram_lock);
    rc = hv_page_types(h->hv, e, h->domid, first, n, &h->ram, NULL);
    for ( i = 0; !rc && i < n; i++ )
    {
        if ( !errs[i] )
            continue;
        if ( pageset_test(&h->ram, first + i) )
            rc = err_set(e, errs[i], "map gfn %#lx of domain %u: %s",
                         (unsigned long)(first + i), h->domid,
                         err_text(errs[i]));
        hole[i / 64] |= 1ull << (i % 64);
    }
    pthread_mutex_unlock(&h->ram_lock);

    return rc;
}

static int map_chunk(struct holdmap *h, struct err *e, uint64_t chunk)
{
    struct chunk *c = &h->chunks[chunk];
    uint64_t first = chunk * CHUNK_GFNS, n = gfns_of(h, chunk), i;
    int errs[CHUNK_GFNS];
    bool any = false;
    void *addr;
    int rc;

    rc = hv_map_range(h->hv, e, h->domid, false, first, n, errs, &addr);
    if ( rc )
        return rc;
    for ( i = 0; i < n; i++ )
        any |= errs[i];
    if ( any )
        rc = classify(h, e, first, n, errs, c->hole);
    if ( rc )
        hv_unmap(h->hv, addr, n);
    else
        c->addr = addr;

    return rc;
}

static int make_ready(struct holdmap *h, struct err *e, uint64_t chunk)
{
    struct chunk *c = &h->chunks[chunk];
    int none = CHUNK_NONE, rc = 0;

    if ( atomic_compare_exchange_strong(&c->state, &none, CHUNK_BUSY) )
    {
        rc = map_chunk(h, e, chunk);
        pthread_mutex_lock(&h->lock);
        atomic_store(&c->state, rc ? CHUNK_FAILED : CHUNK_READY);
        pthread_cond_broadcast(&h->cond);
        pthread_mutex_unlock(&h->lock);
        return rc;
    }
    pthread_mutex_lock(&h->lock);
    while ( atomic_load(&c->state) == CHUNK_BUSY )
        pthread_cond_wait(&h->cond, &h->lock);
    pthread_mutex_unlock(&h->lock);
    /* Who failed has told. */
    if ( atomic_load(&c->state) == CHUNK_FAILED )
        rc = -EIO;

    return rc;
}

int holdmap_page(struct holdmap *h, struct err *e, uint64_t gfn,
                 const uint8_t **ret_page)
{
    struct chunk *c = &h->chunks[gfn / CHUNK_GFNS];
    uint64_t at = gfn % CHUNK_GFNS;
    int rc;

    if ( atomic_load_explicit(&c->state, memory_order_acquire) !=
         CHUNK_READY )
    {
        rc = make_ready(h, e, gfn / CHUNK_GFNS);
        if ( rc )
            return rc;
    }
    *ret_page = !c->addr || (c->hole[at / 64] >> (at % 64) & 1)
                ? NULL : c->addr + at * PAGE_BYTES;

    return 0;
}
