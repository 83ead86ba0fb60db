/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Writer of an image stream, the counterpart of image_read.c.  It knows
 * neither descriptors nor domains.
 */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "image_write.h"

static int write_all(struct image_out *out, struct iovec *iov,
                     unsigned int nr_iov)
{
    uint64_t bytes = 0;
    unsigned int i;
    int rc;

    for ( i = 0; i < nr_iov; i++ )
        bytes += iov[i].iov_len;
    rc = out->write(out->data, iov, nr_iov);
    if ( !rc )
        out->offset += bytes;
    return rc;
}

int image_out_write(struct image_out *out, const void *buf, size_t bytes)
{
    struct iovec iov = { .iov_base = (void *)buf, .iov_len = bytes };

    return bytes ? write_all(out, &iov, 1) : 0;
}

int image_write_headers(struct image_out *out, uint32_t xen_major,
                        uint32_t xen_minor)
{
    struct image_ihdr ihdr = {
        .marker = IMAGE_MARKER,
        .id = htobe32(IMAGE_ID),
        .version = htobe32(IMAGE_VERSION),
    };
    struct image_dhdr dhdr = {
        .type = IMAGE_DOMAIN_HVM,
        .page_shift = IMAGE_PAGE_SHIFT,
        .xen_major = xen_major,
        .xen_minor = xen_minor,
    };
    struct iovec iov[] = {
        { &ihdr, sizeof(ihdr) },
        { &dhdr, sizeof(dhdr) },
    };

    return write_all(out, iov, 2);
}

int image_write_record(struct image_out *out, enum image_type type,
                       const void *body, uint32_t bytes)
{
    struct image_rhdr rec = { .type = type, .length = bytes };
    uint8_t padding[8] = { 0 };
    struct iovec iov[] = {
        { &rec, sizeof(rec) },
        { (void *)body, bytes },
        { padding, image_padding(bytes) },
    };

    return write_all(out, iov, 3);
}

int image_write_pages(struct image_out *out, const uint64_t *entries,
                      unsigned int count, const struct iovec *data,
                      unsigned int nr_iov)
{
    struct image_rhdr rec = { .type = IMAGE_PAGE_DATA };
    struct image_pages hdr = { .count = count };
    uint64_t bytes = sizeof(hdr) + (uint64_t)count * sizeof(*entries);
    struct iovec *iov = NULL;
    unsigned int i;
    int rc;

    assert(count && count <= IMAGE_BATCH_PAGES);
    assert(nr_iov <= IMAGE_BATCH_PAGES);

    iov = calloc(nr_iov + 3, sizeof(*iov));
    if ( !iov )
        return -ENOMEM;
    iov[0] = (struct iovec){ &rec, sizeof(rec) };
    iov[1] = (struct iovec){ &hdr, sizeof(hdr) };
    iov[2] = (struct iovec){ (void *)entries, count * sizeof(*entries) };
    for ( i = 0; i < nr_iov; i++ )
    {
        iov[i + 3] = data[i];
        bytes += data[i].iov_len;
    }
    rec.length = bytes;

    rc = write_all(out, iov, nr_iov + 3);
    free(iov);
    return rc;
}
