/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The save helper's command line, messages and settings.
 *
 * LINK: tools/save-helper/args.c tools/save-helper/callout.c
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tools/save-helper/args.h"
#include "tools/save-helper/callout.h"

static char why[200];

static int parse(struct args *ret, char **argv)
{
    return args_parse(argv, ret, why, sizeof(why));
}
#define ARGV(...) (char *[]){ "helper", __VA_ARGS__, NULL }

static void save_arguments_are_read(void **state)
{
    struct args a;

    (void)state;
    assert_int_equal(parse(&a, ARGV("--save-domain", "9", "-1", "5", "1",
                                    "136", "0")), 0);
    assert_true(a.save);
    assert_int_equal(a.stream_fd, 9);
    assert_int_equal(a.back_fd, -1);
    assert_int_equal(a.domid, 5);
    assert_int_equal(a.flags, ARGS_LIVE);
    assert_int_equal(a.callbacks, 136);
    assert_int_equal(a.stream_type, 0);
}

static void restore_arguments_are_read(void **state)
{
    struct args a;

    (void)state;
    assert_int_equal(parse(&a, ARGV("--restore-domain", "0", "7", "6", "1",
                                    "2", "3", "4", "768", "1")), 0);
    assert_false(a.save);
    assert_int_equal(a.stream_fd, 0);
    assert_int_equal(a.back_fd, 7);
    assert_int_equal(a.domid, 6);
    assert_int_equal(a.store_port, 1);
    assert_int_equal(a.store_domid, 2);
    assert_int_equal(a.console_port, 3);
    assert_int_equal(a.console_domid, 4);
    assert_int_equal(a.callbacks, 768);
    assert_int_equal(a.stream_type, 1);
}

static void bad_arguments_are_named(void **state)
{
    struct args a;

    (void)state;
    assert_int_equal(parse(&a, ARGV("--save-domain", "9", "-1", "x5", "1",
                                    "136", "0")), -EINVAL);
    assert_non_null(strstr(why, "domid is \"x5\""));
    assert_int_equal(parse(&a, ARGV("--save-domain", "9", "-1")), -EINVAL);
    assert_non_null(strstr(why, "domid is missing"));
    assert_int_equal(parse(&a, ARGV("--save-domain", "9", "-2", "5", "1",
                                    "136", "0")), -EINVAL);
    assert_int_equal(parse(&a, ARGV("--save-domain", "9", "-1", "5", "1",
                                    "4294967296", "0")), -EINVAL);
    assert_int_equal(parse(&a, ARGV("--save-domain", "9", "-1", "5", "1",
                                    "136", "0", "1")), -EINVAL);
    assert_int_equal(parse(&a, ARGV("--help")), -EINVAL);
    assert_int_equal(args_parse((char *[]){ "helper", NULL }, &a, why,
                                sizeof(why)), -EINVAL);
}

/* ---- Messages ----------------------------------------------------------- */

static int to_libxl[2], from_libxl[2];

static int pipes(void **state)
{
    (void)state;
    if ( pipe(to_libxl) || pipe(from_libxl) )
        return -1;
    callout_init(from_libxl[0], to_libxl[1]);
    return 0;
}

static int no_pipes(void **state)
{
    int i;

    (void)state;
    for ( i = 0; i < 2; i++ )
    {
        close(to_libxl[i]);
        close(from_libxl[i]);
    }
    return 0;
}

/* What libxl would see, exactly. */
static void expect(const void *bytes, size_t len)
{
    uint8_t got[256];

    assert_true(len <= sizeof(got));
    assert_int_equal(read(to_libxl[0], got, len), len);
    assert_memory_equal(got, bytes, len);
}

static void log_is_level_errno_and_two_strings(void **state)
{
    static const uint8_t want[] = {
        24, 0, 1, 0, 7, 0, 0, 0, 255, 255, 255, 255,
        3, 0, 0, 0, 'a', 'b', 0, 3, 0, 0, 0, 'x', 'y', 0,
    };

    (void)state;
    callout_log(XTL_WARN, -1, "ab", "xy");
    expect(want, sizeof(want));
}

static void progress_is_two_strings_and_two_longs(void **state)
{
    static const uint8_t want[] = {
        29, 0, 2, 0, 1, 0, 0, 0, 0, 2, 0, 0, 0, 'r', 0,
        1, 2, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0,
    };

    (void)state;
    callout_progress(NULL, "r", 0x201, 3);
    expect(want, sizeof(want));
}

static void an_answer_is_one_int(void **state)
{
    static const uint8_t want[] = {
        10, 0, 7, 0, 5, 0, 0, 0, 1, 0, 0, 0,
    };
    int sent = -12, got = 0;

    (void)state;
    assert_int_equal(write(from_libxl[1], &sent, sizeof(sent)), 4);
    assert_int_equal(callout_logdirty(5, 1, &got), 0);
    assert_int_equal(got, -12);
    expect(want, sizeof(want));
}

static void results_and_completion_are_packed(void **state)
{
    static const uint8_t results[] = {
        18, 0, 9, 0, 1, 2, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0,
    };
    static const uint8_t complete[] = {
        10, 0, 10, 0, 255, 255, 255, 255, 28, 0, 0, 0,
    };
    int zero = 0;

    (void)state;
    callout_results(0x201, 3);
    expect(results, sizeof(results));
    assert_int_equal(write(from_libxl[1], &zero, sizeof(zero)), 4);
    assert_int_equal(callout_complete(-1, ENOSPC), 0);
    expect(complete, sizeof(complete));
}

static void a_parent_that_is_gone_is_an_error(void **state)
{
    int got = 77;

    (void)state;
    close(from_libxl[1]);
    assert_int_equal(callout_suspend(&got), -ENODATA);
    assert_int_equal(got, 77);
    from_libxl[1] = dup(to_libxl[0]);
}

static void an_endless_text_is_cut(void **state)
{
    static char text[70000];
    uint16_t len;

    (void)state;
    memset(text, 'x', sizeof(text) - 1);
    callout_log(XTL_INFO, -1, text, text);
    assert_int_equal(read(to_libxl[0], &len, sizeof(len)), 2);
    assert_true(len > 1000 && len <= 8192);
}

int main(void)
{
#define WITH_PIPES(f) cmocka_unit_test_setup_teardown(f, pipes, no_pipes)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(save_arguments_are_read),
        cmocka_unit_test(restore_arguments_are_read),
        cmocka_unit_test(bad_arguments_are_named),
        WITH_PIPES(log_is_level_errno_and_two_strings),
        WITH_PIPES(progress_is_two_strings_and_two_longs),
        WITH_PIPES(an_answer_is_one_int),
        WITH_PIPES(results_and_completion_are_packed),
        WITH_PIPES(a_parent_that_is_gone_is_an_error),
        WITH_PIPES(an_endless_text_is_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
