/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Requests of vCPUs that wait for a page at the destination of a post-copy:
 * who waits for what since when, and how long they have waited.
 *
 * One thread puts them in as they come; whoever has placed a page takes those
 * out that wait for it, and answers them.  Both look at the set of absent
 * pages: the one after it has put a request in, the other has changed it
 * before it looks here, so that no request is overlooked by both.
 *
 * Thread: any.
 */
#ifndef XMIG_FAULTS_H
#define XMIG_FAULTS_H

#include <pthread.h>
#include <stdint.h>

#include "hv_pager.h"

/* Latencies by their logarithm, four steps each. */
#define FAULTS_BUCKETS 128

struct faults
{
    _Atomic unsigned int nr;     /* that wait */

    pthread_mutex_t lock;
    /* under lock */
    struct
    {
        struct hv_pager_request rq;
        uint64_t since_us;
    } waiting[HV_PAGER_PENDING_MAX];
    uint64_t answered, waited_us, longest_us;
    uint64_t buckets[FAULTS_BUCKETS];
};

struct faults_figures
{
    uint64_t answered, waited_us;
    uint32_t p50_us, p99_us, longest_us;
};

void faults_init(struct faults *f);
void faults_done(struct faults *f);

/* Does somebody wait for it already?  Then it need not be asked for again.
 * -EBUSY: there is no room, which can't be. */
int faults_put(struct faults *f, const struct hv_pager_request *rq,
               uint64_t now_us, bool *ret_asked);
/* Take out all that wait for [gfn, gfn + count): how many; rq has room for
 * HV_PAGER_PENDING_MAX.  They are to be answered at once. */
unsigned int faults_take(struct faults *f, uint64_t gfn, uint64_t count,
                         uint64_t now_us, struct hv_pager_request *rq);
/* What is waited for, each gfn once; room for HV_PAGER_PENDING_MAX. */
unsigned int faults_list(struct faults *f, uint64_t *gfns);
void faults_figures(struct faults *f, struct faults_figures *ret);

#endif
