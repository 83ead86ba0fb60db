/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Journals: what survives a torn or changed file, and that a decision is
 * made once.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "journal.h"

static char dir[64], path[160];
static struct err e;
static struct journal_info info;

static int fresh(void **state)
{
    char text[IDENT_TEXT];

    (void)state;
    err_init(&e);
    snprintf(dir, sizeof(dir), "/tmp/xmig-journal-XXXXXX");
    if ( !mkdtemp(dir) )
        return -1;
    memset(&info, 0, sizeof(info));
    info.role = JOURNAL_DESTINATION;
    info.domid = 7;
    memset(info.uuid, 0x22, sizeof(info.uuid));
    memset(info.boot, 0x33, sizeof(info.boot));
    snprintf(info.name, sizeof(info.name), "web server 100%% =x");
    snprintf(info.peer, sizeof(info.peer), "[2001:db8::1]:8002");
    if ( ident_random(info.id) )
        return -1;
    snprintf(path, sizeof(path), "%s/%s.destination", dir,
             ident_text(info.id, text));

    return 0;
}

static int away(void **state)
{
    char cmd[200];

    (void)state;
    unlink(path);
    snprintf(cmd, sizeof(cmd), "%s", path);
    memcpy(strrchr(cmd, '.'), ".source", 8);
    unlink(cmd);
    rmdir(dir);
    err_done(&e);

    return 0;
}

static size_t slurp(char *text, size_t room)
{
    int fd = open(path, O_RDONLY);
    ssize_t r = read(fd, text, room);

    assert_true(r > 0);
    close(fd);

    return (size_t)r;
}

static void spill(const char *text, size_t len)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    assert_int_equal(write(fd, text, len), len);
    close(fd);
}

static struct journal *reopen(void)
{
    struct journal *j = NULL;

    assert_int_equal(journal_open(dir, info.id, info.role, &e, &j), 0);

    return j;
}

/* A journal that has come as far as MAY_START. */
static struct journal *armed(void)
{
    struct journal *j = NULL;

    assert_int_equal(journal_create(dir, &info, &e, &j), 0);
    assert_int_equal(journal_append(j, JOURNAL_PREPARING, false, &e), 0);
    assert_int_equal(journal_append(j, JOURNAL_MAY_START, true, &e), 0);

    return j;
}

static void what_is_written_is_read(void **state)
{
    struct journal *j = armed();
    const struct journal_info *got;

    (void)state;
    assert_int_equal(journal_set_domid(j, 12, &e), 0);
    assert_int_equal(journal_state(j), JOURNAL_MAY_START);
    journal_close(j);
    j = reopen();
    got = journal_info(j);
    assert_int_equal(journal_state(j), JOURNAL_MAY_START);
    assert_int_equal(got->role, JOURNAL_DESTINATION);
    assert_int_equal(got->domid, 12);
    assert_string_equal(got->name, info.name);
    assert_string_equal(got->peer, info.peer);
    assert_memory_equal(got->id, info.id, IDENT_BYTES);
    assert_memory_equal(got->uuid, info.uuid, IDENT_BYTES);
    assert_memory_equal(got->boot, info.boot, IDENT_BYTES);
    journal_close(j);
}

static void the_longest_strings_fit(void **state)
{
    struct journal *j = NULL;

    (void)state;
    memset(info.name, ' ', sizeof(info.name) - 1);
    memset(info.peer, '%', sizeof(info.peer) - 1);
    assert_int_equal(journal_create(dir, &info, &e, &j), 0);
    journal_close(j);
    j = reopen();
    assert_string_equal(journal_info(j)->name, info.name);
    assert_string_equal(journal_info(j)->peer, info.peer);
    journal_close(j);
}

static void a_second_one_of_the_same_id_is_refused(void **state)
{
    struct journal *j = armed(), *other = NULL;

    (void)state;
    assert_int_equal(journal_create(dir, &info, &e, &other), -EEXIST);
    journal_close(j);
}

static void missing_directories_are_made(void **state)
{
    struct journal *j = NULL;
    char deep[120];
    struct stat st;

    (void)state;
    snprintf(deep, sizeof(deep), "%s/a/b", dir);
    assert_int_equal(journal_create(deep, &info, &e, &j), 0);
    assert_int_equal(stat(deep, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    assert_int_equal(journal_remove(j, &e), 0);
    journal_close(j);
    assert_int_equal(rmdir(deep), 0);
    snprintf(deep, sizeof(deep), "%s/a", dir);
    assert_int_equal(rmdir(deep), 0);
}

static void illegal_steps_write_nothing(void **state)
{
    struct journal *j = armed();
    char a[4096], b[4096];
    size_t len;

    (void)state;
    len = slurp(a, sizeof(a));
    assert_int_equal(journal_append(j, JOURNAL_PERMIT, true, &e), -EINVAL);
    assert_int_equal(journal_append(j, JOURNAL_DONE, true, &e), -EINVAL);
    assert_int_equal(slurp(b, sizeof(b)), len);
    assert_memory_equal(a, b, len);
    assert_int_equal(journal_state(j), JOURNAL_MAY_START);
    journal_close(j);
}

static void a_decision_is_made_once(void **state)
{
    struct journal *j = armed(), *other = reopen();
    enum journal_state st = JOURNAL_EMPTY;

    (void)state;
    assert_int_equal(journal_decide(j, JOURNAL_ABANDONED, true, &e, &st), 0);
    assert_int_equal(st, JOURNAL_ABANDONED);
    assert_int_equal(journal_decide(other, JOURNAL_STARTED, true, &e, &st),
                     0);
    assert_int_equal(st, JOURNAL_ABANDONED);
    assert_int_equal(journal_state(other), JOURNAL_ABANDONED);
    assert_int_equal(journal_append(other, JOURNAL_STARTED, true, &e),
                     -EINVAL);
    journal_close(other);
    journal_close(j);
}

static void done_still_means_started(void **state)
{
    struct journal *j = armed();
    enum journal_state st = JOURNAL_EMPTY;

    (void)state;
    assert_int_equal(journal_decide(j, JOURNAL_STARTED, false, &e, &st), 0);
    assert_int_equal(journal_sync(j, &e), 0);
    assert_int_equal(journal_append(j, JOURNAL_DONE, true, &e), 0);
    assert_int_equal(journal_decide(j, JOURNAL_ABANDONED, true, &e, &st), 0);
    assert_int_equal(st, JOURNAL_STARTED);
    journal_close(j);
}

static void *decider(void *arg)
{
    enum journal_state *st = arg;
    struct journal *j = NULL;

    if ( journal_open(dir, info.id, info.role, NULL, &j) ||
         journal_decide(j, *st, false, NULL, st) )
        *st = JOURNAL_NR_;
    journal_close(j);

    return NULL;
}

static void deciders_side_by_side_agree(void **state)
{
    enum journal_state st[6];
    pthread_t t[6];
    int round, i;

    (void)state;
    for ( round = 0; round < 20; round++ )
    {
        struct journal *j = armed();

        for ( i = 0; i < 6; i++ )
        {
            st[i] = i & 1 ? JOURNAL_STARTED : JOURNAL_ABANDONED;
            assert_int_equal(pthread_create(&t[i], NULL, decider, &st[i]),
                             0);
        }
        for ( i = 0; i < 6; i++ )
            pthread_join(t[i], NULL);
        for ( i = 0; i < 6; i++ )
            assert_int_equal(st[i], st[0]);
        assert_true(st[0] == JOURNAL_STARTED || st[0] == JOURNAL_ABANDONED);
        journal_close(j);
        unlink(path);
    }
}

/* Cut at every byte: what is torn does not count, what is whole does, and
 * the next line stands where it belongs. */
static void a_torn_last_line_is_ignored(void **state)
{
    struct journal *j = armed();
    char text[4096], now[4096];
    size_t len, cut, lines[4] = { 0 }, nr = 0, i;

    (void)state;
    len = slurp(text, sizeof(text));
    journal_close(j);
    for ( i = 0; i < len; i++ )
        if ( text[i] == '\n' )
            lines[nr++] = i + 1;
    assert_int_equal(nr, 3);
    for ( cut = 0; cut <= len; cut++ )
    {
        enum journal_state want = cut < lines[1] ? JOURNAL_EMPTY
                                : cut < lines[2] ? JOURNAL_PREPARING
                                                 : JOURNAL_MAY_START;

        spill(text, cut);
        if ( cut < lines[0] )
        {
            assert_int_equal(journal_open(dir, info.id, info.role, NULL, &j),
                             -ENODATA);
            continue;
        }
        j = reopen();
        assert_int_equal(journal_state(j), want);
        assert_int_equal(journal_append(j, JOURNAL_ABANDONED, true, &e), 0);
        journal_close(j);
        assert_int_equal(slurp(now, sizeof(now)),
                         (want == JOURNAL_EMPTY ? lines[0] :
                          want == JOURNAL_PREPARING ? lines[1] : lines[2]) +
                         strlen("state=ABANDONED crc=00000000\n"));
        j = reopen();
        assert_int_equal(journal_state(j), JOURNAL_ABANDONED);
        journal_close(j);
    }
}

/* Rubbish without a line's end is what a torn write leaves, too. */
static void rubbish_behind_the_last_line_is_overwritten(void **state)
{
    struct journal *j = armed();
    char text[4096];
    size_t len;

    (void)state;
    journal_close(j);
    len = slurp(text, sizeof(text));
    memset(text + len, 0, 700);
    spill(text, len + 700);
    j = reopen();
    assert_int_equal(journal_state(j), JOURNAL_MAY_START);
    assert_int_equal(journal_append(j, JOURNAL_STARTED, true, &e), 0);
    journal_close(j);
    j = reopen();
    assert_int_equal(journal_state(j), JOURNAL_STARTED);
    journal_close(j);
}

/* Every bit of every byte turned: never another state than the one before
 * the damage, and never a decision undone. */
static void a_changed_line_is_noticed(void **state)
{
    struct journal *j = armed();
    enum journal_state st = JOURNAL_EMPTY;
    char text[4096];
    size_t len, i;
    int bit;

    (void)state;
    assert_int_equal(journal_decide(j, JOURNAL_STARTED, true, &e, &st), 0);
    journal_close(j);
    len = slurp(text, sizeof(text));
    for ( i = 0; i < len; i++ )
        for ( bit = 0; bit < 8; bit++ )
        {
            struct journal_info got;
            size_t used;
            int rc;

            text[i] ^= (char)(1 << bit);
            rc = journal_parse(text, len, &got, &st, &used);
            /* The end of the last line is what makes it torn. */
            if ( i == len - 1 )
            {
                assert_int_equal(rc, 0);
                assert_int_equal(st, JOURNAL_MAY_START);
            }
            else
                assert_int_equal(rc, -EBADMSG);
            text[i] ^= (char)(1 << bit);
        }
}

static void another_ones_file_is_refused(void **state)
{
    struct journal *j = armed();
    uint8_t id[IDENT_BYTES];
    char other[160], text[IDENT_TEXT];

    (void)state;
    journal_close(j);
    assert_int_equal(ident_random(id), 0);
    snprintf(other, sizeof(other), "%s/%s.destination", dir,
             ident_text(id, text));
    assert_int_equal(rename(path, other), 0);
    assert_int_equal(journal_open(dir, id, info.role, &e, &j), -EBADMSG);
    assert_int_equal(rename(other, path), 0);
    assert_int_equal(journal_open(dir, id, info.role, &e, &j), -ENOENT);
}

static void only_one_may_claim(void **state)
{
    struct journal *j = armed(), *other = reopen();

    (void)state;
    assert_int_equal(journal_claim(j, &e), 0);
    assert_int_equal(journal_claim(other, &e), -EBUSY);
    /* To decide is another matter. */
    assert_int_equal(journal_append(other, JOURNAL_ABANDONED, true, &e), 0);
    journal_close(j);
    assert_int_equal(journal_claim(other, &e), 0);
    journal_close(other);
}

static void the_list_has_what_is_open(void **state)
{
    struct journal_info source = info;
    struct journal_entry *list = NULL;
    struct journal *j = armed(), *s = NULL;
    size_t nr = 99;

    (void)state;
    source.role = JOURNAL_SOURCE;
    assert_int_equal(journal_create(dir, &source, &e, &s), 0);
    assert_int_equal(journal_append(s, JOURNAL_PREPARING, false, &e), 0);
    assert_int_equal(journal_append(s, JOURNAL_RESUMED, true, &e), 0);
    assert_int_equal(journal_list(dir, true, &e, &list, &nr), 0);
    assert_int_equal(nr, 1);
    assert_int_equal(list[0].state, JOURNAL_MAY_START);
    assert_int_equal(list[0].error, 0);
    assert_string_equal(list[0].info.name, info.name);
    free(list);
    assert_int_equal(journal_list(dir, false, &e, &list, &nr), 0);
    assert_int_equal(nr, 2);
    free(list);
    assert_int_equal(journal_remove(j, &e), 0);
    assert_int_equal(journal_list(dir, true, &e, &list, &nr), 0);
    assert_int_equal(nr, 0);
    free(list);
    journal_close(j);
    journal_close(s);
}

static void the_list_shows_what_cannot_be_read(void **state)
{
    struct journal_entry *list = NULL;
    struct journal *j = armed();
    char text[4096];
    size_t nr, len;

    (void)state;
    journal_close(j);
    len = slurp(text, sizeof(text));
    text[3] ^= 1;
    spill(text, len);
    assert_int_equal(journal_list(dir, true, &e, &list, &nr), 0);
    assert_int_equal(nr, 1);
    assert_int_equal(list[0].error, -EBADMSG);
    assert_memory_equal(list[0].info.id, info.id, IDENT_BYTES);
    free(list);
    /* Torn in its first line: nothing was ever done under it. */
    spill(text, 10);
    assert_int_equal(journal_list(dir, true, &e, &list, &nr), 0);
    assert_int_equal(nr, 0);
    free(list);
}

static void no_directory_is_no_journal(void **state)
{
    struct journal_entry *list = NULL;
    size_t nr = 99;

    (void)state;
    assert_int_equal(journal_list("/nonexistent/x", true, &e, &list, &nr), 0);
    assert_int_equal(nr, 0);
    free(list);
}

/* A limit on the file's size ends a write in the middle, as a full disk
 * does. */
static void a_full_disk_leaves_the_state_as_it_was(void **state)
{
    struct journal *j = armed();
    enum journal_state st = JOURNAL_EMPTY;
    struct rlimit old, small;
    char text[4096], now[4096];
    void (*handler)(int);
    size_t len, room;

    (void)state;
    len = slurp(text, sizeof(text));
    handler = signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    for ( room = 0; room < 20; room++ )
    {
        int rc;

        small = old;
        small.rlim_cur = len + room;
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
        rc = journal_decide(j, JOURNAL_STARTED, true, &e, &st);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
        assert_int_equal(rc, -EFBIG);
        assert_int_equal(st, JOURNAL_EMPTY);
        assert_int_equal(slurp(now, sizeof(now)), len);
        assert_memory_equal(now, text, len);
    }
    signal(SIGXFSZ, handler);
    assert_int_equal(journal_state(j), JOURNAL_MAY_START);
    assert_int_equal(journal_decide(j, JOURNAL_ABANDONED, true, &e, &st), 0);
    assert_int_equal(st, JOURNAL_ABANDONED);
    journal_close(j);
}

/* Both roles, every pair, against what the states mean. */
static void steps_are_those_of_the_protocol(void **state)
{
    static const unsigned char source[][2] = {
        { JOURNAL_EMPTY, JOURNAL_PREPARING },
        { JOURNAL_PREPARING, JOURNAL_PERMIT },
        { JOURNAL_PREPARING, JOURNAL_SUSPENDING },   /* a save */
        { JOURNAL_PREPARING, JOURNAL_RESUMED },
        { JOURNAL_PERMIT, JOURNAL_SUSPENDING },
        { JOURNAL_PERMIT, JOURNAL_RESUMED },
        { JOURNAL_PERMIT, JOURNAL_SPLIT },
        { JOURNAL_PERMIT, JOURNAL_DONE },
        { JOURNAL_SUSPENDING, JOURNAL_WITHDRAWN },
        { JOURNAL_SUSPENDING, JOURNAL_WRITTEN },
        { JOURNAL_SUSPENDING, JOURNAL_IN_DOUBT },
        { JOURNAL_SUSPENDING, JOURNAL_RESUMED },
        { JOURNAL_SUSPENDING, JOURNAL_SPLIT },
        { JOURNAL_SUSPENDING, JOURNAL_DONE },
        { JOURNAL_WITHDRAWN, JOURNAL_RESUMED },
        { JOURNAL_WRITTEN, JOURNAL_RESUMED },
        { JOURNAL_WRITTEN, JOURNAL_DONE },
        { JOURNAL_IN_DOUBT, JOURNAL_IN_DOUBT },
        { JOURNAL_IN_DOUBT, JOURNAL_RESUMED },
        { JOURNAL_IN_DOUBT, JOURNAL_SPLIT },
        { JOURNAL_IN_DOUBT, JOURNAL_DONE },
        { JOURNAL_SPLIT, JOURNAL_DONE },
    }, dest[][2] = {
        { JOURNAL_EMPTY, JOURNAL_PREPARING },
        { JOURNAL_EMPTY, JOURNAL_ABANDONED },
        { JOURNAL_PREPARING, JOURNAL_MAY_START },
        { JOURNAL_PREPARING, JOURNAL_ABANDONED },
        { JOURNAL_MAY_START, JOURNAL_SPLIT },
        { JOURNAL_MAY_START, JOURNAL_STARTED },
        { JOURNAL_MAY_START, JOURNAL_ABANDONED },
        { JOURNAL_SPLIT, JOURNAL_STARTED },
        { JOURNAL_SPLIT, JOURNAL_LOST },
        { JOURNAL_STARTED, JOURNAL_DONE },
        { JOURNAL_LOST, JOURNAL_DONE },
    };
    int from, to;
    size_t i;

    (void)state;
    for ( from = 0; from < JOURNAL_NR_; from++ )
        for ( to = 0; to < JOURNAL_NR_; to++ )
        {
            bool s = false, d = false;

            for ( i = 0; i < sizeof(source) / 2; i++ )
                s |= source[i][0] == from && source[i][1] == to;
            for ( i = 0; i < sizeof(dest) / 2; i++ )
                d |= dest[i][0] == from && dest[i][1] == to;
            assert_int_equal(journal_legal(JOURNAL_SOURCE, from, to), s);
            assert_int_equal(journal_legal(JOURNAL_DESTINATION, from, to), d);
        }
    assert_true(journal_settled(JOURNAL_SOURCE, JOURNAL_RESUMED));
    assert_true(journal_settled(JOURNAL_SOURCE, JOURNAL_DONE));
    assert_true(journal_settled(JOURNAL_DESTINATION, JOURNAL_ABANDONED));
    assert_false(journal_settled(JOURNAL_DESTINATION, JOURNAL_STARTED));
    assert_false(journal_settled(JOURNAL_SOURCE, JOURNAL_IN_DOUBT));
    assert_false(journal_settled(JOURNAL_SOURCE, JOURNAL_SPLIT));
    assert_false(journal_settled(JOURNAL_DESTINATION, JOURNAL_LOST));
}

#define T(f) cmocka_unit_test_setup_teardown(f, fresh, away)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(what_is_written_is_read),
        T(the_longest_strings_fit),
        T(a_second_one_of_the_same_id_is_refused),
        T(missing_directories_are_made),
        T(illegal_steps_write_nothing),
        T(a_decision_is_made_once),
        T(done_still_means_started),
        T(deciders_side_by_side_agree),
        T(a_torn_last_line_is_ignored),
        T(rubbish_behind_the_last_line_is_overwritten),
        T(a_changed_line_is_noticed),
        T(another_ones_file_is_refused),
        T(only_one_may_claim),
        T(the_list_has_what_is_open),
        T(the_list_shows_what_cannot_be_read),
        T(no_directory_is_no_journal),
        T(a_full_disk_leaves_the_state_as_it_was),
        T(steps_are_those_of_the_protocol),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
