/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Records over a connection: order, integrity, pages that are read apart,
 * and what the peer says went wrong.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "conn.h"
#include "said.h"

#define LONG_US (20 * US_PER_S)

static struct conn *a, *b;
static int raw = -1;             /* b's descriptor, to write by hand */

static void open_pair(enum wire_role role)
{
    struct chan *ca = NULL, *cb = NULL;
    int s[2];

    err_init(&e);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
    assert_int_equal(chan_open(s[0], false, "the peer", NULL, &e, &ca), 0);
    assert_int_equal(chan_open(s[1], false, "b", NULL, &e, &cb), 0);
    chan_set_deadline(ca, deadline_in(LONG_US));
    chan_set_deadline(cb, deadline_in(LONG_US));
    assert_int_equal(conn_open(ca, role, 0, &e, &a), 0);
    assert_int_equal(conn_open(cb, role, 0, &e, &b), 0);
    raw = s[1];
}

static int control(void **state)
{
    (void)state;
    open_pair(WIRE_CONTROL);

    return 0;
}

static int bulk(void **state)
{
    (void)state;
    open_pair(WIRE_BULK);

    return 0;
}

static int away(void **state)
{
    (void)state;
    conn_close(a);
    conn_close(b);
    err_done(&e);

    return 0;
}

static void send_round(uint32_t n)
{
    struct wire_round r = { .round = n };
    uint8_t body[24];
    size_t len;

    assert_int_equal(wire_round_encode(&r, body, sizeof(body), &len), 0);
    assert_int_equal(conn_send(b, WIRE_ROUND, body, len), 0);
}

static void records_come_in_order(void **state)
{
    struct wire_record rec;
    struct wire_round r;
    uint32_t i;

    (void)state;
    for ( i = 0; i < 5; i++ )
        send_round(i);
    assert_int_equal(conn_send_empty(b, WIRE_GO), 0);
    for ( i = 0; i < 5; i++ )
    {
        assert_int_equal(conn_recv(a, &rec), 0);
        assert_int_equal(rec.type, WIRE_ROUND);
        assert_int_equal(wire_round_decode(rec.body, rec.length, &e, &r), 0);
        assert_int_equal(r.round, i);
    }
    assert_int_equal(conn_expect(a, WIRE_GO, &rec), 0);
    assert_int_equal(rec.length, 0);
}

static void an_echo_is_answered(void **state)
{
    struct wire_record rec;

    (void)state;
    assert_int_equal(conn_send_empty(b, WIRE_ECHO), 0);
    assert_int_equal(conn_send_empty(b, WIRE_ECHO), 0);
    assert_int_equal(conn_send_empty(b, WIRE_GO), 0);
    assert_int_equal(conn_expect(a, WIRE_GO, &rec), 0);
    assert_int_equal(conn_expect(b, WIRE_ECHO, &rec), 0);
    assert_int_equal(conn_expect(b, WIRE_ECHO, &rec), 0);
}

static void a_lost_record_is_noticed(void **state)
{
    struct wire_record rec;

    (void)state;
    send_round(0);
    b->tx_seq++;
    send_round(2);
    assert_int_equal(conn_recv(a, &rec), 0);
    assert_said(conn_recv(a, &rec), -EPROTO,
                "the peer: record ROUND: sequence number 2 where 1");
}

static void a_record_that_a_cancel_held_up_leaves_no_gap(void **state)
{
    struct cancel stop;
    struct wire_record rec;

    (void)state;
    assert_int_equal(cancel_init(&stop), 0);
    chan_set_cancel(b->chan, &stop);
    cancel_raise(&stop, -ECANCELED);
    assert_int_equal(conn_send_empty(b, WIRE_ALIVE), -ECANCELED);
    cancel_lower(&stop);
    assert_int_equal(conn_send_empty(b, WIRE_GO), 0);
    assert_int_equal(conn_expect(a, WIRE_GO, &rec), 0);
    chan_set_cancel(b->chan, NULL);
    cancel_done(&stop);
}

static void a_changed_body_is_noticed(void **state)
{
    uint8_t bytes[40], body[24] = { 0 };
    struct wire_record rec;

    (void)state;
    wire_hdr_encode(bytes, WIRE_ROUND, 24, 0, body, 24);
    memcpy(bytes + 16, body, 24);
    bytes[30] ^= 4;
    assert_int_equal(write(raw, bytes, sizeof(bytes)), sizeof(bytes));
    assert_said(conn_recv(a, &rec), -EPROTO, "checksum");
}

static void a_lie_about_the_length_takes_no_memory(void **state)
{
    struct wire_record rec;
    uint8_t bytes[16];
    size_t room = a->room;

    (void)state;
    wire_hdr_encode(bytes, WIRE_DOMAIN, WIRE_CONTROL_MAX + 8, 0, NULL, 0);
    assert_int_equal(write(raw, bytes, sizeof(bytes)), sizeof(bytes));
    assert_said(conn_recv(a, &rec), -EPROTO, "length 1048584");
    assert_int_equal(a->room, room);
}

static void an_end_in_the_middle_is_enodata(void **state)
{
    struct wire_record rec;
    uint8_t bytes[20] = { 0 };

    (void)state;
    wire_hdr_encode(bytes, WIRE_ROUND, 24, 0, NULL, 0);
    assert_int_equal(write(raw, bytes, sizeof(bytes)), sizeof(bytes));
    conn_close(b);
    b = NULL;
    assert_said(conn_recv(a, &rec), -ENODATA, "after 4");
}

static void what_the_peer_says_is_recorded(void **state)
{
    struct wire_record rec;

    (void)state;
    conn_send_error(b, -ENOMEM, XMIG_GUEST_AT_SOURCE, "need 3 MiB, have 2");
    assert_said(conn_expect(a, WIRE_PREPARED, &rec), -ENOMEM,
                "the peer says: need 3 MiB, have 2");
}

static void an_unexpected_record_is_named(void **state)
{
    struct wire_record rec;

    (void)state;
    send_round(0);
    assert_said(conn_expect(a, WIRE_READY, &rec), -EPROTO,
                "record ROUND came where READY was due");
}

static void telling_a_dead_peer_is_no_error(void **state)
{
    (void)state;
    conn_close(a);
    a = NULL;
    conn_send_error(b, -EIO, XMIG_GUEST_AT_SOURCE, "x");
    assert_int_equal(err_code(&e), 0);
}

/* ---- Pages ------------------------------------------------------------- */

#define NR 3u

static uint8_t page[NR * 4096], got[NR * 4096];

static void send_batch(void)
{
    const struct wire_pages_head h = { .nr_runs = 1, .nr_data = NR };
    const struct wire_run run = { .gfn = 5, .count = NR,
                                  .kind = WIRE_KIND_DATA };
    struct iovec iov[NR];
    uint8_t meta[32];
    unsigned int i;
    size_t len;

    for ( i = 0; i < sizeof(page); i++ )
        page[i] = (uint8_t)(i * 13);
    for ( i = 0; i < NR; i++ )
    {
        iov[i].iov_base = page + i * 4096;
        iov[i].iov_len = 4096;
    }
    assert_int_equal(wire_pages_encode(&h, &run, meta, sizeof(meta), &len),
                     0);
    assert_int_equal(conn_send_pages(b, meta, len, iov, NR, NR), 0);
}

static void pages_go_where_they_belong(void **state)
{
    struct iovec one = { got, 4096 }, rest = { got + 4096, 2 * 4096 };
    struct wire_record rec;
    struct wire_pages_head h;

    (void)state;
    send_batch();
    send_batch();
    assert_int_equal(conn_recv(a, &rec), 0);
    assert_int_equal(rec.type, WIRE_PAGES);
    assert_int_equal(rec.length, 32 + NR * 4096);
    assert_int_equal(wire_pages_head_decode(rec.body, rec.length, &e, &h), 0);
    assert_int_equal(h.nr_data, NR);
    assert_int_equal(conn_read_pages(a, &one, 1), 0);
    assert_int_equal(conn_read_pages(a, &rest, 1), 0);
    assert_memory_equal(got, page, sizeof(page));
    assert_int_equal(conn_recv(a, &rec), 0);
    assert_int_equal(rec.type, WIRE_PAGES);
}

static void pages_cannot_be_forgotten(void **state)
{
    struct iovec iov = { got, 4096 }, more = { got, 3 * 4096 };
    struct wire_record rec;

    (void)state;
    send_batch();
    assert_int_equal(conn_recv(a, &rec), 0);
    assert_int_equal(conn_read_pages(a, &iov, 1), 0);
    assert_said(conn_recv(a, &rec), -EINVAL, "unread");
    assert_said(conn_read_pages(a, &more, 1), -EINVAL, "more pages");
}

static void a_batch_that_contradicts_itself_is_refused(void **state)
{
    uint8_t bytes[16 + 32] = { 0 };
    struct wire_record rec;

    (void)state;
    bytes[16 + 4] = 200;         /* runs, in a body of one */
    wire_hdr_encode(bytes, WIRE_PAGES, 32, 0, bytes + 16, 32);
    assert_int_equal(write(raw, bytes, sizeof(bytes)), sizeof(bytes));
    assert_said(conn_recv(a, &rec), -EPROTO, "200 runs");
}

#define C(f) cmocka_unit_test_setup_teardown(f, control, away)
#define B(f) cmocka_unit_test_setup_teardown(f, bulk, away)

int main(void)
{
    const struct CMUnitTest tests[] = {
        C(records_come_in_order),
        C(an_echo_is_answered),
        C(a_lost_record_is_noticed),
        C(a_record_that_a_cancel_held_up_leaves_no_gap),
        C(a_changed_body_is_noticed),
        C(a_lie_about_the_length_takes_no_memory),
        C(an_end_in_the_middle_is_enodata),
        C(what_the_peer_says_is_recorded),
        C(an_unexpected_record_is_named),
        C(telling_a_dead_peer_is_no_error),
        B(pages_go_where_they_belong),
        B(pages_cannot_be_forgotten),
        B(a_batch_that_contradicts_itself_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
