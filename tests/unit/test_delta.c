/* SPDX-License-Identifier: LGPL-2.1-only */
/* Changes of pages: round trips, the ends of a page, and broken deltas. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "delta.h"

#include <errno.h>

#define PAGE 4096u

static uint64_t was[512], is[512], page[512];
static uint8_t delta[PAGE + 16];
static struct err e;

static uint32_t rnd_state = 7;
static uint32_t rnd(void)
{
    rnd_state = rnd_state * 1664525u + 1013904223u;
    return rnd_state >> 8;
}

static void fill(void)
{
    unsigned int i;

    for ( i = 0; i < 512; i++ )
        was[i] = (uint64_t)rnd() << 32 | rnd();
    memcpy(is, was, PAGE);
}

/* Length of the delta; it was applied and gives what it should. */
static size_t trip(size_t room)
{
    size_t len;

    delta[room] = 0xee;
    len = delta_encode(was, is, delta, room);
    assert_int_equal(delta[room], 0xee);
    if ( len > room )
        return len;
    assert_int_equal(delta_check(delta, len, &e), 0);
    memcpy(page, was, PAGE);
    delta_apply(page, delta, len);
    assert_memory_equal(page, is, PAGE);

    return len;
}

static void equal_pages_need_nothing(void **state)
{
    (void)state;
    fill();
    assert_int_equal(trip(DELTA_MAX), 0);
    assert_int_equal(trip(0), 0);
}

static void every_single_word_is_found(void **state)
{
    unsigned int i;

    (void)state;
    fill();
    for ( i = 0; i < 512; i++ )
    {
        is[i] ^= 1ull << i % 64;
        assert_int_equal(trip(DELTA_MAX), 2 + 8);
        assert_int_equal(trip(9), 10);
        is[i] = was[i];
    }
}

static void changes_of_any_shape_go_there_and_back(void **state)
{
    unsigned int i, k, from, n;

    (void)state;
    for ( i = 0; i < 20000; i++ )
    {
        fill();
        for ( k = rnd() % 12; k; k-- )
        {
            from = rnd() % 512;
            n = 1 + rnd() % (512 - from);
            if ( i % 3 )
                n = n % 9;
            for ( ; n && from < 512; n--, from++ )
                is[from] = rnd() % 4 ? is[from] + 1 : was[from];
        }
        trip(i % 2 ? DELTA_MAX : 1 + rnd() % DELTA_MAX);
    }
}

static void a_page_of_changes_is_too_long(void **state)
{
    unsigned int i;

    (void)state;
    fill();
    for ( i = 0; i < 512; i++ )
        is[i]++;
    assert_int_equal(trip(DELTA_MAX), DELTA_MAX + 1);
    /* 510 words in four steps are as much as fits. */
    is[0] = was[0];
    is[511] = was[511];
    assert_int_equal(trip(DELTA_MAX), 510 * 8 + 4 * 2);
}

static void assert_refused(const uint8_t *d, size_t len, const char *why)
{
    err_reset(&e);
    assert_int_equal(delta_check(d, len, &e), -EPROTO);
    if ( !strstr(e.rec.text, why) )
        fail_msg("\"%s\" does not say \"%s\"", e.rec.text, why);
}

static void step(uint8_t *p, unsigned int stay, unsigned int words)
{
    unsigned int v = stay << 7 | (words - 1);

    p[0] = (uint8_t)v;
    p[1] = (uint8_t)(v >> 8);
}

static void broken_deltas_are_refused(void **state)
{
    (void)state;
    memset(delta, 0, sizeof(delta));
    assert_refused(delta, 1, "cut off");
    assert_refused(delta, 2, "step at 0");
    assert_refused(delta, 9, "step at 0");
    assert_refused(delta, 11, "cut off");
    assert_refused(delta, DELTA_MAX + 1, "may have 4094");
    step(delta, 511, 2);
    assert_refused(delta, 18, "leaves the page");
    step(delta, 511, 1);
    assert_int_equal(delta_check(delta, 10, &e), 0);
    step(delta + 10, 0, 1);
    assert_refused(delta, 20, "leaves the page");
    step(delta, 0, 128);
    assert_refused(delta, 2 + 127 * 8, "step at 0");
    assert_int_equal(delta_check(delta, 2 + 128 * 8, &e), 0);
}

static void what_is_checked_stays_in_the_page(void **state)
{
    uint64_t guarded[514];
    unsigned int i, k;
    size_t len;

    (void)state;
    for ( i = 0; i < 100000; i++ )
    {
        len = rnd() % 200;
        for ( k = 0; k < len; k++ )
            delta[k] = (uint8_t)(rnd() % (i % 2 ? 256 : 8));
        if ( delta_check(delta, len, &e) )
            continue;
        memset(guarded, 0xab, sizeof(guarded));
        delta_apply(guarded + 1, delta, len);
        assert_int_equal(guarded[0], 0xababababababababull);
        assert_int_equal(guarded[513], 0xababababababababull);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_pages_need_nothing),
        cmocka_unit_test(every_single_word_is_found),
        cmocka_unit_test(changes_of_any_shape_go_there_and_back),
        cmocka_unit_test(a_page_of_changes_is_too_long),
        cmocka_unit_test(broken_deltas_are_refused),
        cmocka_unit_test(what_is_checked_stays_in_the_page),
    };
    int rc;

    err_init(&e);
    rc = cmocka_run_group_tests(tests, NULL, NULL);
    err_done(&e);

    return rc;
}
