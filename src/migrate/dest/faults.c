/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The account of waiting vCPUs: see faults.h.
 */
#include "faults.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

void faults_init(struct faults *f)
{
    memset(f, 0, sizeof(*f));
    pthread_mutex_init(&f->lock, NULL);
}

void faults_done(struct faults *f)
{
    pthread_mutex_destroy(&f->lock);
}

int faults_put(struct faults *f, const struct hv_pager_request *rq,
               uint64_t now_us, bool *ret_asked)
{
    unsigned int i;
    int rc = -EBUSY;

    pthread_mutex_lock(&f->lock);
    *ret_asked = false;
    for ( i = 0; i < f->nr; i++ )
        *ret_asked |= f->waiting[i].rq.gfn == rq->gfn;
    if ( f->nr < HV_PAGER_PENDING_MAX )
    {
        f->waiting[f->nr].rq = *rq;
        f->waiting[f->nr].since_us = now_us;
        atomic_fetch_add(&f->nr, 1);
        rc = 0;
    }
    pthread_mutex_unlock(&f->lock);

    return rc;
}

/* 0 ... 3 us each have their own; above, four to an octave. */
static unsigned int bucket(uint64_t us)
{
    unsigned int log, b;

    if ( us < 4 )
        return (unsigned int)us;
    log = 63 - (unsigned int)__builtin_clzll(us);
    b = (log - 1) * 4 + (unsigned int)(us >> (log - 2) & 3);

    return b < FAULTS_BUCKETS ? b : FAULTS_BUCKETS - 1;
}

/* The middle of it. */
static uint32_t bucket_us(unsigned int b)
{
    uint64_t low, step;

    if ( b < 4 )
        return b;
    step = 1ull << (b / 4 - 1);
    low = (4 + b % 4) * step;
    low += step / 2;

    return low < UINT32_MAX ? (uint32_t)low : UINT32_MAX;
}

/* Under lock. */
static void account(struct faults *f, uint64_t us)
{
    f->answered++;
    f->waited_us += us;
    if ( us > f->longest_us )
        f->longest_us = us;
    f->buckets[bucket(us)]++;
}

unsigned int faults_take(struct faults *f, uint64_t gfn, uint64_t count,
                         uint64_t now_us, struct hv_pager_request *rq)
{
    unsigned int n = 0, i = 0;

    /* Nearly always nobody waits for what is pushed. */
    if ( !atomic_load(&f->nr) )
        return 0;
    pthread_mutex_lock(&f->lock);
    while ( i < f->nr )
    {
        if ( f->waiting[i].rq.gfn - gfn >= count )
        {
            i++;
            continue;
        }
        rq[n++] = f->waiting[i].rq;
        if ( f->waiting[i].rq.vcpu_paused )
            account(f, now_us - f->waiting[i].since_us);
        f->waiting[i] = f->waiting[f->nr - 1];
        atomic_fetch_sub(&f->nr, 1);
    }
    pthread_mutex_unlock(&f->lock);

    return n;
}

unsigned int faults_list(struct faults *f, uint64_t *gfns)
{
    unsigned int n = 0, i, k;

    pthread_mutex_lock(&f->lock);
    for ( i = 0; i < f->nr; i++ )
    {
        for ( k = 0; k < n && gfns[k] != f->waiting[i].rq.gfn; k++ )
            ;
        if ( k == n )
            gfns[n++] = f->waiting[i].rq.gfn;
    }
    pthread_mutex_unlock(&f->lock);

    return n;
}

/* Under lock. */
static uint32_t quantile(const struct faults *f, uint64_t percent)
{
    uint64_t want = (f->answered * percent + 99) / 100, sum = 0;
    unsigned int b;

    for ( b = 0; b < FAULTS_BUCKETS; b++ )
    {
        sum += f->buckets[b];
        if ( sum >= want && sum )
            return bucket_us(b);
    }

    return 0;
}

void faults_figures(struct faults *f, struct faults_figures *ret)
{
    pthread_mutex_lock(&f->lock);
    ret->answered = f->answered;
    ret->waited_us = f->waited_us;
    ret->longest_us = f->longest_us < UINT32_MAX ? (uint32_t)f->longest_us
                                                 : UINT32_MAX;
    ret->p50_us = quantile(f, 50);
    ret->p99_us = quantile(f, 99);
    pthread_mutex_unlock(&f->lock);
}
