/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Reading a spill.  Whoever can write to its directory made it, and it may
 * have been cut anywhere: every value is checked before it is used.
 */
#include "spill_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "wire_bytes.h"

struct spill_reader
{
    int fd;
    char *name;
    uint64_t nr_gfns;
    uint64_t at;                 /* the next batch */
    uint32_t seq;
    struct spill_page list[SPILL_PAGES_MAX];
    uint8_t buf[SPILL_BATCH_MAX];
};

/* -EAGAIN: there are not so many bytes. */
static int get_bytes(const struct spill_reader *r, void *dst, size_t len,
                     uint64_t at)
{
    uint8_t *p = dst;

    while ( len )
    {
        ssize_t n = pread(r->fd, p, len, (off_t)at);

        if ( n < 0 && errno == EINTR )
            continue;
        if ( n <= 0 )
            return n < 0 ? -errno : -EAGAIN;
        p += n;
        len -= (size_t)n;
        at += (size_t)n;
    }

    return 0;
}

static int check_head(struct spill_reader *r, const uint8_t id[IDENT_BYTES],
                      struct err *e)
{
    uint8_t h[SPILL_HEAD_BYTES];
    const char *why = NULL;
    unsigned int i;
    int rc = get_bytes(r, h, sizeof(h), 0);

    if ( rc )
        return err_set(e, rc, "read the spill %s: %s", r->name,
                       rc == -EAGAIN ? "its head is not whole"
                                     : err_text(rc));
    if ( memcmp(h, SPILL_MAGIC, 8) )
        why = "it is no spill";
    else if ( wire_get32(h + 60) != wire_crc32(0, h, 60) )
        why = "its head is damaged";
    else if ( wire_get32(h + 8) != SPILL_VERSION )
        why = "it is of another version";
    else if ( wire_get32(h + 12) != PAGE_BITS )
        why = "its pages have another size";
    else if ( !ident_equal(h + 16, id) )
        why = "it is another migration's";
    else if ( wire_get64(h + 32) != r->nr_gfns )
        why = "it is of a domain of another size";
    for ( i = 40; !why && i < 60; i++ )
        if ( h[i] )
            why = "reserved bytes are not 0";
    if ( why )
        return err_set(e, -EPROTO, "the spill %s: %s", r->name, why);
    r->at = sizeof(h);

    return 0;
}

int spill_open_fd(int fd, const char *name, const uint8_t id[IDENT_BYTES],
                  uint64_t nr_gfns, struct err *e,
                  struct spill_reader **ret_r)
{
    struct spill_reader *r = calloc(1, sizeof(*r));
    int rc;

    if ( r )
        r->name = strdup(name);
    if ( !r || !r->name )
    {
        free(r);
        close(fd);
        return err_set(e, -ENOMEM, "read the spill %s: %s", name,
                       err_text(-ENOMEM));
    }
    r->fd = fd;
    r->nr_gfns = nr_gfns;
    rc = check_head(r, id, e);
    if ( rc )
        spill_reader_close(r);
    else
        *ret_r = r;

    return rc;
}

int spill_open(const char *dir, const uint8_t id[IDENT_BYTES],
               uint64_t nr_gfns, struct err *e, struct spill_reader **ret_r)
{
    char *path = spill_path(dir, id);
    struct stat st;
    int fd, rc = 0;

    if ( !path )
        return err_set(e, -ENOMEM, "read a spill in %s: %s", dir,
                       err_text(-ENOMEM));
    fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if ( fd < 0 || fstat(fd, &st) < 0 )
        rc = -errno;
    else if ( !S_ISREG(st.st_mode) )
        rc = -EPROTO;
    if ( !rc )
        rc = spill_open_fd(fd, path, id, nr_gfns, e, ret_r);
    else
    {
        err_set(e, rc, "read the spill %s: %s", path,
                rc == -EPROTO ? "it is no file" : err_text(rc));
        if ( fd >= 0 )
            close(fd);
    }
    free(path);

    return rc;
}

static int damaged(struct spill_reader *r, struct err *e, const char *what)
{
    return err_set(e, -EPROTO, "the spill %s, batch %u: %s", r->name, r->seq,
                   what);
}

/* The entries of a batch that is whole. */
static int take_entries(struct spill_reader *r, struct err *e,
                        unsigned int nr, unsigned int nr_data)
{
    const uint8_t *entry = r->buf + SPILL_BATCH_BYTES;
    const uint8_t *data = entry + nr * SPILL_ENTRY_BYTES;
    unsigned int i, seen = 0;

    for ( i = 0; i < nr; i++, entry += SPILL_ENTRY_BYTES )
    {
        uint64_t v = wire_get64(entry);
        struct spill_page *p = &r->list[i];

        p->gfn = v & ((1ull << SPILL_KIND_SHIFT) - 1);
        p->kind = v >> SPILL_KIND_SHIFT;
        p->page = NULL;
        if ( p->gfn >= r->nr_gfns )
            return damaged(r, e, "a gfn beyond the domain's memory");
        if ( p->kind == WIRE_KIND_DATA )
        {
            if ( seen++ == nr_data )
                return damaged(r, e, "more data than it says");
            p->page = data;
            data += PAGE_BYTES;
        }
        else if ( p->kind != WIRE_KIND_ZERO && p->kind != WIRE_KIND_HOLE )
            return damaged(r, e, "a page of no kind");
    }

    return seen == nr_data ? 0 : damaged(r, e, "less data than it says");
}

int spill_next(struct spill_reader *r, struct err *e,
               const struct spill_page **ret_pages, unsigned int *ret_nr)
{
    uint8_t *h = r->buf;
    unsigned int nr, nr_data;
    size_t len;
    int rc = get_bytes(r, h, SPILL_BATCH_BYTES, r->at);

    if ( rc )
        return rc == -EAGAIN ? rc : damaged(r, e, err_text(rc));
    nr = wire_get32(h + 12);
    nr_data = wire_get32(h + 16);
    if ( wire_get32(h) != SPILL_BATCH_MAGIC || nr > SPILL_PAGES_MAX ||
         nr_data > nr || wire_get32(h + 8) != r->seq || wire_get64(h + 20) )
        return damaged(r, e, "it is none");
    len = nr * SPILL_ENTRY_BYTES + nr_data * (size_t)PAGE_BYTES;
    rc = get_bytes(r, h + SPILL_BATCH_BYTES, len, r->at + SPILL_BATCH_BYTES);
    if ( rc )
        return rc == -EAGAIN ? rc : damaged(r, e, err_text(rc));
    if ( wire_get32(h + 28) != wire_crc32(wire_crc32(0, h, 28),
                                          h + SPILL_BATCH_BYTES, len) )
        return damaged(r, e, "its checksum is wrong");
    if ( wire_get32(h + 4) == SPILL_KIND_END )
        return nr ? damaged(r, e, "an end with pages") : -ENODATA;
    if ( wire_get32(h + 4) != SPILL_KIND_PAGES || !nr )
        return damaged(r, e, "it has no pages");
    rc = take_entries(r, e, nr, nr_data);
    if ( rc )
        return rc;
    r->at += SPILL_BATCH_BYTES + len;
    r->seq++;
    *ret_pages = r->list;
    *ret_nr = nr;

    return 0;
}

void spill_reader_close(struct spill_reader *r)
{
    if ( !r )
        return;
    close(r->fd);
    free(r->name);
    free(r);
}
