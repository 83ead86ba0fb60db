/* SPDX-License-Identifier: LGPL-2.1-only */
/* Packing and unpacking buffers, and refusing what does not unpack. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "zip.h"

#include <errno.h>

#define LEN  (64u * 4096u)
#define ROOM (LEN + 4096u)

static uint8_t in[LEN], packed[ROOM], out[ROOM];
static struct err e;

static const enum zip_method methods[] = { ZIP_ZLIB, ZIP_ZSTD };

static uint32_t rnd_state = 1;
static uint32_t rnd(void)       /* 16 bits */
{
    rnd_state = rnd_state * 1664525u + 1013904223u;
    return rnd_state >> 16;
}

/* As guests' memory is: some of it repeats, some does not. */
static void fill(void *data, size_t len, unsigned int random_percent)
{
    uint8_t *p = data;
    size_t i;

    for ( i = 0; i < len; i++ )
        p[i] = rnd() % 100 < random_percent ? (uint8_t)rnd()
                                            : (uint8_t)(i / 16);
}

static void what_is_packed_is_unpacked(void **state)
{
    static const size_t lens[] = { 1, 7, 4096, 4097, 65535, LEN };
    struct zip_unpacker *u;
    struct zip_packer *p;
    unsigned int m, l;
    size_t i, n;
    int level;

    (void)state;
    for ( m = 0; m < 2; m++ )
    {
        assert_int_equal(zip_packer_new(methods[m], &p), 0);
        assert_int_equal(zip_unpacker_new(methods[m], &u), 0);
        for ( i = 0; i < sizeof(lens) / sizeof(lens[0]); i++ )
            for ( l = 0; l < 3; l++ )
            {
                level = l ? l == 1 ? 1 : 5 : zip_level_min(methods[m]);
                fill(in, lens[i], 30);
                n = zip_pack(p, level, packed, ROOM, in, lens[i]);
                assert_true(n > 0);
                memset(out, 0xee, ROOM);
                assert_int_equal(zip_unpack(u, out, lens[i], packed, n, &e),
                                 0);
                assert_memory_equal(out, in, lens[i]);
                assert_int_equal(out[lens[i]], 0xee);
            }
        zip_packer_free(p);
        zip_unpacker_free(u);
    }
}

static void what_does_not_fit_is_not_packed(void **state)
{
    struct zip_packer *p;
    unsigned int m;
    size_t n;

    (void)state;
    for ( m = 0; m < 2; m++ )
    {
        assert_int_equal(zip_packer_new(methods[m], &p), 0);
        fill(in, LEN, 100);
        packed[LEN - LEN / 16] = 0xee;
        assert_int_equal(zip_pack(p, 1, packed, LEN - LEN / 16, in, LEN), 0);
        assert_int_equal(packed[LEN - LEN / 16], 0xee);
        fill(in, LEN, 20);
        n = zip_pack(p, 1, packed, ROOM, in, LEN);
        assert_in_range(n, 1, LEN - LEN / 4);
        assert_int_equal(zip_pack(p, 1, packed, n - 1, in, LEN), 0);
        zip_packer_free(p);
    }
}

static void assert_refused(struct zip_unpacker *u, size_t out_len,
                           size_t in_len)
{
    err_reset(&e);
    out[out_len] = 0xee;
    assert_int_equal(zip_unpack(u, out, out_len, packed, in_len, &e),
                     -EPROTO);
    assert_int_equal(out[out_len], 0xee);
    assert_non_null(strstr(e.rec.text, "unpack"));
}

static void another_size_than_announced_is_refused(void **state)
{
    struct zip_unpacker *u;
    struct zip_packer *p;
    unsigned int m;
    size_t n;

    (void)state;
    for ( m = 0; m < 2; m++ )
    {
        assert_int_equal(zip_packer_new(methods[m], &p), 0);
        assert_int_equal(zip_unpacker_new(methods[m], &u), 0);
        /* A bomb: a thousandth of what it becomes. */
        memset(in, 0, LEN);
        n = zip_pack(p, 1, packed, ROOM, in, LEN);
        assert_in_range(n, 1, LEN / 100);
        assert_refused(u, 4096, n);
        assert_refused(u, LEN - 1, n);
        assert_refused(u, LEN + 1, n);
        assert_refused(u, LEN, n - 1);
        packed[n] = 0;
        assert_refused(u, LEN, n + 1);
        assert_int_equal(zip_unpack(u, out, LEN, packed, n, &e), 0);
        /* Two of them in a row. */
        memcpy(packed + n, packed, n);
        assert_refused(u, LEN, 2 * n);
        assert_refused(u, 2 * LEN > ROOM - 1 ? ROOM - 1 : 2 * LEN, 2 * n);
        zip_packer_free(p);
        zip_unpacker_free(u);
    }
}

static void garbage_is_refused_and_forgotten(void **state)
{
    struct zip_unpacker *u;
    struct zip_packer *p;
    unsigned int m, i;
    size_t n, len;

    (void)state;
    for ( m = 0; m < 2; m++ )
    {
        assert_int_equal(zip_packer_new(methods[m], &p), 0);
        assert_int_equal(zip_unpacker_new(methods[m], &u), 0);
        for ( i = 0; i < 2000; i++ )
        {
            len = 1 + rnd() % 300;
            fill(packed, len, 100);
            if ( i % 2 )
            {
                fill(in, 4096, 50);
                len = zip_pack(p, 1, packed, ROOM, in, 4096);
                packed[rnd() % len] ^= (uint8_t)(1 << rnd() % 8);
            }
            out[4096] = 0xee;
            zip_unpack(u, out, 4096, packed, len, &e);
            assert_int_equal(out[4096], 0xee);
        }
        fill(in, LEN, 30);
        n = zip_pack(p, 1, packed, ROOM, in, LEN);
        assert_int_equal(zip_unpack(u, out, LEN, packed, n, &e), 0);
        assert_memory_equal(out, in, LEN);
        zip_packer_free(p);
        zip_unpacker_free(u);
    }
}

static void frames_that_hold_nothing_are_refused(void **state)
{
    static const uint8_t skippable[] = { 0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0,
                                         1, 2, 3, 4 };
    static const uint8_t old[] = { 0x25, 0xb5, 0x2f, 0xfd, 0, 0, 0, 0, 0 };
    struct zip_unpacker *u;

    (void)state;
    assert_int_equal(zip_unpacker_new(ZIP_ZSTD, &u), 0);
    memcpy(packed, skippable, sizeof(skippable));
    assert_refused(u, 4096, sizeof(skippable));
    assert_refused(u, 0, sizeof(skippable));
    memcpy(packed, old, sizeof(old));
    assert_refused(u, 4096, sizeof(old));
    zip_unpacker_free(u);
}

static void methods_have_names(void **state)
{
    (void)state;
    assert_string_equal(zip_name(ZIP_NONE), "none");
    assert_string_equal(zip_name(ZIP_ZLIB), "zlib");
    assert_string_equal(zip_name(ZIP_ZSTD), "zstd");
    assert_null(zip_name(3));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_packed_is_unpacked),
        cmocka_unit_test(what_does_not_fit_is_not_packed),
        cmocka_unit_test(another_size_than_announced_is_refused),
        cmocka_unit_test(garbage_is_refused_and_forgotten),
        cmocka_unit_test(frames_that_hold_nothing_are_refused),
        cmocka_unit_test(methods_have_names),
    };
    int rc;

    err_init(&e);
    rc = cmocka_run_group_tests(tests, NULL, NULL);
    err_done(&e);

    return rc;
}
