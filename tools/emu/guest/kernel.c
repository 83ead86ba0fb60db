/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The kernel's small services: clock, timers, event ports, console, and the
 * way a guest dies.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdint.h>
#include <string.h>

#include <xen/sched.h>

#include "internal.h"
#include "xenbus.h"

/* How long the bad verdict may take to reach xenstore before the crash. */
#define DYING_US 200000

uint64_t guest_now_us(const struct guest_env *env)
{
    struct guest_env *e = (struct guest_env *)env;

    return env->hv->now_us(e) +
           shared_get(&kernel_get(env)->clock_offset_us);
}

/* ---- timers ------------------------------------------------------------ */

static struct kernel_timer *timer_find(struct kernel *k, uint32_t fn,
                                       uint32_t arg)
{
    unsigned int i;

    for ( i = 0; i < KERNEL_TIMERS; i++ )
        if ( k->timers[i].fn == fn && k->timers[i].arg == arg )
            return &k->timers[i];
    return NULL;
}

int timer_set(struct guest_env *env, enum guest_fn_id fn, uint32_t arg,
              uint64_t deadline_us)
{
    struct kernel *k = kernel_get(env);
    struct kernel_timer *t = timer_find(k, fn, arg);

    if ( !t )
        t = timer_find(k, FN_none, 0);
    if ( !t )
        return -ENOSPC;
    t->fn = fn;
    t->arg = arg;
    t->deadline_us = deadline_us;
    return 0;
}

void timer_cancel(struct guest_env *env, enum guest_fn_id fn, uint32_t arg)
{
    struct kernel_timer *t = timer_find(kernel_get(env), fn, arg);

    if ( t )
        memset(t, 0, sizeof(*t));
}

bool timers_run(struct guest_env *env)
{
    struct kernel *k = kernel_get(env);
    uint64_t now = guest_now_us(env);
    bool fired = false;
    unsigned int i;

    for ( i = 0; i < KERNEL_TIMERS; i++ )
    {
        struct kernel_timer t = k->timers[i];

        if ( t.fn == FN_none || t.deadline_us > now )
            continue;
        memset(&k->timers[i], 0, sizeof(k->timers[i]));
        guest_call(env, t.fn, t.arg, NULL);
        fired = true;
    }
    return fired;
}

uint64_t timers_next_us(const struct guest_env *env)
{
    const struct kernel *k = kernel_get(env);
    uint64_t next = UINT64_MAX;
    unsigned int i;

    for ( i = 0; i < KERNEL_TIMERS; i++ )
        if ( k->timers[i].fn != FN_none && k->timers[i].deadline_us < next )
            next = k->timers[i].deadline_us;
    return next;
}

/* ---- event ports ------------------------------------------------------- */

int port_bind(struct guest_env *env, uint32_t port, enum guest_fn_id fn,
              uint32_t arg)
{
    struct kernel *k = kernel_get(env);
    struct kernel_port *slot = NULL;
    unsigned int i;

    if ( !port )
        return -EINVAL;
    for ( i = 0; i < KERNEL_PORTS; i++ )
    {
        if ( k->ports[i].port == port )
        {
            slot = &k->ports[i];
            break;
        }
        if ( !slot && !k->ports[i].port )
            slot = &k->ports[i];
    }
    if ( !slot )
        return -ENOSPC;
    slot->port = port;
    slot->fn = fn;
    slot->arg = arg;
    return 0;
}

void port_unbind(struct guest_env *env, uint32_t port)
{
    struct kernel *k = kernel_get(env);
    unsigned int i;

    for ( i = 0; i < KERNEL_PORTS; i++ )
        if ( port && k->ports[i].port == port )
            memset(&k->ports[i], 0, sizeof(k->ports[i]));
}

bool ports_poll(struct guest_env *env)
{
    struct kernel *k = kernel_get(env);
    bool fired = false;
    unsigned int i;

    for ( i = 0; i < KERNEL_PORTS; i++ )
    {
        struct kernel_port p = k->ports[i];

        if ( !p.port || env->hv->evtchn_pending(env, p.port) != 1 )
            continue;
        guest_call(env, p.fn, p.arg, NULL);
        fired = true;
    }
    return fired;
}

void ports_drop(struct guest_env *env)
{
    memset(kernel_get(env)->ports, 0, sizeof(kernel_get(env)->ports));
}

/* ---- console, end ------------------------------------------------------ */

void kernel_log(struct guest_env *env, const char *fmt, ...)
{
    char line[256];
    va_list ap;
    int n;

    n = snprintf(line, sizeof(line), "[%12.6f] ",
                 (double)guest_now_us(env) / 1000000);
    va_start(ap, fmt);
    vsnprintf(line + n, sizeof(line) - n, fmt, ap);
    va_end(ap);
    env->hv->console(env, line);
}

void kernel_shutdown(struct guest_env *env, unsigned int reason)
{
    shared_set(&kernel_get(env)->state, KERNEL_DEAD);
    env->hv->shutdown(env, reason);
}

void kernel_bad(struct guest_env *env, const char *fmt, ...)
{
    struct kernel *k = kernel_get(env);
    uint32_t nobody = 0;
    char text[sizeof(k->bad_text)];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    kernel_log(env, "BAD: %s", text);

    /* The first report is the one that is published. */
    if ( !__atomic_compare_exchange_n(&k->bad, &nobody, 1, false,
                                      __ATOMIC_ACQ_REL, __ATOMIC_RELAXED) )
        return;
    memcpy(k->bad_text, text, sizeof(text));
    shared_set(&k->bad, 2);
    if ( env->vcpu )
        env->hv->kick(env, 0);
}

/* The verdict has reached xenstore, or the time for that is over. */
void publish_on_bad(struct guest_env *env, uint32_t arg,
                    const struct xenbus_msg *msg)
{
    (void)arg;
    (void)msg;
    if ( shared_get(&kernel_get(env)->state) == KERNEL_DYING )
        kernel_shutdown(env, SHUTDOWN_crash);
}

bool kernel_bad_poll(struct guest_env *env)
{
    struct kernel *k = kernel_get(env);

    if ( shared_get(&k->bad) != 2 )
        return false;
    if ( k->state == KERNEL_DYING || k->state == KERNEL_DEAD )
        return true;

    shared_set(&k->state, KERNEL_DYING);
    if ( timer_set(env, FN_publish_on_bad, 0,
                   guest_now_us(env) + DYING_US) ||
         xenbus_writef(env, 0, "data/verdict", FN_publish_on_bad, 0,
                       "bad %s", k->bad_text) )
        kernel_shutdown(env, SHUTDOWN_crash);
    return true;
}
