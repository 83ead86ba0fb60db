/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Program "dirty": writes size=SIZE bytes of memory, over and over, at
 * rate=SIZE bytes a second (all vCPUs together; without it, as fast as it
 * can), in order=sequential|random|zipf.  Whole checked pages are written,
 * in bursts of about a millisecond.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>

#include "check.h"
#include "kernel.h"
#include "order.h"

#define STEP_PAGES 24u           /* written in one step */
#define BURST_US   1000u
#define LAG_US     10000u        /* what a pause leaves unwritten is lost */

struct dirty                     /* one per vCPU */
{
    struct order order;
    uint64_t pages_per_s;        /* of this vCPU; 0: no limit */
    uint64_t last_us;
    uint64_t credit;             /* pages * 1000000 that may be written */
};

static const char *const dirty_options[] = { "size", "rate", "order", NULL };

static int dirty_plan(struct guest_env *env, uint64_t *ret_work_pages)
{
    uint64_t bytes = 64ull << 20;
    int rc = cmdline_bytes(kernel_get(env)->cmdline, "size", &bytes);

    if ( rc && rc != -ENOENT )
        return rc;
    *ret_work_pages = bytes / GUEST_PAGE_SIZE;
    return *ret_work_pages < kernel_get(env)->nr_vcpus ? -EINVAL : 0;
}

static int dirty_init(struct guest_env *env)
{
    struct kernel *k = kernel_get(env);
    enum order_kind kind = ORDER_RANDOM;
    uint64_t rate = 0;
    char word[32];
    unsigned int v;
    int rc = cmdline_bytes(k->cmdline, "rate", &rate);

    if ( rc && rc != -ENOENT )
        return rc;
    rc = cmdline_str(k->cmdline, "order", word, sizeof(word));
    if ( !rc )
        rc = order_parse(word, &kind);
    if ( rc && rc != -ENOENT )
        return rc;
    rate = rate && rate < GUEST_PAGE_SIZE ? 1 : rate / GUEST_PAGE_SIZE;
    for ( v = 0; v < k->nr_vcpus; v++ )
    {
        struct dirty *s = vcpu_program_area(env, v);

        order_init(&s->order, kind, check_nr_work_on(env, v), v + 1);
        s->pages_per_s = rate * (v + 1) / k->nr_vcpus -
                         rate * v / k->nr_vcpus;
        if ( rate && !s->pages_per_s )
            s->pages_per_s = 1;
        s->last_us = guest_now_us(env);
    }
    return 0;
}

/* How many pages may be written now. */
static uint64_t allowance(struct guest_env *env, struct dirty *s,
                          uint64_t *ret_now)
{
    uint64_t now = guest_now_us(env), us = now - s->last_us;
    uint64_t most = LAG_US * s->pages_per_s;

    *ret_now = now;
    if ( !s->pages_per_s )
        return STEP_PAGES;
    s->last_us = now;
    if ( most < 2000000 )
        most = 2000000;
    /* us is capped against overflow only. */
    s->credit += (us < 60000000 ? us : 60000000) * s->pages_per_s;
    if ( s->credit > most )
        s->credit = most;
    return s->credit / 1000000;
}

static enum guest_next dirty_step(struct guest_env *env,
                                  uint64_t *deadline_us)
{
    struct dirty *s = vcpu_program_area(env, env->vcpu);
    uint64_t now, pages = allowance(env, s, &now), n, need_us;

    for ( n = 0; n < pages && n < STEP_PAGES; n++ )
        if ( !check_write(env, order_next(&s->order)) )
            return GUEST_WAIT;
    if ( !s->pages_per_s )
        return GUEST_AGAIN;
    s->credit -= n * 1000000;
    if ( s->credit >= 1000000 )
        return GUEST_AGAIN;
    need_us = (1000000 - s->credit) / s->pages_per_s + 1;
    *deadline_us = now + (need_us > BURST_US ? need_us : BURST_US);
    return GUEST_WAIT;
}

static void dirty_progress(struct guest_env *env, char *buf, size_t size)
{
    snprintf(buf, size, "written=%llu",
             (unsigned long long)check_total_writes(env));
}

const struct guest_program prog_dirty =
{
    .name = "dirty",
    .options = dirty_options,
    .plan = dirty_plan,
    .init = dirty_init,
    .step = dirty_step,
    .progress = dirty_progress,
};
