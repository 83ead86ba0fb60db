/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Frames of absent gfns, kept mapped: see hv_xen_frames.h.
 */
#include "hv_xen_frames.h"

#include <errno.h>
#include <stdlib.h>

static uint64_t nr_chunks(const struct frames *f)
{
    return (f->nr_gfns + CHUNK_GFNS - 1) / CHUNK_GFNS;
}

static size_t chunk_gfns(const struct frames *f, uint64_t first)
{
    return f->nr_gfns - first < CHUNK_GFNS ? f->nr_gfns - first : CHUNK_GFNS;
}

int frames_open(struct hv *hv, uint32_t domid, uint64_t nr_gfns,
                struct frames **ret_f)
{
    struct frames *f = calloc(1, sizeof(*f));

    if ( !f )
        return -ENOMEM;
    f->hv = hv;
    f->domid = domid;
    f->nr_gfns = nr_gfns;
    f->chunks = calloc(nr_chunks(f) + 1, sizeof(*f->chunks));
    if ( f->chunks && !claimset_init(&f->absent, nr_gfns) &&
         !pageset_init(&f->mapped, nr_gfns) )
    {
        *ret_f = f;
        return 0;
    }
    frames_close(f);

    return -ENOMEM;
}

static void unmap(struct frames *f, uint64_t chunk)
{
    hv_unmap(f->hv, f->chunks[chunk], chunk_gfns(f, chunk * CHUNK_GFNS));
    f->chunks[chunk] = NULL;
}

void frames_close(struct frames *f)
{
    uint64_t chunk;

    if ( !f )
        return;
    for ( chunk = 0; f->chunks && chunk < nr_chunks(f); chunk++ )
        unmap(f, chunk);
    free(f->chunks);
    claimset_done(&f->absent);
    pageset_done(&f->mapped);
    free(f);
}

/* All of it, as more of the chunk may be asked for. */
static int map_chunk(struct frames *f, uint64_t chunk)
{
    uint64_t first = chunk * CHUNK_GFNS, i;
    size_t nr = chunk_gfns(f, first);
    int errs[CHUNK_GFNS], rc;
    void *addr;

    unmap(f, chunk);
    pageset_clear_run(&f->mapped, first, nr);
    rc = hv_map_range(f->hv, NULL, f->domid, true, first, nr, errs, &addr);
    if ( rc )
        return rc;
    f->chunks[chunk] = addr;
    for ( i = 0; i < nr; i++ )
        if ( !errs[i] )
            pageset_set(&f->mapped, first + i);

    return 0;
}

int frames_map(struct frames *f, const uint64_t *gfns, unsigned int n,
               bool *ok)
{
    uint64_t chunk, tried = UINT64_MAX;
    unsigned int i;
    int rc = 0;

    if ( n && gfns[n - 1] >= f->nr_gfns )
        return -EINVAL;
    for ( i = 0; !rc && i < n; i++ )
    {
        chunk = gfns[i] / CHUNK_GFNS;
        if ( pageset_test(&f->mapped, gfns[i]) || chunk == tried )
            continue;
        rc = map_chunk(f, chunk);
        tried = chunk;
    }
    for ( i = 0; i < n; i++ )
        ok[i] = !rc && pageset_test(&f->mapped, gfns[i]);

    return rc;
}
