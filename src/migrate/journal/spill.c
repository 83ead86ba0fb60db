/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Writing a spill: pages are gathered into batches, a batch is one write, and
 * every 16 MiB are made durable.
 */
#include "spill_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "wire_bytes.h"

#define SYNC_BYTES (16u << 20)

struct spill_writer
{
    int fd;
    char *path;
    uint64_t nr_gfns;
    uint64_t at;                 /* the end of what is written */
    uint64_t synced;
    uint64_t written_pages, durable_pages;
    uint32_t seq;

    /* the batch that is being filled */
    unsigned int nr, nr_data;
    uint8_t entries[SPILL_PAGES_MAX * SPILL_ENTRY_BYTES];
    uint8_t data[SPILL_PAGES_MAX * PAGE_BYTES];
    uint8_t out[SPILL_BATCH_MAX];
};

char *spill_path(const char *dir, const uint8_t id[IDENT_BYTES])
{
    char text[IDENT_TEXT], *path;

    return asprintf(&path, "%s/%s.spill", dir, ident_text(id, text)) < 0
           ? NULL : path;
}

static int put_bytes(struct spill_writer *w, const void *data, size_t len)
{
    const uint8_t *p = data;

    while ( len )
    {
        ssize_t r = pwrite(w->fd, p, len, (off_t)w->at);

        if ( r < 0 && errno == EINTR )
            continue;
        if ( r <= 0 )
            return r < 0 ? -errno : -EIO;
        p += r;
        len -= (size_t)r;
        w->at += (size_t)r;
    }

    return 0;
}

static int sync_it(struct spill_writer *w)
{
    int r;

    do {
        r = fdatasync(w->fd);
    } while ( r < 0 && errno == EINTR );
    if ( r < 0 )
        return -errno;
    w->synced = w->at;
    w->durable_pages = w->written_pages;

    return 0;
}

static int put_head(struct spill_writer *w, const uint8_t id[IDENT_BYTES])
{
    uint8_t head[SPILL_HEAD_BYTES] = { 0 };

    memcpy(head, SPILL_MAGIC, 8);
    wire_put32(head + 8, SPILL_VERSION);
    wire_put32(head + 12, PAGE_BITS);
    memcpy(head + 16, id, IDENT_BYTES);
    wire_put64(head + 32, w->nr_gfns);
    wire_put32(head + 60, wire_crc32(0, head, 60));

    return put_bytes(w, head, sizeof(head));
}

/* A batch that could not be written whole is written again at its place. */
static int put_batch(struct spill_writer *w, uint32_t kind)
{
    size_t entries = w->nr * SPILL_ENTRY_BYTES, len;
    size_t data = w->nr_data * (size_t)PAGE_BYTES;
    uint64_t at = w->at;
    uint8_t *p = w->out;
    int rc;

    memset(p, 0, SPILL_BATCH_BYTES);
    wire_put32(p, SPILL_BATCH_MAGIC);
    wire_put32(p + 4, kind);
    wire_put32(p + 8, w->seq);
    wire_put32(p + 12, w->nr);
    wire_put32(p + 16, w->nr_data);
    memcpy(p + SPILL_BATCH_BYTES, w->entries, entries);
    memcpy(p + SPILL_BATCH_BYTES + entries, w->data, data);
    len = SPILL_BATCH_BYTES + entries + data;
    wire_put32(p + 28, wire_crc32(wire_crc32(0, p, 28), p + SPILL_BATCH_BYTES,
                                  len - SPILL_BATCH_BYTES));
    rc = put_bytes(w, p, len);
    if ( rc )
    {
        w->at = at;
        return rc;
    }
    w->seq++;
    w->written_pages += w->nr;
    w->nr = w->nr_data = 0;

    return 0;
}

static int failed(struct spill_writer *w, struct err *e, int rc)
{
    return err_set(e, rc, "write the spill %s: %s", w->path, err_text(rc));
}

int spill_create(const char *dir, const uint8_t id[IDENT_BYTES],
                 uint64_t nr_gfns, struct err *e, struct spill_writer **ret_w)
{
    struct spill_writer *w = calloc(1, sizeof(*w));
    int rc = 0;

    if ( w )
        w->path = spill_path(dir, id);
    if ( !w || !w->path )
    {
        free(w);
        return err_set(e, -ENOMEM, "make a spill in %s: %s", dir,
                       err_text(-ENOMEM));
    }
    w->nr_gfns = nr_gfns;
    w->fd = open(w->path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW |
                 O_CLOEXEC, 0600);
    if ( w->fd < 0 )
        rc = -errno;
    if ( !rc )
    {
        rc = put_head(w, id);
        if ( rc )
            unlink(w->path);
    }
    if ( rc )
    {
        err_set(e, rc, "make the spill %s: %s", w->path, err_text(rc));
        spill_close(w);
        return rc;
    }
    *ret_w = w;

    return 0;
}

int spill_put(struct spill_writer *w, struct err *e, uint64_t gfn,
              enum wire_kind kind, const void *page)
{
    int rc = 0;

    if ( gfn >= w->nr_gfns || (kind != WIRE_KIND_DATA &&
                               kind != WIRE_KIND_ZERO &&
                               kind != WIRE_KIND_HOLE) )
        return err_set(e, -EINVAL, "internal error: spill gfn %#lx of kind "
                       "%u", (unsigned long)gfn, kind);
    if ( kind == WIRE_KIND_DATA && page_is_zero(page) )
        kind = WIRE_KIND_ZERO;
    if ( w->nr == SPILL_PAGES_MAX )
        rc = put_batch(w, SPILL_KIND_PAGES);
    if ( !rc && w->at - w->synced >= SYNC_BYTES )
        rc = sync_it(w);
    if ( rc )
        return failed(w, e, rc);
    if ( kind == WIRE_KIND_DATA )
        memcpy(w->data + w->nr_data++ * (size_t)PAGE_BYTES, page, PAGE_BYTES);
    wire_put64(w->entries + w->nr++ * SPILL_ENTRY_BYTES,
               gfn | (uint64_t)kind << SPILL_KIND_SHIFT);

    return 0;
}

int spill_finish(struct spill_writer *w, struct err *e)
{
    int rc = 0;

    if ( w->nr )
        rc = put_batch(w, SPILL_KIND_PAGES);
    /* What says that all is there must not be there before it. */
    if ( !rc )
        rc = sync_it(w);
    if ( !rc )
        rc = put_batch(w, SPILL_KIND_END);
    if ( !rc )
        rc = sync_it(w);

    return rc ? failed(w, e, rc) : 0;
}

uint64_t spill_durable(const struct spill_writer *w)
{
    return w->durable_pages;
}

void spill_close(struct spill_writer *w)
{
    if ( !w )
        return;
    if ( w->fd >= 0 )
        close(w->fd);
    free(w->path);
    free(w);
}

int spill_remove(const char *dir, const uint8_t id[IDENT_BYTES],
                 struct err *e)
{
    char *path = spill_path(dir, id);
    int rc = 0;

    if ( !path )
        return -ENOMEM;
    if ( unlink(path) < 0 && errno != ENOENT )
        rc = err_set(e, -errno, "remove the spill %s: %s", path,
                     err_text(-errno));
    free(path);

    return rc;
}
