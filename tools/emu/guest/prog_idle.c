/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Program "idle": memory filled with fill=SIZE, and a tick every 10 ms on
 * every vCPU.
 */
#include <stdint.h>
#include <stdio.h>

#include "kernel.h"

#define TICK_US 10000

struct idle
{
    uint64_t ticks;
    uint64_t next_us;
};

static enum guest_next idle_step(struct guest_env *env, uint64_t *deadline_us)
{
    struct idle *s = vcpu_program_area(env, env->vcpu);
    uint64_t now = guest_now_us(env);

    if ( now >= s->next_us )
    {
        shared_set(&s->ticks, s->ticks + 1);
        s->next_us = now + TICK_US;
    }
    *deadline_us = s->next_us;
    return GUEST_WAIT;
}

static void idle_progress(struct guest_env *env, char *buf, size_t size)
{
    uint64_t ticks = 0;
    unsigned int v;

    for ( v = 0; v < kernel_get(env)->nr_vcpus; v++ )
    {
        struct idle *s = vcpu_program_area(env, v);

        ticks += shared_get(&s->ticks);
    }
    snprintf(buf, size, "ticks=%llu", (unsigned long long)ticks);
}

const struct guest_program prog_idle =
{
    .name = "idle",
    .step = idle_step,
    .progress = idle_progress,
};
