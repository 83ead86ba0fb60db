/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What stands in front of an image stream: our header, xl's, libxl's stream,
 * nothing; and each rule of them broken once.
 */
#include <endian.h>
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

/* The 32 bytes that stock xl writes, byte for byte. */
static const uint8_t xl_magic[32] = {
    'X', 'e', 'n', ' ', 's', 'a', 'v', 'e', 'd', ' ', 'd', 'o', 'm', 'a',
    'i', 'n', ',', ' ', 'x', 'l', ' ', 'f', 'o', 'r', 'm', 'a', 't', '\n',
    ' ', 0, ' ', '\r',
};

static uint8_t buf[4096];
static size_t len, at;
static struct image_error error;

static int mem_read(void *data, void *out, size_t bytes)
{
    (void)data;
    if ( bytes > len - at )
        return -ENODATA;
    memcpy(out, buf + at, bytes);
    at += bytes;
    return 0;
}

static int mem_write(void *data, struct iovec *iov, unsigned int nr_iov)
{
    unsigned int i;

    (void)data;
    for ( i = 0; i < nr_iov; i++ )
        if ( iov[i].iov_len )
        {
            memcpy(buf + len, iov[i].iov_base, iov[i].iov_len);
            len += iov[i].iov_len;
        }
    return 0;
}

static void put(const void *data, size_t bytes)
{
    memcpy(buf + len, data, bytes);
    len += bytes;
}

static void put_libxl(uint32_t version, uint32_t options, uint32_t type,
                      uint32_t length)
{
    struct image_libxl_hdr hdr = {
        htobe64(0x4c6962786c466d74), htobe32(version), htobe32(options),
    };
    struct image_rhdr rec = { type, length };

    put(&hdr, sizeof(hdr));
    put(&rec, sizeof(rec));
}

/* xl's header with a configuration, up to the image. */
static void put_xl(uint32_t flags, uint32_t announced, uint32_t bytes,
                   const char *text)
{
    uint32_t words[4] = { 0x01020304, flags, 0, announced };

    len = at = 0;
    put(xl_magic, sizeof(xl_magic));
    put(words, sizeof(words));
    if ( announced )
    {
        put(&bytes, sizeof(bytes));
        put(text, announced - sizeof(bytes));
    }
    put_libxl(2, 0, 1, 0);
}

static int read_front(struct image_front *ret)
{
    struct image_in in = { .read = mem_read };
    int rc;

    at = 0;
    error.text[0] = '\0';
    rc = image_read_front(&in, ret, &error);
    if ( !rc )
        assert_int_equal(in.offset, at - in.nr_unread);
    return rc;
}

#define assert_refused(rc, words)                                       \
    do {                                                                \
        struct image_front f_;                                          \
        assert_int_equal(read_front(&f_), (rc));                        \
        if ( !strstr(error.text, (words)) )                             \
            fail_msg("\"%s\" does not say \"%s\"", error.text, (words)); \
    } while ( 0 )

static void our_header_brings_its_configuration(void **s)
{
    struct image_out out = { .write = mem_write };
    struct image_front front;

    (void)s;
    len = 0;
    assert_int_equal(image_write_front(&out, "config", 6), 0);
    assert_int_equal(len, 48);
    assert_int_equal(read_front(&front), 0);
    assert_true(front.ours);
    assert_false(front.libxl);
    assert_int_equal(front.config_bytes, 6);
    assert_memory_equal(front.config, "config", 7);
    assert_int_equal(at, len);
    image_front_done(&front);
}

static void our_header_is_judged(void **s)
{
    struct image_out out = { .write = mem_write };
    uint32_t v;

    (void)s;
    len = 0;
    assert_int_equal(image_write_front(&out, "config", 6), 0);
    buf[17] = '!';
    assert_refused(-EPROTO, "magic");
    buf[17] = '\n';
    buf[31] = 1;
    assert_refused(-EPROTO, "magic");
    buf[31] = 0;
    buf[32] = 2;
    assert_refused(-EPROTONOSUPPORT, "version 2; version 1 is read");
    buf[32] = 1;
    buf[47] = 1;
    assert_refused(-EPROTO, "padding");
    buf[47] = 0;
    v = 0;
    memcpy(buf + 36, &v, sizeof(v));
    assert_refused(-EPROTO, "0 bytes");
    v = (64 << 10) + 1;
    memcpy(buf + 36, &v, sizeof(v));
    assert_refused(-EPROTO, "65537 bytes");
    v = 7;
    memcpy(buf + 36, &v, sizeof(v));
    len = 40 + 6;
    assert_refused(-EPROTO, "the stream ends in the middle of xmig's conf");
}

static void a_plain_stream_is_left_alone(void **s)
{
    struct image_out out = { .write = mem_write };
    struct image_in in = { .read = mem_read };
    struct image_front front;
    struct image_reader r;

    (void)s;
    len = at = 0;
    assert_int_equal(image_write_headers(&out, 4, 17), 0);
    image_reader_init(&r, &in, 0, &error);
    assert_int_equal(image_read_front(&in, &front, &error), 0);
    assert_null(front.config);
    assert_int_equal(in.offset, 0);
    assert_int_equal(image_read_headers(&r), 0);
    assert_int_equal(in.offset, 40);
    image_reader_done(&r);
}

static void xl_files_bring_their_configuration(void **s)
{
    struct image_front front;

    (void)s;
    put_xl(3, 4 + 16, 10, "{\"a\": [1]}\0more.");
    assert_int_equal(read_front(&front), 0);
    assert_true(front.xl && front.libxl && front.json);
    assert_string_equal((char *)front.config, "{\"a\": [1]}");
    assert_int_equal(at, len);
    image_front_done(&front);

    put_xl(2, 0, 0, NULL);
    assert_int_equal(read_front(&front), 0);
    assert_false(front.json);
    assert_null(front.config);
}

static void xl_headers_are_judged(void **s)
{
    (void)s;
    put_xl(7, 0, 0, NULL);
    assert_refused(-EPROTONOSUPPORT, "0x7");
    put_xl(1, 0, 0, NULL);
    assert_refused(-EPROTONOSUPPORT, "before Xen 4.6");
    put_xl(3, 4 + 8, 9, "12345678");
    assert_refused(-EPROTO, "9 bytes does not fit the 8");
    put_xl(2, 0, 0, NULL);
    buf[32] = 1;
    assert_refused(-EPROTONOSUPPORT, "byte order");
    put_xl(2, 0, 0, NULL);
    buf[31] = 0;
    assert_refused(-EPROTO, "magic");
    put_xl(2, 0, 0, NULL);
    memcpy(buf + 44, &(uint32_t){ 3 }, 4);
    assert_refused(-EPROTO, "3 bytes of configuration");
    memcpy(buf + 44, &(uint32_t){ UINT32_MAX }, 4);
    assert_refused(-EPROTO, "4294967295 bytes of configuration");
}

static void libxl_streams_are_opened(void **s)
{
    struct image_front front;

    (void)s;
    len = 0;
    put_libxl(2, 0, 1, 0);
    assert_int_equal(read_front(&front), 0);
    assert_true(front.libxl);
    assert_false(front.xl);
    assert_int_equal(at, len);
}

static void libxl_streams_are_judged(void **s)
{
    (void)s;
    len = 0, put_libxl(1, 0, 1, 0);
    assert_refused(-EPROTONOSUPPORT, "version 1; version 2 is read");
    len = 0, put_libxl(2, 1, 1, 0);
    assert_refused(-EPROTONOSUPPORT, "options");
    len = 0, put_libxl(2, 0, 2, 0);
    assert_refused(-EPROTO, "begins with a EMULATOR_XENSTORE_DATA");
    len = 0, put_libxl(2, 0, 1, 8);
    assert_refused(-EPROTO, "8 bytes");
    len = 0, put_libxl(2, 0, 6, 0);
    assert_refused(-EPROTO, "unknown type 0x6");
    len = 0, put_libxl(2, 0, 4, 0);
    assert_refused(-EPROTONOSUPPORT, "Remus");
    len = 0, put_libxl(2, 0, 3, UINT32_MAX);
    assert_refused(-EPROTO, "4294967295 bytes");
}

static void other_files_are_refused(void **s)
{
    (void)s;
    len = 0, put("#!/bin/sh\n# no domain\n", 22);
    assert_refused(-EPROTO, "no saved domain");
    len = 0;
    assert_refused(-EPROTO, "first eight bytes");
    len = 0, put("xmig sa", 7);
    assert_refused(-EPROTO, "first eight bytes");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(our_header_brings_its_configuration),
        cmocka_unit_test(our_header_is_judged),
        cmocka_unit_test(a_plain_stream_is_left_alone),
        cmocka_unit_test(xl_files_bring_their_configuration),
        cmocka_unit_test(xl_headers_are_judged),
        cmocka_unit_test(libxl_streams_are_opened),
        cmocka_unit_test(libxl_streams_are_judged),
        cmocka_unit_test(other_files_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
