/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Small mappings of a suspended guest: see glance.h.
 */
#include "glance.h"

#include <errno.h>
#include <stddef.h>

void glance_open(struct glance *g, struct hv *hv, uint32_t domid,
                 uint64_t nr_gfns)
{
    g->hv = hv;
    g->domid = domid;
    g->nr_gfns = nr_gfns;
    g->nr = 0;
}

static size_t gfns_of(const struct glance *g, uint64_t first)
{
    uint64_t left = g->nr_gfns - first;

    return left < GLANCE_GFNS ? left : GLANCE_GFNS;
}

static void map_block(struct glance *g, unsigned int block)
{
    uint64_t first = g->blocks[block].first;
    size_t n = gfns_of(g, first), i;
    int errs[GLANCE_GFNS];
    void *addr;

    g->blocks[block].addr = NULL;
    g->blocks[block].missing = 0;
    if ( hv_map_range(g->hv, NULL, g->domid, false, first, n, errs, &addr) )
        return;
    g->blocks[block].addr = addr;
    for ( i = 0; i < n; i++ )
        g->blocks[block].missing |= (uint64_t)!!errs[i] << i;
}

int glance_page(struct glance *g, uint64_t gfn, const uint8_t **ret_page)
{
    uint64_t at = gfn % GLANCE_GFNS;
    unsigned int i = 0;

    *ret_page = NULL;
    if ( gfn >= g->nr_gfns )
        return 0;
    while ( i < g->nr && g->blocks[i].first != gfn - at )
        i++;
    if ( i == GLANCE_BLOCKS )
        return -ENOSPC;
    if ( i == g->nr )
    {
        g->blocks[g->nr++].first = gfn - at;
        map_block(g, i);
    }
    if ( g->blocks[i].addr && !(g->blocks[i].missing >> at & 1) )
        *ret_page = g->blocks[i].addr + at * PAGE_BYTES;

    return 0;
}

void glance_close(struct glance *g)
{
    unsigned int i;

    for ( i = 0; i < g->nr; i++ )
        hv_unmap(g->hv, g->blocks[i].addr, gfns_of(g, g->blocks[i].first));
    g->nr = 0;
}
