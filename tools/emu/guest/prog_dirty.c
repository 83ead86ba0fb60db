/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Program "dirty": writes size=SIZE bytes of memory, over and over, at
 * rate=SIZE bytes a second (all vCPUs together; without it, as fast as it
 * can), in order=sequential|random|zipf|hot.  Whole checked pages are written,
 * in bursts of about a millisecond.  With slow=TIME it notes each write that
 * took longer, as one does that waits for an absent page; data/program has
 * how many there were, and their median, 99th percentile and longest.
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

/* From 1 us to 16 s; a step is 1/16 of where its octave begins. */
#define OCTAVE     16u
#define SLOW_STEPS (24 * OCTAVE)

struct dirty                     /* one per vCPU */
{
    struct order order;
    uint64_t pages_per_s;        /* of this vCPU; 0: no limit */
    uint64_t last_us;
    uint64_t credit;             /* pages * 1000000 that may be written */
    uint64_t slow_ns;            /* 0: nothing is noted */
    uint64_t longest_ns;
    uint32_t slow[SLOW_STEPS];   /* writes so long; shared */
};

_Static_assert(sizeof(struct dirty) <= PROGRAM_AREA_SIZE, "one per vCPU");

static const char *const dirty_options[] = { "size", "rate", "order",
                                             "slow", NULL };

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
    uint64_t rate = 0, slow_us = 0;
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
    rc = cmdline_us(k->cmdline, "slow", &slow_us);
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
        s->slow_ns = slow_us * 1000;
    }
    return 0;
}

/* ---- slow writes -------------------------------------------------------- */

static unsigned int step_of(uint64_t ns)
{
    uint64_t x = ns * OCTAVE / 1000;
    unsigned int octave, step;

    if ( x < OCTAVE )
        return 0;
    octave = 63 - (unsigned int)__builtin_clzll(x / OCTAVE);
    step = octave * OCTAVE + (unsigned int)(x >> octave) % OCTAVE;
    return step < SLOW_STEPS ? step : SLOW_STEPS - 1;
}

/* The middle of a step, in tenths of a microsecond. */
static uint64_t step_tenths(unsigned int step)
{
    return ((OCTAVE + step % OCTAVE) * 2 + 1) * (10ull << step / OCTAVE) /
           (2 * OCTAVE);
}

static bool write_one(struct guest_env *env, struct dirty *s)
{
    uint64_t i = order_next(&s->order), begin, ns;
    bool good;

    if ( !s->slow_ns )
        return check_write(env, i);
    begin = env->hv->now_ns(env);
    good = check_write(env, i);
    ns = env->hv->now_ns(env) - begin;
    if ( ns >= s->slow_ns )
        shared_add(&s->slow[step_of(ns)], 1);
    if ( ns >= s->slow_ns && ns > shared_get(&s->longest_ns) )
        shared_set(&s->longest_ns, ns);
    return good;
}

/* Below how many tenths of a microsecond are so many per mille of all? */
static uint64_t percentile(const uint64_t *all, uint64_t nr,
                           unsigned int mille)
{
    uint64_t seen = 0;
    unsigned int i;

    for ( i = 0; i < SLOW_STEPS; i++ )
    {
        seen += all[i];
        if ( seen && seen * 1000 >= nr * mille )
            return step_tenths(i);
    }
    return 0;
}

static void slow_text(struct guest_env *env, char *buf, size_t size)
{
    uint64_t all[SLOW_STEPS] = { 0 }, nr = 0, longest = 0, p50, p99, one;
    unsigned int v, i;

    for ( v = 0; v < kernel_get(env)->nr_vcpus; v++ )
    {
        struct dirty *s = vcpu_program_area(env, v);

        for ( i = 0; i < SLOW_STEPS; i++ )
        {
            one = shared_get(&s->slow[i]);
            all[i] += one;
            nr += one;
        }
        one = shared_get(&s->longest_ns);
        longest = one > longest ? one : longest;
    }
    p50 = percentile(all, nr, 500);
    p99 = percentile(all, nr, 990);
    snprintf(buf, size, " slow=%llu p50_us=%llu.%llu p99_us=%llu.%llu "
             "max_us=%llu", (unsigned long long)nr,
             (unsigned long long)p50 / 10, (unsigned long long)p50 % 10,
             (unsigned long long)p99 / 10, (unsigned long long)p99 % 10,
             (unsigned long long)longest / 1000);
}

/* ---- the program -------------------------------------------------------- */

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
        if ( !write_one(env, s) )
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
    struct dirty *s = vcpu_program_area(env, 0);
    char slow[96] = "";

    if ( s->slow_ns )
        slow_text(env, slow, sizeof(slow));
    snprintf(buf, size, "written=%llu%s",
             (unsigned long long)check_total_writes(env), slow);
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
