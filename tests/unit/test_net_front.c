/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The network driver's handshake, over a make-believe kernel: xenstore is an
 * array, its answers come when the test says so, and the backend is whoever
 * writes the state node.
 *
 * Length: one make-believe host under all of the tests.
 * LINK: tools/emu/guest/netfront.c
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
#include <xen/xen.h>
#include <xen/grant_table.h>
#include <xen/io/xenbus.h>

#include "netfront.h"
#include "netfront_state.h"
#include "xenbus.h"

#define NR_GFNS    1024u
#define NR_GRANTS  512u
#define NR_NODES   32u
#define NR_ASKED   64u
#define BACK       "/local/domain/0/backend/vif/7/0"

extern const struct guest_driver driver_netfront;

struct asked
{
    bool read;
    char path[XENBUS_PATH];
    char value[64];
    uint32_t fn, arg;
};

static struct
{
    struct guest_env env;
    struct guest_regs regs;
    uint64_t now_us;
    struct grant_entry_v1 grants[NR_GRANTS];
    uint32_t next_port, open_port, bound_port;
    unsigned int events;

    struct { char path[XENBUS_PATH], value[64]; } node[NR_NODES];
    struct asked asked[NR_ASKED];    /* not answered yet */
    unsigned int nr_asked;
    unsigned int slots;              /* how many more may be asked */
    char watch[4][XENBUS_PATH];
    uint32_t watch_fn[4];

    uint32_t timer_fn;
    uint64_t timer_us;
    uint32_t next_gfn;
} t;

/* ---- store -------------------------------------------------------------- */

static char *node(const char *path)
{
    for ( unsigned int i = 0; i < NR_NODES; i++ )
    {
        if ( !t.node[i].path[0] )
            strcpy(t.node[i].path, path);
        if ( !strcmp(t.node[i].path, path) )
            return t.node[i].value;
    }
    fail_msg("too many nodes");
    return NULL;
}

static int ask(bool read, const char *path, const char *value, uint32_t fn,
               uint32_t arg)
{
    struct asked *a = &t.asked[t.nr_asked];

    if ( !t.slots )
        return -ENOBUFS;
    t.slots--;
    assert_true(t.nr_asked < NR_ASKED);
    t.nr_asked++;
    a->read = read;
    a->fn = fn;
    a->arg = arg;
    snprintf(a->path, sizeof(a->path), "%s", path);
    snprintf(a->value, sizeof(a->value), "%s", value);
    return 0;
}

int xenbus_read(struct guest_env *env, uint32_t tx, const char *path,
                enum guest_fn_id fn, uint32_t arg)
{
    (void)env;
    assert_int_equal(tx, 0);
    return ask(true, path, "", fn, arg);
}

int xenbus_write(struct guest_env *env, uint32_t tx, const char *path,
                 const char *value, enum guest_fn_id fn, uint32_t arg)
{
    (void)env;
    assert_int_equal(tx, 0);
    return ask(false, path, value, fn, arg);
}

int xenbus_writef(struct guest_env *env, uint32_t tx, const char *path,
                  enum guest_fn_id fn, uint32_t arg, const char *fmt, ...)
{
    char value[64];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(value, sizeof(value), fmt, ap);
    va_end(ap);
    return xenbus_write(env, tx, path, value, fn, arg);
}

unsigned int xenbus_free_slots(const struct guest_env *env)
{
    (void)env;
    return t.slots;
}

int xenbus_watch(struct guest_env *env, const char *path,
                 enum guest_fn_id fn, uint32_t arg)
{
    (void)env;
    assert_int_equal(arg, 0);
    for ( unsigned int i = 0; i < 4; i++ )
        if ( !t.watch[i][0] )
        {
            strcpy(t.watch[i], path);
            t.watch_fn[i] = fn;
            return 0;
        }
    return -ENOSPC;
}

int xenbus_unwatch(struct guest_env *env, const char *path,
                   enum guest_fn_id fn, uint32_t arg)
{
    (void)env;
    (void)arg;
    for ( unsigned int i = 0; i < 4; i++ )
        if ( !strcmp(t.watch[i], path) && t.watch_fn[i] == fn )
        {
            t.watch[i][0] = '\0';
            return 0;
        }
    return -ENOENT;
}

/* ---- kernel ------------------------------------------------------------- */

void guest_call(struct guest_env *env, uint32_t fn, uint32_t arg,
                const struct xenbus_msg *msg)
{
    switch ( fn )
    {
#define CALL(name) case FN_##name: name(env, arg, msg); break
    CALL(netfront_on_backend);
    CALL(netfront_on_backend_id);
    CALL(netfront_on_mac);
    CALL(netfront_on_state);
    CALL(netfront_on_written);
    CALL(netfront_on_backend_watch);
    CALL(netfront_on_dir_watch);
    CALL(netfront_on_timer);
#undef CALL
    default:
        break;
    }
}

void kernel_log(struct guest_env *env, const char *fmt, ...)
{
    (void)env;
    (void)fmt;
}

uint64_t guest_now_us(const struct guest_env *env)
{
    (void)env;
    return t.now_us;
}

int timer_set(struct guest_env *env, enum guest_fn_id fn, uint32_t arg,
              uint64_t deadline_us)
{
    (void)env;
    assert_int_equal(arg, 0);
    t.timer_fn = fn;
    t.timer_us = deadline_us;
    return 0;
}

int port_bind(struct guest_env *env, uint32_t port, enum guest_fn_id fn,
              uint32_t arg)
{
    (void)env;
    (void)arg;
    assert_int_equal(fn, FN_netfront_on_event);
    assert_int_equal(t.bound_port, 0);
    t.bound_port = port;
    return 0;
}

void port_unbind(struct guest_env *env, uint32_t port)
{
    (void)env;
    assert_int_equal(port, t.bound_port);
    t.bound_port = 0;
}

int frame_alloc(struct guest_env *env, unsigned int owner, uint64_t *ret_gfn)
{
    (void)env;
    (void)owner;
    *ret_gfn = t.next_gfn++;
    return *ret_gfn < NR_GFNS ? 0 : -ENOMEM;
}

static int alloc_unbound(struct guest_env *env, uint32_t remote,
                         uint32_t *ret_port)
{
    (void)env;
    assert_int_equal(remote, 0);
    assert_int_equal(t.open_port, 0);
    *ret_port = t.open_port = t.next_port++;
    return 0;
}

static int evtchn_close(struct guest_env *env, uint32_t port)
{
    (void)env;
    assert_int_equal(port, t.open_port);
    t.open_port = 0;
    return 0;
}

static int evtchn_send(struct guest_env *env, uint32_t port)
{
    (void)env;
    assert_int_equal(port, t.open_port);
    t.events++;
    return 0;
}

static void *grant_table(struct guest_env *env, unsigned int *ret_nr)
{
    (void)env;
    *ret_nr = NR_GRANTS;
    return t.grants;
}

static const struct guest_hv hv = {
    .evtchn_alloc_unbound = alloc_unbound,
    .evtchn_close = evtchn_close,
    .evtchn_send = evtchn_send,
    .grant_table = grant_table,
};

/* ---- helpers ------------------------------------------------------------ */

static struct netfront *nf(void)
{
    return netfront_get(&t.env);
}

static void fire(const char *path)
{
    for ( unsigned int i = 0; i < 4; i++ )
        if ( t.watch[i][0] &&
             !strncmp(t.watch[i], path, strlen(t.watch[i])) )
        {
            struct xenbus_msg msg = { .data = "", .path = path };

            guest_call(&t.env, t.watch_fn[i], 0, &msg);
        }
}

/* Answer what has been asked, in order. */
static void answer(void)
{
    struct asked asked[NR_ASKED];
    unsigned int n = t.nr_asked;

    memcpy(asked, t.asked, sizeof(asked));
    t.nr_asked = 0;
    for ( unsigned int i = 0; i < n; i++ )
    {
        const char *value = node(asked[i].path);
        struct xenbus_msg msg = { .data = "OK", .len = 2 };

        t.slots++;
        if ( asked[i].read )
        {
            msg.data = value;
            msg.len = strlen(value);
            msg.error = *value ? 0 : -ENOENT;
        }
        else
            strcpy(node(asked[i].path), asked[i].value);
        guest_call(&t.env, asked[i].fn, asked[i].arg, &msg);
        if ( !asked[i].read )
            fire(asked[i].path);
    }
}

static void step(void)
{
    driver_netfront.poll(&t.env);
}

/* Steps and answers until nothing moves any more. */
static void settle(void)
{
    unsigned int n = 0;

    do
    {
        while ( driver_netfront.poll(&t.env) )
            assert_true(++n < 1000);
        answer();
    } while ( nf()->due || t.nr_asked );
}

static void backend_says(enum xenbus_state state)
{
    snprintf(node(BACK "/state"), 8, "%d", state);
    fire(BACK "/state");
    settle();
}

static unsigned int front_state(void)
{
    return atoi(node("device/vif/0/state"));
}

/* What a toolstack writes for an interface. */
static void make_vif(void)
{
    strcpy(node("device/vif/0/backend"), BACK);
    strcpy(node("device/vif/0/backend-id"), "0");
    strcpy(node("device/vif/0/mac"), "00:16:3e:0a:0b:0c");
    strcpy(node("device/vif/0/state"), "1");
    strcpy(node(BACK "/state"), "1");
}

static void start(void)
{
    assert_int_equal(driver_netfront.init(&t.env), 0);
    step();
    fire("device/vif");
    settle();
}

static void start_connected(void)
{
    make_vif();
    start();
    backend_says(XenbusStateInitWait);
    backend_says(XenbusStateConnected);
    assert_int_equal(nf()->state, NETFRONT_CONNECTED);
}

/* The hypervisor forgets, xenstore is another one. */
static void move(void)
{
    memset(t.grants, 0, sizeof(t.grants));
    memset(t.node, 0, sizeof(t.node));
    t.open_port = t.bound_port = 0;
    t.next_port = 40;
    make_vif();
    driver_netfront.resume(&t.env, true);
}

static int setup(void **state)
{
    (void)state;
    memset(&t, 0, sizeof(t));
    t.env.mem = calloc(NR_GFNS, GUEST_PAGE_SIZE);
    if ( !t.env.mem )
        return -1;
    t.env.nr_gfns = NR_GFNS;
    t.env.regs = &t.regs;
    t.env.hv = &hv;
    t.now_us = 1000000;
    t.next_port = 9;
    t.slots = XENBUS_SLOTS;
    t.next_gfn = 600;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    free(t.env.mem);
    return 0;
}

/* ---- tests -------------------------------------------------------------- */

static void guest_without_interface_stays_quiet(void **state)
{
    uint8_t frame[60] = { 0 };

    (void)state;
    start();
    assert_int_equal(nf()->state, NETFRONT_NONE);
    assert_false(netfront_exists(&t.env));
    assert_int_equal(netfront_send(&t.env, frame, sizeof(frame)), -ENODEV);
    assert_true(driver_netfront.quiesce(&t.env));
    driver_netfront.resume(&t.env, false);
    driver_netfront.resume(&t.env, true);
    settle();
    assert_int_equal(nf()->state, NETFRONT_NONE);
}

static void interface_that_comes_later_is_found(void **state)
{
    (void)state;
    start();
    make_vif();
    fire("device/vif/0");
    settle();
    assert_int_equal(nf()->state, NETFRONT_WAIT);
    assert_true(netfront_exists(&t.env));
    assert_memory_equal(netfront_mac(&t.env), "\x00\x16\x3e\x0a\x0b\x0c", 6);
}

static void nothing_is_published_before_the_offer(void **state)
{
    (void)state;
    make_vif();
    start();
    assert_int_equal(nf()->state, NETFRONT_WAIT);
    assert_string_equal(node("device/vif/0/tx-ring-ref"), "");
    assert_int_equal(front_state(), XenbusStateInitialising);
    assert_int_equal(t.open_port, 0);
}

static void offer_is_answered_with_rings_and_connected(void **state)
{
    uint32_t tx, rx;

    (void)state;
    make_vif();
    start();
    backend_says(XenbusStateInitWait);
    assert_int_equal(front_state(), XenbusStateConnected);
    tx = atoi(node("device/vif/0/tx-ring-ref"));
    rx = atoi(node("device/vif/0/rx-ring-ref"));
    assert_int_equal(atoi(node("device/vif/0/event-channel")), t.open_port);
    assert_string_equal(node("device/vif/0/request-rx-copy"), "1");
    assert_int_equal(t.grants[tx].flags, GTF_permit_access);
    assert_int_equal(t.grants[tx].frame, nf()->tx_ring_gfn);
    assert_int_equal(t.grants[rx].frame, nf()->rx_ring_gfn);
    assert_int_equal(nf()->state, NETFRONT_CONNECTING);
    t.events = 0;
    backend_says(XenbusStateConnected);
    assert_int_equal(nf()->state, NETFRONT_CONNECTED);
    assert_int_equal(t.events, 1);
}

static void state_is_written_last(void **state)
{
    (void)state;
    make_vif();
    start();
    strcpy(node(BACK "/state"), "2");
    fire(BACK "/state");
    step();
    answer();
    while ( driver_netfront.poll(&t.env) )
        continue;
    assert_true(t.nr_asked > 3);
    assert_string_equal(t.asked[t.nr_asked - 1].path, "device/vif/0/state");
}

static void announcements_follow_the_connection(void **state)
{
    uint64_t last_us;
    unsigned int n = 1;

    (void)state;
    start_connected();
    assert_int_equal(nf()->sent, 1);
    while ( t.timer_fn == FN_netfront_on_timer && t.timer_us > t.now_us )
    {
        last_us = t.now_us;
        t.now_us = t.timer_us;
        assert_in_range(t.now_us - last_us, 1000, 1000000);
        netfront_on_timer(&t.env, 0, NULL);
        n++;
        assert_int_equal(nf()->sent, n);
    }
    assert_in_range(n, 3, 10);
}

static void new_host_starts_over(void **state)
{
    uint32_t old_port;

    (void)state;
    start_connected();
    old_port = t.open_port;
    move();
    settle();
    assert_int_equal(nf()->state, NETFRONT_WAIT);
    backend_says(XenbusStateInitWait);
    backend_says(XenbusStateConnected);
    assert_int_equal(nf()->state, NETFRONT_CONNECTED);
    assert_int_not_equal(t.open_port, old_port);
    assert_int_equal(atoi(node("device/vif/0/event-channel")), t.open_port);
    assert_int_equal(t.grants[GRANT_TX_RING].flags, GTF_permit_access);
}

/* A toolstack that resumes a guest where it was, as if it were elsewhere. */
static void same_host_treated_as_new_gets_a_new_offer(void **state)
{
    (void)state;
    start_connected();
    memset(t.grants, 0, sizeof(t.grants));
    t.open_port = t.bound_port = 0;
    driver_netfront.resume(&t.env, true);
    settle();
    assert_int_equal(front_state(), XenbusStateInitialising);
    backend_says(XenbusStateInitWait);
    backend_says(XenbusStateConnected);
    assert_int_equal(nf()->state, NETFRONT_CONNECTED);
    assert_int_equal(front_state(), XenbusStateConnected);
}

static void new_host_may_have_another_backend_path(void **state)
{
    (void)state;
    start_connected();
    move();
    strcpy(node("device/vif/0/backend"), "/local/domain/0/backend/vif/8/0");
    strcpy(node("/local/domain/0/backend/vif/8/0/state"), "2");
    settle();
    assert_int_equal(nf()->state, NETFRONT_CONNECTING);
    for ( unsigned int i = 0; i < 4; i++ )
        assert_string_not_equal(t.watch[i], BACK "/state");
}

static void new_host_without_the_interface_is_survived(void **state)
{
    (void)state;
    start_connected();
    move();
    memset(t.node, 0, sizeof(t.node));
    settle();
    assert_int_equal(nf()->state, NETFRONT_NONE);
    make_vif();
    fire("device/vif/0");
    settle();
    backend_says(XenbusStateInitWait);
    assert_int_equal(nf()->state, NETFRONT_CONNECTING);
}

static void cancelled_suspend_changes_nothing(void **state)
{
    static uint8_t before[KERNEL_DRIVER_PAGES * GUEST_PAGE_SIZE];

    (void)state;
    start_connected();
    memcpy(before, nf(), sizeof(before));
    driver_netfront.resume(&t.env, false);
    assert_memory_equal(before, nf(), sizeof(before));
    assert_int_equal(t.nr_asked, 0);
}

static void answers_for_the_old_host_do_not_count(void **state)
{
    (void)state;
    start_connected();
    fire(BACK "/state");
    step();
    assert_int_equal(t.nr_asked, 1);
    move();
    /* The old question is answered first: "Closed" of no concern to us. */
    strcpy(node(BACK "/state"), "6");
    answer();
    assert_int_equal(nf()->state, NETFRONT_LOOK);
    strcpy(node(BACK "/state"), "1");
    settle();
    backend_says(XenbusStateInitWait);
    assert_int_equal(nf()->state, NETFRONT_CONNECTING);
}

static void driver_is_not_at_rest_while_asking(void **state)
{
    (void)state;
    start_connected();
    assert_true(driver_netfront.quiesce(&t.env));
    fire(BACK "/state");
    assert_false(driver_netfront.quiesce(&t.env));
    step();
    assert_false(driver_netfront.quiesce(&t.env));
    answer();
    assert_true(driver_netfront.quiesce(&t.env));
}

static void full_request_slots_only_delay(void **state)
{
    (void)state;
    make_vif();
    t.slots = 9;
    start();
    t.slots = 0;
    strcpy(node(BACK "/state"), "2");
    fire(BACK "/state");
    for ( unsigned int i = 0; i < 5; i++ )
        step();
    assert_int_equal(t.nr_asked, 0);
    t.slots = 9;
    settle();
    assert_int_equal(front_state(), XenbusStateConnected);
    assert_string_not_equal(node("device/vif/0/event-channel"), "");
}

static void backend_that_closes_may_come_back(void **state)
{
    (void)state;
    start_connected();
    backend_says(XenbusStateClosing);
    assert_int_equal(front_state(), XenbusStateClosed);
    assert_int_equal(t.open_port, 0);
    backend_says(XenbusStateClosed);
    assert_int_equal(front_state(), XenbusStateInitialising);
    assert_int_equal(t.grants[GRANT_TX_RING].flags, 0);
    backend_says(XenbusStateInitWait);
    backend_says(XenbusStateConnected);
    assert_int_equal(nf()->state, NETFRONT_CONNECTED);
}

static void interface_taken_away_may_be_replaced(void **state)
{
    (void)state;
    start_connected();
    backend_says(XenbusStateClosing);
    backend_says(XenbusStateClosed);
    memset(t.node, 0, sizeof(t.node));
    fire(BACK "/state");
    settle();
    assert_int_equal(nf()->state, NETFRONT_NONE);
    assert_int_equal(t.open_port, 0);
    make_vif();
    fire("device/vif/0");
    settle();
    backend_says(XenbusStateInitWait);
    backend_says(XenbusStateConnected);
    assert_int_equal(nf()->state, NETFRONT_CONNECTED);
}

static void interface_torn_away_is_survived(void **state)
{
    (void)state;
    start_connected();
    memset(t.node, 0, sizeof(t.node));
    fire(BACK "/state");
    settle();
    assert_int_equal(nf()->state, NETFRONT_NONE);
    assert_int_equal(t.open_port, 0);
    assert_int_equal(t.grants[GRANT_TX_RING].flags, 0);
}

static void mapped_grants_delay_the_next_handshake(void **state)
{
    (void)state;
    start_connected();
    t.grants[GRANT_RX_RING].flags |= GTF_reading;
    backend_says(XenbusStateClosed);
    assert_int_equal(nf()->state, NETFRONT_CLOSED);
    t.grants[GRANT_RX_RING].flags &= ~GTF_reading;
    netfront_on_timer(&t.env, 0, NULL);
    settle();
    assert_int_equal(nf()->state, NETFRONT_WAIT);
    assert_int_equal(front_state(), XenbusStateInitialising);
}

static void frames_written_while_away_are_kept(void **state)
{
    uint8_t frame[60] = { 1 };

    (void)state;
    start_connected();
    move();
    assert_int_equal(netfront_send(&t.env, frame, sizeof(frame)), 0);
    settle();
    backend_says(XenbusStateInitWait);
    /* the first announcement of the old host, this frame, the new one */
    assert_int_equal(nf()->nr_on_ring, 3);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(guest_without_interface_stays_quiet),
        TEST(interface_that_comes_later_is_found),
        TEST(nothing_is_published_before_the_offer),
        TEST(offer_is_answered_with_rings_and_connected),
        TEST(state_is_written_last),
        TEST(announcements_follow_the_connection),
        TEST(new_host_starts_over),
        TEST(same_host_treated_as_new_gets_a_new_offer),
        TEST(new_host_may_have_another_backend_path),
        TEST(new_host_without_the_interface_is_survived),
        TEST(cancelled_suspend_changes_nothing),
        TEST(answers_for_the_old_host_do_not_count),
        TEST(driver_is_not_at_rest_while_asking),
        TEST(full_request_slots_only_delay),
        TEST(backend_that_closes_may_come_back),
        TEST(interface_taken_away_may_be_replaced),
        TEST(interface_torn_away_is_survived),
        TEST(mapped_grants_delay_the_next_handshake),
        TEST(frames_written_while_away_are_kept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
