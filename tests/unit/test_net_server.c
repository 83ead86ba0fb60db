/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Guest program "server": what it does with requests, and that it finds
 * damage in its own pages.
 *
 * LINK: tools/emu/guest/prog_server.c
 * LINK: tools/emu/net/net_ledger.c
 * LINK: tools/emu/net/net_hist.c
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "kernel.h"
#include "net_ledger.h"
#include "netfront.h"

#define NR_GFNS   1024u
#define FIRST_GFN 700u

extern const struct guest_program prog_server;
const struct guest_program prog_dirty;

static const uint8_t guest_mac[6] = { 0x00, 0x16, 0x3e, 0, 0, 1 };
static const uint8_t client_mac[6] = { 0x02, 0, 0, 0, 0, 9 };

static struct
{
    struct guest_env env;
    struct guest_regs regs;
    uint32_t next_gfn;
    bool bad, send_fails;
    struct net_request_frame in, out;
    size_t in_len;
    unsigned int nr_out;
    uint32_t receiver;
} t;

/* ---- the kernel and the driver ------------------------------------------ */

void kernel_bad(struct guest_env *env, const char *fmt, ...)
{
    (void)env;
    (void)fmt;
    t.bad = true;
}

int frame_alloc(struct guest_env *env, unsigned int owner, uint64_t *ret_gfn)
{
    (void)owner;
    *ret_gfn = t.next_gfn++;
    memset(guest_page(env, *ret_gfn), 0xc2, GUEST_PAGE_SIZE);
    return 0;
}

int cmdline_bytes(const char *cmdline, const char *key, uint64_t *ret_bytes)
{
    (void)cmdline;
    (void)key;
    (void)ret_bytes;
    return -ENOENT;
}

const uint8_t *netfront_mac(const struct guest_env *env)
{
    (void)env;
    return guest_mac;
}

void netfront_receiver(struct guest_env *env, enum guest_fn_id fn)
{
    (void)env;
    t.receiver = fn;
}

const void *netfront_frame(const struct guest_env *env, uint32_t slot,
                           size_t *ret_len)
{
    (void)env;
    (void)slot;
    *ret_len = t.in_len;
    return &t.in;
}

int netfront_send(struct guest_env *env, const void *frame, size_t len)
{
    (void)env;
    if ( t.send_fails )
        return -ENOBUFS;
    assert_int_equal(len, sizeof(t.out));
    memcpy(&t.out, frame, len);
    t.nr_out++;
    return 0;
}

/* ---- helpers ------------------------------------------------------------ */

static int setup(void **state)
{
    (void)state;
    memset(&t, 0, sizeof(t));
    t.env.mem = calloc(NR_GFNS, GUEST_PAGE_SIZE);
    if ( !t.env.mem )
        return -1;
    t.env.nr_gfns = NR_GFNS;
    t.env.regs = &t.regs;
    t.next_gfn = FIRST_GFN;
    return prog_server.init(&t.env);
}

static int teardown(void **state)
{
    (void)state;
    free(t.env.mem);
    return 0;
}

static void frame_in(const struct net_msg *msg)
{
    memcpy(t.in.eth.dst, guest_mac, 6);
    memcpy(t.in.eth.src, client_mac, 6);
    t.in.eth.type[0] = NET_TYPE_REQUEST >> 8;
    t.in.eth.type[1] = NET_TYPE_REQUEST & 0xff;
    memcpy(t.in.msg, msg, sizeof(*msg));
    t.in_len = sizeof(t.in);
    server_on_frame(&t.env, 0, NULL);
}

/* Send msg; it becomes the answer.  False: none came. */
static bool exchange(struct net_msg *msg)
{
    unsigned int before = t.nr_out;

    net_msg_seal(msg);
    frame_in(msg);
    if ( t.nr_out == before )
        return false;
    assert_memory_equal(t.out.eth.dst, client_mac, 6);
    assert_memory_equal(t.out.eth.src, guest_mac, 6);
    memcpy(msg, t.out.msg, sizeof(*msg));
    assert_true(net_msg_is_sound(msg));
    assert_true(msg->flags & NET_MSG_ANSWER);
    return true;
}

static struct net_msg request(enum net_msg_type type, uint64_t session,
                              uint64_t number)
{
    return (struct net_msg){
        .magic = NET_MSG_MAGIC,
        .version = NET_MSG_VERSION,
        .type = type,
        .session = session,
        .number = number,
        .key = number % NET_KEYS,
        .value = number * 1000,
        .attempt = 1,
    };
}

static struct net_msg write_one(uint64_t session, uint64_t number)
{
    struct net_msg msg = request(NET_MSG_WRITE, session, number);

    assert_true(exchange(&msg));
    return msg;
}

static struct net_msg read_one(uint64_t session, uint64_t number)
{
    struct net_msg msg = request(NET_MSG_READ, session, number);

    assert_true(exchange(&msg));
    return msg;
}

/* ---- tests -------------------------------------------------------------- */

static void answer_tells_what_was_there_before(void **state)
{
    struct net_msg a;

    (void)state;
    a = write_one(1, 5);
    assert_int_equal(a.high, 0);
    assert_int_equal(a.old_number, 0);
    a = write_one(1, 5 + NET_KEYS);
    assert_int_equal(a.high, 5);
    assert_int_equal(a.old_number, 5);
    assert_int_equal(a.old_value, 5000);
    a = read_one(1, 5);
    assert_int_equal(a.high, 5 + NET_KEYS);
    assert_int_equal(a.old_number, 5 + NET_KEYS);
}

static void repeated_write_is_answered_but_not_applied(void **state)
{
    struct net_msg a, again;

    (void)state;
    write_one(1, 5);
    write_one(1, 5 + NET_KEYS);
    again = request(NET_MSG_WRITE, 1, 5);
    again.value = 666;
    assert_true(exchange(&again));
    assert_true(again.flags & NET_MSG_STALE);
    a = read_one(1, 5);
    assert_int_equal(a.old_number, 5 + NET_KEYS);
    assert_int_equal(a.old_value, (5 + NET_KEYS) * 1000);
}

static void sessions_do_not_see_each_other(void **state)
{
    struct net_msg a;

    (void)state;
    write_one(1, 50);
    a = write_one(2, 50);
    assert_int_equal(a.high, 0);
    assert_int_equal(a.old_number, 0);
    a = read_one(1, 50);
    assert_int_equal(a.old_number, 50);
    a = read_one(77, 50);
    assert_int_equal(a.old_number, 0);
}

static void session_unused_for_longest_gives_way(void **state)
{
    (void)state;
    for ( uint64_t session = 1; session <= 4; session++ )
        write_one(session, 9);
    read_one(1, 9);
    write_one(5, 9);
    assert_int_equal(read_one(1, 9).old_number, 9);
    assert_int_equal(read_one(2, 9).old_number, 0);
    assert_int_equal(read_one(3, 9).old_number, 9);
    assert_int_equal(read_one(5, 9).old_number, 9);
    assert_false(t.bad);
}

static void unsound_requests_get_no_answer(void **state)
{
    struct net_msg msg = request(NET_MSG_WRITE, 1, 5), m;

    (void)state;
    m = msg;
    net_msg_seal(&m);
    m.value++;
    frame_in(&m);
    m = msg;
    m.key = NET_KEYS;
    assert_false(exchange(&m));
    m = msg;
    m.flags = NET_MSG_ANSWER;
    assert_false(exchange(&m));
    m = msg;
    m.session = 0;
    assert_false(exchange(&m));
    m = msg;
    m.type = 9;
    assert_false(exchange(&m));
    m = msg;
    m.version++;
    assert_false(exchange(&m));
    assert_int_equal(t.nr_out, 0);
    t.in_len = 20;
    server_on_frame(&t.env, 0, NULL);
    assert_int_equal(t.nr_out, 0);
}

static void frames_for_others_are_left_alone(void **state)
{
    struct net_msg msg = request(NET_MSG_WRITE, 1, 5);

    (void)state;
    net_msg_seal(&msg);
    frame_in(&msg);
    assert_int_equal(t.nr_out, 1);
    t.in.eth.dst[5] ^= 1;
    server_on_frame(&t.env, 0, NULL);
    t.in.eth.dst[5] ^= 1;
    t.in.eth.type[1] ^= 1;
    server_on_frame(&t.env, 0, NULL);
    assert_int_equal(t.nr_out, 1);
}

static void answer_that_finds_no_buffer_can_be_asked_for_again(void **state)
{
    struct net_msg msg = request(NET_MSG_WRITE, 1, 5);

    (void)state;
    t.send_fails = true;
    assert_false(exchange(&msg));
    t.send_fails = false;
    msg = request(NET_MSG_WRITE, 1, 5);
    assert_true(exchange(&msg));
    assert_true(msg.flags & NET_MSG_STALE);
    assert_int_equal(msg.old_number, 5);
}

/* What a bad migration does to the server's pages. */

static void zeroed_page_is_found_on_resume(void **state)
{
    (void)state;
    write_one(1, 5);
    memset(guest_page(&t.env, FIRST_GFN + 2), 0, GUEST_PAGE_SIZE);
    prog_server.resume(&t.env, true);
    assert_true(t.bad);
}

static void right_pages_are_found_right_on_resume(void **state)
{
    (void)state;
    for ( uint64_t i = 1; i < 500; i++ )
        write_one(1 + i % 3, i);
    prog_server.resume(&t.env, true);
    prog_server.resume(&t.env, false);
    assert_false(t.bad);
}

static void stale_page_is_found_by_the_next_request(void **state)
{
    uint8_t old[4][GUEST_PAGE_SIZE];
    struct net_msg msg;

    (void)state;
    write_one(1, 5);
    memcpy(old, guest_page(&t.env, FIRST_GFN), sizeof(old));
    write_one(1, 6);
    memcpy(guest_page(&t.env, FIRST_GFN), old, sizeof(old));
    msg = request(NET_MSG_WRITE, 1, 7);
    assert_false(exchange(&msg));
    assert_true(t.bad);
}

/* All pages of an older moment, consistent among themselves. */
static void consistent_old_memory_is_found_by_the_registers(void **state)
{
    uint8_t *old = malloc((size_t)NR_GFNS * GUEST_PAGE_SIZE);

    (void)state;
    assert_non_null(old);
    write_one(1, 5);
    memcpy(old, t.env.mem, (size_t)NR_GFNS * GUEST_PAGE_SIZE);
    write_one(1, 6);
    memcpy(t.env.mem, old, (size_t)NR_GFNS * GUEST_PAGE_SIZE);
    free(old);
    prog_server.resume(&t.env, true);
    assert_true(t.bad);
}

static void lost_registers_are_found(void **state)
{
    (void)state;
    write_one(1, 5);
    memset(&t.regs, 0, sizeof(t.regs));
    prog_server.resume(&t.env, true);
    assert_true(t.bad);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(answer_tells_what_was_there_before),
        TEST(repeated_write_is_answered_but_not_applied),
        TEST(sessions_do_not_see_each_other),
        TEST(session_unused_for_longest_gives_way),
        TEST(unsound_requests_get_no_answer),
        TEST(frames_for_others_are_left_alone),
        TEST(answer_that_finds_no_buffer_can_be_asked_for_again),
        TEST(zeroed_page_is_found_on_resume),
        TEST(right_pages_are_found_right_on_resume),
        TEST(stale_page_is_found_by_the_next_request),
        TEST(consistent_old_memory_is_found_by_the_registers),
        TEST(lost_registers_are_found),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
