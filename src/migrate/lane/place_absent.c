/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Making pages absent at the destination of a post-copy, before the guest
 * runs: see place.h.
 *
 * A page that is mapped can't be made absent, so the windows it lies in go
 * first, and are mapped anew afterwards, for what comes in the last round.
 */
#include "place_impl.h"

#include <errno.h>
#include <stdlib.h>

static bool is_touched(const struct mapping *m, const struct pageset *gfns)
{
    return pageset_next_set(gfns, m->first) < m->first + m->nr;
}

/* The window's chunks have no address any more. */
static void forget(struct place *p, const struct mapping *m)
{
    uint64_t gfn;

    for ( gfn = m->first; gfn < m->first + m->nr; gfn++ )
        put(p->direct, gfn, false);
    for ( gfn = m->first; gfn < m->first + m->nr; gfn += CHUNK_GFNS )
        p->chunks[gfn / CHUNK_GFNS].addr = NULL;
}

static void unmap_touched(struct place *p, const struct pageset *gfns)
{
    size_t i;

    for ( i = 0; i < p->nr_maps; i++ )
        if ( p->maps[i].addr && is_touched(&p->maps[i], gfns) )
        {
            hv_unmap(p->s->hv, p->maps[i].addr, p->maps[i].nr);
            p->maps[i].addr = NULL;
            forget(p, &p->maps[i]);
        }
}

/* What is populated in the window; something else stands for the rest, as an
 * absent page must not be mapped. */
static int map_again(struct place *p, struct err *e, struct mapping *m)
{
    uint64_t *gfns, gfn, any = UINT64_MAX;
    void *addr;
    size_t i;
    int rc;

    for ( i = 0; i < m->nr && any == UINT64_MAX; i++ )
        if ( get(p->populated, m->first + i) )
            any = m->first + i;
    if ( any == UINT64_MAX )
        return 0;
    gfns = malloc(m->nr * sizeof(*gfns));
    if ( !gfns )
        return err_set(e, -ENOMEM, "map guest memory: %s",
                       err_text(-ENOMEM));
    for ( i = 0; i < m->nr; i++ )
    {
        gfn = m->first + i;
        gfns[i] = get(p->populated, gfn) ? gfn : any;
    }
    rc = hv_map(p->s->hv, e, p->domid, true, gfns, m->nr, NULL, &addr);
    if ( !rc )
    {
        m->addr = addr;
        for ( i = 0; i < m->nr; i++ )
            put(p->direct, m->first + i, get(p->populated, m->first + i));
        for ( i = 0; i < m->nr; i += CHUNK_GFNS )
            p->chunks[(m->first + i) / CHUNK_GFNS].addr =
                (uint8_t *)addr + i * PAGE_BYTES;
    }
    free(gfns);

    return rc;
}

static int map_touched(struct place *p, struct err *e)
{
    size_t i;
    int rc = 0;

    for ( i = 0; !rc && i < p->nr_maps; i++ )
        if ( !p->maps[i].addr )
            rc = map_again(p, e, &p->maps[i]);

    return rc;
}

/* [first, first + count) lies in one chunk, all of it populated or not. */
static int make_run(struct place *p, struct hv_placer *pl, struct err *e,
                    uint64_t first, uint64_t count, struct pageset *absent,
                    struct pageset *kept)
{
    bool has = get(p->populated, first);
    uint64_t gfn;
    int rc;

    /* Nobody is to populate or map the chunk as a whole any more. */
    pageset_clear_run(&p->want, first, count);
    atomic_store(&p->chunks[first / CHUNK_GFNS].state, CHUNK_READY);

    rc = has ? hv_placer_evict(pl, e, first, count, NULL, absent, NULL)
             : hv_placer_make(pl, e, first, count, NULL, absent, NULL);
    for ( gfn = first; !rc && gfn < first + count; gfn++ )
    {
        if ( !pageset_test(absent, gfn) )
        {
            /* It has been populated for that. */
            put(p->populated, gfn, true);
            pageset_set(kept, gfn);
            continue;
        }
        put(p->populated, gfn, false);
        put(p->direct, gfn, false);
        p->absent_received += !get(p->received, gfn);
        put(p->received, gfn, true);
    }

    return rc;
}

int place_make_absent(struct place *p, struct hv_placer *pl, struct err *e,
                      const struct pageset *gfns, struct pageset *absent,
                      struct pageset *kept, int (*tick)(void *data),
                      void *data)
{
    struct gfn_run run = { 0 };
    uint64_t n;
    bool has;
    int rc = 0;

    place_ahead_end(p);
    unmap_touched(p, gfns);
    while ( !rc && pageset_next_run(gfns, run.first + run.count, 0, &run) )
    {
        uint64_t gfn = run.first, end = run.first + run.count;

        for ( ; !rc && gfn < end; gfn += n )
        {
            n = 1;
            if ( place_is_own(p, gfn) )
            {
                pageset_set(kept, gfn);
                continue;
            }
            if ( pageset_test(absent, gfn) )
                continue;
            has = get(p->populated, gfn);
            while ( gfn + n < end && (gfn + n) % CHUNK_GFNS &&
                    get(p->populated, gfn + n) == has &&
                    !pageset_test(absent, gfn + n) &&
                    !place_is_own(p, gfn + n) )
                n++;
            rc = make_run(p, pl, e, gfn, n, absent, kept);
            if ( !rc && tick )
                rc = tick(data);
        }
    }
    if ( !rc )
        rc = map_touched(p, e);

    return rc;
}

int64_t place_absent_received(const struct place *p)
{
    return p->absent_received;
}
