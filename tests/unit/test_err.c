/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The error record.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "err.h"

static struct err e;

static int fresh(void **state)
{
    (void)state;
    err_init(&e);

    return 0;
}

static int away(void **state)
{
    (void)state;
    err_done(&e);

    return 0;
}

static const char *text(void)
{
    static struct xmig_error rec;

    err_copy(&e, &rec);

    return rec.text;
}

static void the_first_error_wins(void **state)
{
    (void)state;
    assert_int_equal(err_set(&e, -EIO, "first %d", 1), -EIO);
    assert_int_equal(err_set(&e, -EPROTO, "second"), -EPROTO);
    assert_int_equal(err_code(&e), -EIO);
    assert_string_equal(text(), "first 1");
}

static void no_record_is_no_crash(void **state)
{
    (void)state;
    assert_int_equal(err_set(NULL, -EIO, "x"), -EIO);
    assert_int_equal(err_wrap(NULL, -EIO, "x"), -EIO);
    assert_int_equal(err_code(NULL), 0);
    err_reset(NULL);
    err_guest_set(NULL, XMIG_GUEST_LOST);
    assert_int_equal(err_guest(NULL), XMIG_GUEST_NONE);
}

static void wrapping_goes_in_front(void **state)
{
    (void)state;
    err_set(&e, -EIO, "map 3 gfns");
    assert_int_equal(err_wrap(&e, -EIO, "round %d", 2), -EIO);
    assert_string_equal(text(), "round 2: map 3 gfns");
}

static void wrapping_nothing_says_what_the_code_means(void **state)
{
    (void)state;
    err_wrap(&e, -ENOSPC, "save");
    assert_string_equal(text(), "save: No space left on device");
    assert_int_equal(err_code(&e), -ENOSPC);
}

static void a_long_wrapper_keeps_the_record_whole(void **state)
{
    char head[2000];

    (void)state;
    memset(head, 'h', sizeof(head) - 1);
    head[sizeof(head) - 1] = '\0';
    err_set(&e, -EIO, "tail");
    err_wrap(&e, -EIO, "%s", head);
    assert_int_equal(strlen(text()), sizeof(((struct xmig_error *)0)->text)
                                     - 1);
    err_reset(&e);
    err_set(&e, -EIO, "%s", head);
    err_wrap(&e, -EIO, "front");
    assert_memory_equal(text(), "front: hhh", 10);
}

static void text_is_one_printable_line(void **state)
{
    (void)state;
    err_set(&e, -EIO, "a\nb\033[31mc\177");
    assert_string_equal(text(), "a?b?[31mc?");
    err_reset(&e);
    err_set(&e, -EIO, "a\302\23331mb\23331mc");
    assert_string_equal(text(), "a??31mb?31mc");
}

static void text_may_be_in_any_language(void **state)
{
    static const char odd[] = "\302\240 \342\200\234 \360\237\230\200 \302";

    (void)state;
    err_reset(&e);
    err_set(&e, -EIO, "%s", odd);
    assert_string_equal(text(), odd);
}

static void reset_keeps_where_the_guest_is(void **state)
{
    (void)state;
    err_guest_set(&e, XMIG_GUEST_IN_DOUBT);
    err_set(&e, -EIO, "x");
    err_reset(&e);
    assert_int_equal(err_code(&e), 0);
    assert_string_equal(text(), "");
    assert_int_equal(err_guest(&e), XMIG_GUEST_IN_DOUBT);
}

static void taking_over_keeps_what_is_there(void **state)
{
    struct err other;

    (void)state;
    err_init(&other);
    assert_int_equal(err_take(&e, &other), 0);
    assert_int_equal(err_code(&e), 0);
    err_set(&other, -EPIPE, "lane 1 %%");
    assert_int_equal(err_take(&e, &other), -EPIPE);
    assert_string_equal(text(), "lane 1 %");
    err_reset(&other);
    err_set(&other, -EIO, "later");
    assert_int_equal(err_take(&e, &other), -EIO);
    assert_string_equal(text(), "lane 1 %");
    err_done(&other);
}

static void *setter(void *arg)
{
    err_set(&e, *(int *)arg, "code %d", *(int *)arg);

    return NULL;
}

static void one_of_many_threads_wins_whole(void **state)
{
    int codes[8], i;
    pthread_t t[8];
    char want[32];

    (void)state;
    for ( i = 0; i < 8; i++ )
    {
        codes[i] = -1 - i;
        assert_int_equal(pthread_create(&t[i], NULL, setter, &codes[i]), 0);
    }
    for ( i = 0; i < 8; i++ )
        pthread_join(t[i], NULL);
    snprintf(want, sizeof(want), "code %d", err_code(&e));
    assert_string_equal(text(), want);
}

static void texts_of_codes_are_never_null(void **state)
{
    (void)state;
    assert_string_equal(err_text(-ENOENT), "No such file or directory");
    assert_string_equal(err_text(-100000), "unknown error");
}

#define T(f) cmocka_unit_test_setup_teardown(f, fresh, away)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(the_first_error_wins),
        T(no_record_is_no_crash),
        T(wrapping_goes_in_front),
        T(wrapping_nothing_says_what_the_code_means),
        T(a_long_wrapper_keeps_the_record_whole),
        T(text_is_one_printable_line),
        T(text_may_be_in_any_language),
        T(reset_keeps_where_the_guest_is),
        T(taking_over_keeps_what_is_there),
        T(one_of_many_threads_wins_whole),
        T(texts_of_codes_are_never_null),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
