/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Channels on socket pairs, pipes and files: exactness, ends, time limits,
 * cancellation, and that SIGPIPE never comes.
 *
 * Length: the same claims for three kinds of descriptors.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "chan.h"
#include "chan_fault.h"
#include "said.h"

#define BIG (3u << 20)
#define LONG_US (20 * US_PER_S)

static struct cancel stop;
static struct chan *a, *b;       /* two ends */
static unsigned int nr_fds;

static unsigned int count_fds(void)
{
    unsigned int n = 0;
    int fd;

    for ( fd = 0; fd < 256; fd++ )
        n += fcntl(fd, F_GETFD) >= 0;

    return n;
}

/* ends[0] is read, ends[1] written; both ways for a socket pair. */
static void open_pair(int kind)
{
    int ends[2];

    assert_int_equal(kind ? socketpair(AF_UNIX, SOCK_STREAM, 0, ends)
                          : pipe(ends), 0);
    assert_int_equal(chan_open(ends[0], false, "end a", &stop, &e, &a), 0);
    assert_int_equal(chan_open(ends[1], false, "end b", &stop, &e, &b), 0);
    chan_set_deadline(a, deadline_in(LONG_US));
    chan_set_deadline(b, deadline_in(LONG_US));
}

static int sockets(void **state)
{
    (void)state;
    nr_fds = count_fds();
    err_init(&e);
    assert_int_equal(cancel_init(&stop), 0);
    open_pair(1);

    return 0;
}

static int pipes(void **state)
{
    (void)state;
    nr_fds = count_fds();
    err_init(&e);
    assert_int_equal(cancel_init(&stop), 0);
    open_pair(0);

    return 0;
}

/* Two pipes, one each way. */
static int pairs(void **state)
{
    int there[2], back[2];

    (void)state;
    nr_fds = count_fds();
    err_init(&e);
    assert_int_equal(cancel_init(&stop), 0);
    assert_int_equal(pipe(there), 0);
    assert_int_equal(pipe(back), 0);
    assert_int_equal(chan_open_pair(there[0], back[1], "end a", &stop, &e,
                                    &a), 0);
    assert_int_equal(chan_open_pair(back[0], there[1], "end b", &stop, &e,
                                    &b), 0);
    chan_set_deadline(a, deadline_in(LONG_US));
    chan_set_deadline(b, deadline_in(LONG_US));

    return 0;
}

static int away(void **state)
{
    (void)state;
    chan_close(a);
    chan_close(b);
    a = b = NULL;
    cancel_done(&stop);
    err_done(&e);
    chan_fault_plan(0, 0);
    assert_int_equal(count_fds(), nr_fds);

    return 0;
}

static uint8_t *pattern(void)
{
    uint8_t *p = malloc(BIG);
    size_t i;

    assert_non_null(p);
    for ( i = 0; i < BIG; i++ )
        p[i] = (uint8_t)(i * 7 + (i >> 11));

    return p;
}

/* ---- Exactness --------------------------------------------------------- */

static void *write_big(void *arg)
{
    uint8_t *p = pattern();
    struct iovec iov[3000];
    size_t i, at = 0;

    /* More pieces than a system call takes, of all sizes. */
    for ( i = 0; i < 2999; i++ )
    {
        iov[i].iov_base = p + at;
        iov[i].iov_len = i % 900;
        at += i % 900;
    }
    assert_true(at < BIG);
    iov[i].iov_base = p + at;
    iov[i].iov_len = BIG - at;
    *(int *)arg = chan_writev(b, iov, 3000);
    free(p);

    return NULL;
}

static void much_arrives_as_it_was(void **state)
{
    uint8_t *p = pattern(), *got = calloc(1, BIG);
    struct iovec iov[2] = { { got, 100001 }, { got + 100001, BIG - 100001 } };
    pthread_t t;
    int rc = 1;

    (void)state;
    assert_non_null(got);
    assert_int_equal(pthread_create(&t, NULL, write_big, &rc), 0);
    assert_int_equal(chan_readv(a, iov, 2), 0);
    pthread_join(t, NULL);
    assert_int_equal(rc, 0);
    assert_memory_equal(p, got, BIG);
    assert_int_equal(chan_bytes_read(a), BIG);
    assert_int_equal(chan_bytes_written(b), BIG);
    free(p);
    free(got);
}

static void nothing_is_nothing(void **state)
{
    (void)state;
    assert_int_equal(chan_write(b, "", 0), 0);
    assert_int_equal(chan_read(a, NULL, 0), 0);
    assert_int_equal(chan_bytes_read(a), 0);
}

static void some_is_what_there_is(void **state)
{
    char buf[100];
    size_t n = 0;

    (void)state;
    assert_int_equal(chan_write(b, "abc", 3), 0);
    assert_int_equal(chan_read_some(a, buf, sizeof(buf), &n), 0);
    assert_int_equal(n, 3);
    chan_close(b);
    b = NULL;
    assert_int_equal(chan_read_some(a, buf, sizeof(buf), &n), 0);
    assert_int_equal(n, 0);
}

/* ---- Ends -------------------------------------------------------------- */

static void a_short_read_is_enodata(void **state)
{
    char buf[8];

    (void)state;
    assert_int_equal(chan_write(b, "12345", 5), 0);
    chan_close(b);
    b = NULL;
    assert_said(chan_read(a, buf, 8), -ENODATA,
                "end a: read 8 bytes: the peer closed the connection after "
                "5");
    assert_said(chan_read(a, buf, 8), -ENODATA, "after 0");
}

static void writing_to_nobody_is_an_error_and_no_signal(void **state)
{
    static const char page[4096];
    int rc = 0, i;

    (void)state;
    chan_close(a);
    a = NULL;
    signal(SIGPIPE, SIG_DFL);
    for ( i = 0; i < 3 && !rc; i++ )
        rc = chan_write(b, page, sizeof(page));
    assert_said(rc, -EPIPE, "end b: write 4096 bytes");
}

/* A SIGPIPE that was pending before is somebody else's. */
static void a_pending_signal_stays_pending(void **state)
{
    sigset_t set, old;

    (void)state;
    chan_close(a);
    a = NULL;
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &set, &old);
    pthread_kill(pthread_self(), SIGPIPE);
    assert_int_equal(chan_write(b, "x", 1), -EPIPE);
    sigemptyset(&set);
    sigpending(&set);
    assert_true(sigismember(&set, SIGPIPE));
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    assert_int_equal(sigtimedwait(&set, NULL, &(struct timespec){ 0, 0 }),
                     SIGPIPE);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
}

static void a_gone_peer_is_seen(void **state)
{
    (void)state;
    assert_false(chan_peer_gone(a));
    assert_int_equal(chan_write(b, "x", 1), 0);
    assert_false(chan_peer_gone(a));
    chan_close(b);
    b = NULL;
    assert_true(chan_peer_gone(a));
}

static void half_closed_still_reads(void **state)
{
    char c;

    (void)state;
    chan_shut_write(a);
    assert_int_equal(chan_read(b, &c, 1), -ENODATA);
    err_reset(&e);
    assert_int_equal(chan_write(b, "x", 1), 0);
    assert_int_equal(chan_read(a, &c, 1), 0);
    assert_int_equal(c, 'x');
}

/* ---- Time -------------------------------------------------------------- */

static void silence_is_a_timeout(void **state)
{
    char c[2];

    (void)state;
    chan_set_io_timeout(a, 20 * US_PER_MS);
    assert_int_equal(chan_write(b, "x", 1), 0);
    assert_said(chan_read(a, c, 2), -ETIMEDOUT, "silent for too long after "
                "1");
}

static void a_reader_that_does_not_read_is_a_timeout(void **state)
{
    uint8_t *p = pattern();

    (void)state;
    chan_set_io_timeout(b, 20 * US_PER_MS);
    assert_said(chan_write(b, p, BIG), -ETIMEDOUT, "write 3145728 bytes");
    free(p);
}

static void *dripper(void *arg)
{
    struct cancel *done = arg;

    /* A byte each 5 ms for as long as it is wanted. */
    while ( cancel_poll(done, -1, 0, deadline_in(5 * US_PER_MS)) ==
            -ETIMEDOUT && !chan_write(b, "x", 1) )
        continue;

    return NULL;
}

static void a_deadline_ends_even_what_moves(void **state)
{
    struct cancel done;
    char buf[100000];
    pthread_t t;

    (void)state;
    assert_int_equal(cancel_init(&done), 0);
    assert_int_equal(pthread_create(&t, NULL, dripper, &done), 0);
    chan_set_io_timeout(a, LONG_US);
    chan_set_deadline(a, deadline_in(60 * US_PER_MS));
    assert_int_equal(chan_read(a, buf, sizeof(buf)), -ETIMEDOUT);
    cancel_raise(&done, 0);
    pthread_join(t, NULL);
    cancel_done(&done);
}

static void waiting_for_input_ends(void **state)
{
    (void)state;
    assert_int_equal(chan_wait_readable(a, deadline_in(5000)), -ETIMEDOUT);
    assert_int_equal(err_code(&e), 0);
    assert_int_equal(chan_write(b, "x", 1), 0);
    assert_int_equal(chan_wait_readable(a, deadline_in(LONG_US)), 0);
}

/* ---- Cancellation ------------------------------------------------------ */

static void *canceller(void *arg)
{
    /* Not before the reader can be waiting; sooner does no harm. */
    cancel_poll(NULL, -1, 0, deadline_in(10 * US_PER_MS));
    cancel_raise(&stop, *(int *)arg);

    return NULL;
}

static void a_cancel_wakes_readers(void **state)
{
    int rc = 0;
    pthread_t t;
    char c;

    (void)state;
    assert_int_equal(pthread_create(&t, NULL, canceller, &rc), 0);
    assert_said(chan_read(a, &c, 1), -ECANCELED, "cancelled");
    pthread_join(t, NULL);
    /* It stays raised, and nothing is read any more. */
    assert_int_equal(chan_write(b, "x", 1), -ECANCELED);
    assert_int_equal(chan_read(a, &c, 1), -ECANCELED);
    assert_int_equal(chan_wait_readable(a, DEADLINE_NEVER), -ECANCELED);
    cancel_lower(&stop);
    err_reset(&e);
    assert_int_equal(chan_write(b, "x", 1), 0);
    assert_int_equal(chan_read(a, &c, 1), 0);
}

static void a_cancel_wakes_writers(void **state)
{
    uint8_t *p = pattern();
    int rc = -EPIPE;
    pthread_t t;

    (void)state;
    assert_int_equal(pthread_create(&t, NULL, canceller, &rc), 0);
    /* The reason given is what the waits return. */
    assert_int_equal(chan_write(b, p, BIG), -EPIPE);
    pthread_join(t, NULL);
    free(p);
}

static void the_first_reason_stays(void **state)
{
    (void)state;
    assert_int_equal(cancel_check(&stop), 0);
    assert_int_equal(cancel_check(NULL), 0);
    cancel_raise(&stop, -EIO);
    cancel_raise(&stop, -EPIPE);
    assert_int_equal(cancel_check(&stop), -EIO);
    cancel_lower(&stop);
    assert_int_equal(cancel_check(&stop), 0);
}

static void *breaker(void *arg)
{
    (void)arg;
    cancel_poll(NULL, -1, 0, deadline_in(10 * US_PER_MS));
    chan_break(a);

    return NULL;
}

static void breaking_wakes_the_reader(void **state)
{
    pthread_t t;
    char c;

    (void)state;
    assert_int_equal(pthread_create(&t, NULL, breaker, NULL), 0);
    assert_int_equal(chan_read(a, &c, 1), -ENODATA);
    pthread_join(t, NULL);
}

static void breaking_wakes_the_reader_of_a_pair(void **state)
{
    pthread_t t;
    char c;

    (void)state;
    assert_int_equal(pthread_create(&t, NULL, breaker, NULL), 0);
    assert_int_equal(chan_read(a, &c, 1), -ECONNRESET);
    pthread_join(t, NULL);
    assert_int_equal(chan_write(a, "x", 1), -ECONNRESET);
}

/* ---- Pairs -------------------------------------------------------------- */

static void a_pair_speaks_both_ways(void **state)
{
    char buf[4];

    (void)state;
    assert_int_equal(chan_write(a, "ping", 4), 0);
    assert_int_equal(chan_read(b, buf, 4), 0);
    assert_memory_equal(buf, "ping", 4);
    assert_int_equal(chan_write(b, "pong", 4), 0);
    assert_int_equal(chan_read(a, buf, 4), 0);
    assert_memory_equal(buf, "pong", 4);
}

static void a_pair_of_one_socket_is_that_socket(void **state)
{
    struct chan *c = NULL;
    int ends[2], again;
    char byte;

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    again = dup(ends[0]);
    assert_int_equal(chan_open_pair(ends[0], again, "c", &stop, &e, &c), 0);
    assert_int_equal(chan_write(c, "x", 1), 0);
    assert_int_equal(read(ends[1], &byte, 1), 1);
    /* Were it a pair, closing the one would not end the other. */
    chan_shut_write(c);
    assert_int_equal(read(ends[1], &byte, 1), 0);
    assert_int_equal(write(ends[1], "y", 1), 1);
    assert_int_equal(chan_read(c, &byte, 1), 0);
    chan_close(c);
    close(ends[1]);
}

static void what_was_put_back_comes_first(void **state)
{
    char buf[8] = "";
    size_t n = 0;

    (void)state;
    assert_int_equal(chan_write(b, "cdef", 4), 0);
    chan_unread(a, "b", 1);
    chan_unread(a, "a", 1);
    assert_int_equal(chan_wait_readable(a, 0), 0);
    assert_int_equal(chan_read(a, buf, 5), 0);
    assert_string_equal(buf, "abcde");
    chan_unread(a, "de", 2);
    assert_int_equal(chan_read_some(a, buf, 8, &n), 0);
    assert_int_equal(n, 2);
    assert_int_equal(chan_read_some(a, buf, 8, &n), 0);
    assert_int_equal(n, 1);
    assert_int_equal(buf[0], 'f');
    assert_int_equal(chan_bytes_read(a), 4);
}

/* ---- Descriptors ------------------------------------------------------- */

static void a_borrowed_pipe_keeps_its_flags(void **state)
{
    struct chan *c = NULL;
    int ends[2];
    char byte;

    (void)state;
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(chan_open(ends[0], true, "p", &stop, &e, &c), 0);
    assert_false(fcntl(ends[0], F_GETFL) & O_NONBLOCK);
    chan_set_io_timeout(c, 5000);
    assert_int_equal(chan_read(c, &byte, 1), -ETIMEDOUT);
    assert_int_equal(write(ends[1], "x", 1), 1);
    assert_int_equal(chan_read(c, &byte, 1), 0);
    chan_close(c);
    assert_int_equal(fcntl(ends[0], F_GETFL) & O_NONBLOCK, 0);
    assert_int_equal(close(ends[0]), 0);
    assert_int_equal(close(ends[1]), 0);
}

static void a_borrowed_descriptor_stays_open(void **state)
{
    struct chan *c = NULL;
    int ends[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    assert_int_equal(chan_open(ends[0], true, "s", NULL, NULL, &c), 0);
    assert_int_equal(chan_fd(c), ends[0]);
    chan_close(c);
    assert_int_equal(close(ends[0]), 0);
    assert_int_equal(close(ends[1]), 0);
}

static void files_are_read_and_written(void **state)
{
    char path[] = "/tmp/xmig-chan-XXXXXX", buf[6];
    int fd = mkstemp(path);
    struct chan *c = NULL;

    (void)state;
    assert_true(fd >= 0);
    unlink(path);
    assert_int_equal(chan_open(fd, false, "file", &stop, &e, &c), 0);
    assert_int_equal(chan_write(c, "hello", 6), 0);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    assert_int_equal(chan_read(c, buf, 6), 0);
    assert_string_equal(buf, "hello");
    assert_int_equal(chan_read(c, buf, 1), -ENODATA);
    chan_close(c);
}

static void a_full_device_is_enospc(void **state)
{
    int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
    struct chan *c = NULL;

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(chan_open(fd, false, "full", &stop, &e, &c), 0);
    assert_said(chan_write(c, "x", 1), -ENOSPC, "No space left");
    chan_close(c);
}

static void a_closed_descriptor_is_refused(void **state)
{
    struct chan *c = NULL;

    (void)state;
    assert_int_equal(chan_open(250, false, "none", &stop, &e, &c), -EBADF);
    assert_null(c);
}

/* ---- Bandwidth --------------------------------------------------------- */

static void *reader(void *arg)
{
    char *buf = malloc(BIG);

    *(int *)arg = buf ? chan_read(a, buf, BIG) : -ENOMEM;
    free(buf);

    return NULL;
}

static void a_cap_is_kept_within_one_write(void **state)
{
    uint8_t *p = pattern();
    uint64_t t0, us;
    struct bucket bk;
    pthread_t t;
    int rc = 1;

    (void)state;
    /* 3 MiB at 10 MiB/s, less the burst of a tenth of a second. */
    bucket_init(&bk, 10u << 20);
    chan_set_bucket(b, &bk);
    assert_int_equal(pthread_create(&t, NULL, reader, &rc), 0);
    t0 = clock_now_us();
    assert_int_equal(chan_write(b, p, BIG), 0);
    us = clock_now_us() - t0;
    pthread_join(t, NULL);
    assert_int_equal(rc, 0);
    assert_true(us >= 190 * US_PER_MS);
    assert_true(us < 5 * US_PER_S);
    bucket_done(&bk);
    free(p);
}

static void a_cap_does_not_delay_a_cancel(void **state)
{
    static const char page[4096];
    struct bucket bk;
    int rc = 0;
    pthread_t t;

    (void)state;
    bucket_init(&bk, 1);         /* a page takes over an hour */
    chan_set_bucket(b, &bk);
    assert_int_equal(pthread_create(&t, NULL, canceller, &rc), 0);
    assert_int_equal(chan_write(b, page, sizeof(page)), -ECANCELED);
    pthread_join(t, NULL);
    bucket_done(&bk);
}

/* ---- Fault plan -------------------------------------------------------- */

static void the_nth_call_fails(void **state)
{
    char c;

    (void)state;
    chan_fault_plan(2, 0);
    assert_int_equal(chan_write(b, "xyz", 3), 0);
    assert_int_equal(chan_read(a, &c, 1), 0);
    assert_int_equal(chan_read(a, &c, 1), -ECONNRESET);
    /* The connection is broken, at both ends. */
    assert_true(chan_peer_gone(b));
    assert_int_equal(chan_fault_reads(), 2);
    chan_fault_plan(0, 1);
    err_reset(&e);
    assert_said(chan_write(b, "x", 1), -ECONNRESET, "reset by peer");
    assert_int_equal(chan_fault_writes(), 1);
}

#define S(f) cmocka_unit_test_setup_teardown(f, sockets, away)
#define D(f) { #f " (pair)", f, pairs, away, NULL }
#define P(f) { #f " (pipe)", f, pipes, away, NULL }

int main(void)
{
    const struct CMUnitTest tests[] = {
        S(much_arrives_as_it_was),
        P(much_arrives_as_it_was),
        D(much_arrives_as_it_was),
        S(nothing_is_nothing),
        S(some_is_what_there_is),
        P(some_is_what_there_is),
        S(a_short_read_is_enodata),
        P(a_short_read_is_enodata),
        D(a_short_read_is_enodata),
        S(writing_to_nobody_is_an_error_and_no_signal),
        P(writing_to_nobody_is_an_error_and_no_signal),
        D(writing_to_nobody_is_an_error_and_no_signal),
        P(a_pending_signal_stays_pending),
        S(a_gone_peer_is_seen),
        S(half_closed_still_reads),
        D(half_closed_still_reads),
        S(silence_is_a_timeout),
        P(silence_is_a_timeout),
        D(silence_is_a_timeout),
        S(a_reader_that_does_not_read_is_a_timeout),
        P(a_reader_that_does_not_read_is_a_timeout),
        D(a_reader_that_does_not_read_is_a_timeout),
        S(a_deadline_ends_even_what_moves),
        S(waiting_for_input_ends),
        S(a_cancel_wakes_readers),
        P(a_cancel_wakes_readers),
        D(a_cancel_wakes_readers),
        S(a_cancel_wakes_writers),
        P(a_cancel_wakes_writers),
        D(a_cancel_wakes_writers),
        S(the_first_reason_stays),
        S(breaking_wakes_the_reader),
        D(breaking_wakes_the_reader_of_a_pair),
        D(a_pair_speaks_both_ways),
        S(a_pair_of_one_socket_is_that_socket),
        S(what_was_put_back_comes_first),
        D(what_was_put_back_comes_first),
        S(a_borrowed_pipe_keeps_its_flags),
        S(a_borrowed_descriptor_stays_open),
        S(files_are_read_and_written),
        S(a_full_device_is_enospc),
        S(a_closed_descriptor_is_refused),
        S(a_cap_is_kept_within_one_write),
        S(a_cap_does_not_delay_a_cancel),
        S(the_nth_call_fails),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
