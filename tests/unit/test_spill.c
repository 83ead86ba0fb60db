/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The spill: what is written is read, a spill that breaks off anywhere gives
 * what stands before, and one that was changed anywhere gives no page that
 * was not written.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "pages.h"
#include "spill.h"
#include "spill_file.h"

#define NR_GFNS 1000u

static const uint8_t id[IDENT_BYTES] = { 1, 2, 3, 4 };
static char dir[] = "/tmp/spill.XXXXXX";
static struct err e;
static uint8_t page[PAGE_BYTES];

static int fresh(void **state)
{
    (void)state;
    err_init(&e);
    strcpy(dir + sizeof(dir) - 7, "XXXXXX");

    return mkdtemp(dir) ? 0 : -1;
}

static int away(void **state)
{
    (void)state;
    spill_remove(dir, id, NULL);
    err_done(&e);

    return rmdir(dir);
}

/* Page gfn of a spill: every fifth of zeros, every seventh a hole. */
static enum wire_kind kind_of(uint64_t gfn)
{
    return gfn % 5 == 0 ? WIRE_KIND_ZERO : gfn % 7 == 0 ? WIRE_KIND_HOLE
                                                        : WIRE_KIND_DATA;
}

static const void *fill(uint64_t gfn)
{
    memset(page, kind_of(gfn) == WIRE_KIND_ZERO ? 0 : (int)(gfn % 251 + 1),
           sizeof(page));

    return page;
}

static void write_some(struct spill_writer *w, uint64_t from, uint64_t to)
{
    uint64_t gfn;

    for ( gfn = from; gfn < to; gfn++ )
        assert_int_equal(spill_put(w, &e, gfn, kind_of(gfn) == WIRE_KIND_HOLE
                                   ? WIRE_KIND_HOLE : WIRE_KIND_DATA,
                                   fill(gfn)), 0);
}

/* Reads on, and finds each page right; returns how it ends. */
static int read_on(struct spill_reader *r, uint64_t *next)
{
    const struct spill_page *list;
    unsigned int nr, i;
    int rc;

    while ( !(rc = spill_next(r, &e, &list, &nr)) )
        for ( i = 0; i < nr; i++, ++*next )
        {
            assert_int_equal(list[i].gfn, *next);
            assert_int_equal(list[i].kind, kind_of(*next));
            assert_int_equal(list[i].kind == WIRE_KIND_DATA,
                             list[i].page != NULL);
            if ( list[i].page )
                assert_memory_equal(list[i].page, fill(*next), PAGE_BYTES);
        }

    return rc;
}

static void what_is_written_is_read(void **state)
{
    struct spill_writer *w = NULL;
    struct spill_reader *r = NULL;
    uint64_t next = 0;

    (void)state;
    assert_int_equal(spill_create(dir, id, NR_GFNS, &e, &w), 0);
    write_some(w, 0, NR_GFNS);
    assert_int_equal(spill_durable(w), 0);
    assert_int_equal(spill_finish(w, &e), 0);
    assert_int_equal(spill_durable(w), NR_GFNS);
    spill_close(w);
    assert_int_equal(spill_open(dir, id, NR_GFNS, &e, &r), 0);
    assert_int_equal(read_on(r, &next), -ENODATA);
    assert_int_equal(next, NR_GFNS);
    assert_int_equal(read_on(r, &next), -ENODATA);
    spill_reader_close(r);
    assert_int_equal(spill_create(dir, id, NR_GFNS, &e, &w), -EEXIST);
}

static void it_is_read_while_it_grows(void **state)
{
    struct spill_writer *w = NULL;
    struct spill_reader *r = NULL;
    uint64_t next = 0;

    (void)state;
    assert_int_equal(spill_create(dir, id, NR_GFNS, &e, &w), 0);
    assert_int_equal(spill_open(dir, id, NR_GFNS, &e, &r), 0);
    assert_int_equal(read_on(r, &next), -EAGAIN);
    write_some(w, 0, 600);
    assert_int_equal(read_on(r, &next), -EAGAIN);
    assert_int_equal(next, 2 * SPILL_PAGES_MAX);
    write_some(w, 600, NR_GFNS);
    assert_int_equal(spill_finish(w, &e), 0);
    assert_int_equal(read_on(r, &next), -ENODATA);
    assert_int_equal(next, NR_GFNS);
    spill_reader_close(r);
    spill_close(w);
}

/* The bytes of a small spill: two pages, end. */
static size_t small(uint8_t *buf, size_t room)
{
    struct spill_writer *w = NULL;
    char path[128], text[IDENT_TEXT];
    ssize_t len;
    int fd;

    assert_int_equal(spill_create(dir, id, NR_GFNS, &e, &w), 0);
    write_some(w, 0, 2);
    assert_int_equal(spill_finish(w, &e), 0);
    spill_close(w);
    snprintf(path, sizeof(path), "%s/%s.spill", dir, ident_text(id, text));
    fd = open(path, O_RDONLY);
    assert_true(fd >= 0);
    len = read(fd, buf, room);
    close(fd);
    assert_true(len > 0 && (size_t)len < room);

    return (size_t)len;
}

static int open_bytes(const uint8_t *buf, size_t len, uint64_t nr_gfns,
                      struct spill_reader **r)
{
    int fd = memfd_create("spill", 0);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, buf, len), len);
    err_reset(&e);

    return spill_open_fd(fd, "memory", id, nr_gfns, &e, r);
}

/* Every byte of the heads at both ends; of the pages between them, some. */
static size_t next_place(size_t at, size_t len)
{
    return at < 512 || at + 512 > len ? at + 1 : at + 13;
}

static void a_spill_that_breaks_off_counts_up_to_there(void **state)
{
    static uint8_t buf[16384];
    size_t len = small(buf, sizeof(buf)), cut;
    size_t batch = len - SPILL_BATCH_BYTES;
    struct spill_reader *r;
    uint64_t next;
    int rc;

    (void)state;
    for ( cut = 0; cut <= len; cut = next_place(cut, len) )
    {
        next = 0;
        rc = open_bytes(buf, cut, NR_GFNS, &r);
        if ( cut < SPILL_HEAD_BYTES )
        {
            assert_int_equal(rc, -EAGAIN);
            continue;
        }
        assert_int_equal(rc, 0);
        rc = read_on(r, &next);
        assert_int_equal(rc, cut < len ? -EAGAIN : -ENODATA);
        assert_int_equal(next, cut < batch ? 0 : 2);
        spill_reader_close(r);
    }
}

static void a_changed_byte_is_seen(void **state)
{
    static uint8_t buf[16384];
    size_t len = small(buf, sizeof(buf)), i;
    struct spill_reader *r;
    uint64_t next;
    int rc;

    (void)state;
    for ( i = 0; i < len; i = next_place(i, len) )
    {
        next = 0;
        buf[i] ^= 1u << (i % 8);
        rc = open_bytes(buf, len, NR_GFNS, &r);
        assert_int_equal(rc, i < SPILL_HEAD_BYTES ? -EPROTO : 0);
        if ( !rc )
        {
            rc = read_on(r, &next);
            assert_true(rc == -EPROTO || rc == -EAGAIN);
            assert_true(rc == -EAGAIN || err_code(&e) == -EPROTO);
            assert_int_equal(next, i < len - SPILL_BATCH_BYTES ? 0 : 2);
            spill_reader_close(r);
        }
        buf[i] ^= 1u << (i % 8);
    }
}

static void a_stranger_is_refused(void **state)
{
    static uint8_t buf[16384];
    size_t len = small(buf, sizeof(buf));
    static const uint8_t other[IDENT_BYTES] = { 9 };
    struct spill_reader *r = NULL;
    char path[128], text[IDENT_TEXT];

    (void)state;
    assert_int_equal(open_bytes(buf, len, NR_GFNS + 1, &r), -EPROTO);
    assert_int_equal(spill_open(dir, other, NR_GFNS, &e, &r), -ENOENT);
    snprintf(path, sizeof(path), "%s/%s.spill", dir, ident_text(other, text));
    assert_int_equal(symlink("/dev/zero", path), 0);
    assert_int_equal(spill_open(dir, other, NR_GFNS, &e, &r), -ELOOP);
    unlink(path);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(spill_open(dir, other, NR_GFNS, &e, &r), -EPROTO);
    unlink(path);
}

static void a_gfn_beyond_the_memory_is_refused(void **state)
{
    struct spill_writer *w = NULL;

    (void)state;
    assert_int_equal(spill_create(dir, id, 10, &e, &w), 0);
    assert_int_equal(spill_put(w, &e, 10, WIRE_KIND_HOLE, NULL), -EINVAL);
    assert_int_equal(spill_put(w, &e, 1, WIRE_KIND_ALLOC, NULL), -EINVAL);
    spill_close(w);
}

#define T(f) cmocka_unit_test_setup_teardown(f, fresh, away)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(what_is_written_is_read),
        T(it_is_read_while_it_grows),
        T(a_spill_that_breaks_off_counts_up_to_there),
        T(a_changed_byte_is_seen),
        T(a_stranger_is_refused),
        T(a_gfn_beyond_the_memory_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
