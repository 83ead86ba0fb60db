/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Both ends of the network rings against each other: the guest's driver over
 * a make-believe hypervisor (memory, grant table, event counter) and the
 * backend's ring code over a grant copy that obeys that grant table.
 *
 * Length: one make-believe host under all of the tests.
 * LINK: tools/emu/net/net_ring.c
 * LINK: tools/emu/guest/netfront_ring.c
 * LINK: tools/emu/guest/grants.c
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "net_ring.h"
#include "netfront.h"
#include "netfront_state.h"

#define NR_GFNS   1024u
#define FIRST_GFN 512u           /* rings and buffers */
#define NR_GRANTS 512u
#define LOG_MAX   128u

static struct
{
    struct guest_env env;
    struct guest_regs regs;
    struct grant_entry_v1 grants[NR_GRANTS];
    unsigned int events;         /* sent by the guest */
    unsigned int heard;          /* frames the guest took */
    uint32_t last_heard;         /* first word behind the last one's header */
    struct net_rings back;
    /* frames the backend took */
    unsigned int out;
    uint32_t out_word[LOG_MAX];
    unsigned int take;           /* how many emit() may take; then -EAGAIN */
    bool copy_fails;
} t;

/* ---- the guest kernel and its hypervisor, as far as the driver needs ---- */

static void *grant_table(struct guest_env *env, unsigned int *ret_nr)
{
    (void)env;
    *ret_nr = NR_GRANTS;
    return t.grants;
}

static int evtchn_send(struct guest_env *env, uint32_t port)
{
    (void)env;
    assert_int_equal(port, 5);
    t.events++;
    return 0;
}

static const struct guest_hv hv = {
    .grant_table = grant_table,
    .evtchn_send = evtchn_send,
};

void kernel_log(struct guest_env *env, const char *fmt, ...)
{
    (void)env;
    (void)fmt;
}

void guest_call(struct guest_env *env, uint32_t fn, uint32_t arg,
                const struct xenbus_msg *msg)
{
    const uint8_t *frame;
    size_t len;

    (void)msg;
    assert_int_equal(fn, FN_server_on_frame);
    frame = netfront_frame(env, arg, &len);
    assert_in_range(len, NET_FRAME_MIN, NET_FRAME_MAX);
    memcpy(&t.last_heard, frame + NET_FRAME_MIN, sizeof(t.last_heard));
    t.heard++;
}

/* ---- the backend -------------------------------------------------------- */

static int16_t copy_one(const xengnttab_grant_copy_segment_t *s)
{
    bool from = s->flags & GNTCOPY_source_gref;
    const union xengnttab_copy_ptr *p = from ? &s->source : &s->dest;
    const struct grant_entry_v1 *g = &t.grants[p->foreign.ref];
    uint8_t *page;

    if ( p->foreign.ref >= NR_GRANTS || !(g->flags & GTF_permit_access) ||
         g->domid != 0 || p->foreign.offset + s->len > 4096 )
        return GNTST_bad_gntref;
    page = t.env.mem + (size_t)g->frame * 4096 + p->foreign.offset;
    if ( from )
        memcpy(s->dest.virt, page, s->len);
    else
        memcpy(page, s->source.virt, s->len);
    return GNTST_okay;
}

static int grant_copy(void *ctx, uint32_t count,
                      xengnttab_grant_copy_segment_t *segs)
{
    (void)ctx;
    if ( t.copy_fails )
        return -1;
    for ( uint32_t i = 0; i < count; i++ )
        segs[i].status = copy_one(&segs[i]);
    return 0;
}

static int emit(void *ctx, const uint8_t *frame, size_t len)
{
    (void)ctx;
    if ( !t.take )
        return -EAGAIN;
    t.take--;
    assert_true(len >= NET_FRAME_MIN + 4);
    memcpy(&t.out_word[t.out++ % LOG_MAX], frame + NET_FRAME_MIN, 4);
    return 0;
}

static const struct net_ring_ops ops = { .copy = grant_copy, .emit = emit };

static void attach(void)
{
    const struct netfront *nf = netfront_get(&t.env);

    assert_int_equal(net_rings_attach(&t.back, 9,
                                      guest_page(&t.env, nf->tx_ring_gfn),
                                      guest_page(&t.env, nf->rx_ring_gfn),
                                      &ops, NULL), 0);
}

/* Run the backend until it has nothing to do; true: it sent an event. */
static bool backend(void)
{
    bool notify = false;
    int rc;

    do
        rc = net_rings_tx(&t.back, &notify);
    while ( rc == 1 );
    assert_true(rc == 0 || rc == -EAGAIN);
    return notify;
}

/* ---- helpers ------------------------------------------------------------ */

static int send_word(uint32_t word, size_t len)
{
    uint8_t frame[NET_FRAME_MAX] = { 0 };

    memcpy(frame + NET_FRAME_MIN, &word, sizeof(word));
    return netfront_send(&t.env, frame, len);
}

static void deliver(uint32_t word)
{
    size_t len = 100;
    bool notify = false;

    assert_true(net_rings_rx_room(&t.back) > 0);
    memset(t.back.buf[0], 0, len);
    memcpy(t.back.buf[0] + NET_FRAME_MIN, &word, sizeof(word));
    net_rings_rx(&t.back, 1, &len, &notify);
}

static int setup(void **state)
{
    struct netfront *nf;
    uint32_t gfn = FIRST_GFN;

    (void)state;
    memset(&t, 0, sizeof(t));
    t.env.mem = calloc(NR_GFNS, GUEST_PAGE_SIZE);
    if ( !t.env.mem )
        return -1;
    t.env.nr_gfns = NR_GFNS;
    t.env.regs = &t.regs;
    t.env.hv = &hv;
    t.take = UINT32_MAX;

    nf = netfront_get(&t.env);
    nf->magic = NETFRONT_MAGIC;
    nf->state = NETFRONT_CONNECTED;
    nf->port = 5;
    nf->receiver = FN_server_on_frame;
    nf->tx_ring_gfn = gfn++;
    nf->rx_ring_gfn = gfn++;
    for ( unsigned int i = 0; i < NETFRONT_TX; i++ )
        nf->tx[i].gfn = gfn++;
    for ( unsigned int i = 0; i < NETFRONT_RX; i++ )
        nf->rx_gfn[i] = gfn++;
    assert_int_equal(netfront_rings_init(&t.env), 0);
    attach();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    free(t.env.mem);
    return 0;
}

static netif_tx_request_t *raw_request(uint32_t i)
{
    struct netif_tx_sring *s = t.back.tx.sring;

    return &s->ring[i % RING_SIZE(&t.back.tx)].req;
}

/* ---- tests: both ends --------------------------------------------------- */

static void sent_frame_reaches_the_backend(void **state)
{
    (void)state;
    assert_int_equal(send_word(0x1234, 60), 0);
    netfront_rings_poll(&t.env);
    backend();
    assert_int_equal(t.out, 1);
    assert_int_equal(t.out_word[0], 0x1234);
    assert_int_equal(t.back.n.tx_bytes, 60);
}

static void largest_frame_passes_and_larger_is_refused(void **state)
{
    (void)state;
    assert_int_equal(send_word(1, NET_FRAME_MAX), 0);
    assert_int_equal(send_word(1, NET_FRAME_MAX + 1), -EINVAL);
    assert_int_equal(send_word(1, NET_FRAME_MIN - 1), -EINVAL);
    netfront_rings_poll(&t.env);
    backend();
    assert_int_equal(t.out, 1);
}

static void frame_from_outside_reaches_the_guest(void **state)
{
    (void)state;
    netfront_rings_poll(&t.env);
    assert_int_equal(net_rings_rx_room(&t.back), NETFRONT_RX);
    deliver(0x77);
    netfront_rings_poll(&t.env);
    assert_int_equal(t.heard, 1);
    assert_int_equal(t.last_heard, 0x77);
    /* and its buffer is offered again */
    assert_int_equal(net_rings_rx_room(&t.back), NETFRONT_RX);
}

static void rings_wrap_many_times(void **state)
{
    (void)state;
    for ( uint32_t i = 0; i < 3000; i++ )
    {
        assert_int_equal(send_word(i, 64), 0);
        netfront_rings_poll(&t.env);
        backend();
        deliver(i);
        netfront_rings_poll(&t.env);
        assert_int_equal(t.out_word[i % LOG_MAX], i);
        assert_int_equal(t.last_heard, i);
    }
    assert_int_equal(t.heard, 3000);
}

static void sleeping_backend_gets_one_event_for_a_burst(void **state)
{
    (void)state;
    backend();
    t.events = 0;
    for ( uint32_t i = 0; i < 10; i++ )
        send_word(i, 64);
    netfront_rings_poll(&t.env);
    assert_int_equal(t.events, 1);
    backend();
    send_word(10, 64);
    netfront_rings_poll(&t.env);
    assert_int_equal(t.events, 2);
}

static void sleeping_guest_is_notified_of_a_frame(void **state)
{
    bool notify = false;
    size_t len = 60;

    (void)state;
    netfront_rings_poll(&t.env);
    net_rings_rx(&t.back, 1, &len, &notify);
    assert_true(notify);
    notify = false;
    net_rings_rx(&t.back, 1, &len, &notify);
    assert_false(notify);
    while ( netfront_rings_poll(&t.env) )
        continue;
    net_rings_rx(&t.back, 1, &len, &notify);
    assert_true(notify);
}

/* A starved backend asks for an event when the next buffer comes. */
static void guest_that_offers_buffers_again_tells_the_backend(void **state)
{
    (void)state;
    netfront_rings_poll(&t.env);
    for ( unsigned int i = 0; i < NETFRONT_RX; i++ )
        deliver(i);
    assert_int_equal(net_rings_rx_room(&t.back), 0);
    t.events = 0;
    netfront_rings_poll(&t.env);
    assert_int_equal(t.events, 1);
    assert_true(net_rings_rx_room(&t.back) > 0);
}

static void full_driver_refuses_until_answers_come(void **state)
{
    (void)state;
    for ( uint32_t i = 0; i < NETFRONT_TX; i++ )
        assert_int_equal(send_word(i, 64), 0);
    assert_int_equal(send_word(99, 64), -ENOBUFS);
    netfront_rings_poll(&t.env);
    backend();
    netfront_rings_poll(&t.env);
    assert_int_equal(send_word(99, 64), 0);
}

static void slow_switch_stops_the_ring_without_loss(void **state)
{
    (void)state;
    for ( uint32_t i = 0; i < 10; i++ )
        send_word(i, 64);
    netfront_rings_poll(&t.env);
    t.take = 3;
    backend();
    assert_int_equal(t.out, 3);
    t.take = UINT32_MAX;
    backend();
    assert_int_equal(t.out, 10);
    for ( uint32_t i = 0; i < 10; i++ )
        assert_int_equal(t.out_word[i], i);
}

/* ---- tests: a new host -------------------------------------------------- */

static void new_host(void)
{
    struct netfront *nf = netfront_get(&t.env);

    memset(t.grants, 0, sizeof(t.grants));
    nf->rings_up = 0;
    assert_int_equal(netfront_rings_init(&t.env), 0);
    attach();
}

static void unanswered_frames_are_sent_again_in_order(void **state)
{
    (void)state;
    for ( uint32_t i = 0; i < 8; i++ )
        send_word(100 + i, 64);
    netfront_rings_poll(&t.env);
    t.take = 3;
    backend();
    netfront_rings_poll(&t.env);         /* three are answered and free */
    send_word(200, 64);                  /* takes a freed, lower slot */
    t.out = 0;
    new_host();
    t.take = UINT32_MAX;
    backend();
    assert_int_equal(t.out, 6);
    for ( uint32_t i = 0; i < 5; i++ )
        assert_int_equal(t.out_word[i], 103 + i);
    assert_int_equal(t.out_word[5], 200);
    assert_int_equal(netfront_get(&t.env)->replayed, 6);
}

static void answered_frames_are_not_sent_again(void **state)
{
    (void)state;
    for ( uint32_t i = 0; i < 8; i++ )
        send_word(i, 64);
    netfront_rings_poll(&t.env);
    backend();
    netfront_rings_poll(&t.env);
    t.out = 0;
    new_host();
    backend();
    assert_int_equal(t.out, 0);
}

static void frame_sent_without_rings_leaves_with_the_next_ones(void **state)
{
    (void)state;
    netfront_get(&t.env)->rings_up = 0;
    assert_int_equal(send_word(55, 64), 0);
    netfront_rings_poll(&t.env);
    new_host();
    backend();
    assert_int_equal(t.out, 1);
    assert_int_equal(t.out_word[0], 55);
}

static void all_receive_buffers_are_posted_again(void **state)
{
    (void)state;
    netfront_rings_poll(&t.env);
    for ( unsigned int i = 0; i < 10; i++ )
        deliver(i);
    new_host();
    assert_int_equal(net_rings_rx_room(&t.back), NETFRONT_RX);
    deliver(0xabc);
    netfront_rings_poll(&t.env);
    assert_int_equal(t.heard, 1);
    assert_int_equal(t.last_heard, 0xabc);
}

/* A backend that died may have taken requests it never answered. */
static void next_backend_goes_on_at_the_last_answer(void **state)
{
    (void)state;
    for ( uint32_t i = 0; i < 4; i++ )
        send_word(i, 64);
    netfront_rings_poll(&t.env);
    t.take = 2;
    backend();
    t.take = UINT32_MAX;
    attach();
    backend();
    assert_int_equal(t.out, 4);
    assert_int_equal(t.out_word[3], 3);
}

static void grants_in_use_are_not_taken_back(void **state)
{
    (void)state;
    t.grants[GRANT_TX_RING].flags |= GTF_reading | GTF_writing;
    assert_int_equal(netfront_rings_done(&t.env), -EBUSY);
    t.grants[GRANT_TX_RING].flags &= ~(GTF_reading | GTF_writing);
    assert_int_equal(netfront_rings_done(&t.env), 0);
    for ( unsigned int i = 0; i < NR_GRANTS; i++ )
        assert_int_equal(t.grants[i].flags, 0);
}

/* ---- tests: ill-behaved ends -------------------------------------------- */

static void refused_grant_is_answered_with_an_error(void **state)
{
    (void)state;
    send_word(1, 64);
    send_word(2, 64);
    netfront_rings_poll(&t.env);
    t.grants[GRANT_TX_BUFFER].flags = 0;
    backend();
    assert_int_equal(t.out, 1);
    assert_int_equal(t.out_word[0], 2);
    assert_int_equal(t.back.n.tx_errors, 1);
    netfront_rings_poll(&t.env);
    assert_int_equal(netfront_get(&t.env)->nr_on_ring, 0);
    assert_int_equal(netfront_get(&t.env)->dropped, 1);
}

static void copy_that_fails_altogether_loses_only_frames(void **state)
{
    (void)state;
    netfront_rings_poll(&t.env);
    t.copy_fails = true;
    send_word(1, 64);
    netfront_rings_poll(&t.env);
    backend();
    deliver(1);
    netfront_rings_poll(&t.env);
    assert_int_equal(t.back.n.tx_errors, 1);
    assert_int_equal(t.back.n.rx_errors, 1);
    assert_int_equal(t.heard, 0);
    t.copy_fails = false;
    deliver(2);
    netfront_rings_poll(&t.env);
    assert_int_equal(t.heard, 1);
}

static void impossible_producer_index_breaks_the_protocol(void **state)
{
    bool notify = false;

    (void)state;
    t.back.tx.sring->req_prod += RING_SIZE(&t.back.tx) + 1;
    assert_int_equal(net_rings_tx(&t.back, &notify), -EPROTO);
    t.back.rx.sring->req_prod += RING_SIZE(&t.back.rx) + 1;
    assert_int_equal(net_rings_rx_room(&t.back), -EPROTO);
}

static void request_beyond_its_page_is_an_error(void **state)
{
    (void)state;
    send_word(1, 64);
    netfront_rings_poll(&t.env);
    raw_request(0)->offset = 4090;
    backend();
    assert_int_equal(t.out, 0);
    assert_int_equal(t.back.n.tx_errors, 1);
}

static void sizes_that_do_not_add_up_are_an_error(void **state)
{
    (void)state;
    send_word(1, 64);
    send_word(2, 64);
    netfront_rings_poll(&t.env);
    raw_request(0)->flags = NETTXF_more_data;
    raw_request(1)->size = 100;          /* more than the whole packet */
    backend();
    assert_int_equal(t.out, 0);
    assert_int_equal(t.back.n.tx_errors, 1);
    netfront_rings_poll(&t.env);
    assert_int_equal(netfront_get(&t.env)->nr_on_ring, 0);
}

static void packet_of_two_requests_is_put_together(void **state)
{
    (void)state;
    send_word(1, 64);
    send_word(2, 64);
    netfront_rings_poll(&t.env);
    raw_request(0)->flags = NETTXF_more_data;
    raw_request(0)->size = 104;          /* 40 here, 64 in the next */
    backend();
    assert_int_equal(t.out, 1);
    assert_int_equal(t.back.n.tx_bytes, 104);
    assert_int_equal(t.back.tx.rsp_prod_pvt, 2);
}

static void half_a_packet_waits_for_its_rest(void **state)
{
    (void)state;
    send_word(1, 64);
    netfront_rings_poll(&t.env);
    raw_request(0)->flags = NETTXF_more_data;
    raw_request(0)->size = 104;
    backend();
    assert_int_equal(t.out, 0);
    t.events = 0;
    send_word(2, 64);
    netfront_rings_poll(&t.env);
    assert_int_equal(t.events, 1);
    backend();
    assert_int_equal(t.out, 1);
}

static void endless_packet_breaks_the_protocol(void **state)
{
    bool notify = false;

    (void)state;
    for ( uint32_t i = 0; i < 30; i++ )
        send_word(i, 64);
    netfront_rings_poll(&t.env);
    for ( uint32_t i = 0; i < 30; i++ )
        raw_request(i)->flags = NETTXF_more_data;
    assert_int_equal(net_rings_tx(&t.back, &notify), -EPROTO);
}

static void extras_were_never_offered(void **state)
{
    bool notify = false;

    (void)state;
    send_word(1, 64);
    netfront_rings_poll(&t.env);
    raw_request(0)->flags = NETTXF_extra_info;
    assert_int_equal(net_rings_tx(&t.back, &notify), -EPROTO);
}

static void lying_backend_does_not_harm_the_guest(void **state)
{
    struct netif_rx_sring *rx = t.back.rx.sring;
    struct netif_tx_sring *tx = t.back.tx.sring;
    /* Declared with one element, as long as the page in truth. */
    union netif_rx_sring_entry *ring = rx->ring;

    (void)state;
    send_word(1, 64);
    netfront_rings_poll(&t.env);
    tx->ring[0].rsp = (netif_tx_response_t){ .id = 999 };
    tx->rsp_prod = 1;
    ring[0].rsp = (netif_rx_response_t){ .id = 999, .status = 60 };
    ring[1].rsp = (netif_rx_response_t){ .id = 1, .offset = 4000,
                                         .status = 200 };
    rx->rsp_prod = 2;
    netfront_rings_poll(&t.env);
    assert_int_equal(t.heard, 0);
    rx->rsp_prod = 1000;
    tx->rsp_prod = 1000;
    netfront_rings_poll(&t.env);
    assert_int_equal(t.heard, 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(sent_frame_reaches_the_backend),
        TEST(largest_frame_passes_and_larger_is_refused),
        TEST(frame_from_outside_reaches_the_guest),
        TEST(rings_wrap_many_times),
        TEST(sleeping_backend_gets_one_event_for_a_burst),
        TEST(sleeping_guest_is_notified_of_a_frame),
        TEST(guest_that_offers_buffers_again_tells_the_backend),
        TEST(full_driver_refuses_until_answers_come),
        TEST(slow_switch_stops_the_ring_without_loss),
        TEST(unanswered_frames_are_sent_again_in_order),
        TEST(answered_frames_are_not_sent_again),
        TEST(frame_sent_without_rings_leaves_with_the_next_ones),
        TEST(all_receive_buffers_are_posted_again),
        TEST(next_backend_goes_on_at_the_last_answer),
        TEST(grants_in_use_are_not_taken_back),
        TEST(refused_grant_is_answered_with_an_error),
        TEST(copy_that_fails_altogether_loses_only_frames),
        TEST(impossible_producer_index_breaks_the_protocol),
        TEST(request_beyond_its_page_is_an_error),
        TEST(sizes_that_do_not_add_up_are_an_error),
        TEST(packet_of_two_requests_is_put_together),
        TEST(half_a_packet_waits_for_its_rest),
        TEST(endless_packet_breaks_the_protocol),
        TEST(extras_were_never_offered),
        TEST(lying_backend_does_not_harm_the_guest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
