/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Where the first access to a page is dear, the helper makes it, on another
 * processor than the lane: docs/design.md, "Where a first access is dear".
 */
#include "place_impl.h"

#include "firstaccess.h"
#include "log.h"
#include "opt.h"

/* Pages between two looks at how far the lanes are. */
#define TOUCH_GFNS 32u

int place_access_is_dear(const struct place *p, uint64_t chunk,
                         unsigned int n)
{
    uint64_t said = opt_u64(p->s->opts, NULL, "first-access");
    void *pages[FIRST_ACCESS_SAMPLES];
    const struct chunk *c;
    unsigned int i, nr;
    uint64_t gfn;

    if ( said != OPT_FIRST_ACCESS_AUTO )
        return said == OPT_FIRST_ACCESS_DEAR;
    for ( i = 0; i < n; i++ )
    {
        c = &p->chunks[chunk + i];
        if ( !c->addr || !c->whole )
            continue;
        for ( gfn = 0, nr = 0; gfn < CHUNK_GFNS && nr < FIRST_ACCESS_SAMPLES;
              gfn += FIRST_ACCESS_STRIDE )
            if ( (chunk + i) * CHUNK_GFNS + gfn < p->nr_gfns &&
                 get(p->want.words, (chunk + i) * CHUNK_GFNS + gfn) )
                pages[nr++] = c->addr + gfn * PAGE_BYTES;
        if ( nr == FIRST_ACCESS_SAMPLES )
            return first_access_is_dear(pages, true);
    }

    return -1;
}

/*
 * The lane that is behind makes its own first accesses, so chunks are not
 * waited for and nothing is lost if one is passed here: the helper goes on
 * beyond the lane.
 */
void place_touch_ahead(struct place *p)
{
    uint64_t gfn = 0, beyond, end;
    const struct chunk *c;
    struct gfn_run run;

    LOG_INFO(p->s->logger, "the first access to a page is dear, so a second "
             "thread makes it ahead of the lanes");
    while ( !p->stop && pageset_next_run(&p->want, gfn, TOUCH_GFNS, &run) )
    {
        beyond = (atomic_load_explicit(&p->front, memory_order_relaxed) + 1) *
                 CHUNK_GFNS;
        if ( run.first < beyond )
        {
            gfn = beyond;
            continue;
        }
        end = (run.first / CHUNK_GFNS + 1) * CHUNK_GFNS;
        if ( run.count > end - run.first )
            run.count = end - run.first;
        gfn = run.first + run.count;
        c = &p->chunks[run.first / CHUNK_GFNS];
        if ( c->state == CHUNK_READY && c->addr && c->whole )
            first_access_make(c->addr + run.first % CHUNK_GFNS * PAGE_BYTES,
                              run.count);
    }
}
