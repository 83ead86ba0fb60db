/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Writing an image stream.  The order of the calls is the order of the
 * stream (docs/stream.md section 1); the writer keeps it, it does not check
 * it: the tests read back everything that is written.
 */
#ifndef IMAGE_WRITE_H
#define IMAGE_WRITE_H

#include <sys/uio.h>

#include "image_rec.h"

/* Where the bytes go. */
struct image_out
{
    /* Write all of it; 0 or -errno.  iov may be changed. */
    int (*write)(void *data, struct iovec *iov, unsigned int nr_iov);
    void *data;
    uint64_t offset;             /* bytes written so far, kept by the writer */
};

int image_out_write(struct image_out *out, const void *buf, size_t bytes);

/* Image and domain header. */
int image_write_headers(struct image_out *out, uint32_t xen_major,
                        uint32_t xen_minor);

/* Any record but PAGE_DATA, with its padding. */
int image_write_record(struct image_out *out, enum image_type type,
                       const void *body, uint32_t bytes);

/*
 * A PAGE_DATA record.  entries as image_entry() makes them, count up to
 * IMAGE_BATCH_PAGES; data: the pages of those that have data, in order, as
 * nr_iov pieces (at most IMAGE_BATCH_PAGES).
 */
int image_write_pages(struct image_out *out, const uint64_t *entries,
                      unsigned int count, const struct iovec *data,
                      unsigned int nr_iov);

#endif
