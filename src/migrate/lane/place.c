/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Placing pages: see place.h.
 *
 * A chunk is mapped whole, with the gfns that have a frame at that moment
 * ("direct").  A gfn that gets its frame later, or another one, is not
 * direct: it is mapped for each write of its own.  That is what a balloon
 * in the guest costs; remapping the chunk would have to be told to nobody
 * else, but a window of many chunks is one mapping.
 */
#include "place_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "delta.h"

int place_new(struct session *s, uint32_t domid, uint64_t nr_gfns,
              struct place **ret_p)
{
    struct place *p = calloc(1, sizeof(*p));
    uint64_t chunks = nr_gfns / CHUNK_GFNS + !!(nr_gfns % CHUNK_GFNS);
    size_t words = chunks * CHUNK_GFNS / 64;
    int rc = -ENOMEM;

    if ( !p )
        goto fail;
    p->s = s;
    p->domid = domid;
    p->nr_gfns = nr_gfns;
    p->nr_chunks = chunks;
    err_init(&p->err);
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->cond, NULL);
    p->chunks = calloc(chunks + 1, sizeof(*p->chunks));
    p->populated = calloc(words + 1, sizeof(uint64_t));
    p->direct = calloc(words + 1, sizeof(uint64_t));
    p->received = calloc(words + 1, sizeof(uint64_t));
    if ( p->chunks && p->populated && p->direct && p->received )
        rc = pageset_init(&p->want, nr_gfns);
    if ( !rc )
    {
        *ret_p = p;
        return 0;
    }

fail:
    place_free(p);

    return err_set(s->err, rc, "keep account of %lu gfns: %s",
                   (unsigned long)nr_gfns, err_text(rc));
}

void place_free(struct place *p)
{
    if ( !p )
        return;
    place_unmap(p);
    free(p->maps);
    free(p->chunks);
    free(p->populated);
    free(p->direct);
    free(p->received);
    pageset_done(&p->want);
    pthread_cond_destroy(&p->cond);
    pthread_mutex_destroy(&p->lock);
    err_done(&p->err);
    free(p);
}

void place_unmap(struct place *p)
{
    size_t i;

    place_ahead_end(p);
    for ( i = 0; i < p->nr_maps; i++ )
        hv_unmap(p->s->hv, p->maps[i].addr, p->maps[i].nr);
    p->nr_maps = 0;
}

int place_own(struct place *p, uint64_t gfn, bool populate)
{
    int rc;

    if ( gfn >= p->nr_gfns )
        return err_set(p->s->err, -EPROTO, "a ring page at gfn %#lx is out "
                       "of range", (unsigned long)gfn);
    if ( p->nr_own == OWN_MAX )
        return err_set(p->s->err, -EPROTO, "too many ring pages");
    p->own[p->nr_own++] = gfn;
    if ( !populate || get(p->populated, gfn) )
        return 0;
    rc = hv_populate_range(p->s->hv, p->s->err, p->domid, gfn, 1, NULL);
    if ( !rc )
        put(p->populated, gfn, true);

    return rc;
}

bool place_is_own(const struct place *p, uint64_t gfn)
{
    unsigned int i;

    for ( i = 0; i < p->nr_own; i++ )
        if ( p->own[i] == gfn )
            return true;

    return false;
}

/* ---- Making chunks ready ------------------------------------------------ */

int place_keep_mapping(struct place *p, void *addr, size_t nr,
                       uint64_t first)
{
    struct mapping *maps;
    int rc = 0;

    pthread_mutex_lock(&p->lock);
    if ( p->nr_maps == p->room )
    {
        maps = realloc(p->maps, (p->room * 2 + 64) * sizeof(*maps));
        if ( maps )
        {
            p->maps = maps;
            p->room = p->room * 2 + 64;
        }
        else
            rc = -ENOMEM;
    }
    if ( !rc )
        p->maps[p->nr_maps++] = (struct mapping){ addr, nr, first };
    pthread_mutex_unlock(&p->lock);

    return rc;
}

/* Give frames to the wanted gfns of [first, end) that have none. */
static int populate(struct place *p, struct hv *hv, struct err *e,
                    uint64_t first, uint64_t end)
{
    struct gfn_run run;
    uint64_t gfn, from;
    int rc;

    while ( pageset_next_run(&p->want, first, 0, &run) && run.first < end )
    {
        if ( run.first + run.count > end )
            run.count = end - run.first;
        first = run.first + run.count;
        for ( gfn = run.first; gfn < first; )
        {
            /* Nearly always the whole run at once. */
            while ( gfn < first && get(p->populated, gfn) )
                gfn++;
            from = gfn;
            while ( gfn < first && !get(p->populated, gfn) )
                gfn++;
            if ( from == gfn )
                break;
            rc = hv_populate_range(hv, e, p->domid, from, gfn - from, NULL);
            if ( rc )
                return rc;
            for ( ; from < gfn; from++ )
                put(p->populated, from, true);
        }
    }

    return 0;
}

/* Could all of the chunk that is wanted be mapped? */
static bool is_whole(const struct place *p, uint64_t first)
{
    uint64_t w;

    for ( w = first / 64; w < (first + CHUNK_GFNS) / 64; w++ )
        if ( w < pageset_nr_words(p->nr_gfns) &&
             p->want.words[w] & ~p->direct[w] )
            return false;

    return true;
}

/* Chunks [chunk, chunk + n) are BUSY and the caller's: populate what is
 * wanted, map all as one window. */
static int prepare(struct place *p, struct hv *hv, struct err *e,
                   uint64_t chunk, unsigned int n)
{
    uint64_t first = chunk * CHUNK_GFNS, end = first + n * CHUNK_GFNS, gfn;
    int *errs = NULL;
    void *addr = NULL;
    unsigned int i;
    int rc;

    if ( end > p->nr_gfns )
        end = p->nr_gfns;
    rc = populate(p, hv, e, first, end);
    if ( rc )
        return rc;
    for ( gfn = first; gfn < end && !get(p->populated, gfn); gfn++ )
        ;
    if ( gfn == end )
        return 0;

    errs = calloc(end - first, sizeof(*errs));
    if ( !errs )
        return err_set(e, -ENOMEM, "map guest memory: %s",
                       err_text(-ENOMEM));
    /* Whoever unmaps it does so by the same handle. */
    rc = hv_map_range(p->s->hv, e, p->domid, true, first, end - first, errs,
                      &addr);
    if ( rc )
        goto out;
    rc = place_keep_mapping(p, addr, end - first, first);
    if ( rc )
    {
        hv_unmap(p->s->hv, addr, end - first);
        err_set(e, rc, "map guest memory: %s", err_text(rc));
        goto out;
    }
    for ( gfn = first; gfn < end; gfn++ )
        put(p->direct, gfn, get(p->populated, gfn) && !errs[gfn - first]);
    for ( i = 0; i < n; i++ )
    {
        p->chunks[chunk + i].addr = (uint8_t *)addr +
                                    (size_t)i * CHUNK_GFNS * PAGE_BYTES;
        p->chunks[chunk + i].whole = is_whole(p, first + i * CHUNK_GFNS);
    }

out:
    free(errs);

    return rc;
}

static bool claim(struct place *p, uint64_t chunk)
{
    int none = CHUNK_NONE;

    return atomic_compare_exchange_strong(&p->chunks[chunk].state, &none,
                                          CHUNK_BUSY);
}

/* Hand over n chunks that were claimed. */
static void publish(struct place *p, uint64_t chunk, unsigned int n, int rc)
{
    unsigned int i;

    pthread_mutex_lock(&p->lock);
    if ( rc && !p->rc )
        p->rc = rc;
    for ( i = 0; !rc && i < n; i++ )
        p->chunks[chunk + i].state = CHUNK_READY;
    pthread_cond_broadcast(&p->cond);
    pthread_mutex_unlock(&p->lock);
}

static void *helper_main(void *arg)
{
    struct place *p = arg;
    uint64_t chunk = 0, gfn;
    struct hv *hv = NULL;
    unsigned int n;
    int rc, dear = -1;

    rc = hv_clone(p->s->hv, &p->err, &hv);
    while ( !rc && !p->stop )
    {
        gfn = pageset_next_set(&p->want, chunk * CHUNK_GFNS);
        if ( gfn >= p->nr_gfns )
            break;
        chunk = gfn / CHUNK_GFNS;
        for ( n = 0; n < WINDOW_CHUNKS && chunk + n < p->nr_chunks; n++ )
            if ( !pageset_count_run(&p->want, (chunk + n) * CHUNK_GFNS,
                                    CHUNK_GFNS) || !claim(p, chunk + n) )
                break;
        if ( n )
        {
            rc = prepare(p, hv, &p->err, chunk, n);
            if ( !rc && dear < 0 )
                dear = place_access_is_dear(p, chunk, n);
            publish(p, chunk, n, rc);
        }
        chunk += n ? n : 1;
    }
    hv_close(hv);
    if ( rc )
        session_fail(p->s, rc);
    else if ( dear > 0 )
        place_touch_ahead(p);

    return NULL;
}

int place_ahead(struct place *p, const struct pageset *present)
{
    int rc;

    pageset_copy(&p->want, present);
    rc = -pthread_create(&p->helper, NULL, helper_main, p);
    if ( rc )
        return err_set(p->s->err, rc, "make the helper thread: %s",
                       err_text(rc));
    p->helper_made = true;

    return 0;
}

int place_ahead_error(struct place *p, struct err *e)
{
    return err_take(e, &p->err);
}

void place_ahead_end(struct place *p)
{
    if ( !p->helper_made )
        return;
    p->stop = true;
    pthread_join(p->helper, NULL);
    p->helper_made = false;
}

int place_lane_open(struct place *p, struct place_lane *l)
{
    return l->hv ? 0 : hv_clone(p->s->hv, l->err, &l->hv);
}

void place_lane_done(struct place_lane *l)
{
    hv_close(l->hv);
    l->hv = NULL;
}

/* Wait for the helper's chunk, or make it ready. */
static int need_chunk(struct place *p, struct place_lane *l, uint64_t chunk)
{
    int rc = 0;

    if ( p->chunks[chunk].state == CHUNK_READY )
        return 0;
    if ( claim(p, chunk) )
    {
        rc = place_lane_open(p, l);
        if ( !rc )
            rc = prepare(p, l->hv, l->err, chunk, 1);
        publish(p, chunk, 1, rc);
        return rc;
    }

    pthread_mutex_lock(&p->lock);
    while ( !p->rc && !p->stop && p->chunks[chunk].state != CHUNK_READY )
        pthread_cond_wait(&p->cond, &p->lock);
    rc = p->rc;
    if ( !rc && p->chunks[chunk].state != CHUNK_READY )
        rc = -ECANCELED;
    pthread_mutex_unlock(&p->lock);

    return rc;
}

/* ---- Writing ------------------------------------------------------------ */

static void mark(struct place *p, struct place_lane *l, uint64_t gfn,
                 bool on)
{
    if ( get(p->received, gfn) == on )
        return;
    put(p->received, gfn, on);
    l->received += on ? 1 : -1;
}

static void write_pages(void *addr, uint64_t count, enum wire_kind kind,
                        const void *data)
{
    uint32_t word;

    if ( kind == WIRE_KIND_FILL )
    {
        memcpy(&word, data, sizeof(word));
        pages_fill(addr, word, count);
    }
    else if ( kind != WIRE_KIND_ALLOC )
        pages_store(addr, data, count);
}

/* Gfns that are not direct: populate them if need be, map, write, unmap. */
static int write_apart(struct place *p, struct place_lane *l, uint64_t gfn,
                       uint64_t count, enum wire_kind kind, const void *data)
{
    uint64_t i, n;
    void *addr;
    int rc;

    rc = place_lane_open(p, l);
    for ( i = 0; !rc && i < count; i += n )
    {
        bool has = get(p->populated, gfn + i);

        for ( n = 1; i + n < count &&
                     get(p->populated, gfn + i + n) == has; n++ )
            ;
        if ( has )
            continue;
        rc = hv_populate_range(l->hv, l->err, p->domid, gfn + i, n, NULL);
        for ( uint64_t k = 0; !rc && k < n; k++ )
            put(p->populated, gfn + i + k, true);
    }
    if ( rc || kind == WIRE_KIND_ALLOC )
        return rc;

    rc = hv_map_range(l->hv, l->err, p->domid, true, gfn, count, NULL,
                      &addr);
    if ( rc )
        return rc;
    write_pages(addr, count, kind, data);
    hv_unmap(l->hv, addr, count);

    return 0;
}

static int make_hole(struct place *p, struct place_lane *l, uint64_t gfn,
                     uint64_t count)
{
    uint64_t i;
    int rc = place_lane_open(p, l);

    if ( !rc )
        rc = hv_depopulate(l->hv, l->err, p->domid, gfn, count);
    for ( i = 0; !rc && i < count; i++ )
    {
        put(p->populated, gfn + i, false);
        put(p->direct, gfn + i, false);
        mark(p, l, gfn + i, false);
    }

    return rc;
}

/* A piece of a run within one chunk, all of it direct or all of it not. */
static int place_piece(struct place *p, struct place_lane *l, uint64_t gfn,
                       uint64_t count, enum wire_kind kind, const void *data)
{
    uint8_t *addr = p->chunks[gfn / CHUNK_GFNS].addr;
    uint64_t i;
    int rc = 0;

    if ( kind == WIRE_KIND_HOLE )
        return make_hole(p, l, gfn, count);

    if ( !get(p->direct, gfn) )
        rc = write_apart(p, l, gfn, count, kind, data);
    else
        write_pages(addr + gfn % CHUNK_GFNS * PAGE_BYTES, count, kind, data);
    for ( i = 0; !rc && i < count; i++ )
        mark(p, l, gfn + i, true);

    return rc;
}

int place_run(struct place *p, struct place_lane *l, uint64_t gfn,
              uint64_t count, enum wire_kind kind, const void *data)
{
    const uint8_t *from = data;
    uint64_t n, left;
    bool direct;
    int rc = 0;

    for ( ; !rc && count; gfn += n, count -= n )
    {
        left = CHUNK_GFNS - gfn % CHUNK_GFNS;
        if ( left > count )
            left = count;
        rc = need_chunk(p, l, gfn / CHUNK_GFNS);
        if ( rc )
            break;
        atomic_store_explicit(&p->front, gfn / CHUNK_GFNS,
                              memory_order_relaxed);

        n = 1;
        if ( place_is_own(p, gfn) )
            mark(p, l, gfn, kind != WIRE_KIND_HOLE);
        else
        {
            direct = get(p->direct, gfn);
            while ( n < left && get(p->direct, gfn + n) == direct &&
                    !place_is_own(p, gfn + n) )
                n++;
            rc = place_piece(p, l, gfn, n, kind, from);
        }
        if ( kind == WIRE_KIND_DATA )
            from += n * PAGE_BYTES;
    }

    return rc;
}

int place_delta(struct place *p, struct place_lane *l, uint64_t gfn,
                const void *delta, size_t len)
{
    void *addr;
    int rc = need_chunk(p, l, gfn / CHUNK_GFNS);

    if ( rc )
        return rc;
    if ( !get(p->received, gfn) )
        return err_set(l->err, -EPROTO, "changes to gfn %#lx, which has not "
                       "been received", (unsigned long)gfn);
    if ( place_is_own(p, gfn) )
        return 0;
    if ( get(p->direct, gfn) )
    {
        delta_apply(p->chunks[gfn / CHUNK_GFNS].addr +
                    gfn % CHUNK_GFNS * PAGE_BYTES, delta, len);
        return 0;
    }
    rc = place_lane_open(p, l);
    if ( !rc )
        rc = hv_map_range(l->hv, l->err, p->domid, true, gfn, 1, NULL, &addr);
    if ( rc )
        return rc;
    delta_apply(addr, delta, len);
    hv_unmap(l->hv, addr, 1);

    return 0;
}
