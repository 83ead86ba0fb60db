/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Reader of an image stream: exact reads in the order of the checker, so that
 * a length is judged before memory is taken for it and nothing is read ahead.
 * It knows neither descriptors nor domains.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "image_read.h"

/* A long body is read in steps, so that a lie about the length costs no more
 * memory than what really came. */
#define BODY_STEP (1u << 20)

int image_in_read(struct image_in *in, void *buf, size_t bytes)
{
    size_t again = bytes < in->nr_unread ? bytes : in->nr_unread;
    int rc = 0;

    if ( !bytes )
        return 0;
    memcpy(buf, in->unread, again);
    if ( bytes > again )
        rc = in->read(in->data, (uint8_t *)buf + again, bytes - again);
    if ( rc )
        return rc;

    in->nr_unread -= again;
    memmove(in->unread, in->unread + again, in->nr_unread);
    in->offset += bytes;
    return 0;
}

void image_in_unread(struct image_in *in, const void *buf, size_t bytes)
{
    assert(!in->nr_unread && bytes <= sizeof(in->unread));
    memcpy(in->unread, buf, bytes);
    in->nr_unread = bytes;
    in->offset -= bytes;
}

int image_fail(struct image_error *error, int rc, uint64_t offset,
               const char *fmt, ...)
{
    va_list ap;
    int n;

    error->offset = offset;
    n = snprintf(error->text, sizeof(error->text), "at byte %"PRIu64": ",
                 offset);
    va_start(ap, fmt);
    vsnprintf(error->text + n, sizeof(error->text) - n, fmt, ap);
    va_end(ap);
    return rc;
}

int image_need(struct image_in *in, void *buf, size_t bytes,
               const char *what, struct image_error *error)
{
    uint64_t offset = in->offset;
    int rc = image_in_read(in, buf, bytes);

    if ( rc == -ENODATA )
        return image_fail(error, -EPROTO, offset, "the stream ends in the"
                          " middle of %s", what);
    if ( rc )
        return image_fail(error, rc, offset, "reading %s: %s", what,
                          strerror(-rc));
    return 0;
}

int image_skip(struct image_in *in, uint64_t bytes, const char *what,
               struct image_error *error)
{
    uint8_t buf[16384];
    int rc;

    while ( bytes )
    {
        size_t step = bytes < sizeof(buf) ? bytes : sizeof(buf);

        rc = image_need(in, buf, step, what, error);
        if ( rc )
            return rc;
        bytes -= step;
    }
    return 0;
}

void image_reader_init(struct image_reader *r, struct image_in *in,
                       uint64_t nr_gfns, struct image_error *error)
{
    memset(r, 0, sizeof(*r));
    r->in = in;
    r->error = error;
    error->offset = 0;
    error->text[0] = '\0';
    image_state_init(&r->state, nr_gfns);
}

void image_reader_done(struct image_reader *r)
{
    free(r->body);
    free(r->entries);
    r->body = NULL;
    r->entries = NULL;
}

/* Pass on what the checker said. */
static int judged(struct image_reader *r, int rc, const struct image_why *why)
{
    if ( rc )
        image_fail(r->error, rc, r->offset, "%s", why->text);
    return rc;
}

int image_read_headers(struct image_reader *r)
{
    struct image_ihdr ihdr;
    struct image_dhdr dhdr;
    struct image_why why;
    int rc;

    r->offset = r->in->offset;
    rc = image_need(r->in, &ihdr, sizeof(ihdr), "the image header", r->error);
    if ( rc )
        return rc;
    rc = judged(r, image_check_ihdr(&r->state, &ihdr, &why), &why);
    if ( rc )
        return rc;

    r->offset = r->in->offset;
    rc = image_need(r->in, &dhdr, sizeof(dhdr), "the domain header",
                    r->error);
    if ( rc )
        return rc;
    return judged(r, image_check_dhdr(&r->state, &dhdr, &why), &why);
}

static int read_body(struct image_reader *r, const char *what)
{
    size_t done = 0, room;
    uint8_t *body;
    int rc;

    while ( done < r->rec.length )
    {
        size_t step = r->rec.length - done;

        if ( step > BODY_STEP )
            step = BODY_STEP;
        if ( done + step > r->body_room )
        {
            room = done + step;
            body = realloc(r->body, room);
            if ( !body )
                return image_fail(r->error, -ENOMEM, r->offset, "no memory"
                                  " for %s of %u bytes", what, r->rec.length);
            r->body = body;
            r->body_room = room;
        }
        rc = image_need(r->in, r->body + done, step, what, r->error);
        if ( rc )
            return rc;
        done += step;
    }
    return 0;
}

static int read_padding(struct image_reader *r, const char *what)
{
    size_t bytes = image_padding(r->rec.length);
    struct image_why why;
    uint8_t padding[8];
    int rc;

    rc = image_need(r->in, padding, bytes, what, r->error);
    if ( rc )
        return rc;
    return judged(r, image_check_padding(padding, bytes, &why), &why);
}

static int read_entries(struct image_reader *r, const char *what)
{
    struct image_pages hdr;
    struct image_why why;
    int rc;

    rc = image_need(r->in, &hdr, sizeof(hdr), what, r->error);
    if ( rc )
        return rc;
    rc = judged(r, image_check_pages(&r->rec, &hdr, &why), &why);
    if ( rc )
        return rc;

    if ( !r->entries )
        r->entries = calloc(IMAGE_BATCH_PAGES, sizeof(*r->entries));
    if ( !r->entries )
        return image_fail(r->error, -ENOMEM, r->offset, "no memory for the"
                          " entries of %s", what);
    rc = image_need(r->in, r->entries, hdr.count * sizeof(*r->entries), what,
                    r->error);
    if ( rc )
        return rc;
    rc = judged(r, image_check_pfns(&r->state, &r->rec, r->entries, hdr.count,
                                    &r->nr_data, &why), &why);
    if ( rc )
        return rc;

    /* The length is a multiple of 8 by the check: no padding. */
    r->nr_entries = hdr.count;
    r->nr_left = r->nr_data;
    return 0;
}

int image_read_record(struct image_reader *r)
{
    struct image_why why;
    char what[64];
    int rc;

    if ( r->nr_left )
    {
        rc = image_skip_pages(r);
        if ( rc )
            return rc;
    }

    r->offset = r->in->offset;
    rc = image_need(r->in, &r->rec, sizeof(r->rec), "a record's header, or"
                    " before its END record", r->error);
    if ( rc )
        return rc;
    rc = judged(r, image_check_record(&r->state, &r->rec, &why), &why);
    if ( rc )
        return rc;

    snprintf(what, sizeof(what), "the %s record",
             image_type_name(r->rec.type));
    if ( r->rec.type == IMAGE_PAGE_DATA )
        return read_entries(r, what);

    if ( r->rec.type & IMAGE_OPTIONAL )
        return image_skip(r->in, r->rec.length +
                          (uint64_t)image_padding(r->rec.length),
                          "an optional record", r->error);

    rc = read_body(r, what);
    if ( rc )
        return rc;
    rc = judged(r, image_check_body(&r->state, &r->rec, r->body, &why), &why);
    if ( rc )
        return rc;
    return read_padding(r, what);
}

int image_read_some_pages(struct image_reader *r, void *buf, unsigned int n)
{
    assert(n <= r->nr_left);
    r->nr_left -= n;
    return image_need(r->in, buf, (size_t)n * IMAGE_PAGE_SIZE,
                      "the pages of a PAGE_DATA record", r->error);
}

int image_read_pages(struct image_reader *r, void *buf)
{
    return image_read_some_pages(r, buf, r->nr_left);
}

int image_skip_pages(struct image_reader *r)
{
    uint64_t bytes = (uint64_t)r->nr_left * IMAGE_PAGE_SIZE;

    r->nr_left = 0;
    return image_skip(r->in, bytes, "the pages of a PAGE_DATA record",
                      r->error);
}
