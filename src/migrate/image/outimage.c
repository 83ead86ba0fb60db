/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Building and writing PAGE_DATA records.  A record does not end within a
 * 2 MiB chunk if it can be helped: a reader that populates record by record
 * can then give the guest a large page.
 */
#include "outimage.h"

#include <errno.h>
#include <stdlib.h>

#include "pages.h"

struct outimage
{
    struct laneout out;
    struct image_out *stream;

    /* the record under construction */
    uint64_t entries[IMAGE_BATCH_PAGES];
    struct iovec iov[IMAGE_BATCH_PAGES];
    unsigned int nr_entries, nr_iov;

    _Atomic uint64_t bytes;      /* written, for other threads */
};

static struct outimage *self(struct laneout *o)
{
    return (struct outimage *)o;
}

static void free_image(struct laneout *o)
{
    free(self(o));
}

static void begin_round(struct laneout *o, uint32_t round)
{
    (void)o;
    (void)round;
}

static int end_round(struct laneout *o)
{
    (void)o;
    return 0;
}

static uint64_t bytes(const struct laneout *o)
{
    return ((const struct outimage *)o)->bytes;
}

static int flush(struct outimage *l)
{
    int rc;

    if ( !l->nr_entries )
        return 0;
    rc = image_write_pages(l->stream, l->entries, l->nr_entries, l->iov,
                           l->nr_iov);
    l->nr_entries = l->nr_iov = 0;
    l->bytes = l->stream->offset;
    /* The channel has told of its own failures. */
    if ( rc == -ENOMEM )
        err_set(l->out.err, rc, "write pages: %s", err_text(rc));
    return rc;
}

static void add_data(struct outimage *l, uint8_t *page)
{
    struct iovec *last = l->nr_iov ? &l->iov[l->nr_iov - 1] : NULL;

    if ( last && (uint8_t *)last->iov_base + last->iov_len == page )
        last->iov_len += PAGE_BYTES;
    else
        l->iov[l->nr_iov++] = (struct iovec){ page, PAGE_BYTES };
}

static int send_window(struct laneout *o, const struct window *w)
{
    struct outimage *l = self(o);
    uint64_t normal = 0;
    size_t i;
    int rc = 0;

    for ( i = 0; !rc && i < w->nr; i++ )
    {
        if ( w->todo[i] == WINDOW_NOTHING )
            continue;
        if ( l->nr_entries == IMAGE_BATCH_PAGES ||
             (l->nr_entries > IMAGE_BATCH_PAGES - CHUNK_GFNS &&
              w->gfns[i] % CHUNK_GFNS == 0) )
            rc = flush(l);
        if ( w->todo[i] == WINDOW_HOLE )
            l->entries[l->nr_entries++] = image_entry(w->gfns[i],
                                                      IMAGE_PAGE_HOLE);
        else
        {
            l->entries[l->nr_entries++] = image_entry(w->gfns[i],
                                                      IMAGE_PAGE_NORMAL);
            add_data(l, w->addr + i * PAGE_BYTES);
            normal++;
        }
    }
    if ( !rc )
        rc = flush(l);
    o->normal_pages += normal;
    return rc;
}

static const struct laneout_ops ops = {
    .round = begin_round,
    .window = send_window,
    .round_end = end_round,
    .bytes = bytes,
    .free = free_image,
};

int outimage_new(struct image_out *out, struct err *e,
                 struct laneout **ret_out)
{
    struct outimage *l = calloc(1, sizeof(*l));

    if ( !l )
        return -ENOMEM;
    l->out.ops = &ops;
    l->out.err = e;
    l->stream = out;
    *ret_out = &l->out;
    return 0;
}
