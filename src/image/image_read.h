/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Reading an image stream record by record.
 *
 * The caller pulls: image_read_headers() once, then image_read_record() until
 * a record of type IMAGE_END; the pages of a PAGE_DATA record are left in the
 * stream until image_read_pages() or image_skip_pages().  Not one byte behind
 * END is read.  Nothing is handed out that image_rec.h's checker has not
 * passed.
 */
#ifndef IMAGE_READ_H
#define IMAGE_READ_H

#include "image_rec.h"

/* Where the bytes come from. */
struct image_in
{
    /* Read exactly bytes; 0, -ENODATA where the stream ends, or -errno. */
    int (*read)(void *data, void *buf, size_t bytes);
    void *data;
    /* kept by the reader */
    uint64_t offset;             /* bytes read so far */
    uint8_t unread[8];           /* read to see what it is, and given back */
    size_t nr_unread;
};

/* Read exactly bytes and count them. */
int image_in_read(struct image_in *in, void *buf, size_t bytes);

/* Give back what was read last, at most 8 bytes, once. */
void image_in_unread(struct image_in *in, const void *buf, size_t bytes);

/* What went wrong and where.  text is a whole sentence with the place. */
struct image_error
{
    uint64_t offset;             /* of the header or record concerned */
    char text[320];
};

struct image_reader
{
    /* set at init */
    struct image_in *in;
    struct image_error *error;

    struct image_state state;
    /* the record that was read last */
    uint64_t offset;             /* of its header */
    struct image_rhdr rec;
    uint8_t *body;               /* rec.length bytes, but for PAGE_DATA and
                                    for records that are skipped */
    uint64_t *entries;           /* PAGE_DATA */
    unsigned int nr_entries, nr_data;
    unsigned int nr_left;        /* of its pages still in the stream */
    size_t body_room;
};

/* nr_gfns: a limit for the frames, 0 = none. */
void image_reader_init(struct image_reader *r, struct image_in *in,
                       uint64_t nr_gfns, struct image_error *error);
void image_reader_done(struct image_reader *r);

/*
 * These return 0, or
 *   -EPROTO            the stream breaks its rules, or ends too early
 *   -EPROTONOSUPPORT   other version or kind
 *   -ENOMEM
 *   what the source of the bytes returned
 * and fill in *error.
 */
int image_read_headers(struct image_reader *r);
int image_read_record(struct image_reader *r);

/* The next n of its pages, at most nr_left; all nr_data at once. */
int image_read_some_pages(struct image_reader *r, void *buf, unsigned int n);
int image_read_pages(struct image_reader *r, void *buf);
int image_skip_pages(struct image_reader *r);

/* For readers of what stands in front of an image: read, or complain that
 * the stream ended in the middle of what. */
int image_need(struct image_in *in, void *buf, size_t bytes,
               const char *what, struct image_error *error);

/* Read and forget. */
int image_skip(struct image_in *in, uint64_t bytes, const char *what,
               struct image_error *error);

/* Fill *error in; returns rc. */
int image_fail(struct image_error *error, int rc, uint64_t offset,
               const char *fmt, ...) __attribute__((format(printf, 4, 5)));

#endif
