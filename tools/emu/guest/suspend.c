/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What the toolstack asks of a guest: control/shutdown, and suspend by event
 * channel.
 *
 * A request is acknowledged as Linux does it: inside a transaction the guest
 * reads control/shutdown once more and writes "" over it, so that a toolstack
 * that withdraws the request in a transaction of its own either wins or sees
 * the acknowledgement.
 *
 * Suspend: drivers and program come to rest, the other vCPUs park at a step
 * boundary, vCPU 0 stamps the time and calls shutdown(SHUTDOWN_suspend).  Its
 * next step is the first one afterwards, and rax says where: 0 on a new host,
 * 1 back on the old one.
 */
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include <xen/sched.h>

#include "check.h"
#include "internal.h"
#include "xenbus.h"

/* Drivers and open transactions get so long to come to rest. */
#define QUIESCE_US 50000

#define SHUTDOWN_NODE "control/shutdown"
#define PORT_NODE     "device/suspend/event-channel"

enum
{
    ASK_IDLE,
    ASK_BUSY,                    /* reading and acknowledging */
};

static const struct
{
    const char *command;
    unsigned int reason;
    const char *feature;         /* control/ node that offers it */
} commands[] =
{
    { "poweroff", SHUTDOWN_poweroff, "control/feature-poweroff" },
    { "halt",     SHUTDOWN_poweroff, NULL },
    { "reboot",   SHUTDOWN_reboot,   "control/feature-reboot" },
    { "suspend",  SHUTDOWN_suspend,  "control/feature-suspend" },
    { "crash",    SHUTDOWN_crash,    NULL },
};

#define NR_COMMANDS (sizeof(commands) / sizeof(commands[0]))

/* ---- offering it ------------------------------------------------------- */

static void offer(struct guest_env *env)
{
    struct kernel *k = kernel_get(env);
    char by[16] = "port";
    unsigned int i;
    uint32_t port;

    for ( i = 0; i < NR_COMMANDS; i++ )
        if ( commands[i].feature )
            xenbus_write(env, 0, commands[i].feature, "1", FN_none, 0);

    k->suspend_port = 0;
    /* Linux as it is today has no such port. */
    cmdline_str(k->cmdline, "suspend", by, sizeof(by));
    if ( !strcmp(by, "xenstore") )
        return;
    if ( env->hv->evtchn_alloc_unbound(env, 0, &port) )
    {
        kernel_log(env, "suspend: no event channel");
        return;
    }
    if ( port_bind(env, port, FN_suspend_on_port, 0) )
    {
        env->hv->evtchn_close(env, port);
        return;
    }
    k->suspend_port = port;
    xenbus_writef(env, 0, PORT_NODE, FN_none, 0, "%u", port);
}

void suspend_init(struct guest_env *env)
{
    offer(env);
    if ( xenbus_watch(env, SHUTDOWN_NODE, FN_suspend_on_watch, 0) )
        kernel_log(env, "suspend: can't watch " SHUTDOWN_NODE);
}

/* ---- being asked ------------------------------------------------------- */

static void carry_out(struct guest_env *env, unsigned int reason)
{
    struct kernel *k = kernel_get(env);

    if ( k->state != KERNEL_RUNNING )
        return;
    if ( reason != SHUTDOWN_suspend )
    {
        kernel_log(env, "shutdown, reason %u", reason);
        kernel_shutdown(env, reason);
        return;
    }
    k->quiesce_until_us = guest_now_us(env) + QUIESCE_US;
    shared_set(&k->state, KERNEL_QUIESCE);
}

static void ask_begin(struct guest_env *env)
{
    struct kernel *k = kernel_get(env);

    k->shutdown_dirty = 0;
    k->shutdown_state =
        xenbus_tx_start(env, FN_suspend_on_tx, 0) ? ASK_IDLE : ASK_BUSY;
    k->shutdown_dirty = k->shutdown_state == ASK_IDLE;
}

static void ask_end(struct guest_env *env)
{
    struct kernel *k = kernel_get(env);

    k->shutdown_state = ASK_IDLE;
    if ( k->shutdown_dirty )
        ask_begin(env);
}

static void ask_failed(struct guest_env *env, const char *what, int error)
{
    if ( error == -EAGAIN )      /* lost a race, or the host has changed */
        kernel_get(env)->shutdown_dirty = 1;
    else
        kernel_log(env, "suspend: %s: error %d", what, -error);
    ask_end(env);
}

void suspend_on_watch(struct guest_env *env, uint32_t arg,
                      const struct xenbus_msg *msg)
{
    struct kernel *k = kernel_get(env);

    (void)arg;
    (void)msg;
    if ( k->shutdown_state == ASK_BUSY || k->state != KERNEL_RUNNING )
    {
        k->shutdown_dirty = 1;
        return;
    }
    k->shutdown_state = ASK_BUSY;
    if ( xenbus_read(env, 0, SHUTDOWN_NODE, FN_suspend_on_read, 0) )
    {
        k->shutdown_state = ASK_IDLE;
        k->shutdown_dirty = 1;
    }
}

/* A look outside any transaction: most events are for our own "". */
void suspend_on_read(struct guest_env *env, uint32_t arg,
                     const struct xenbus_msg *msg)
{
    (void)arg;
    if ( !msg->error && msg->len )
        ask_begin(env);
    else if ( msg->error && msg->error != -ENOENT )
        ask_failed(env, "read " SHUTDOWN_NODE, msg->error);
    else
        ask_end(env);
}

void suspend_on_tx(struct guest_env *env, uint32_t arg,
                   const struct xenbus_msg *msg)
{
    int rc = msg->error;

    (void)arg;
    if ( !rc )
        rc = xenbus_read(env, msg->tx, SHUTDOWN_NODE, FN_suspend_on_tx_read,
                         0);
    if ( rc )
        ask_failed(env, "start transaction", rc);
}

/* arg of what follows: index of the command + 1, 0 for none. */
void suspend_on_tx_read(struct guest_env *env, uint32_t arg,
                        const struct xenbus_msg *msg)
{
    uint32_t command = 0;
    unsigned int i;
    int rc;

    (void)arg;
    for ( i = 0; !msg->error && i < NR_COMMANDS; i++ )
        if ( !strcmp(msg->data, commands[i].command) )
            command = i + 1;
    if ( !msg->error && msg->len && !command )
        kernel_log(env, "suspend: unknown request \"%.32s\" ignored",
                   msg->data);
    /* Only what will be done is acknowledged. */
    rc = command ? xenbus_write(env, msg->tx, SHUTDOWN_NODE, "",
                                FN_suspend_on_tx_write, command)
                 : xenbus_tx_end(env, msg->tx, false, FN_suspend_on_tx_end,
                                 0);
    if ( rc )
        ask_failed(env, "acknowledge", rc);
}

void suspend_on_tx_write(struct guest_env *env, uint32_t arg,
                         const struct xenbus_msg *msg)
{
    int rc;

    if ( msg->error )
    {
        kernel_log(env, "suspend: write " SHUTDOWN_NODE ": error %d",
                   -msg->error);
        arg = 0;
    }
    rc = xenbus_tx_end(env, msg->tx, arg != 0, FN_suspend_on_tx_end, arg);
    if ( rc )
        ask_failed(env, "end transaction", rc);
}

void suspend_on_tx_end(struct guest_env *env, uint32_t arg,
                       const struct xenbus_msg *msg)
{
    if ( msg->error )
    {
        ask_failed(env, "end transaction", msg->error);
        return;
    }
    if ( arg && arg <= NR_COMMANDS )
        carry_out(env, commands[arg - 1].reason);
    if ( kernel_get(env)->state == KERNEL_RUNNING )
        ask_end(env);
    else
        kernel_get(env)->shutdown_state = ASK_IDLE;
}

void suspend_on_port(struct guest_env *env, uint32_t arg,
                     const struct xenbus_msg *msg)
{
    (void)arg;
    (void)msg;
    carry_out(env, SHUTDOWN_suspend);
}

/* ---- the context -------------------------------------------------------- */

/* rax is the hypervisor's to change. */
static uint64_t digest_of_registers(const struct guest_env *env)
{
    uint64_t x = 0x9e3779b97f4a7c15ull * (env->vcpu + 1) ^ env->regs->rip;
    unsigned int i;

    for ( i = 0; i < 16; i++ )
        if ( i != GPR_RAX && i != GPR_SEAL )
        {
            x = (x ^ env->regs->gpr[i]) * 0xd6e8feb86659fd93ull;
            x ^= x >> 32;
        }
    return x;
}

void suspend_seal(struct guest_env *env, uint64_t rip)
{
    env->regs->rip = rip;
    env->regs->gpr[GPR_SEAL] = digest_of_registers(env);
}

bool suspend_unseal(struct guest_env *env)
{
    bool same = env->regs->gpr[GPR_SEAL] == digest_of_registers(env);

    env->regs->rip = RIP_RUN;
    if ( !same )
        kernel_bad(env, "the registers of vCPU %u are not those of the "
                   "suspend", env->vcpu);
    return same;
}

/* ---- doing it ---------------------------------------------------------- */

static bool drivers_at_rest(struct guest_env *env)
{
    bool rest = true;
    unsigned int i;

    for ( i = 0; i < guest_nr_drivers; i++ )
        if ( guest_drivers[i]->quiesce )
            rest &= guest_drivers[i]->quiesce(env);
    return rest;
}

static bool all_at_rest(struct guest_env *env)
{
    const struct guest_program *p = program_get(env);
    bool rest = xenbus_idle(env);

    /* All are asked, each time: that is how they come to rest. */
    if ( !drivers_at_rest(env) )
        rest = false;
    if ( p->quiesce )
        rest &= p->quiesce(env);
    return rest;
}

/*
 * After a resume the drivers ask xenstore first: somebody outside waits for
 * the network.  What the toolstack reads of us comes next.
 */
static void settle(struct guest_env *env)
{
    struct kernel *k = kernel_get(env);

    if ( !drivers_at_rest(env) && guest_now_us(env) < k->settle_until_us )
        return;
    /* A slow xenstored may not have answered yet: nothing is left out. */
    if ( xenbus_free_slots(env) < PUBLISH_SLOTS )
        return;
    k->settle_until_us = 0;
    if ( k->settle_offers )
        offer(env);
    k->settle_offers = 0;
    publish_resume(env);
}

void suspend_poll(struct guest_env *env)
{
    struct kernel *k = kernel_get(env);
    struct stamps *st = stamps_get(env);
    unsigned int v;

    if ( k->settle_until_us )
        settle(env);

    if ( k->state == KERNEL_RUNNING && k->shutdown_dirty &&
         k->shutdown_state == ASK_IDLE )
        ask_begin(env);

    if ( k->state == KERNEL_QUIESCE &&
         (all_at_rest(env) || guest_now_us(env) >= k->quiesce_until_us) )
    {
        shared_set(&k->state, KERNEL_PARK);
        for ( v = 1; v < k->nr_vcpus; v++ )
            env->hv->kick(env, v);
    }
    if ( k->state != KERNEL_PARK ||
         shared_get(&k->nr_parked) != k->nr_vcpus - 1 )
        return;

    k->last_now_us = guest_now_us(env);
    st->suspends++;
    env->regs->gpr[GPR_RAX] = 0;
    suspend_seal(env, RIP_RESUME);
    shared_set(&k->state, KERNEL_SUSPENDED);
    st->last_step_ns = env->hv->now_ns(env);
    env->hv->shutdown(env, SHUTDOWN_suspend);
}

static void stamp_first_step(struct guest_env *env, bool new_host)
{
    struct stamps *st = stamps_get(env);

    st->first_step_ns = env->hv->now_ns(env);
    /* Another machine's clock may be behind; then it can't be told. */
    st->downtime_ns = st->first_step_ns > st->last_step_ns ?
                      st->first_step_ns - st->last_step_ns : 0;
    if ( st->downtime_ns > st->max_downtime_ns )
        st->max_downtime_ns = st->downtime_ns;
    if ( new_host )
        st->resumes++;
    else
        st->cancels++;
}

void suspend_wake(struct guest_env *env)
{
    struct kernel *k = kernel_get(env);
    bool new_host = env->regs->gpr[GPR_RAX] == 0;
    const struct guest_program *p = program_get(env);
    uint64_t now;
    unsigned int i;

    stamp_first_step(env, new_host);
    suspend_unseal(env);
    now = guest_now_us(env);
    if ( now < k->last_now_us )
        shared_add(&k->clock_offset_us, k->last_now_us - now);
    kernel_log(env, "%s after %llu us",
               new_host ? "resumed on a new host" : "suspend cancelled",
               (unsigned long long)stamps_get(env)->downtime_ns / 1000);

    if ( new_host )
        ports_drop(env);
    xenbus_resume(env, new_host);
    for ( i = 0; i < guest_nr_drivers; i++ )
        if ( guest_drivers[i]->resume )
            guest_drivers[i]->resume(env, new_host);
    if ( p->resume )
        p->resume(env, new_host);
    check_resume(env);
    k->settle_until_us = guest_now_us(env) + QUIESCE_US;
    k->settle_offers |= new_host;
    /* Until here the other vCPUs stand still, whoever wakes them. */
    shared_set(&k->state, KERNEL_RUNNING);
    for ( i = 1; i < k->nr_vcpus; i++ )
        env->hv->kick(env, i);
}
