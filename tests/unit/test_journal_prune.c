/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Pruning of journals: the oldest ABANDONED ones go, and nothing else.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "journal.h"

static char dir[] = "/tmp/journal-prune.XXXXXX";
static struct err e;

static int fresh(void **state)
{
    (void)state;
    memcpy(dir + strlen(dir) - 6, "XXXXXX", 6);
    assert_non_null(mkdtemp(dir));
    err_init(&e);

    return 0;
}

static void path_of(uint8_t nr, enum journal_role role, char path[128])
{
    uint8_t id[IDENT_BYTES] = { nr };
    char text[IDENT_TEXT];

    snprintf(path, 128, "%s/%s.%s", dir, ident_text(id, text),
             role == JOURNAL_SOURCE ? "source" : "destination");
}

static int away(void **state)
{
    char path[128];
    unsigned int i;

    (void)state;
    for ( i = 0; i < 256; i++ )
    {
        path_of(i, JOURNAL_SOURCE, path);
        unlink(path);
        path_of(i, JOURNAL_DESTINATION, path);
        unlink(path);
    }
    assert_int_equal(rmdir(dir), 0);
    err_done(&e);

    return 0;
}

/* One that has come as far as st, so many seconds after the epoch. */
static struct journal *make(uint8_t nr, enum journal_role role,
                            enum journal_state st, time_t when)
{
    struct journal_info info = { .role = role, .id = { nr } };
    struct timespec times[2] = { { .tv_sec = when }, { .tv_sec = when } };
    struct journal *j = NULL;
    char path[128];

    assert_int_equal(journal_create(dir, &info, &e, &j), 0);
    assert_int_equal(journal_append(j, JOURNAL_PREPARING, false, &e), 0);
    if ( role == JOURNAL_DESTINATION && st != JOURNAL_PREPARING )
        assert_int_equal(journal_append(j, JOURNAL_MAY_START, false, &e), 0);
    if ( st != JOURNAL_PREPARING && st != JOURNAL_MAY_START )
        assert_int_equal(journal_append(j, st, false, &e), 0);
    path_of(nr, role, path);
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);

    return j;
}

static bool is_there(uint8_t nr, enum journal_role role)
{
    char path[128];

    path_of(nr, role, path);

    return access(path, F_OK) == 0;
}

static void the_newest_stay(void **state)
{
    uint8_t i;

    (void)state;
    /* The higher, the older. */
    for ( i = 1; i <= 10; i++ )
        journal_close(make(i, JOURNAL_DESTINATION, JOURNAL_ABANDONED,
                           2000000000 - i));
    assert_int_equal(journal_prune(dir, 4, &e), 0);
    for ( i = 1; i <= 10; i++ )
        assert_int_equal(is_there(i, JOURNAL_DESTINATION), i <= 4);
}

static void few_stay_all(void **state)
{
    (void)state;
    journal_close(make(1, JOURNAL_DESTINATION, JOURNAL_ABANDONED, 1));
    journal_close(make(2, JOURNAL_DESTINATION, JOURNAL_ABANDONED, 2));
    assert_int_equal(journal_prune(dir, 2, &e), 0);
    assert_true(is_there(1, JOURNAL_DESTINATION));
    assert_true(is_there(2, JOURNAL_DESTINATION));
}

static void what_is_open_stays(void **state)
{
    (void)state;
    journal_close(make(1, JOURNAL_DESTINATION, JOURNAL_MAY_START, 1));
    journal_close(make(2, JOURNAL_DESTINATION, JOURNAL_STARTED, 2));
    journal_close(make(3, JOURNAL_DESTINATION, JOURNAL_PREPARING, 3));
    journal_close(make(4, JOURNAL_SOURCE, JOURNAL_RESUMED, 4));
    journal_close(make(5, JOURNAL_SOURCE, JOURNAL_PERMIT, 5));
    journal_close(make(6, JOURNAL_DESTINATION, JOURNAL_ABANDONED, 6));
    assert_int_equal(journal_prune(dir, 0, &e), 0);
    assert_true(is_there(1, JOURNAL_DESTINATION));
    assert_true(is_there(2, JOURNAL_DESTINATION));
    assert_true(is_there(3, JOURNAL_DESTINATION));
    assert_true(is_there(4, JOURNAL_SOURCE));
    assert_true(is_there(5, JOURNAL_SOURCE));
    assert_false(is_there(6, JOURNAL_DESTINATION));
}

static void what_somebody_has_stays(void **state)
{
    struct journal *j;

    (void)state;
    j = make(1, JOURNAL_DESTINATION, JOURNAL_ABANDONED, 1);
    assert_int_equal(journal_claim(j, &e), 0);
    assert_int_equal(journal_prune(dir, 0, &e), 0);
    assert_true(is_there(1, JOURNAL_DESTINATION));
    journal_close(j);
}

static void no_directory_is_no_error(void **state)
{
    (void)state;
    assert_int_equal(journal_prune("/nonexistent/x", 0, &e), 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, fresh, away)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(the_newest_stay),
        T(few_stay_all),
        T(what_is_open_stays),
        T(what_somebody_has_stays),
        T(no_directory_is_no_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
