/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The guest's xenstore client, with a xenstored played by hand.
 *
 * LINK: tools/emu/guest/xenbus.c tools/emu/guest/xenbus_ring.c
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
#include <xen/io/xs_wire.h>
#include <xen/hvm/params.h>

#include "kernel.h"
#include "xenbus.h"

#define NR_GFNS (KERNEL_END_GFN + 8)
#define RING    (KERNEL_END_GFN + 2)

static struct guest_env env;
static uint32_t port, nr_sent;
static char log_text[1024];

/* What callbacks saw: fn, arg, error, tx, text. */
static struct seen
{
    uint32_t fn, arg, tx;
    int error;
    char text[64];
} seen[256];
static unsigned int nr_seen;

/* ---- what the client calls --------------------------------------------- */

void guest_call(struct guest_env *e, uint32_t fn, uint32_t arg,
                const struct xenbus_msg *msg)
{
    struct seen *s = &seen[nr_seen++];

    assert_ptr_equal(e, &env);
    assert_in_range(nr_seen, 1, 256);
    s->fn = fn;
    s->arg = arg;
    s->tx = msg->tx;
    s->error = msg->error;
    snprintf(s->text, sizeof(s->text), "%s",
             msg->path ? msg->path : msg->data);
}

int port_bind(struct guest_env *e, uint32_t p, enum guest_fn_id fn,
              uint32_t arg)
{
    (void)e;
    (void)fn;
    (void)arg;
    return p == port ? 0 : -EINVAL;
}

void kernel_log(struct guest_env *e, const char *fmt, ...)
{
    va_list ap;

    (void)e;
    va_start(ap, fmt);
    vsnprintf(log_text, sizeof(log_text), fmt, ap);
    va_end(ap);
}

static int get_param(struct guest_env *e, unsigned int index,
                     uint64_t *ret_value)
{
    (void)e;
    *ret_value = index == HVM_PARAM_STORE_PFN ? RING : port;
    return 0;
}

static int evtchn_send(struct guest_env *e, uint32_t p)
{
    (void)e;
    assert_int_equal(p, port);
    nr_sent++;
    return 0;
}

static const struct guest_hv hv =
{
    .get_param = get_param,
    .evtchn_send = evtchn_send,
};

/* ---- xenstored's side --------------------------------------------------- */

static struct xenstore_domain_interface *ring(void)
{
    return guest_page(&env, RING);
}

/* One request off the ring; polls the client while it is not complete. */
static struct xsd_sockmsg take(char *data)
{
    struct xsd_sockmsg hdr;
    char buf[sizeof(hdr) + 4096];
    size_t n = 0, want = sizeof(hdr);
    unsigned int idle = 0;

    while ( n < want )
    {
        if ( ring()->req_cons == ring()->req_prod )
        {
            assert_true(idle++ < 3);
            xenbus_poll(&env);
            continue;
        }
        buf[n++] = ring()->req[MASK_XENSTORE_IDX(ring()->req_cons)];
        ring()->req_cons++;
        if ( n == sizeof(hdr) )
        {
            memcpy(&hdr, buf, sizeof(hdr));
            want += hdr.len;
        }
    }
    memcpy(data, buf + sizeof(hdr), hdr.len);
    data[hdr.len] = '\0';
    return hdr;
}

/* Bytes to the ring, a few at a time. */
static void give(uint32_t type, uint32_t req_id, const void *data,
                 uint32_t len)
{
    struct xsd_sockmsg hdr = { .type = type, .req_id = req_id, .len = len };
    char buf[sizeof(hdr) + 4096];
    size_t i;

    memcpy(buf, &hdr, sizeof(hdr));
    memcpy(buf + sizeof(hdr), data, len);
    for ( i = 0; i < sizeof(hdr) + len; i++ )
    {
        ring()->rsp[MASK_XENSTORE_IDX(ring()->rsp_prod)] = buf[i];
        ring()->rsp_prod++;
        if ( i % 7 == 0 )
            xenbus_poll(&env);
    }
    xenbus_poll(&env);
}

static void give_text(uint32_t type, uint32_t req_id, const char *text)
{
    give(type, req_id, text, strlen(text));
}

static void give_error(uint32_t req_id, const char *name)
{
    give(XS_ERROR, req_id, name, strlen(name) + 1);
}

static void new_host(void)
{
    memset(ring(), 0, GUEST_PAGE_SIZE);
    port++;
    xenbus_resume(&env, true);
}

static int boot(void **state)
{
    (void)state;
    port = 7;
    nr_seen = nr_sent = 0;
    log_text[0] = '\0';
    env.nr_gfns = NR_GFNS;
    env.hv = &hv;
    env.mem = aligned_alloc(GUEST_PAGE_SIZE, NR_GFNS * GUEST_PAGE_SIZE);
    assert_non_null(env.mem);
    memset(env.mem, 0xc2, NR_GFNS * GUEST_PAGE_SIZE);
    memset(ring(), 0, GUEST_PAGE_SIZE);
    assert_int_equal(xenbus_init(&env), 0);
    return 0;
}

static int end(void **state)
{
    (void)state;
    free(env.mem);
    return 0;
}

/* ---- tests -------------------------------------------------------------- */

static void read_is_answered(void **state)
{
    char data[5000];
    struct xsd_sockmsg hdr;

    (void)state;
    assert_int_equal(xenbus_read(&env, 0, "name", 11, 22), 0);
    assert_false(xenbus_idle(&env));
    hdr = take(data);
    assert_int_equal(hdr.type, XS_READ);
    assert_int_equal(hdr.tx_id, 0);
    assert_int_equal(hdr.len, 5);
    assert_string_equal(data, "name");
    assert_int_equal(nr_seen, 0);
    give_text(XS_READ, hdr.req_id, "worker");
    assert_int_equal(nr_seen, 1);
    assert_int_equal(seen[0].fn, 11);
    assert_int_equal(seen[0].arg, 22);
    assert_int_equal(seen[0].error, 0);
    assert_string_equal(seen[0].text, "worker");
    assert_true(xenbus_idle(&env));
    assert_true(nr_sent > 0);
}

static void write_has_no_trailing_nul(void **state)
{
    char data[5000];
    struct xsd_sockmsg hdr;

    (void)state;
    assert_int_equal(xenbus_writef(&env, 0, "a", 1, 0, "%d", 42), 0);
    hdr = take(data);
    assert_int_equal(hdr.type, XS_WRITE);
    assert_int_equal(hdr.len, 4);
    assert_memory_equal(data, "a\00042", 4);
}

static void errors_have_their_number(void **state)
{
    static const struct { const char *name; int error; } errors[] =
    {
        { "ENOENT", -ENOENT }, { "EACCES", -EACCES }, { "EAGAIN", -EAGAIN },
        { "ENEWERROR", -EIO },
    };
    unsigned int i;
    char data[5000];

    (void)state;
    for ( i = 0; i < sizeof(errors) / sizeof(errors[0]); i++ )
    {
        assert_int_equal(xenbus_read(&env, 0, "x", 1, i), 0);
        give_error(take(data).req_id, errors[i].name);
        assert_int_equal(seen[i].error, errors[i].error);
    }
}

static void many_requests_wrap_the_ring(void **state)
{
    char data[5000], path[400];
    unsigned int round, i;

    (void)state;
    memset(path, 'p', sizeof(path) - 1);
    path[sizeof(path) - 1] = '\0';
    for ( round = 0; round < 3; round++ )
    {
        for ( i = 0; i < XENBUS_SLOTS; i++ )
        {
            path[0] = 'A' + i % 26;
            assert_int_equal(xenbus_read(&env, 0, path, 1, i), 0);
        }
        assert_int_equal(xenbus_read(&env, 0, "one more", 1, 0), -ENOBUFS);
        assert_int_equal(xenbus_free_slots(&env), 0);
        nr_seen = 0;
        for ( i = 0; i < XENBUS_SLOTS; i++ )
        {
            struct xsd_sockmsg hdr = take(data);

            path[0] = 'A' + i % 26;
            assert_string_equal(data, path);
            give_text(XS_READ, hdr.req_id, "v");
            assert_int_equal(seen[i].arg, i);
        }
        assert_int_equal(nr_seen, XENBUS_SLOTS);
    }
}

static void longest_reply_is_taken(void **state)
{
    char data[5000], big[4096];

    (void)state;
    memset(big, 'b', sizeof(big));
    assert_int_equal(xenbus_read(&env, 0, "big", 1, 0), 0);
    give(XS_READ, take(data).req_id, big, sizeof(big));
    assert_int_equal(nr_seen, 1);
    assert_int_equal(strlen(seen[0].text), sizeof(seen[0].text) - 1);
}

static void too_long_a_request_is_refused(void **state)
{
    char path[XENBUS_PAYLOAD + 1];

    (void)state;
    memset(path, 'p', sizeof(path) - 1);
    path[sizeof(path) - 1] = '\0';
    assert_int_equal(xenbus_read(&env, 0, path, 1, 0), -E2BIG);
    assert_int_equal(xenbus_watch(&env, path, 1, 0), -E2BIG);
    assert_true(xenbus_idle(&env));
}

static void fire(const char *path, const char *token)
{
    char event[256];
    int n = snprintf(event, sizeof(event), "%s%c%s", path, 0, token);

    give(XS_WATCH_EVENT, 0, event, n + 1);
}

static void watch_calls_its_function(void **state)
{
    char data[5000], token[64];
    struct xsd_sockmsg hdr;

    (void)state;
    assert_int_equal(xenbus_watch(&env, "device/vif", 5, 6), 0);
    hdr = take(data);
    assert_int_equal(hdr.type, XS_WATCH);
    assert_string_equal(data, "device/vif");
    strcpy(token, data + strlen(data) + 1);
    give(XS_WATCH, hdr.req_id, "OK", 3);
    nr_seen = 0;
    fire("device/vif/0/state", token);
    assert_int_equal(nr_seen, 1);
    assert_int_equal(seen[0].fn, 5);
    assert_int_equal(seen[0].arg, 6);
    assert_string_equal(seen[0].text, "device/vif/0/state");

    assert_int_equal(xenbus_unwatch(&env, "device/vif", 5, 7), -ENOENT);
    assert_int_equal(xenbus_unwatch(&env, "device/vif", 5, 6), 0);
    hdr = take(data);
    assert_int_equal(hdr.type, XS_UNWATCH);
    assert_string_equal(data + strlen(data) + 1, token);
    nr_seen = 0;
    fire("device/vif/0/state", token);          /* was on its way */
    assert_int_equal(nr_seen, 0);
    /* The slot's next user does not get it either. */
    assert_int_equal(xenbus_watch(&env, "other", 8, 9), 0);
    fire("device/vif/0/state", token);
    assert_int_equal(nr_seen, 0);
}

static uint32_t open_tx(uint32_t id)
{
    char data[5000], text[16];
    struct xsd_sockmsg hdr;
    int n = snprintf(text, sizeof(text), "%u", id);

    assert_int_equal(xenbus_tx_start(&env, 1, 0), 0);
    hdr = take(data);
    assert_int_equal(hdr.type, XS_TRANSACTION_START);
    give(XS_TRANSACTION_START, hdr.req_id, text, n + 1);
    assert_int_equal(seen[nr_seen - 1].error, 0);
    return seen[nr_seen - 1].tx;
}

static void transaction_carries_its_id(void **state)
{
    char data[5000];
    struct xsd_sockmsg hdr;
    uint32_t tx = open_tx(77);

    (void)state;
    assert_false(xenbus_idle(&env));
    assert_int_equal(xenbus_read(&env, tx, "a", 1, 0), 0);
    hdr = take(data);
    assert_int_equal(hdr.tx_id, 77);
    give_text(XS_READ, hdr.req_id, "v");
    assert_int_equal(seen[nr_seen - 1].tx, tx);
    assert_int_equal(xenbus_tx_end(&env, tx, true, 1, 0), 0);
    hdr = take(data);
    assert_int_equal(hdr.type, XS_TRANSACTION_END);
    assert_int_equal(hdr.tx_id, 77);
    assert_string_equal(data, "T");
    give(XS_TRANSACTION_END, hdr.req_id, "OK", 3);
    assert_true(xenbus_idle(&env));
    /* It is over: its id is good for nothing. */
    nr_seen = 0;
    assert_int_equal(xenbus_read(&env, tx, "a", 1, 0), 0);
    xenbus_poll(&env);
    assert_int_equal(nr_seen, 1);
    assert_int_equal(seen[0].error, -EAGAIN);
    assert_int_equal(ring()->req_prod, ring()->req_cons);
}

static void new_host_gets_what_was_not_answered(void **state)
{
    char data[5000];
    struct xsd_sockmsg hdr;

    (void)state;
    assert_int_equal(xenbus_watch(&env, "w1", 5, 1), 0);
    assert_int_equal(xenbus_watch(&env, "w2", 5, 2), 0);
    give(XS_WATCH, take(data).req_id, "OK", 3);
    assert_int_equal(xenbus_read(&env, 0, "sent", 6, 1), 0);
    hdr = take(data);                           /* w2: never answered */
    hdr = take(data);
    assert_string_equal(data, "sent");
    assert_int_equal(xenbus_read(&env, 0, "queued", 6, 2), 0);
    nr_seen = 0;

    new_host();
    hdr = take(data);
    assert_string_equal(data, "sent");
    give_text(XS_READ, hdr.req_id, "1");
    hdr = take(data);
    assert_string_equal(data, "queued");
    give_text(XS_READ, hdr.req_id, "2");
    hdr = take(data);
    assert_int_equal(hdr.type, XS_WATCH);
    assert_string_equal(data, "w1");
    give(XS_WATCH, hdr.req_id, "OK", 3);
    hdr = take(data);
    assert_string_equal(data, "w2");
    give(XS_WATCH, hdr.req_id, "OK", 3);
    assert_int_equal(seen[0].arg, 1);
    assert_int_equal(seen[1].arg, 2);
    assert_true(xenbus_idle(&env));
}

static void new_host_knows_no_old_transaction(void **state)
{
    char data[5000];
    struct xsd_sockmsg hdr;
    uint32_t tx = open_tx(3), tx2;

    (void)state;
    assert_int_equal(xenbus_read(&env, tx, "in flight", 1, 1), 0);
    take(data);
    nr_seen = 0;
    new_host();
    xenbus_poll(&env);
    assert_int_equal(nr_seen, 1);
    assert_int_equal(seen[0].error, -EAGAIN);
    assert_int_equal(ring()->req_prod, 0);
    /* The new host gives the same number to somebody else. */
    tx2 = open_tx(3);
    assert_int_not_equal(tx, tx2);
    nr_seen = 0;
    assert_int_equal(xenbus_write(&env, tx, "a", "b", 1, 2), 0);
    xenbus_poll(&env);
    assert_int_equal(seen[0].error, -EAGAIN);
    assert_int_equal(xenbus_write(&env, tx2, "a", "c", 1, 3), 0);
    hdr = take(data);
    assert_int_equal(hdr.tx_id, 3);
    assert_string_equal(data + 2, "c");
}

static void partial_message_is_forgotten_on_a_new_host(void **state)
{
    char data[5000];
    struct xsd_sockmsg hdr;

    (void)state;
    assert_int_equal(xenbus_read(&env, 0, "x", 1, 1), 0);
    take(data);
    memcpy(ring()->rsp, "half", 4);
    ring()->rsp_prod = 4;
    xenbus_poll(&env);
    new_host();
    hdr = take(data);
    give_text(XS_READ, hdr.req_id, "whole");
    assert_int_equal(nr_seen, 1);
    assert_string_equal(seen[0].text, "whole");
}

static void cancelled_suspend_changes_nothing(void **state)
{
    char data[5000];
    struct xsd_sockmsg hdr;

    (void)state;
    assert_int_equal(xenbus_read(&env, 0, "x", 1, 1), 0);
    hdr = take(data);
    xenbus_resume(&env, false);
    xenbus_poll(&env);
    assert_int_equal(ring()->req_prod, ring()->req_cons);
    give_text(XS_READ, hdr.req_id, "v");
    assert_int_equal(nr_seen, 1);
}

static void nothing_is_sent_while_reconnecting(void **state)
{
    (void)state;
    ring()->connection = XENSTORE_RECONNECT;
    assert_int_equal(xenbus_read(&env, 0, "x", 1, 1), 0);
    xenbus_poll(&env);
    assert_int_equal(ring()->req_prod, 0);
    ring()->connection = XENSTORE_CONNECTED;
    xenbus_poll(&env);
    assert_int_not_equal(ring()->req_prod, 0);
}

static void impossible_rings_are_left_alone(void **state)
{
    char data[5000];
    struct xsd_sockmsg hdr = { .len = 5000 };

    (void)state;
    ring()->rsp_prod = 2000;
    xenbus_poll(&env);
    assert_non_null(strstr(log_text, "broken"));
    end(state);
    boot(state);
    assert_int_equal(xenbus_read(&env, 0, "x", 1, 1), 0);
    ring()->req_cons = 5;
    xenbus_poll(&env);
    assert_non_null(strstr(log_text, "broken"));
    end(state);
    boot(state);
    assert_int_equal(xenbus_read(&env, 0, "x", 1, 1), 0);
    hdr.req_id = take(data).req_id;
    memcpy(ring()->rsp, &hdr, sizeof(hdr));
    ring()->rsp_prod = sizeof(hdr);
    xenbus_poll(&env);
    assert_non_null(strstr(log_text, "too long"));
    assert_int_equal(nr_seen, 0);
}

static void reply_to_nothing_is_logged(void **state)
{
    (void)state;
    give_text(XS_READ, 1234, "v");
    assert_non_null(strstr(log_text, "unknown request"));
    fire("path", "garbage");
    assert_non_null(strstr(log_text, "token"));
    give(XS_WATCH_EVENT, 0, "no nul", 6);
    assert_int_equal(nr_seen, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, boot, end)

int main(void)
{
    const struct CMUnitTest tests[] =
    {
        TEST(read_is_answered),
        TEST(write_has_no_trailing_nul),
        TEST(errors_have_their_number),
        TEST(many_requests_wrap_the_ring),
        TEST(longest_reply_is_taken),
        TEST(too_long_a_request_is_refused),
        TEST(watch_calls_its_function),
        TEST(transaction_carries_its_id),
        TEST(new_host_gets_what_was_not_answered),
        TEST(new_host_knows_no_old_transaction),
        TEST(partial_message_is_forgotten_on_a_new_host),
        TEST(cancelled_suspend_changes_nothing),
        TEST(nothing_is_sent_while_reconnecting),
        TEST(impossible_rings_are_left_alone),
        TEST(reply_to_nothing_is_logged),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
