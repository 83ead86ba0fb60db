/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Commands as connections: what they say arrives, how they end is known, and
 * nothing of them is left.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "chan_command.h"

#define LONG_US (20 * US_PER_S)

static struct chan_command *cmd;
static struct chan *chan;
static struct err e;
static unsigned int nr_fds;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char lines[1024];

static unsigned int count_fds(void)
{
    unsigned int n = 0;
    int fd;

    for ( fd = 0; fd < 256; fd++ )
        n += fcntl(fd, F_GETFD) >= 0;

    return n;
}

static void on_line(void *data, const char *line)
{
    (void)data;
    pthread_mutex_lock(&lock);
    snprintf(lines + strlen(lines), sizeof(lines) - strlen(lines), "%s|",
             line);
    pthread_mutex_unlock(&lock);
}

static void start(const char *text)
{
    int fd = -1;

    assert_int_equal(chan_command_start(text, on_line, NULL, &e, &cmd, &fd),
                     0);
    assert_int_equal(chan_open(fd, false, "command", NULL, &e, &chan), 0);
    chan_set_deadline(chan, deadline_in(LONG_US));
}

static int begin(void **state)
{
    (void)state;
    nr_fds = count_fds();
    err_init(&e);
    lines[0] = '\0';

    return 0;
}

static int away(void **state)
{
    (void)state;
    chan_close(chan);
    chan_command_end(cmd, deadline_in(LONG_US));
    chan = NULL;
    cmd = NULL;
    err_done(&e);
    assert_int_equal(count_fds(), nr_fds);
    /* No zombie, no other child. */
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);

    return 0;
}

static void assert_ended(int status, const char *words)
{
    char text[CHAN_COMMAND_TEXT];
    int got = -2;

    assert_true(chan_command_wait(cmd, deadline_in(LONG_US)));
    chan_command_describe(cmd, text, &got);
    assert_int_equal(got, status);
    assert_string_equal(text, words);
}

static void both_directions_are_the_connection(void **state)
{
    char buf[6];

    (void)state;
    start("exec cat");
    assert_int_equal(chan_write(chan, "hello", 6), 0);
    assert_int_equal(chan_read(chan, buf, 6), 0);
    assert_string_equal(buf, "hello");
    chan_shut_write(chan);
    assert_ended(0, "ended with status 0");
}

static void its_status_and_last_line_are_told(void **state)
{
    (void)state;
    start("echo one >&2; printf 'two\\033[1m\\r' >&2; exit 255");
    assert_ended(255, "ended with status 255 (two [1m)");
    pthread_mutex_lock(&lock);
    assert_string_equal(lines, "one|two [1m|");
    pthread_mutex_unlock(&lock);
}

static void our_own_failure_counts_more_than_the_advice(void **state)
{
    (void)state;
    start("printf 'w\\nxmig: no Xen\\nStart one.\\n' >&2; exit 1");
    assert_ended(1, "ended with status 1 (xmig: no Xen)");
}

static void what_is_not_there_is_127(void **state)
{
    char text[CHAN_COMMAND_TEXT];
    int status = 0;

    (void)state;
    start("exec /nonexistent/ssh host");
    assert_true(chan_command_wait(cmd, deadline_in(LONG_US)));
    chan_command_describe(cmd, text, &status);
    assert_int_equal(status, 127);
    assert_non_null(strstr(text, "not found"));
}

static void a_signal_is_told(void **state)
{
    (void)state;
    start("kill -KILL $$");
    assert_ended(-1, "was ended by signal 9");
}

static void a_long_line_is_cut_in_pieces(void **state)
{
    char text[CHAN_COMMAND_TEXT];

    (void)state;
    start("head -c 10000 /dev/zero | tr '\\0' x >&2");
    assert_true(chan_command_wait(cmd, deadline_in(LONG_US)));
    chan_command_describe(cmd, text, NULL);
    assert_non_null(strstr(text, "(xxx"));
}

static void what_hangs_is_ended_in_time(void **state)
{
    uint64_t begin_us = clock_now_us();
    char text[CHAN_COMMAND_TEXT];

    (void)state;
    start("exec sleep 1000");
    assert_false(chan_command_wait(cmd, deadline_in(10 * US_PER_MS)));
    chan_command_describe(cmd, text, NULL);
    assert_string_equal(text, "still runs");
    chan_command_end(cmd, 0);
    cmd = NULL;
    assert_true(clock_now_us() - begin_us < 5 * US_PER_S);
}

static void what_ignores_sigterm_is_killed(void **state)
{
    char byte;

    (void)state;
    start("trap '' TERM; echo; while :; do read x || :; done");
    assert_int_equal(chan_read(chan, &byte, 1), 0);
    chan_command_end(cmd, 0);
    cmd = NULL;
}

static void a_process_left_behind_holds_nobody_up(void **state)
{
    uint64_t begin_us = clock_now_us();
    char buf[16] = "";
    size_t i;

    (void)state;
    /* Keeps the standard error open, as a ControlPersist master does. */
    start("sleep 1000 </dev/null >/dev/null & echo $!");
    for ( i = 0; i < 15; i++ )
        if ( chan_read(chan, buf + i, 1) || buf[i] == '\n' )
            break;
    assert_ended(0, "ended with status 0");
    chan_command_end(cmd, deadline_in(LONG_US));
    cmd = NULL;
    assert_true(clock_now_us() - begin_us < 5 * US_PER_S);
    assert_true(atoi(buf) > 1);
    assert_int_equal(kill(atoi(buf), SIGKILL), 0);
}

static void it_gets_no_descriptor_and_no_interrupt_of_ours(void **state)
{
    char buf[64] = "";
    size_t n = 0, got;
    int stray[2];

    (void)state;
    assert_int_equal(pipe(stray), 0);       /* not close-on-exec */
    start("exec sh -c 'kill -INT $$; kill -HUP $$; cd /proc/$$/fd; echo *;"
          " exit 3'");
    while ( !chan_read_some(chan, buf + n, sizeof(buf) - 1 - n, &got) && got )
        n += got;
    close(stray[0]);
    close(stray[1]);
    /* 3 is the directory. */
    assert_string_equal(buf, "0 1 2 3\n");
    assert_ended(3, "ended with status 3");
}

#define T(f) cmocka_unit_test_setup_teardown(f, begin, away)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(both_directions_are_the_connection),
        T(its_status_and_last_line_are_told),
        T(our_own_failure_counts_more_than_the_advice),
        T(what_is_not_there_is_127),
        T(a_signal_is_told),
        T(a_long_line_is_cut_in_pieces),
        T(what_hangs_is_ended_in_time),
        T(what_ignores_sigterm_is_killed),
        T(a_process_left_behind_holds_nobody_up),
        T(it_gets_no_descriptor_and_no_interrupt_of_ours),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
