/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Making connections over the loopback interface.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "chan.h"
#include "said.h"

#define LONG_US (20 * US_PER_S)

static struct cancel stop;

static int fresh(void **state)
{
    (void)state;
    err_init(&e);

    return cancel_init(&stop);
}

static int away(void **state)
{
    (void)state;
    cancel_done(&stop);
    err_done(&e);

    return 0;
}

static void meet(const char *bind_to, const char *host)
{
    char theirs[CHAN_PEER_TEXT], ours[CHAN_PEER_TEXT], want[CHAN_PEER_TEXT];
    int lfd = -1, cfd = -1, afd = -1;
    uint16_t port = 0;

    assert_int_equal(chan_listen(bind_to, 0, &e, &lfd), 0);
    assert_int_equal(chan_local_port(lfd, &port), 0);
    assert_true(port > 0);
    assert_int_equal(chan_connect(host, port, deadline_in(LONG_US), &stop, &e,
                                  &cfd, theirs), 0);
    assert_int_equal(chan_accept(lfd, deadline_in(LONG_US), &stop, &e, &afd,
                                 ours), 0);
    snprintf(want, sizeof(want), ":%u", port);
    assert_non_null(strstr(theirs, want));
    assert_non_null(strchr(ours, ':'));
    assert_int_equal(write(cfd, "x", 1), 1);
    close(cfd);
    close(afd);
    close(lfd);
}

static void both_ends_meet(void **state)
{
    (void)state;
    meet("127.0.0.1", "127.0.0.1");
    meet(NULL, "127.0.0.1");
    meet("127.0.0.1", "localhost");
}

static void a_port_in_use_is_said(void **state)
{
    int lfd = -1, other = -1;
    uint16_t port = 0;

    (void)state;
    assert_int_equal(chan_listen("127.0.0.1", 0, &e, &lfd), 0);
    assert_int_equal(chan_local_port(lfd, &port), 0);
    assert_said(chan_listen("127.0.0.1", port, &e, &other), -EADDRINUSE,
                "listen on 127.0.0.1 port");
    close(lfd);
}

static void an_address_of_others_is_said(void **state)
{
    int lfd = -1;

    (void)state;
    assert_said(chan_listen("192.0.2.1", 0, &e, &lfd), -EADDRNOTAVAIL,
                "192.0.2.1");
}

static void nobody_there_is_refused(void **state)
{
    int lfd = -1, fd = -1;
    uint16_t port = 0;

    (void)state;
    assert_int_equal(chan_listen("127.0.0.1", 0, &e, &lfd), 0);
    assert_int_equal(chan_local_port(lfd, &port), 0);
    close(lfd);
    assert_said(chan_connect("127.0.0.1", port, deadline_in(LONG_US), &stop,
                             &e, &fd, NULL), -ECONNREFUSED,
                "connect to 127.0.0.1 (127.0.0.1:");
}

static void names_that_are_none_are_said(void **state)
{
    int fd = -1, rc;

    (void)state;
    /* By a resolver that is there or not: never a connection. */
    rc = chan_connect("no-such-host.invalid", 1, deadline_in(LONG_US), &stop,
                      &e, &fd, NULL);
    assert_true(rc < 0 && fd == -1);
    assert_said(rc, rc, "look up no-such-host.invalid");
}

static void a_cancel_ends_it_before_it_begins(void **state)
{
    int lfd = -1, fd = -1;
    uint16_t port = 0;

    (void)state;
    assert_int_equal(chan_listen("127.0.0.1", 0, &e, &lfd), 0);
    assert_int_equal(chan_local_port(lfd, &port), 0);
    cancel_raise(&stop, 0);
    assert_int_equal(chan_accept(lfd, DEADLINE_NEVER, &stop, &e, &fd, NULL),
                     -ECANCELED);
    assert_int_equal(err_code(&e), 0);
    assert_said(chan_connect("localhost", port, deadline_in(LONG_US), &stop,
                             &e, &fd, NULL), -ECANCELED, "");
    close(lfd);
}

static void nobody_came_is_no_error(void **state)
{
    int lfd = -1, fd = -1;

    (void)state;
    assert_int_equal(chan_listen("127.0.0.1", 0, &e, &lfd), 0);
    assert_int_equal(chan_accept(lfd, deadline_in(2000), &stop, &e, &fd,
                                 NULL), -ETIMEDOUT);
    assert_int_equal(err_code(&e), 0);
    close(lfd);
}

static int get_opt(int fd, int level, int opt)
{
    int v = -1;
    socklen_t len = sizeof(v);

    assert_int_equal(getsockopt(fd, level, opt, &v, &len), 0);

    return v;
}

static void sockets_are_tuned(void **state)
{
    const struct chan_tuning t = {
        .nodelay = true, .lowat_bytes = 131072, .dead_after_ms = 20000,
        .rcvbuf_bytes = 65536,
    };
    const struct chan_tuning start = {
        .sndbuf_start_bytes = 32 << 20, .rcvbuf_start_bytes = 32 << 20,
    };
    static const int sizes[] = { SO_SNDBUF, SO_RCVBUF };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), pair[2];
    int before[2], i;

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(chan_tune(fd, &t), 0);
    assert_int_equal(get_opt(fd, IPPROTO_TCP, TCP_NODELAY), 1);
    assert_int_equal(get_opt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT), 131072);
    assert_int_equal(get_opt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT), 20000);
    assert_int_equal(get_opt(fd, IPPROTO_TCP, TCP_KEEPIDLE), 5);
    assert_int_equal(get_opt(fd, SOL_SOCKET, SO_KEEPALIVE), 1);
    assert_int_equal(get_opt(fd, SOL_SOCKET, SO_RCVBUF), 2 * 65536);
    for ( i = 0; i < 2; i++ )
        before[i] = get_opt(fd, SOL_SOCKET, sizes[i]);
    assert_int_equal(chan_tune(fd, &start), 0);
    /* As wanted, or as it was: nothing in between. */
    for ( i = 0; i < 2; i++ )
        assert_int_equal(get_opt(fd, SOL_SOCKET, sizes[i]),
                         chan_may_force_buffers() ? 64 << 20 : before[i]);
    close(fd);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    assert_int_equal(chan_tune(pair[0], &t), 0);
    close(pair[0]);
    close(pair[1]);
}

static void the_line_is_seen(void **state)
{
    int lfd = -1, cfd = -1, afd = -1;
    struct chan_flow before, after;
    static char buf[65536];
    unsigned long rate = 0;
    socklen_t len = sizeof(rate);
    uint64_t rtt_us = 0;
    uint16_t port = 0;

    (void)state;
    assert_int_equal(chan_listen("127.0.0.1", 0, &e, &lfd), 0);
    assert_int_equal(chan_local_port(lfd, &port), 0);
    assert_int_equal(chan_connect("127.0.0.1", port, deadline_in(LONG_US),
                                  &stop, &e, &cfd, NULL), 0);
    assert_int_equal(chan_accept(lfd, deadline_in(LONG_US), &stop, &e, &afd,
                                 NULL), 0);
    assert_true(chan_round_trip(cfd, &rtt_us) && rtt_us < US_PER_S);
    assert_true(chan_flow(cfd, &before));
    assert_int_equal(send(cfd, buf, sizeof(buf), 0), sizeof(buf));
    assert_int_equal(recv(afd, buf, sizeof(buf), MSG_WAITALL), sizeof(buf));
    do {
        assert_true(chan_flow(cfd, &after));
    } while ( after.acked_bytes - before.acked_bytes < sizeof(buf) );
    assert_int_equal(after.acked_bytes - before.acked_bytes, sizeof(buf));
    assert_int_equal(after.waiting_bytes, 0);
    assert_in_range(after.window_packets, 1, 1u << 20);
    chan_pace(cfd, 12500000);
    assert_int_equal(getsockopt(cfd, SOL_SOCKET, SO_MAX_PACING_RATE, &rate,
                                &len), 0);
    assert_int_equal(rate, 12500000);
    close(cfd);
    close(afd);
    close(lfd);
    assert_false(chan_flow(0, &after) || chan_round_trip(0, &rtt_us));
}

static void *dripper(void *arg)
{
    /* A byte each 10 ms until the reader goes away. */
    while ( send(*(int *)arg, "x", 1, MSG_NOSIGNAL) == 1 )
        cancel_poll(NULL, -1, 0, deadline_in(10 * US_PER_MS));

    return NULL;
}

/* However much a long read waits for at a time, bytes that trickle in keep
 * the connection alive. */
static void slow_is_not_silent(void **state)
{
    int lfd = -1, cfd = -1, afd = -1;
    struct chan *c = NULL;
    static char buf[1 << 20];
    uint16_t port = 0;
    pthread_t t;

    (void)state;
    assert_int_equal(chan_listen("127.0.0.1", 0, &e, &lfd), 0);
    assert_int_equal(chan_local_port(lfd, &port), 0);
    assert_int_equal(chan_connect("127.0.0.1", port, deadline_in(LONG_US),
                                  &stop, &e, &cfd, NULL), 0);
    assert_int_equal(chan_accept(lfd, deadline_in(LONG_US), &stop, &e, &afd,
                                 NULL), 0);
    assert_int_equal(chan_open(afd, false, "slow", &stop, &e, &c), 0);
    chan_set_io_timeout(c, 400 * US_PER_MS);
    chan_set_deadline(c, deadline_in(1500 * US_PER_MS));
    assert_int_equal(pthread_create(&t, NULL, dripper, &cfd), 0);
    assert_int_equal(chan_read(c, buf, sizeof(buf)), -ETIMEDOUT);
    /* It was the deadline, and not the first 400 ms. */
    assert_true(chan_bytes_read(c) > 40);
    chan_close(c);
    pthread_join(t, NULL);
    close(cfd);
    close(lfd);
}

#define T(f) cmocka_unit_test_setup_teardown(f, fresh, away)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(both_ends_meet),
        T(a_port_in_use_is_said),
        T(an_address_of_others_is_said),
        T(nobody_there_is_refused),
        T(names_that_are_none_are_said),
        T(a_cancel_ends_it_before_it_begins),
        T(nobody_came_is_no_error),
        T(slow_is_not_silent),
        T(sockets_are_tuned),
        T(the_line_is_seen),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
