/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Making pages absent at the destination of a post-copy, before the guest
 * runs: see place.h.
 *
 * A page that is mapped can't be made absent, so the windows it lies in go
 * first.  They are not mapped again: that takes longer than making pages of
 * them absent, all the while the guest writes to more, and the little that
 * comes in the last round is written apart.
 */
#include "place_impl.h"

#include <errno.h>
#include <stdlib.h>

/* Between two calls of tick; a hypercall takes a chunk's number of them. */
#define SPAN_GFNS (32u * CHUNK_GFNS)

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
        if ( p->maps[i].addr &&
             pageset_count_run(gfns, p->maps[i].first, p->maps[i].nr) )
        {
            hv_unmap(p->s->hv, p->maps[i].addr, p->maps[i].nr);
            p->maps[i].addr = NULL;
            forget(p, &p->maps[i]);
        }
}

/* Those of a span that are to be made absent: with frames, and without. */
struct span
{
    struct pageset have, lack;
};

static void sort_out(struct place *p, struct span *sp, uint64_t first,
                     uint64_t end, const struct pageset *gfns,
                     const struct pageset *absent, struct pageset *kept)
{
    uint64_t gfn;

    for ( gfn = pageset_next_set(gfns, first); gfn < end;
          gfn = pageset_next_set(gfns, gfn + 1) )
        if ( place_is_own(p, gfn) )
            pageset_set(kept, gfn);
        else if ( !pageset_test(absent, gfn) )
            pageset_set(get(p->populated, gfn) ? &sp->have : &sp->lack, gfn);
}

/* Empties the set. */
static void account(struct place *p, struct pageset *done, uint64_t first,
                    const struct pageset *absent, struct pageset *kept)
{
    uint64_t gfn;
    bool gone;

    for ( gfn = first; !pageset_empty(done); gfn++ )
    {
        gfn = pageset_next_set(done, gfn);
        pageset_clear(done, gfn);
        gone = pageset_test(absent, gfn);
        /* Nobody is to populate or map the chunk as a whole any more. */
        pageset_clear(&p->want, gfn);
        atomic_store(&p->chunks[gfn / CHUNK_GFNS].state, CHUNK_READY);
        /* What could not be made absent has been populated for that. */
        put(p->populated, gfn, !gone);
        if ( !gone )
        {
            pageset_set(kept, gfn);
            continue;
        }
        put(p->direct, gfn, false);
        p->absent_received += !get(p->received, gfn);
        put(p->received, gfn, true);
    }
}

static int make_span(struct place *p, struct hv_placer *pl, struct err *e,
                     struct span *sp, uint64_t first, uint64_t end,
                     struct pageset *absent, struct pageset *kept)
{
    int rc = 0;

    if ( !pageset_empty(&sp->have) )
        rc = hv_placer_evict(pl, e, first, end - first, &sp->have, absent,
                             NULL);
    if ( !rc && !pageset_empty(&sp->lack) )
        rc = hv_placer_make(pl, e, first, end - first, &sp->lack, absent,
                            NULL);
    if ( rc )
        return rc;
    account(p, &sp->have, first, absent, kept);
    account(p, &sp->lack, first, absent, kept);

    return 0;
}

int place_make_absent(struct place *p, struct hv_placer *pl, struct err *e,
                      const struct pageset *gfns, struct pageset *absent,
                      struct pageset *kept, int (*tick)(void *data),
                      void *data)
{
    struct span sp = { 0 };
    uint64_t first, end;
    int rc;

    place_ahead_end(p);
    unmap_touched(p, gfns);
    rc = pageset_init(&sp.have, p->nr_gfns);
    if ( !rc )
        rc = pageset_init(&sp.lack, p->nr_gfns);
    if ( rc )
        err_set(e, rc, "make pages absent: %s", err_text(rc));
    for ( end = 0; !rc && end < p->nr_gfns; )
    {
        first = pageset_next_set(gfns, end);
        end = first + SPAN_GFNS < p->nr_gfns ? first + SPAN_GFNS
                                             : p->nr_gfns;
        sort_out(p, &sp, first, end, gfns, absent, kept);
        rc = make_span(p, pl, e, &sp, first, end, absent, kept);
        if ( !rc && tick )
            rc = tick(data);
    }
    pageset_done(&sp.have);
    pageset_done(&sp.lack);

    return rc;
}

int64_t place_absent_received(const struct place *p)
{
    return p->absent_received;
}
