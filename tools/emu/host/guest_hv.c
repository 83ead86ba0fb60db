/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What a guest gets by hypercall, called from its steps.
 *
 * What arguments point to is copied (guest_copy.h) before any lock is taken: a
 * bad pointer then crashes the guest only.
 */
#include <errno.h>

#include "evtchn.h"
#include "gnttab.h"
#include "guest_copy.h"
#include "guest_hv.h"
#include "host.h"

#define MAX_EXTENTS 512u

static struct vcpu *vcpu_of(struct guest_env *env)
{
    return env->host;
}

static struct domain *domain_of(struct guest_env *env)
{
    return vcpu_of(env)->d;
}

static uint64_t hv_now_us(struct guest_env *env)
{
    (void)env;
    return now_us();
}

static uint64_t hv_now_ns(struct guest_env *env)
{
    (void)env;
    return now_ns();
}

static void hv_shutdown(struct guest_env *env, unsigned int reason)
{
    vcpu_of(env)->shutdown_reason = (int)(reason & 0xff);
}

static void hv_console(struct guest_env *env, const char *line)
{
    char copy[960];

    copy_guest_string(domain_of(env), copy, line, sizeof(copy));
    domain_console(domain_of(env), "%s", copy);
}

static int hv_get_param(struct guest_env *env, unsigned int index,
                        uint64_t *ret_value)
{
    uint64_t value;

    if ( index >= NR_HVM_PARAMS )
        return -EINVAL;
    value = atomic_load(&domain_of(env)->params[index]);
    copy_to_guest(domain_of(env), ret_value, &value, sizeof(value));
    return 0;
}

static int hv_evtchn_alloc_unbound(struct guest_env *env,
                                   uint32_t remote_domid, uint32_t *ret_port)
{
    uint32_t port = 0;
    int rc = evtchn_alloc_unbound(domain_of(env)->domid, remote_domid, NULL,
                                  &port);

    if ( !rc )
        copy_to_guest(domain_of(env), ret_port, &port, sizeof(port));
    return rc;
}

static int hv_evtchn_close(struct guest_env *env, uint32_t port)
{
    return evtchn_close(domain_of(env)->domid, port);
}

static int hv_evtchn_send(struct guest_env *env, uint32_t port)
{
    return evtchn_send(domain_of(env)->domid, port);
}

static int hv_evtchn_pending(struct guest_env *env, uint32_t port)
{
    return evtchn_test_pending(domain_of(env)->domid, port);
}

static void *hv_grant_table(struct guest_env *env,
                            unsigned int *ret_nr_entries)
{
    unsigned int nr = 0;
    void *table = gnttab_table(domain_of(env), &nr);

    copy_to_guest(domain_of(env), ret_nr_entries, &nr, sizeof(nr));
    return table;
}

static int hv_decrease(struct guest_env *env, const uint64_t *gfns,
                       unsigned int n)
{
    uint64_t copy[MAX_EXTENTS];
    long done;

    if ( n > MAX_EXTENTS )
        return -E2BIG;
    copy_from_guest(domain_of(env), copy, gfns, n * sizeof(*copy));
    done = p2m_decrease(domain_of(env), copy, n);
    return done == (long)n ? 0 : done < 0 ? (int)done : -EINVAL;
}

static int hv_populate(struct guest_env *env, const uint64_t *gfns,
                       unsigned int n)
{
    uint64_t copy[MAX_EXTENTS];

    if ( n > MAX_EXTENTS )
        return -E2BIG;
    copy_from_guest(domain_of(env), copy, gfns, n * sizeof(*copy));
    return (int)p2m_populate(domain_of(env), copy, n, 0);
}

static int hv_vcpu_up(struct guest_env *env, unsigned int vcpu)
{
    struct guest_regs regs = { .rip = GUEST_ENTRY };

    return vcpu_up(domain_of(env), vcpu, &regs);
}

static void hv_kick(struct guest_env *env, unsigned int vcpu)
{
    domain_kick(domain_of(env), vcpu);
}

const struct guest_hv guest_hv = {
    .now_us = hv_now_us,
    .now_ns = hv_now_ns,
    .shutdown = hv_shutdown,
    .console = hv_console,
    .get_param = hv_get_param,
    .evtchn_alloc_unbound = hv_evtchn_alloc_unbound,
    .evtchn_close = hv_evtchn_close,
    .evtchn_send = hv_evtchn_send,
    .evtchn_pending = hv_evtchn_pending,
    .grant_table = hv_grant_table,
    .decrease_reservation = hv_decrease,
    .populate_physmap = hv_populate,
    .vcpu_up = hv_vcpu_up,
    .kick = hv_kick,
};
