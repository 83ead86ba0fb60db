/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The figures of an operation: kept under a lock by whoever knows them,
 * copied out by xmig_get_stats(), and handed to the progress callback at
 * most 20 times a second and at each change of phase or round.
 */
#ifndef XMIG_STATS_H
#define XMIG_STATS_H

#include <pthread.h>

#include "xmig.h"

struct stats
{
    pthread_mutex_t lock;
    /* under lock */
    struct xmig_stats now;
    uint64_t begin_us;           /* 0 = not begun */
    bool ended;
    /* the operation's thread only */
    uint64_t told_us;
    enum xmig_phase told_phase;
    unsigned int told_rounds;
    xmig_progress_fn *fn;
    void *data;
};

void stats_init(struct stats *st);
void stats_done(struct stats *st);
/* All 0; the clock starts. */
void stats_begin(struct stats *st, xmig_progress_fn *fn, void *data);
/* The clock stops. */
void stats_end(struct stats *st);
void stats_copy(struct stats *st, struct xmig_stats *ret);

/* Change some of them: st->now is yours between the two. */
struct xmig_stats *stats_edit(struct stats *st);
void stats_edited(struct stats *st);

void stats_phase(struct stats *st, enum xmig_phase phase);
/* Raises it; never lowers. */
void stats_permille(struct stats *st, unsigned int permille);
/* Call the callback if it is time.  The operation's thread only. */
void stats_tell(struct stats *st);

#endif
