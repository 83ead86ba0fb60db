/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * See batch.h.
 */
#include <stdlib.h>

#include "batch.h"
#include "watch.h"

struct pt_batch *batch_of(struct conn *c)
{
    if ( !c->batch )
        c->batch = calloc(1, sizeof(*c->batch));
    return c->batch;
}

static void settle(struct pt_batch *b)
{
    struct domain *d = b->d;

    if ( b->writing )
    {
        watch_zap(d, b->first, b->nr);
        machine_free(&d->host->machine, &d->acct, b->frames, b->nr_frames);
        b->nr_frames = 0;
    }
    else if ( b->nr )
        (void)watch_continue(d, b->first, b->nr);
    b->nr = 0;
}

void batch_flush(struct pt_batch *b)
{
    struct domain *d = b->d;

    if ( !d )
        return;
    settle(b);
    b->d = NULL;
    pthread_rwlock_unlock(&d->p2m_lock);
    domain_put(d);
}

void batch_begin(struct pt_batch *b, struct domain *d, bool writing)
{
    if ( b->d == d && b->writing == writing )
        return;
    batch_flush(b);
    b->d = domain_get(d);
    b->writing = writing;
    b->nr = b->nr_frames = 0;
    if ( writing )
        pthread_rwlock_wrlock(&d->p2m_lock);
    else
        pthread_rwlock_rdlock(&d->p2m_lock);
}

void batch_add(struct pt_batch *b, uint64_t first, uint64_t nr)
{
    if ( b->nr && first >= b->first && first - b->first + nr <= b->nr )
        return;
    if ( b->nr && first != b->first + b->nr )
        settle(b);
    if ( !b->nr )
        b->first = first;
    b->nr += nr;
}

void batch_free_frame(struct pt_batch *b, uint32_t mfn)
{
    b->frames[b->nr_frames++] = mfn;
    if ( b->nr_frames == RUN_FRAMES )
        settle(b);
}
