/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Writer and reader of the image stream against each other and against
 * tests/golden/image-*.bin, one file for each record: the format on disk.
 * GOLDEN_WRITE=1 in the environment writes the files anew.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "image_front.h"

static const uint32_t context[] = {
    1, 32, 0x54381286, 4, 0x306a9, 0, 0, 0, 0, 0,  /* header */
    2, 8, 0x11223344, 0x55667788,                 /* a processor */
    0, 0,                                         /* end */
};
static const uint32_t leaves[] = {
    0, UINT32_MAX, 0xd, 0x756e6547, 0x6c65746e, 0x49656e69,
    1, UINT32_MAX, 0x306a9, 0x800, 0xfffaf38b, 0x1fc9fbff,
};
static const uint32_t msrs[] = { 0xce, 0, 0x80000000, 0 };
static const struct image_tsc tsc = {
    .mode = 2, .khz = 2400000, .nsec = 123456789012, .incarnation = 7,
};
static const struct
{
    struct image_params hdr;
    struct image_param param[2];
} params = { { 2, 0 }, { { 1, 0xfeffe }, { 17, 0xfefff } } };
static const char config[16] = "any bytes";

/* ---- A stream in memory ------------------------------------------------- */

struct mem
{
    uint8_t buf[65536];
    size_t len;                  /* bytes there are */
    size_t at;                   /* bytes read */
};

static int mem_write(void *data, struct iovec *iov, unsigned int nr_iov)
{
    struct mem *m = data;
    unsigned int i;

    for ( i = 0; i < nr_iov; i++ )
    {
        if ( iov[i].iov_len > sizeof(m->buf) - m->len )
            return -ENOSPC;
        if ( iov[i].iov_len )
            memcpy(m->buf + m->len, iov[i].iov_base, iov[i].iov_len);
        m->len += iov[i].iov_len;
    }
    return 0;
}

static int mem_read(void *data, void *buf, size_t bytes)
{
    struct mem *m = data;

    if ( bytes > m->len - m->at )
        return -ENODATA;
    memcpy(buf, m->buf + m->at, bytes);
    m->at += bytes;
    return 0;
}

static void fill_page(uint8_t *page)
{
    unsigned int i;

    for ( i = 0; i < IMAGE_PAGE_SIZE; i++ )
        page[i] = i * 7;
}

static int write_pages(struct image_out *out)
{
    uint64_t entries[] = {
        image_entry(0x10, IMAGE_PAGE_NORMAL),
        image_entry(0x11, IMAGE_PAGE_HOLE),
        image_entry(0x12, IMAGE_PAGE_ALLOC),
        image_entry(0xfefff, IMAGE_PAGE_NORMAL),
    };
    uint8_t page[IMAGE_PAGE_SIZE], zero[IMAGE_PAGE_SIZE] = { 0 };
    struct iovec data[] = { { page, sizeof(page) }, { zero, sizeof(zero) } };

    fill_page(page);
    return image_write_pages(out, entries, 4, data, 2);
}

enum part
{
    PART_FRONT, PART_HEADERS, PART_CPUID, PART_MSR, PART_STATIC_END,
    PART_PAGES, PART_TSC, PART_CONTEXT, PART_PARAMS, PART_END, NR_PARTS,
};

static const char *const part_names[] = {
    "front", "headers", "cpuid-policy", "msr-policy", "static-data-end",
    "page-data", "tsc-info", "hvm-context", "hvm-params", "end",
};

static int write_part(struct image_out *out, enum part part)
{
    switch ( part )
    {
    case PART_FRONT:
        return image_write_front(out, config, sizeof(config));
    case PART_HEADERS:
        return image_write_headers(out, 4, 17);
    case PART_CPUID:
        return image_write_record(out, IMAGE_CPUID_POLICY, leaves,
                                  sizeof(leaves));
    case PART_MSR:
        return image_write_record(out, IMAGE_MSR_POLICY, msrs, sizeof(msrs));
    case PART_STATIC_END:
        return image_write_record(out, IMAGE_STATIC_DATA_END, NULL, 0);
    case PART_PAGES:
        return write_pages(out);
    case PART_TSC:
        return image_write_record(out, IMAGE_TSC_INFO, &tsc, sizeof(tsc));
    case PART_CONTEXT:
        return image_write_record(out, IMAGE_HVM_CONTEXT, context,
                                  sizeof(context));
    case PART_PARAMS:
        return image_write_record(out, IMAGE_HVM_PARAMS, &params,
                                  sizeof(params));
    case PART_END:
        return image_write_record(out, IMAGE_END, NULL, 0);
    default:
        return -EINVAL;
    }
}

/* A whole stream; ret_at (or NULL) tells where each part begins. */
static void write_stream(struct mem *m, enum part first, size_t *ret_at)
{
    struct image_out out = { .write = mem_write, .data = m };
    unsigned int i;

    m->len = m->at = 0;
    for ( i = first; i < NR_PARTS; i++ )
    {
        if ( ret_at )
            ret_at[i] = m->len;
        assert_int_equal(write_part(&out, i), 0);
        assert_int_equal(out.offset, m->len);
    }
    if ( ret_at )
        ret_at[NR_PARTS] = m->len;
}

/* Read everything; the records' types go to ret_types. */
static int read_stream(struct mem *m, uint32_t *ret_types,
                       unsigned int *ret_nr, struct image_error *error)
{
    struct image_in in = { .read = mem_read, .data = m };
    struct image_front front = { 0 };
    struct image_reader r;
    unsigned int nr = 0;
    int rc;

    image_reader_init(&r, &in, 0, error);
    rc = image_read_front(&in, &front, error);
    if ( !rc )
        rc = image_read_headers(&r);
    while ( !rc )
    {
        rc = image_read_record(&r);
        if ( rc )
            break;
        if ( ret_types && nr < NR_PARTS )
            ret_types[nr] = r.rec.type;
        nr++;
        if ( r.rec.type == IMAGE_END )
            break;
    }
    if ( ret_nr )
        *ret_nr = nr;
    if ( !rc )
        assert_int_equal(in.offset, m->at);
    image_front_done(&front);
    image_reader_done(&r);
    return rc;
}

/* ---- Tests -------------------------------------------------------------- */

static void records_are_as_in_the_golden_files(void **s)
{
    const char *top = getenv("TOP");
    struct mem *m = calloc(2, sizeof(*m));
    unsigned int i;

    (void)s;
    assert_non_null(m);
    for ( i = 0; i < NR_PARTS; i++ )
    {
        struct image_out out = { .write = mem_write, .data = m };
        char path[512];
        FILE *f;

        m[0].len = 0;
        assert_int_equal(write_part(&out, i), 0);
        snprintf(path, sizeof(path), "%s/tests/golden/image-%s.bin",
                 top ? top : ".", part_names[i]);
        if ( getenv("GOLDEN_WRITE") )
        {
            f = fopen(path, "w");
            assert_non_null(f);
            assert_int_equal(fwrite(m[0].buf, 1, m[0].len, f), m[0].len);
            assert_int_equal(fclose(f), 0);
        }
        f = fopen(path, "r");
        if ( !f )
            fail_msg("no %s", path);
        m[1].len = fread(m[1].buf, 1, sizeof(m[1].buf), f);
        fclose(f);
        assert_int_equal(m[0].len, m[1].len);
        assert_memory_equal(m[0].buf, m[1].buf, m[0].len);
    }
    free(m);
}

static void what_is_written_is_read(void **s)
{
    static const uint32_t expected[] = {
        IMAGE_CPUID_POLICY, IMAGE_MSR_POLICY, IMAGE_STATIC_DATA_END,
        IMAGE_PAGE_DATA, IMAGE_TSC_INFO, IMAGE_HVM_CONTEXT,
        IMAGE_HVM_PARAMS, IMAGE_END,
    };
    struct mem *m = calloc(1, sizeof(*m));
    uint32_t types[NR_PARTS];
    struct image_error error;
    unsigned int nr;

    (void)s;
    assert_non_null(m);
    write_stream(m, PART_FRONT, NULL);
    assert_int_equal(read_stream(m, types, &nr, &error), 0);
    assert_int_equal(nr, 8);
    assert_memory_equal(types, expected, sizeof(expected));
    assert_int_equal(m->at, m->len);

    write_stream(m, PART_HEADERS, NULL);
    assert_int_equal(read_stream(m, types, &nr, &error), 0);
    assert_int_equal(nr, 8);
    free(m);
}

static void bodies_arrive_unchanged(void **s)
{
    struct mem *m = calloc(1, sizeof(*m));
    struct image_in in = { .read = mem_read, .data = m };
    uint8_t page[IMAGE_PAGE_SIZE], buf[2 * IMAGE_PAGE_SIZE];
    struct image_error error;
    struct image_reader r;
    unsigned int i;

    (void)s;
    assert_non_null(m);
    write_stream(m, PART_HEADERS, NULL);
    image_reader_init(&r, &in, 0, &error);
    assert_int_equal(image_read_headers(&r), 0);
    assert_int_equal(r.state.xen_minor, 17);

    assert_int_equal(image_read_record(&r), 0);
    assert_int_equal(r.rec.length, sizeof(leaves));
    assert_memory_equal(r.body, leaves, sizeof(leaves));
    assert_int_equal(image_read_record(&r), 0);
    assert_memory_equal(r.body, msrs, sizeof(msrs));
    assert_int_equal(image_read_record(&r), 0);

    assert_int_equal(image_read_record(&r), 0);
    assert_int_equal(r.nr_entries, 4);
    assert_int_equal(r.nr_data, 2);
    assert_int_equal(image_entry_gfn(r.entries[3]), 0xfefff);
    assert_int_equal(image_entry_type(r.entries[1]), IMAGE_PAGE_HOLE);
    assert_int_equal(image_read_pages(&r, buf), 0);
    fill_page(page);
    assert_memory_equal(buf, page, sizeof(page));
    for ( i = 0; i < IMAGE_PAGE_SIZE; i++ )
        assert_int_equal(buf[IMAGE_PAGE_SIZE + i], 0);

    assert_int_equal(image_read_record(&r), 0);
    assert_memory_equal(r.body, &tsc, sizeof(tsc));
    assert_int_equal(image_read_record(&r), 0);
    assert_memory_equal(r.body, context, sizeof(context));
    assert_int_equal(image_read_record(&r), 0);
    assert_memory_equal(r.body, &params, sizeof(params));
    assert_int_equal(image_read_record(&r), 0);
    assert_int_equal(r.rec.type, IMAGE_END);
    image_reader_done(&r);
    free(m);
}

static void not_a_byte_behind_end_is_read(void **s)
{
    struct mem *m = calloc(1, sizeof(*m));
    struct image_error error;
    size_t len;

    (void)s;
    assert_non_null(m);
    write_stream(m, PART_HEADERS, NULL);
    len = m->len;
    memset(m->buf + len, 0xff, 64);
    m->len += 64;
    assert_int_equal(read_stream(m, NULL, NULL, &error), 0);
    assert_int_equal(m->at, len);
    free(m);
}

static void a_stream_cut_anywhere_is_refused(void **s)
{
    struct mem *m = calloc(1, sizeof(*m));
    struct image_error error;
    size_t len, cut;

    (void)s;
    assert_non_null(m);
    write_stream(m, PART_FRONT, NULL);
    len = m->len;
    for ( cut = 0; cut < len; cut++ )
    {
        m->len = cut;
        m->at = 0;
        assert_int_equal(read_stream(m, NULL, NULL, &error), -EPROTO);
        assert_non_null(strstr(error.text, "the stream ends in the middle"));
        assert_true(error.offset <= cut);
    }
    free(m);
}

/* Only what follows from the format's rules can be noticed: a changed pfn or
 * page is as good as another. */
static void a_bit_flipped_in_a_header_is_refused(void **s)
{
    struct mem *m = calloc(1, sizeof(*m));
    struct image_error error;
    size_t at[NR_PARTS + 1], begin, end, i;
    unsigned int part, bit;

    (void)s;
    assert_non_null(m);
    write_stream(m, PART_FRONT, at);
    for ( part = 0; part < NR_PARTS; part++ )
    {
        /* The Xen version at the headers' end is only information. */
        begin = at[part];
        end = begin + (part == PART_FRONT ? 40 :
                       part == PART_HEADERS ? 32 : 8);
        for ( i = begin; i < end; i++ )
            for ( bit = 0; bit < 8; bit++ )
            {
                /* Of bit 31 of a type the format says "may be skipped", and
                 * of version 2 that it exists. */
                if ( part > PART_HEADERS && i == begin + 3 && bit == 7 )
                    continue;
                m->buf[i] ^= 1u << bit;
                m->at = 0;
                if ( !read_stream(m, NULL, NULL, &error) )
                    fail_msg("bit %u of byte %zu of %s", bit, i - begin,
                             part_names[part]);
                m->buf[i] ^= 1u << bit;
            }
    }
    free(m);
}

static void no_flipped_bit_does_harm(void **s)
{
    struct mem *m = calloc(1, sizeof(*m));
    struct image_error error;
    size_t i;

    (void)s;
    assert_non_null(m);
    write_stream(m, PART_FRONT, NULL);
    for ( i = 0; i < m->len * 8; i++ )
    {
        int rc;

        m->buf[i / 8] ^= 1u << i % 8;
        m->at = 0;
        rc = read_stream(m, NULL, NULL, &error);
        if ( rc )
        {
            assert_true(rc == -EPROTO || rc == -EPROTONOSUPPORT);
            assert_true(error.text[0]);
        }
        m->buf[i / 8] ^= 1u << i % 8;
    }
    free(m);
}

static void two_records_exchanged_are_refused(void **s)
{
    struct mem *m = calloc(2, sizeof(*m));
    struct image_error error;
    size_t at[NR_PARTS + 1];
    unsigned int a, b, i;

    (void)s;
    assert_non_null(m);
    write_stream(m, PART_FRONT, at);
    for ( a = PART_FRONT; a < NR_PARTS; a++ )
        for ( b = a + 1; b < NR_PARTS; b++ )
        {
            /* Policies among themselves, and the last three states, may
             * stand in any order. */
            if ( (a == PART_CPUID && b == PART_MSR) ||
                 (a >= PART_TSC && b <= PART_PARAMS) )
                continue;
            m[1].len = m[1].at = 0;
            for ( i = 0; i < NR_PARTS; i++ )
            {
                unsigned int p = i == a ? b : i == b ? a : i;
                size_t len = at[p + 1] - at[p];

                memcpy(m[1].buf + m[1].len, m[0].buf + at[p], len);
                m[1].len += len;
            }
            if ( !read_stream(&m[1], NULL, NULL, &error) )
                fail_msg("%s and %s", part_names[a], part_names[b]);
        }
    free(m);
}

static void a_lie_about_the_length_takes_no_memory(void **s)
{
    struct mem *m = calloc(1, sizeof(*m));
    struct image_in in = { .read = mem_read, .data = m };
    struct image_rhdr lie = { IMAGE_HVM_CONTEXT, IMAGE_CONTEXT_MAX };
    struct image_error error;
    struct image_reader r;
    size_t at[NR_PARTS + 1];
    int rc = 0;

    (void)s;
    assert_non_null(m);
    write_stream(m, PART_HEADERS, at);
    memcpy(m->buf + at[PART_CONTEXT], &lie, sizeof(lie));
    image_reader_init(&r, &in, 0, &error);
    assert_int_equal(image_read_headers(&r), 0);
    while ( !rc )
        rc = image_read_record(&r);
    assert_int_equal(rc, -EPROTO);
    assert_true(r.body_room <= 1u << 20);
    assert_int_equal(error.offset, at[PART_CONTEXT] + 8);
    image_reader_done(&r);
    free(m);
}

static void optional_records_are_skipped(void **s)
{
    struct mem *m = calloc(1, sizeof(*m));
    struct image_out out = { .write = mem_write, .data = m };
    struct image_error error;
    unsigned int i, nr;

    (void)s;
    assert_non_null(m);
    for ( i = PART_HEADERS; i < NR_PARTS; i++ )
    {
        assert_int_equal(write_part(&out, i), 0);
        if ( i < PART_END )
            assert_int_equal(image_write_record(&out, 0x80000000u + i,
                                                "xyz", 3), 0);
    }
    assert_int_equal(read_stream(m, NULL, &nr, &error), 0);
    assert_int_equal(nr, 8 + 8);
    free(m);
}

static void errors_of_the_source_come_through(void **s)
{
    struct mem *m = calloc(1, sizeof(*m));
    struct image_out out = { .write = mem_write, .data = m };
    static uint8_t big[sizeof(m->buf)];

    (void)s;
    assert_non_null(m);
    assert_int_equal(image_out_write(&out, big, sizeof(big) - 8), 0);
    assert_int_equal(image_write_headers(&out, 4, 17), -ENOSPC);
    assert_int_equal(out.offset, sizeof(big) - 8);
    free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_are_as_in_the_golden_files),
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(bodies_arrive_unchanged),
        cmocka_unit_test(not_a_byte_behind_end_is_read),
        cmocka_unit_test(a_stream_cut_anywhere_is_refused),
        cmocka_unit_test(a_bit_flipped_in_a_header_is_refused),
        cmocka_unit_test(no_flipped_bit_does_harm),
        cmocka_unit_test(two_records_exchanged_are_refused),
        cmocka_unit_test(a_lie_about_the_length_takes_no_memory),
        cmocka_unit_test(optional_records_are_skipped),
        cmocka_unit_test(errors_of_the_source_come_through),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
