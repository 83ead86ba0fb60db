/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Placing an image's pages: frames for the gfns that have none, holes where
 * a gfn has lost its frame, contents.  Trusts the reader's checks, and
 * nothing else about the stream: a gfn may come twice in a batch.
 */
#include "restore_mem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* From so many gfns in a row on, 2 MiB pieces may be had. */
#define LONG_RUN CHUNK_GFNS
/* Read at a time: so much stays in the cache. */
#define BUF_PAGES 128u

int restore_mem_init(struct restore_mem *m, struct hv *hv, struct err *e,
                     uint32_t domid, uint64_t nr_gfns)
{
    int rc;

    memset(m, 0, sizeof(*m));
    m->hv = hv;
    m->err = e;
    m->domid = domid;
    m->pages = aligned_alloc(IMAGE_PAGE_SIZE,
                             (size_t)BUF_PAGES * IMAGE_PAGE_SIZE);
    m->gfns = calloc(IMAGE_BATCH_PAGES, sizeof(*m->gfns));
    m->fresh = calloc(IMAGE_BATCH_PAGES, sizeof(*m->fresh));
    rc = m->pages && m->gfns && m->fresh ? 0 : -ENOMEM;
    if ( !rc )
        rc = pageset_init(&m->populated, nr_gfns);
    if ( rc )
        return err_set(e, rc, "restore: memory for a batch and for %lu gfns:"
                       " %s", (unsigned long)nr_gfns, err_text(rc));
    return 0;
}

void restore_mem_done(struct restore_mem *m)
{
    pageset_done(&m->populated);
    free(m->pages);
    free(m->gfns);
    free(m->fresh);
    memset(m, 0, sizeof(*m));
}

/* Give frames to fresh[0 ... n): long runs in large pieces, the rest one by
 * one but in one call. */
static int populate(struct restore_mem *m, size_t n)
{
    size_t at, run, nr_single = 0;
    int rc;

    for ( at = 0; at < n; at += run )
    {
        for ( run = 1; at + run < n &&
              m->fresh[at + run] == m->fresh[at] + run; run++ )
            ;
        if ( run >= LONG_RUN )
        {
            rc = hv_populate_range(m->hv, m->err, m->domid, m->fresh[at],
                                   run, NULL);
            if ( rc )
                return rc;
            continue;
        }
        memmove(m->fresh + nr_single, m->fresh + at,
                run * sizeof(*m->fresh));
        nr_single += run;
    }

    return nr_single ? hv_populate(m->hv, m->err, m->domid, m->fresh,
                                   nr_single, NULL) : 0;
}

/* Make the P2M fit the entries; gfns gets those that have data. */
static int shape(struct restore_mem *m, const struct image_reader *r)
{
    size_t nr_data = 0, nr_fresh = 0;
    unsigned int i;
    int rc;

    for ( i = 0; i < r->nr_entries; i++ )
    {
        uint64_t gfn = image_entry_gfn(r->entries[i]);

        switch ( image_entry_type(r->entries[i]) )
        {
        case IMAGE_PAGE_NORMAL:
            m->gfns[nr_data++] = gfn;
            /* fall through */
        case IMAGE_PAGE_ALLOC:
            if ( pageset_set(&m->populated, gfn) )
                m->fresh[nr_fresh++] = gfn;
            break;

        default:
            break;
        }
    }
    rc = populate(m, nr_fresh);

    /* Holes last: a gfn that the batch also gives data keeps its frame, as
     * its data are to be placed. */
    for ( i = 0; !rc && i < r->nr_entries; i++ )
    {
        uint64_t gfn = image_entry_gfn(r->entries[i]);
        enum image_page type = image_entry_type(r->entries[i]);
        size_t j;

        if ( type != IMAGE_PAGE_HOLE && type != IMAGE_PAGE_BROKEN )
            continue;
        if ( !pageset_test(&m->populated, gfn) )
            continue;
        for ( j = 0; j < nr_data && m->gfns[j] != gfn; j++ )
            ;
        if ( j < nr_data )
            continue;
        rc = hv_depopulate(m->hv, m->err, m->domid, gfn, 1);
        if ( !rc )
            pageset_clear(&m->populated, gfn);
    }
    return rc;
}

static void compare(struct restore_mem *m, const uint8_t *there,
                    const uint64_t *gfns, size_t count)
{
    size_t i;

    for ( i = 0; i < count; i++ )
    {
        if ( !memcmp(there + i * PAGE_BYTES, m->pages + i * PAGE_BYTES,
                     PAGE_BYTES) )
            continue;
        if ( !m->differing_pages++ )
            m->differing_gfn = gfns[i];
    }
    m->verified_pages += count;
}

int restore_mem_batch(struct restore_mem *m, struct image_reader *r,
                      bool *ret_stream)
{
    size_t at, count, n = r->nr_data;
    void *addr;
    int rc;

    *ret_stream = false;
    rc = shape(m, r);
    if ( rc || !n )
        return rc;

    rc = hv_map(m->hv, m->err, m->domid, true, m->gfns, n, NULL, &addr);
    if ( rc )
        return rc;
    for ( at = 0; !rc && at < n; at += count )
    {
        count = n - at < BUF_PAGES ? n - at : BUF_PAGES;
        rc = image_read_some_pages(r, m->pages, count);
        if ( rc )
            *ret_stream = true;
        else if ( m->verify )
            compare(m, (uint8_t *)addr + at * PAGE_BYTES, m->gfns + at,
                    count);
        else
            pages_store((uint8_t *)addr + at * PAGE_BYTES, m->pages, count);
    }
    hv_unmap(m->hv, addr, n);
    if ( !rc && !m->verify )
        m->data_pages += n;
    return rc;
}
