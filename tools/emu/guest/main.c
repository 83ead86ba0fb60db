/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * guest_step(): what one step of a vCPU does.
 *
 * vCPU 0 runs the kernel (events, timers, xenstore, suspend, drivers) and
 * then, like every vCPU, a little of the walk over checked memory and one
 * step of the program.
 */
#include <stdint.h>

#include "check.h"
#include "internal.h"
#include "xenbus.h"

/* A parked vCPU looks again by itself, should a kick be missed. */
#define PARK_LOOK_US 10000

static bool alive(const struct kernel *k)
{
    return shared_get(&k->bad) == 0;
}

/* ---- every vCPU -------------------------------------------------------- */

/* Write the stripe at boot; true while there is more. */
static bool fill_step(struct guest_env *env)
{
    struct kernel *k = kernel_get(env);

    if ( env->regs->gpr[GPR_RBX] == RIP_RUN )   /* filled already */
        return false;
    if ( !check_fill_some(env) )
        return alive(k);
    env->regs->gpr[GPR_RBX] = RIP_RUN;
    shared_add(&k->nr_filled, 1);
    if ( env->vcpu )
        env->hv->kick(env, 0);
    return false;
}

static enum guest_next work_step(struct guest_env *env, uint64_t *deadline_us)
{
    bool more = check_walk_some(env);
    enum guest_next next;

    if ( !alive(kernel_get(env)) )
        return GUEST_AGAIN;
    next = program_get(env)->step(env, deadline_us);
    return more ? GUEST_AGAIN : next;
}

/* ---- vCPU 0 ------------------------------------------------------------ */

static void start_running(struct guest_env *env)
{
    struct kernel *k = kernel_get(env);
    const struct guest_program *p = program_get(env);
    unsigned int i;
    int rc = 0;

    check_init(env);
    for ( i = 0; i < guest_nr_drivers && !rc; i++ )
        if ( guest_drivers[i]->init )
            rc = guest_drivers[i]->init(env);
    if ( !rc && p->init )
        rc = p->init(env);
    if ( rc )
    {
        kernel_bad(env, "start of %s: error %d", p->name, -rc);
        return;
    }
    k->drivers_up = 1;
    shared_set(&k->state, KERNEL_RUNNING);
    suspend_init(env);
    balloon_init(env);
    publish_init(env);
    kernel_log(env, "running %s: %llu checked pages, %llu free", p->name,
               (unsigned long long)check_total_pages(env),
               (unsigned long long)frames_nr_free(env));
    for ( i = 1; i < k->nr_vcpus; i++ )
        env->hv->kick(env, i);
}

static bool drivers_poll(struct guest_env *env)
{
    bool more = false;
    unsigned int i;

    for ( i = 0; i < guest_nr_drivers; i++ )
        if ( guest_drivers[i]->poll )
            more |= guest_drivers[i]->poll(env);
    return more;
}

/* The kernel's part of a step; true: more to do at once. */
static bool kernel_poll(struct guest_env *env)
{
    struct kernel *k = kernel_get(env);
    bool more = ports_poll(env);

    more |= timers_run(env);
    more |= xenbus_poll(env);
    if ( kernel_bad_poll(env) )
        return more;
    if ( k->drivers_up )
        more |= drivers_poll(env);
    suspend_poll(env);
    if ( k->state == KERNEL_RUNNING )
    {
        more |= balloon_poll(env);
        publish_verdict_poll(env);
    }
    return more;
}

static enum guest_next first_vcpu(struct guest_env *env,
                                  uint64_t *deadline_us)
{
    struct kernel *k = kernel_get(env);
    enum guest_next next = GUEST_WAIT;
    bool more = kernel_poll(env);

    switch ( k->state )
    {
    case KERNEL_BOOT:
        boot_step(env);
        next = GUEST_AGAIN;
        break;

    case KERNEL_FILL:
        if ( fill_step(env) )
            next = GUEST_AGAIN;
        else if ( shared_get(&k->nr_filled) == k->nr_vcpus )
        {
            start_running(env);
            next = GUEST_AGAIN;
        }
        break;

    case KERNEL_RUNNING:
        next = work_step(env, deadline_us);
        break;

    case KERNEL_QUIESCE:
        next = GUEST_AGAIN;
        break;

    case KERNEL_PARK:
        /* Whoever parks kicks us. */
    case KERNEL_SUSPENDED:
    case KERNEL_DYING:
    case KERNEL_DEAD:
        break;
    }
    if ( k->state == KERNEL_SUSPENDED || k->state == KERNEL_DEAD )
    {
        *deadline_us = UINT64_MAX;
        return GUEST_WAIT;
    }
    if ( timers_next_us(env) < *deadline_us )
        *deadline_us = timers_next_us(env);
    return more ? GUEST_AGAIN : next;
}

/* ---- the others -------------------------------------------------------- */

static enum guest_next other_vcpu(struct guest_env *env,
                                  uint64_t *deadline_us)
{
    struct kernel *k = kernel_get(env);

    if ( !alive(k) )
        return GUEST_WAIT;
    switch ( shared_get(&k->state) )
    {
    case KERNEL_FILL:
        return fill_step(env) ? GUEST_AGAIN : GUEST_WAIT;

    case KERNEL_RUNNING:
    case KERNEL_QUIESCE:
        if ( env->regs->rip == RIP_PARKED )
        {
            shared_add(&k->nr_parked, -1);
            if ( !suspend_unseal(env) )
                return GUEST_WAIT;
        }
        return work_step(env, deadline_us);

    case KERNEL_PARK:
    case KERNEL_SUSPENDED:
        if ( env->regs->rip != RIP_PARKED )
        {
            suspend_seal(env, RIP_PARKED);
            shared_add(&k->nr_parked, 1);
            env->hv->kick(env, 0);
        }
        *deadline_us = guest_now_us(env) + PARK_LOOK_US;
        return GUEST_WAIT;

    default:
        return GUEST_WAIT;
    }
}

enum guest_next guest_step(struct guest_env *env, uint64_t *deadline_us)
{
    enum guest_next next;
    uint64_t deadline = UINT64_MAX;

    *deadline_us = UINT64_MAX;
    if ( env->regs->rip == GUEST_ENTRY )
    {
        env->regs->gpr[GPR_RSP] = (env->vcpu ? KERNEL_VCPU_GFN + env->vcpu
                                             : KERNEL_GFN) * GUEST_PAGE_SIZE;
        if ( !env->vcpu )
        {
            boot_first(env);
            /* Without a kernel the domain is shutting down. */
            return env->regs->rip == RIP_RUN ? GUEST_AGAIN : GUEST_WAIT;
        }
        env->regs->rip = RIP_RUN;
    }
    if ( env->regs->rip == RIP_RESUME )
    {
        suspend_wake(env);
        return GUEST_AGAIN;
    }
    next = env->vcpu ? other_vcpu(env, &deadline)
                     : first_vcpu(env, &deadline);
    if ( deadline != UINT64_MAX )
        *deadline_us = deadline -
                       shared_get(&kernel_get(env)->clock_offset_us);
    return next;
}
