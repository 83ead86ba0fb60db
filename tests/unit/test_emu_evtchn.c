/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Event channels of the emulated host.
 *
 * LINK: tools/emu/host/evtchn_ports.c tools/emu/host/evtchn_op.c
 */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>
#include <cmocka.h>
#include <xenctrl.h>
#include <xen/event_channel.h>

#include "evtchn_ports.h"

#define GUEST 7u
#define OTHER 8u

struct fixture
{
    struct evtchn_handle *h;
    int rfd;
    unsigned int kicks;
};

static void kick(void *arg)
{
    ((struct fixture *)arg)->kicks++;
}

static int setup(void **state)
{
    static struct fixture f;
    int p[2];

    f.kicks = 0;
    if ( pipe(p) )
        return -1;
    f.rfd = p[0];
    f.h = evtchn_handle_new(p[1]);
    *state = &f;

    return !f.h || evtchn_domain_init(0, EVTCHN_DOM0_PORTS, NULL, NULL) ||
           evtchn_domain_init(GUEST, EVTCHN_GUEST_PORTS, kick, &f) ||
           evtchn_domain_init(OTHER, EVTCHN_GUEST_PORTS, NULL, NULL);
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    evtchn_handle_free(f->h);
    close(f->rfd);
    evtchn_domain_destroy(GUEST);
    evtchn_domain_destroy(OTHER);
    evtchn_domain_destroy(0);

    return 0;
}

/* The next port in the handle's pipe, 0 for none. */
static uint32_t fired(const struct fixture *f)
{
    struct pollfd p = { .fd = f->rfd, .events = POLLIN };
    uint32_t port;

    if ( poll(&p, 1, 0) != 1 || !(p.revents & POLLIN) )
        return 0;
    assert_int_equal(read(f->rfd, &port, sizeof(port)), sizeof(port));

    return port;
}

/* A guest port, and dom0's end of it owned by the handle. */
static void connect_ports(struct fixture *f, uint32_t *ret_guest,
                          uint32_t *ret_dom0)
{
    assert_int_equal(evtchn_alloc_unbound(GUEST, 0, NULL, ret_guest), 0);
    assert_int_equal(evtchn_bind_interdomain(0, GUEST, *ret_guest, f->h,
                                             ret_dom0), 0);
}

static void binding_fires_once(void **state)
{
    struct fixture *f = *state;
    uint32_t g, d;

    connect_ports(f, &g, &d);
    assert_int_equal(fired(f), d);
    assert_int_equal(fired(f), 0);
}

static void masked_port_remembers_events(void **state)
{
    struct fixture *f = *state;
    uint32_t g, d;

    connect_ports(f, &g, &d);
    assert_int_equal(fired(f), d);
    assert_int_equal(evtchn_send(GUEST, g), 0);
    assert_int_equal(evtchn_send(GUEST, g), 0);
    assert_int_equal(fired(f), 0);
    assert_int_equal(evtchn_handle_unmask(f->h, d), 0);
    assert_int_equal(fired(f), d);
    assert_int_equal(evtchn_handle_unmask(f->h, d), 0);
    assert_int_equal(fired(f), 0);
    assert_int_equal(evtchn_send(GUEST, g), 0);
    assert_int_equal(fired(f), d);
}

static void notify_reaches_the_guest(void **state)
{
    struct fixture *f = *state;
    uint32_t g, d;

    connect_ports(f, &g, &d);
    assert_int_equal(evtchn_test_pending(GUEST, g), 0);
    assert_int_equal(evtchn_handle_notify(f->h, d), 0);
    assert_int_equal(f->kicks, 1);
    assert_int_equal(evtchn_test_pending(GUEST, g), 1);
    assert_int_equal(evtchn_test_pending(GUEST, g), 0);
}

static void foreign_handle_may_not_touch_a_port(void **state)
{
    struct fixture *f = *state;
    struct evtchn_handle *other;
    uint32_t g, d;
    int p[2];

    connect_ports(f, &g, &d);
    assert_int_equal(pipe(p), 0);
    other = evtchn_handle_new(p[1]);
    assert_non_null(other);
    assert_int_equal(evtchn_handle_notify(other, d), -ENOTCONN);
    assert_int_equal(evtchn_handle_unbind(other, d), -ENOTCONN);
    assert_int_equal(evtchn_handle_notify(f->h, d), 0);
    evtchn_handle_free(other);
    close(p[0]);
    assert_int_equal(evtchn_handle_notify(f->h, d), 0);
}

static void only_the_named_domain_binds(void **state)
{
    struct fixture *f = *state;
    uint32_t g, d;

    assert_int_equal(evtchn_alloc_unbound(GUEST, OTHER, NULL, &g), 0);
    assert_int_equal(evtchn_bind_interdomain(0, GUEST, g, f->h, &d),
                     -EINVAL);
    assert_int_equal(evtchn_bind_interdomain(OTHER, GUEST, g, NULL, &d), 0);
    assert_int_equal(evtchn_bind_interdomain(OTHER, GUEST, g, NULL, &d),
                     -EINVAL);
}

static void closing_leaves_the_peer_unbound(void **state)
{
    struct fixture *f = *state;
    struct evtchn_state st;
    uint32_t g, d;

    connect_ports(f, &g, &d);
    assert_int_equal(evtchn_handle_unbind(f->h, d), 0);
    assert_int_equal(evtchn_status(GUEST, g, &st), 0);
    assert_int_equal(st.status, EVTCHNSTAT_unbound);
    assert_int_equal(st.remote_domid, 0);
    /* Lost without an error, as on Xen. */
    assert_int_equal(evtchn_send(GUEST, g), 0);
    assert_int_equal(evtchn_bind_interdomain(0, GUEST, g, f->h, &d), 0);
}

static void dead_domain_frees_its_peers(void **state)
{
    struct fixture *f = *state;
    struct evtchn_state st;
    uint32_t g, d;

    connect_ports(f, &g, &d);
    evtchn_domain_destroy(GUEST);
    assert_int_equal(evtchn_status(0, d, &st), 0);
    assert_int_equal(st.status, EVTCHNSTAT_unbound);
    assert_int_equal(evtchn_handle_notify(f->h, d), 0);
    assert_int_equal(evtchn_status(GUEST, g, &st), -ESRCH);
    assert_int_equal(evtchn_send(GUEST, g), -EINVAL);
}

static void closed_handle_releases_its_ports(void **state)
{
    struct fixture *f = *state;
    struct evtchn_state st;
    uint32_t g, d, v;
    int p[2];

    connect_ports(f, &g, &d);
    assert_int_equal(evtchn_bind_virq(0, VIRQ_DOM_EXC, f->h, &v), 0);
    evtchn_handle_free(f->h);
    assert_int_equal(evtchn_status(0, d, &st), 0);
    assert_int_equal(st.status, EVTCHNSTAT_closed);
    assert_int_equal(evtchn_status(GUEST, g, &st), 0);
    assert_int_equal(st.status, EVTCHNSTAT_unbound);

    assert_int_equal(pipe(p), 0);
    close(f->rfd);
    f->rfd = p[0];
    f->h = evtchn_handle_new(p[1]);
    assert_int_equal(evtchn_bind_virq(0, VIRQ_DOM_EXC, f->h, &v), 0);
}

static void virq_has_one_taker(void **state)
{
    struct fixture *f = *state;
    uint32_t v, w;

    assert_int_equal(evtchn_bind_virq(0, VIRQ_DOM_EXC, f->h, &v), 0);
    assert_int_equal(evtchn_bind_virq(0, VIRQ_DOM_EXC, NULL, &w), -EEXIST);
    assert_int_equal(fired(f), 0);
    evtchn_raise_virq(VIRQ_DOM_EXC);
    assert_int_equal(fired(f), v);
    evtchn_raise_virq(VIRQ_CON_RING);
    assert_int_equal(evtchn_handle_unmask(f->h, v), 0);
    assert_int_equal(fired(f), 0);
}

static void guest_runs_out_of_ports(void **state)
{
    uint32_t port;
    unsigned int i;

    (void)state;
    for ( i = 1; i < EVTCHN_GUEST_PORTS; i++ )
        assert_int_equal(evtchn_alloc_unbound(GUEST, 0, NULL, &port), 0);
    assert_int_equal(port, EVTCHN_GUEST_PORTS - 1);
    assert_int_equal(evtchn_alloc_unbound(GUEST, 0, NULL, &port), -ENOSPC);
    assert_int_equal(evtchn_close(GUEST, 5), 0);
    assert_int_equal(evtchn_alloc_unbound(GUEST, 0, NULL, &port), 0);
    assert_int_equal(port, 5);
}

static void restricted_handle_binds_one_domain(void **state)
{
    struct fixture *f = *state;
    uint32_t g, d;

    assert_int_equal(evtchn_alloc_unbound(OTHER, 0, NULL, &g), 0);
    assert_int_equal(evtchn_handle_restrict(f->h, GUEST), 0);
    assert_int_equal(evtchn_handle_restrict(f->h, OTHER), -EACCES);
    assert_int_equal(evtchn_bind_interdomain(0, OTHER, g, f->h, &d),
                     -EACCES);
    connect_ports(f, &g, &d);
}

static void hypercall_needs_privilege_for_others(void **state)
{
    struct evtchn_alloc_unbound a = { .dom = GUEST, .remote_dom = DOMID_SELF };
    struct evtchn_status s = { .dom = GUEST };
    struct evtchn_reset r = { .dom = GUEST };

    (void)state;
    assert_int_equal(evtchn_op(OTHER, false, EVTCHNOP_alloc_unbound, &a),
                     -EPERM);
    assert_int_equal(evtchn_op(0, true, EVTCHNOP_alloc_unbound, &a), 0);
    s.port = a.port;
    assert_int_equal(evtchn_op(0, true, EVTCHNOP_status, &s), 0);
    assert_int_equal(s.status, EVTCHNSTAT_unbound);
    assert_int_equal(s.u.unbound.dom, 0);
    assert_int_equal(evtchn_op(0, true, EVTCHNOP_reset, &r), 0);
    assert_int_equal(evtchn_op(0, true, EVTCHNOP_status, &s), 0);
    assert_int_equal(s.status, EVTCHNSTAT_closed);
}

static void unmodelled_op_is_enosys(void **state)
{
    struct evtchn_bind_vcpu b = { .port = 1 };

    (void)state;
    assert_int_equal(evtchn_op_size(EVTCHNOP_bind_vcpu), 0);
    assert_int_equal(evtchn_op(0, true, EVTCHNOP_bind_vcpu, &b), -ENOSYS);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(binding_fires_once),
        TEST(masked_port_remembers_events),
        TEST(notify_reaches_the_guest),
        TEST(foreign_handle_may_not_touch_a_port),
        TEST(only_the_named_domain_binds),
        TEST(closing_leaves_the_peer_unbound),
        TEST(dead_domain_frees_its_peers),
        TEST(closed_handle_releases_its_ports),
        TEST(virq_has_one_taker),
        TEST(guest_runs_out_of_ports),
        TEST(restricted_handle_binds_one_domain),
        TEST(hypercall_needs_privilege_for_others),
        TEST(unmodelled_op_is_enosys),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
