/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Options: keys, units, ranges, and what is printed of them.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "opt.h"

static const char *const words[] = { "never", "auto", "always", NULL };

static const struct opt_row alpha[] = {
    { .key = "max-iters", .unit = "", .type = OPT_UINT, .min = 1, .max = 1000,
      .def = 29, .help = "rounds" },
    { .key = "chunk", .unit = "KiB", .type = OPT_SIZE, .min = 4,
      .max = 1 << 20, .def = 64, .help = "size", .alias = "piece" },
    { .key = "mode", .unit = "", .type = OPT_CHOICE, .def = 1, .live = true,
      .choices = words, .help = "when" },
    { .key = "shared", .unit = "pages", .type = OPT_UINT, .max = 10,
      .help = "in both tables" },
    { .key = NULL },
};

static const struct opt_row beta[] = {
    { .key = "shared", .unit = "", .type = OPT_BOOL, .max = 1, .def = 1,
      .help = "in both tables" },
    { .key = NULL },
};

static struct optset *set;
static struct opt_text texts;
static struct err e;

static int fresh(void **state)
{
    (void)state;
    err_init(&e);

    return optset_new(&set) || optset_add(set, &e, "alpha", alpha) ||
           optset_add(set, &e, "beta", beta);
}

static int away(void **state)
{
    (void)state;
    optset_free(set);
    err_done(&e);

    return 0;
}

static void refuse(const char *key, const char *value, int rc,
                   const char *text)
{
    struct xmig_error rec;

    err_reset(&e);
    assert_int_equal(opt_set(set, &e, key, value), rc);
    err_copy(&e, &rec);
    if ( !strstr(rec.text, text) )
        fail_msg("\"%s\" does not say \"%s\"", rec.text, text);
}

static void take(const char *key, const char *value)
{
    struct xmig_error rec;

    if ( opt_set(set, &e, key, value) )
    {
        err_copy(&e, &rec);
        fail_msg("%s=%s: %s", key, value, rec.text);
    }
}

static void defaults_hold_in_base_units(void **state)
{
    (void)state;
    assert_int_equal(opt_u64(set, NULL, "downtime-limit"), 300000);
    assert_int_equal(opt_u64(set, NULL, "bandwidth"), 0);
    assert_int_equal(opt_u64(set, NULL, "lanes"), 0);
    assert_true(opt_bool(set, NULL, "zero-pages"));
    assert_string_equal(opt_str(set, NULL, "name"), "");
    assert_int_equal(opt_u64(set, "alpha", "chunk"), 65536);
    assert_string_equal(opt_str(set, "alpha", "mode"), "auto");
    assert_false(opt_is_set(set, "alpha", "mode"));
}

static void keys_are_found_in_every_spelling(void **state)
{
    (void)state;
    take("alpha.max-iters", "3");
    assert_int_equal(opt_u64(set, "alpha", "max-iters"), 3);
    take("max-iters", "4");
    take("max_iters", "5");
    assert_int_equal(opt_u64(set, "alpha", "max-iters"), 5);
    take("alpha.max_iters", "6");
    assert_int_equal(opt_u64(set, "alpha", "max-iters"), 6);
    assert_true(opt_is_set(set, "alpha", "max-iters"));
    take("parallel", "4");
    assert_int_equal(opt_u64(set, NULL, "lanes"), 4);
    take("piece", "8");
    take("alpha.piece", "16");
    assert_int_equal(opt_u64(set, "alpha", "chunk"), 16384);
}

static void unknown_keys_are_named(void **state)
{
    (void)state;
    refuse("nonsense", "1", -ENOENT, "nonsense");
    refuse("alpha.", "1", -ENOENT, "no such option");
    refuse("gamma.max-iters", "1", -ENOENT, "no such option");
    refuse("", "1", -ENOENT, "no such option");
    refuse("max-iter", "1", -ENOENT, "no such option");
}

static void a_short_key_of_two_tables_is_refused(void **state)
{
    (void)state;
    refuse("shared", "1", -ENOENT, "alpha.shared");
    take("alpha.shared", "7");
    take("beta.shared", "off");
    assert_int_equal(opt_u64(set, "alpha", "shared"), 7);
    assert_false(opt_bool(set, "beta", "shared"));
}

static void units_are_understood(void **state)
{
    (void)state;
    take("downtime-limit", "2s");
    assert_int_equal(opt_u64(set, NULL, "downtime-limit"), 2000000);
    take("downtime-limit", "1.5 s");
    assert_int_equal(opt_u64(set, NULL, "downtime-limit"), 1500000);
    take("downtime-limit", "2500us");
    assert_int_equal(opt_u64(set, NULL, "downtime-limit"), 2500);
    take("bandwidth", "10");
    assert_int_equal(opt_u64(set, NULL, "bandwidth"), 10 << 20);
    take("bandwidth", "0.5GiB/s");
    assert_int_equal(opt_u64(set, NULL, "bandwidth"), 512 << 20);
    take("bandwidth", "64K");
    assert_int_equal(opt_u64(set, NULL, "bandwidth"), 65536);
    take("chunk", "2MiB");
    assert_int_equal(opt_u64(set, "alpha", "chunk"), 2 << 20);
    take("alpha.shared", "3 pages");
    assert_int_equal(opt_u64(set, "alpha", "shared"), 3);
}

static void nonsense_is_no_number(void **state)
{
    static const char *const bad[] = {
        "", " ", "x", "-1", "+1", "1x", "1.", "1.s", ".5s", "1.5.5s", "1e3",
        "1s s", "0x10", "1 MiB", "1.0000001s", "1/s",
    };
    size_t i;

    (void)state;
    for ( i = 0; i < sizeof(bad) / sizeof(bad[0]); i++ )
        refuse("downtime-limit", bad[i], -EINVAL, "is not a number");
    refuse("max-iters", "1.5", -EINVAL, "whole number");
    refuse("max-iters", "3 pages", -EINVAL, "whole number");
    assert_int_equal(opt_u64(set, NULL, "downtime-limit"), 300000);
}

static void ranges_are_kept(void **state)
{
    (void)state;
    refuse("max-iters", "0", -ERANGE, "1 ... 1000");
    refuse("max-iters", "1001", -ERANGE, "1 ... 1000");
    refuse("max-iters", "18446744073709551616", -ERANGE, "out of range");
    refuse("downtime-limit", "999us", -ERANGE, "1 ... 60000 ms");
    refuse("downtime-limit", "60.001s", -ERANGE, "out of range");
    refuse("downtime-limit", "18446744073709551615min", -ERANGE, "range");
    refuse("chunk", "4095B", -ERANGE, "KiB");
    take("chunk", "4096B");
    take("downtime-limit", "60s");
    take("max-iters", "1000");
    assert_int_equal(opt_u64(set, "alpha", "max-iters"), 1000);
}

static void words_are_taken(void **state)
{
    (void)state;
    take("zero-pages", "OFF");
    assert_false(opt_bool(set, NULL, "zero-pages"));
    take("zero-pages", "yes");
    assert_true(opt_bool(set, NULL, "zero-pages"));
    refuse("zero-pages", "2", -EINVAL, "neither on nor off");
    take("mode", "Always");
    assert_string_equal(opt_str(set, "alpha", "mode"), "always");
    assert_int_equal(opt_u64(set, "alpha", "mode"), 2);
    refuse("mode", "sometimes", -EINVAL, "never|auto|always");
}

static void strings_have_a_length(void **state)
{
    char text[200];

    (void)state;
    take("name", "new name");
    assert_string_equal(opt_str(set, NULL, "name"), "new name");
    memset(text, 'x', sizeof(text));
    text[128] = '\0';
    refuse("name", text, -ERANGE, "128 characters");
    text[127] = '\0';
    take("name", text);
    take("name", "");
    assert_string_equal(opt_str(set, NULL, "name"), "");
}

static void find(const char *key, struct xmig_option *ret)
{
    unsigned int i;

    for ( i = 0; !opt_describe(set, i, &texts, ret); i++ )
        if ( !strcmp(ret->key, key) )
            return;
    fail_msg("%s is not listed", key);
}

static void what_is_printed_is_taken_again(void **state)
{
    struct xmig_option o;

    (void)state;
    take("downtime-limit", "1.25ms");
    find("downtime-limit", &o);
    assert_string_equal(o.value, "1.25");
    assert_string_equal(o.unit, "ms");
    assert_string_equal(o.min, "1");
    assert_string_equal(o.max, "60000");
    take("downtime-limit", o.value);
    assert_int_equal(opt_u64(set, NULL, "downtime-limit"), 1250);
    find("alpha.mode", &o);
    assert_string_equal(o.value, "auto");
    assert_string_equal(o.min, "never|auto|always");
    find("beta.shared", &o);
    assert_string_equal(o.value, "on");
    find("alpha.max-iters", &o);
    assert_string_equal(o.value, "29");
}

static void every_row_is_listed_once(void **state)
{
    struct xmig_option o;
    unsigned int i, nr = 0;

    (void)state;
    while ( opt_engine_rows[nr].key )
        nr++;
    for ( i = 0; !opt_describe(set, i, &texts, &o); i++ )
        assert_true(o.help[0] && o.key[0]);
    assert_int_equal(i, nr + 5);
    assert_int_equal(opt_describe(set, i + 1, &texts, &o), -ENOENT);
}

static void only_live_rows_change_while_it_runs(void **state)
{
    (void)state;
    assert_int_equal(opt_set_live(set, &e, "max-iters", "7", true), -EBUSY);
    assert_int_equal(opt_u64(set, "alpha", "max-iters"), 29);
    err_reset(&e);
    assert_int_equal(opt_set_live(set, &e, "mode", "always", false), 0);
    assert_string_equal(opt_str(set, "alpha", "mode"), "auto");
    assert_int_equal(opt_set_live(set, &e, "mode", "always", true), 0);
    assert_string_equal(opt_str(set, "alpha", "mode"), "always");
    assert_int_equal(opt_set_live(set, &e, "mode", "seldom", false), -EINVAL);
}

static void a_reset_brings_defaults_back(void **state)
{
    (void)state;
    take("name", "x");
    take("max-iters", "7");
    optset_reset(set);
    assert_string_equal(opt_str(set, NULL, "name"), "");
    assert_int_equal(opt_u64(set, "alpha", "max-iters"), 29);
    assert_false(opt_is_set(set, "alpha", "max-iters"));
}

static void malformed_rows_are_refused(void **state)
{
    static const struct opt_row none = { .key = NULL };
    const struct opt_row bad[][2] = {
        { { .key = "Upper", .unit = "", .help = "" }, none },
        { { .key = "a", .unit = "ms", .type = OPT_SIZE, .help = "" }, none },
        { { .key = "a", .unit = "", .max = 1, .def = 2, .help = "" }, none },
        { { .key = "a", .unit = "", .min = 2, .max = 1, .help = "" }, none },
        { { .key = "a", .unit = "" }, none },
        { { .key = "a", .unit = "GiB", .type = OPT_SIZE, .help = "",
            .max = UINT64_MAX }, none },
        { { .key = "a", .unit = "", .type = OPT_CHOICE, .help = "",
            .choices = words, .def = 3 }, none },
        { { .key = "a", .unit = "", .type = OPT_STRING, .help = "",
            .live = true }, none },
    };
    const struct opt_row twice[] = {
        { .key = "a", .unit = "", .help = "" },
        { .key = "a", .unit = "", .help = "" }, none,
    };
    size_t i;

    (void)state;
    for ( i = 0; i < sizeof(bad) / sizeof(bad[0]); i++ )
        assert_int_equal(optset_add(set, &e, "bad", bad[i]), -EINVAL);
    assert_int_equal(optset_add(set, &e, "bad", twice), -EINVAL);
}

#define T(f) cmocka_unit_test_setup_teardown(f, fresh, away)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(defaults_hold_in_base_units),
        T(keys_are_found_in_every_spelling),
        T(unknown_keys_are_named),
        T(a_short_key_of_two_tables_is_refused),
        T(units_are_understood),
        T(nonsense_is_no_number),
        T(ranges_are_kept),
        T(words_are_taken),
        T(strings_have_a_length),
        T(what_is_printed_is_taken_again),
        T(every_row_is_listed_once),
        T(only_live_rows_change_while_it_runs),
        T(a_reset_brings_defaults_back),
        T(malformed_rows_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
