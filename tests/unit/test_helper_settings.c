/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The save helper's settings: file and words, and what becomes of them.
 *
 * LINK: tools/save-helper/settings.c
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tools/save-helper/settings.h"
#include "xmig.h"

/* ---- In the place of the library ---------------------------------------- */

static char given[200];

int xmig_option_set(struct xmig *s, const char *key, const char *value)
{
    size_t n = strlen(given);

    (void)s;
    if ( !strcmp(key, "no-such") )
        return -ENOENT;
    if ( !strcmp(value, "wrong") )
        return -EINVAL;
    snprintf(given + n, sizeof(given) - n, "%s=%s;", key, value);
    return 0;
}

const struct xmig_error *xmig_error(const struct xmig *s)
{
    static const struct xmig_error e = { .text = "the library's own words" };

    (void)s;
    return &e;
}

/* ---- Tests -------------------------------------------------------------- */

static char why[300];
static char path[] = "/tmp/helper-settings.XXXXXX";

static void write_file(const char *text)
{
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static int make_file(void **state)
{
    int fd = mkstemp(path);

    (void)state;
    return fd < 0 ? -1 : close(fd);
}

static int remove_file(void **state)
{
    (void)state;
    return unlink(path);
}

static void the_last_value_wins(void **state)
{
    struct settings st = { 0 };

    (void)state;
    write_file("# a remark\n\n  downtime-limit =  50ms \nstock-helper=/x\n");
    assert_int_equal(settings_read_file(&st, path, why, sizeof(why)), 0);
    assert_int_equal(settings_read_words(&st, "downtime-limit=9, lanes=2",
                                         why, sizeof(why)), 0);
    assert_string_equal(settings_get(&st, "downtime-limit"), "9");
    assert_string_equal(settings_get(&st, SETTINGS_STOCK), "/x");
    assert_null(settings_get(&st, "bandwidth"));
    settings_done(&st);
}

static void options_go_to_the_library_in_order(void **state)
{
    struct settings st = { 0 };

    (void)state;
    given[0] = '\0';
    assert_int_equal(settings_read_words(&st, "a=1 stock-helper=/x a=2",
                                         why, sizeof(why)), 0);
    assert_int_equal(settings_apply(&st, NULL, why, sizeof(why)), 0);
    assert_string_equal(given, "a=1;a=2;");
    settings_done(&st);
}

static void a_bad_line_is_named(void **state)
{
    struct settings st = { 0 };

    (void)state;
    write_file("a=1\nnonsense\n");
    assert_int_equal(settings_read_file(&st, path, why, sizeof(why)),
                     -EINVAL);
    assert_non_null(strstr(why, "line 2: must be NAME = VALUE"));
    assert_int_equal(settings_read_words(&st, "=3", why, sizeof(why)),
                     -EINVAL);
    assert_int_equal(settings_read_words(&st, "a=", why, sizeof(why)),
                     -EINVAL);
    settings_done(&st);
}

static void a_file_that_is_not_there_is_enoent(void **state)
{
    struct settings st = { 0 };

    (void)state;
    assert_int_equal(settings_read_file(&st, "/nonexistent/x", why,
                                        sizeof(why)), -ENOENT);
    settings_done(&st);
}

static void a_refused_option_is_explained(void **state)
{
    struct settings st = { 0 };

    (void)state;
    assert_int_equal(settings_read_words(&st, "no-such=1", why,
                                         sizeof(why)), 0);
    assert_int_equal(settings_apply(&st, NULL, why, sizeof(why)), -ENOENT);
    assert_non_null(strstr(why, "no option \"no-such\""));
    settings_done(&st);
    assert_int_equal(settings_read_words(&st, "a=wrong", why, sizeof(why)),
                     0);
    assert_int_equal(settings_apply(&st, NULL, why, sizeof(why)), -EINVAL);
    assert_string_equal(why, "the library's own words");
    settings_done(&st);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_value_wins),
        cmocka_unit_test(options_go_to_the_library_in_order),
        cmocka_unit_test(a_bad_line_is_named),
        cmocka_unit_test(a_file_that_is_not_there_is_enoent),
        cmocka_unit_test(a_refused_option_is_explained),
    };

    return cmocka_run_group_tests(tests, make_file, remove_file);
}
