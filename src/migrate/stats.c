/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Keeping and telling the figures of an operation.
 */
#include "stats.h"

#include <string.h>

#include "clock.h"

/* Not more often than 20 times a second. */
#define TELL_US (50 * US_PER_MS)

void stats_init(struct stats *st)
{
    memset(st, 0, sizeof(*st));
    pthread_mutex_init(&st->lock, NULL);
}

void stats_done(struct stats *st)
{
    pthread_mutex_destroy(&st->lock);
}

void stats_begin(struct stats *st, xmig_progress_fn *fn, void *data)
{
    pthread_mutex_lock(&st->lock);
    memset(&st->now, 0, sizeof(st->now));
    st->begin_us = clock_now_us();
    st->ended = false;
    pthread_mutex_unlock(&st->lock);
    st->fn = fn;
    st->data = data;
    st->told_us = 0;
    st->told_phase = XMIG_PHASE_SETUP;
    st->told_rounds = 0;
}

void stats_end(struct stats *st)
{
    pthread_mutex_lock(&st->lock);
    if ( st->begin_us && !st->ended )
        st->now.total_time_us = clock_now_us() - st->begin_us;
    st->ended = true;
    pthread_mutex_unlock(&st->lock);
}

void stats_copy(struct stats *st, struct xmig_stats *ret)
{
    pthread_mutex_lock(&st->lock);
    if ( st->begin_us && !st->ended )
        st->now.total_time_us = clock_now_us() - st->begin_us;
    *ret = st->now;
    pthread_mutex_unlock(&st->lock);
}

struct xmig_stats *stats_edit(struct stats *st)
{
    pthread_mutex_lock(&st->lock);

    return &st->now;
}

void stats_edited(struct stats *st)
{
    pthread_mutex_unlock(&st->lock);
}

void stats_phase(struct stats *st, enum xmig_phase phase)
{
    struct xmig_stats *now = stats_edit(st);

    now->phase = phase;
    if ( phase == XMIG_PHASE_DONE )
        now->progress_permille = 1000;
    stats_edited(st);
}

void stats_permille(struct stats *st, unsigned int permille)
{
    struct xmig_stats *now = stats_edit(st);

    if ( permille > 1000 )
        permille = 1000;
    if ( permille > now->progress_permille )
        now->progress_permille = permille;
    stats_edited(st);
}

void stats_tell(struct stats *st)
{
    struct xmig_stats now;
    uint64_t t;

    if ( !st->fn )
        return;
    t = clock_now_us();
    stats_copy(st, &now);
    if ( now.phase == st->told_phase && now.rounds == st->told_rounds &&
         st->told_us && t - st->told_us < TELL_US )
        return;
    st->told_us = t;
    st->told_phase = now.phase;
    st->told_rounds = now.rounds;
    st->fn(st->data, &now);
}
