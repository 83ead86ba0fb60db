/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The backend's side of an interface, over make-believe Xen libraries that
 * count what is mapped and bound, and a real socket in place of the switch.
 *
 * Length: one make-believe Xen under all of the tests.
 * LINK: tools/emu/net/net_vif.c
 * LINK: tools/emu/net/net_vif_work.c
 * LINK: tools/emu/net/net_ring.c
 * LINK: tools/emu/net/net_port.c
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <cmocka.h>

#include "net_port.h"
#include "net_vif.h"

#define NR_NODES 32u
#define BACK     "backend/vif/7/0"
#define FRONT    "/local/domain/7/device/vif/0"
#define MAC      "00:16:3e:0a:0b:0c"

static const uint8_t mac[6] = { 0x00, 0x16, 0x3e, 0x0a, 0x0b, 0x0c };

static struct
{
    struct netback nb;
    struct net_vif *v;
    struct { char path[96], value[96]; } node[NR_NODES];
    bool domain_gone;
    unsigned int mapped, bound, watched, notified;
    bool map_fails;
    struct netif_tx_sring *tx;
    struct netif_rx_sring *rx;
    uint8_t *page[8];            /* granted as 100 ... 107 */
    char dir[32], path[64];
    int listen_fd, fd;           /* the switch, and its end of our port */
} t;

/* ---- libxenstore -------------------------------------------------------- */

static char *node(const char *path)
{
    for ( unsigned int i = 0; i < NR_NODES; i++ )
        if ( !strcmp(t.node[i].path, path) )
            return t.node[i].value;
    return NULL;
}

static void put(const char *path, const char *value)
{
    char *old = node(path);

    for ( unsigned int i = 0; !old && i < NR_NODES; i++ )
        if ( !t.node[i].path[0] )
        {
            strcpy(t.node[i].path, path);
            old = t.node[i].value;
        }
    assert_non_null(old);
    strcpy(old, value);
}

static void remove_dir(const char *dir)
{
    for ( unsigned int i = 0; i < NR_NODES; i++ )
        if ( !strncmp(t.node[i].path, dir, strlen(dir)) )
            t.node[i].path[0] = '\0';
}

void *xs_read(struct xs_handle *h, xs_transaction_t tx, const char *path,
              unsigned int *len)
{
    const char *value = node(path);

    (void)h;
    (void)tx;
    if ( !value )
    {
        errno = ENOENT;
        return NULL;
    }
    *len = strlen(value);
    return strdup(value);
}

bool xs_write(struct xs_handle *h, xs_transaction_t tx, const char *path,
              const void *data, unsigned int len)
{
    char value[96] = { 0 };

    (void)h;
    assert_int_not_equal(tx, XBT_NULL);
    memcpy(value, data, len);
    put(path, value);
    return true;
}

xs_transaction_t xs_transaction_start(struct xs_handle *h)
{
    (void)h;
    return 1;
}

bool xs_transaction_end(struct xs_handle *h, xs_transaction_t tx, bool abort)
{
    (void)h;
    (void)tx;
    (void)abort;
    return true;
}

bool xs_watch(struct xs_handle *h, const char *path, const char *token)
{
    (void)h;
    (void)token;
    assert_string_equal(path, FRONT "/state");
    t.watched++;
    return true;
}

bool xs_unwatch(struct xs_handle *h, const char *path, const char *token)
{
    (void)h;
    (void)path;
    (void)token;
    assert_true(t.watched > 0);
    t.watched--;
    return true;
}

bool xs_is_domain_introduced(struct xs_handle *h, unsigned int domid)
{
    (void)h;
    assert_int_equal(domid, 7);
    return !t.domain_gone;
}

/* ---- libxenevtchn, libxengnttab ----------------------------------------- */

xenevtchn_port_or_error_t xenevtchn_bind_interdomain(xenevtchn_handle *xce,
                                                     uint32_t domid,
                                                     evtchn_port_t remote)
{
    (void)xce;
    if ( domid != 7 || remote != 15 )
    {
        errno = EINVAL;
        return -1;
    }
    t.bound++;
    return 33;
}

int xenevtchn_unbind(xenevtchn_handle *xce, evtchn_port_t port)
{
    (void)xce;
    assert_int_equal(port, 33);
    assert_true(t.bound > 0);
    t.bound--;
    return 0;
}

int xenevtchn_notify(xenevtchn_handle *xce, evtchn_port_t port)
{
    (void)xce;
    assert_int_equal(port, 33);
    t.notified++;
    return 0;
}

void *xengnttab_map_grant_ref(xengnttab_handle *xgt, uint32_t domid,
                              uint32_t ref, int prot)
{
    (void)xgt;
    (void)prot;
    if ( t.map_fails || domid != 7 || (ref != 8 && ref != 9) )
    {
        errno = EINVAL;
        return NULL;
    }
    t.mapped++;
    return ref == 8 ? (void *)t.tx : (void *)t.rx;
}

int xengnttab_unmap(xengnttab_handle *xgt, void *addr, uint32_t count)
{
    (void)xgt;
    assert_int_equal(count, 1);
    assert_true(addr == t.tx || addr == t.rx);
    assert_true(t.mapped > 0);
    t.mapped--;
    return 0;
}

int xengnttab_grant_copy(xengnttab_handle *xgt, uint32_t count,
                         xengnttab_grant_copy_segment_t *segs)
{
    (void)xgt;
    for ( uint32_t i = 0; i < count; i++ )
    {
        xengnttab_grant_copy_segment_t *s = &segs[i];

        s->status = GNTST_okay;
        if ( s->flags & GNTCOPY_source_gref )
            memcpy(s->dest.virt, t.page[s->source.foreign.ref - 100], s->len);
        else
            memcpy(t.page[s->dest.foreign.ref - 100], s->source.virt, s->len);
    }
    return 0;
}

/* ---- helpers ------------------------------------------------------------ */

static void listen_again(void)
{
    struct sockaddr_un sa = { .sun_family = AF_UNIX };

    snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", t.path);
    t.listen_fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0);
    assert_true(t.listen_fd >= 0);
    assert_int_equal(bind(t.listen_fd, (void *)&sa, sizeof(sa)), 0);
    assert_int_equal(listen(t.listen_fd, 5), 0);
}

static void switch_gone(void)
{
    close(t.listen_fd);
    close(t.fd);
    unlink(t.path);
    t.fd = -1;
}

/* The port of the interface, seen from the switch. */
static void accept_port(void)
{
    if ( t.fd >= 0 )
        close(t.fd);
    t.fd = accept4(t.listen_fd, NULL, NULL, SOCK_NONBLOCK);
    assert_true(t.fd >= 0);
}

static int state(void)
{
    return node(BACK "/state") ? atoi(node(BACK "/state")) : -1;
}

static void frontend_says(const char *what)
{
    put(FRONT "/state", what);
    net_vif_check(t.v);
}

static void connect_vif(void)
{
    net_vif_check(t.v);
    put(FRONT "/tx-ring-ref", "8");
    put(FRONT "/rx-ring-ref", "9");
    put(FRONT "/event-channel", "15");
    put(FRONT "/request-rx-copy", "1");
    frontend_says("4");
}

static bool nothing_is_held(void)
{
    return !t.mapped && !t.bound && t.v->fd < 0;
}

static int next_frame(uint8_t *buf)
{
    struct pollfd p = { .fd = t.fd, .events = POLLIN };

    assert_int_equal(poll(&p, 1, 1000), 1);
    return recv(t.fd, buf, NET_FRAME_MAX, 0);
}

static int setup(void **arg)
{
    (void)arg;
    memset(&t, 0, sizeof(t));
    t.fd = -1;
    t.tx = calloc(1, 4096);
    t.rx = calloc(1, 4096);
    for ( unsigned int i = 0; i < 8; i++ )
        t.page[i] = calloc(1, 4096);
    SHARED_RING_INIT(t.tx);
    SHARED_RING_INIT(t.rx);
    strcpy(t.dir, "/tmp/vif.XXXXXX");
    if ( !mkdtemp(t.dir) )
        return -1;
    snprintf(t.path, sizeof(t.path), "%s/switch", t.dir);
    listen_again();
    t.nb.switch_path = t.path;
    put(BACK "/frontend", FRONT);
    put(BACK "/mac", MAC);
    put(BACK "/online", "1");
    put(BACK "/state", "1");
    put(FRONT "/state", "1");
    t.v = net_vif_new(&t.nb, 7, 0);
    return t.v ? 0 : -1;
}

static int teardown(void **arg)
{
    (void)arg;
    net_vif_free(t.v);
    assert_int_equal(t.mapped, 0);
    assert_int_equal(t.bound, 0);
    assert_int_equal(t.watched, 0);
    switch_gone();
    rmdir(t.dir);
    free(t.tx);
    free(t.rx);
    for ( unsigned int i = 0; i < 8; i++ )
        free(t.page[i]);
    return 0;
}

/* ---- tests -------------------------------------------------------------- */

static void new_interface_gets_an_offer(void **arg)
{
    (void)arg;
    net_vif_check(t.v);
    assert_int_equal(state(), XenbusStateInitWait);
    assert_string_equal(node(BACK "/feature-rx-copy"), "1");
    assert_int_equal(t.watched, 1);
    assert_true(nothing_is_held());
}

static void frontend_with_rings_is_connected(void **arg)
{
    uint8_t buf[NET_FRAME_MAX];

    (void)arg;
    connect_vif();
    assert_int_equal(state(), XenbusStateConnected);
    assert_int_equal(t.mapped, 2);
    assert_int_equal(t.bound, 1);
    accept_port();
    /* and announced, from its own address */
    assert_int_equal(next_frame(buf), sizeof(struct net_rarp));
    assert_memory_equal(buf + 6, mac, 6);
    assert_int_equal(buf[12] << 8 | buf[13], NET_TYPE_RARP);
}

static void packets_flow_before_the_script_is_done(void **arg)
{
    (void)arg;
    put(BACK "/script", "/etc/xen/scripts/vif-bridge");
    connect_vif();
    assert_int_equal(state(), XenbusStateInitWait);
    assert_int_equal(t.v->state, XenbusStateConnected);
    assert_int_equal(t.bound, 1);
    put(BACK "/hotplug-status", "error");
    net_vif_check(t.v);
    assert_int_equal(state(), XenbusStateInitWait);
    put(BACK "/hotplug-status", "connected");
    net_vif_check(t.v);
    assert_int_equal(state(), XenbusStateConnected);
    assert_int_equal(t.mapped, 2);
}

static void frontend_without_rings_is_refused(void **arg)
{
    (void)arg;
    net_vif_check(t.v);
    frontend_says("4");
    assert_int_equal(state(), XenbusStateClosed);
    assert_true(nothing_is_held());
}

static void ring_that_can_not_be_mapped_leaves_nothing_behind(void **arg)
{
    (void)arg;
    t.map_fails = true;
    connect_vif();
    assert_int_equal(state(), XenbusStateClosed);
    assert_true(nothing_is_held());
    t.map_fails = false;
    put(FRONT "/event-channel", "16");
    frontend_says("1");
    assert_int_equal(state(), XenbusStateInitWait);
    frontend_says("4");
    assert_int_equal(state(), XenbusStateClosed);
    assert_true(nothing_is_held());
}

static void frontend_that_never_works_is_given_up(void **arg)
{
    unsigned int offers = 0;

    (void)arg;
    connect_vif();
    t.tx->req_prod = 1000;       /* never possible */
    while ( state() != XenbusStateClosed || offers < 20 )
    {
        net_vif_work(t.v);
        assert_int_equal(state(), XenbusStateClosed);
        frontend_says("1");
        if ( state() == XenbusStateClosed )
            break;
        offers++;
        frontend_says("4");
    }
    assert_in_range(offers, 1, 10);
    assert_true(nothing_is_held());
    /* The toolstack may start it again. */
    t.tx->req_prod = 0;
    put(BACK "/state", "1");
    frontend_says("4");
    assert_int_equal(state(), XenbusStateConnected);
}

static void frontend_that_begins_anew_gets_a_new_offer(void **arg)
{
    (void)arg;
    connect_vif();
    frontend_says("1");
    assert_int_equal(state(), XenbusStateInitWait);
    assert_true(nothing_is_held());
    frontend_says("4");
    assert_int_equal(state(), XenbusStateConnected);
}

static void frontend_that_closes_is_followed(void **arg)
{
    (void)arg;
    connect_vif();
    frontend_says("5");
    assert_int_equal(state(), XenbusStateClosing);
    assert_true(nothing_is_held());
    frontend_says("6");
    assert_int_equal(state(), XenbusStateClosed);
}

static void toolstack_that_detaches_is_obeyed(void **arg)
{
    (void)arg;
    connect_vif();
    put(BACK "/online", "0");
    put(BACK "/state", "5");
    net_vif_check(t.v);
    assert_int_equal(state(), XenbusStateClosed);
    assert_true(nothing_is_held());
    frontend_says("1");
    assert_int_equal(state(), XenbusStateClosed);
}

static void domain_that_is_gone_holds_nothing(void **arg)
{
    (void)arg;
    connect_vif();
    t.domain_gone = true;
    net_vif_check_domain(t.v);
    assert_int_equal(state(), XenbusStateClosed);
    assert_true(nothing_is_held());
}

static void domain_that_is_introduced_later_is_served(void **arg)
{
    (void)arg;
    t.domain_gone = true;
    connect_vif();
    assert_int_equal(state(), XenbusStateInitWait);
    assert_true(nothing_is_held());
    t.domain_gone = false;
    net_vif_check_domain(t.v);
    assert_int_equal(state(), XenbusStateConnected);
}

static void removed_directory_is_not_written_again(void **arg)
{
    (void)arg;
    connect_vif();
    remove_dir(BACK);
    frontend_says("6");
    assert_true(t.v->forgotten);
    assert_true(nothing_is_held());
    net_vif_close(t.v);
    assert_null(node(BACK "/state"));
}

static void interface_of_a_dead_backend_is_taken_over(void **arg)
{
    (void)arg;
    put(BACK "/state", "4");
    connect_vif();
    assert_int_equal(state(), XenbusStateConnected);
    assert_int_equal(t.bound, 1);
}

static void interface_of_an_ended_backend_is_offered_again(void **arg)
{
    (void)arg;
    put(BACK "/state", "6");
    net_vif_check(t.v);
    assert_int_equal(state(), XenbusStateInitWait);
}

static void interface_that_was_detached_stays_so(void **arg)
{
    (void)arg;
    put(BACK "/state", "6");
    put(BACK "/online", "0");
    net_vif_check(t.v);
    assert_int_equal(state(), XenbusStateClosed);
}

static void ending_backend_closes(void **arg)
{
    (void)arg;
    connect_vif();
    net_vif_close(t.v);
    assert_int_equal(state(), XenbusStateClosed);
    assert_true(nothing_is_held());
}

static void incomplete_directory_is_survived(void **arg)
{
    (void)arg;
    put(BACK "/mac", "none");
    net_vif_check(t.v);
    assert_int_equal(state(), XenbusStateInitialising);
    put(BACK "/mac", MAC);
    net_vif_check(t.v);
    assert_int_equal(state(), XenbusStateInitWait);
}

/* ---- packets ------------------------------------------------------------ */

static void offer_buffer(uint16_t id)
{
    t.rx->ring[t.rx->req_prod % 256].req = (netif_rx_request_t){
        .id = id, .gref = 104 + id };
    t.rx->req_prod++;
}

static void send_from_guest(uint8_t what)
{
    memset(t.page[0], what, 60);
    memcpy(t.page[0] + 6, mac, 6);
    t.tx->ring[t.tx->req_prod % 256].req = (netif_tx_request_t){
        .gref = 100, .size = 60, .id = what };
    t.tx->req_prod++;
    net_vif_work(t.v);
}

static void packets_pass_both_ways(void **arg)
{
    uint8_t buf[NET_FRAME_MAX], in[60] = { 0 };

    (void)arg;
    connect_vif();
    accept_port();
    next_frame(buf);
    send_from_guest(0x42);
    assert_int_equal(next_frame(buf), 60);
    assert_int_equal(buf[20], 0x42);
    assert_int_equal(t.tx->rsp_prod, 1);
    assert_true(t.notified > 0);

    offer_buffer(1);
    memcpy(in, mac, 6);
    in[20] = 0x43;
    assert_int_equal(send(t.fd, in, sizeof(in), 0), 60);
    net_vif_work(t.v);
    assert_int_equal(t.rx->rsp_prod, 1);
    assert_int_equal(t.rx->ring[0].rsp.status, 60);
    assert_int_equal(t.page[5][20], 0x43);
}

static void flooded_frames_of_others_take_no_buffer(void **arg)
{
    uint8_t in[60] = { 0x02 };

    (void)arg;
    connect_vif();
    accept_port();
    offer_buffer(1);
    assert_int_equal(send(t.fd, in, sizeof(in), 0), 60);
    net_vif_work(t.v);
    assert_int_equal(t.rx->rsp_prod, 0);
    memset(in, 0xff, 6);
    assert_int_equal(send(t.fd, in, sizeof(in), 0), 60);
    net_vif_work(t.v);
    assert_int_equal(t.rx->rsp_prod, 1);
}

static void guest_without_buffers_leaves_frames_in_the_socket(void **arg)
{
    uint8_t in[60] = { 0 };

    (void)arg;
    connect_vif();
    accept_port();
    memcpy(in, mac, 6);
    assert_int_equal(send(t.fd, in, sizeof(in), 0), 60);
    net_vif_work(t.v);
    assert_int_equal(net_vif_events(t.v) & POLLIN, 0);
    offer_buffer(1);
    net_vif_work(t.v);
    assert_int_equal(t.rx->rsp_prod, 1);
    assert_int_equal(net_vif_events(t.v) & POLLIN, POLLIN);
}

static void slow_switch_is_waited_for(void **arg)
{
    unsigned int n = 0;

    (void)arg;
    connect_vif();
    accept_port();
    do
    {
        send_from_guest(1);
        assert_true(++n < 100000);
    } while ( !t.v->tx_blocked );
    assert_int_equal(t.tx->req_prod - t.tx->rsp_prod, 1);
    assert_int_equal(net_vif_events(t.v) & POLLOUT, POLLOUT);
    while ( t.tx->rsp_prod != t.tx->req_prod )
    {
        uint8_t buf[NET_FRAME_MAX];

        next_frame(buf);
        net_vif_work(t.v);
    }
    assert_int_equal(t.v->dropped, 0);
}

static void vanished_switch_loses_packets_and_is_found_again(void **arg)
{
    uint8_t buf[NET_FRAME_MAX];
    uint64_t at_us;

    (void)arg;
    connect_vif();
    accept_port();
    switch_gone();
    send_from_guest(1);
    assert_int_equal(t.v->dropped, 1);
    assert_int_equal(state(), XenbusStateConnected);
    at_us = net_vif_reconnect(t.v, net_now_us());
    assert_true(at_us != UINT64_MAX);
    assert_true(net_vif_reconnect(t.v, at_us) > at_us);
    listen_again();
    assert_true(net_vif_reconnect(t.v, t.v->reconnect_us) == UINT64_MAX);
    accept_port();
    assert_int_equal(next_frame(buf), sizeof(struct net_rarp));
    send_from_guest(2);
    assert_int_equal(next_frame(buf), 60);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(new_interface_gets_an_offer),
        TEST(frontend_with_rings_is_connected),
        TEST(packets_flow_before_the_script_is_done),
        TEST(frontend_without_rings_is_refused),
        TEST(ring_that_can_not_be_mapped_leaves_nothing_behind),
        TEST(frontend_that_never_works_is_given_up),
        TEST(frontend_that_begins_anew_gets_a_new_offer),
        TEST(frontend_that_closes_is_followed),
        TEST(toolstack_that_detaches_is_obeyed),
        TEST(domain_that_is_gone_holds_nothing),
        TEST(domain_that_is_introduced_later_is_served),
        TEST(removed_directory_is_not_written_again),
        TEST(interface_of_a_dead_backend_is_taken_over),
        TEST(interface_of_an_ended_backend_is_offered_again),
        TEST(interface_that_was_detached_stays_so),
        TEST(ending_backend_closes),
        TEST(incomplete_directory_is_survived),
        TEST(packets_pass_both_ways),
        TEST(flooded_frames_of_others_take_no_buffer),
        TEST(guest_without_buffers_leaves_frames_in_the_socket),
        TEST(slow_switch_is_waited_for),
        TEST(vanished_switch_loses_packets_and_is_found_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
