/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Program "cpu": 120 million integer additions, again and again, on every
 * vCPU.  The sum runs in registers; a wrong one at the end of a round is a
 * broken vCPU context.  data/program says how many rounds and additions were
 * done and how long the last round took.
 */
#include <stdint.h>
#include <stdio.h>

#include "kernel.h"

#define ROUND 120000000ull
#define BATCH 60000u             /* additions in a step: some 20 us */

#define GPR_SUM  GPR_RSI
#define GPR_NEXT GPR_RDI

struct cpu
{
    uint64_t rounds;
    uint64_t additions;
    uint64_t round_start_us;     /* 0: none under way */
    uint64_t last_round_us;
};

static void round_end(struct guest_env *env, struct cpu *s)
{
    uint64_t *gpr = env->regs->gpr;
    uint64_t now = guest_now_us(env);

    if ( gpr[GPR_SUM] != ROUND * (ROUND - 1) / 2 )
        kernel_bad(env, "cpu: vCPU %u added up to %llu in round %llu",
                   env->vcpu, (unsigned long long)gpr[GPR_SUM],
                   (unsigned long long)s->rounds + 1);
    gpr[GPR_SUM] = 0;
    gpr[GPR_NEXT] = 0;
    shared_set(&s->rounds, s->rounds + 1);
    shared_set(&s->last_round_us, now - s->round_start_us);
    s->round_start_us = now;
}

static enum guest_next cpu_step(struct guest_env *env, uint64_t *deadline_us)
{
    struct cpu *s = vcpu_program_area(env, env->vcpu);
    uint64_t *gpr = env->regs->gpr;
    uint64_t sum = gpr[GPR_SUM], i = gpr[GPR_NEXT], end = i + BATCH;

    (void)deadline_us;
    if ( !s->round_start_us )
        s->round_start_us = guest_now_us(env);
    if ( end > ROUND )
        end = ROUND;
    for ( ; i < end; i++ )
    {
        sum += i;
        __asm__ volatile ("" : "+r" (sum));     /* one addition each */
    }
    shared_set(&s->additions, s->additions + (end - gpr[GPR_NEXT]));
    gpr[GPR_SUM] = sum;
    gpr[GPR_NEXT] = end;
    if ( end == ROUND )
        round_end(env, s);
    return GUEST_AGAIN;
}

static void cpu_progress(struct guest_env *env, char *buf, size_t size)
{
    uint64_t rounds = 0, additions = 0, last = 0;
    unsigned int v;

    for ( v = 0; v < kernel_get(env)->nr_vcpus; v++ )
    {
        struct cpu *s = vcpu_program_area(env, v);
        uint64_t us = shared_get(&s->last_round_us);

        rounds += shared_get(&s->rounds);
        additions += shared_get(&s->additions);
        if ( us > last )
            last = us;
    }
    snprintf(buf, size, "rounds=%llu additions=%llu round_us=%llu",
             (unsigned long long)rounds, (unsigned long long)additions,
             (unsigned long long)last);
}

const struct guest_program prog_cpu =
{
    .name = "cpu",
    .step = cpu_step,
    .progress = cpu_progress,
};
