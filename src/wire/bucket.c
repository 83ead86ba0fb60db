/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The token bucket behind the bandwidth cap.
 *
 * It fills at the rate up to a tenth of a second's worth, so that a pause is
 * not followed by a long burst; whoever takes more than there is goes into
 * debt and waits until it is paid.
 */
#include "chan.h"

#define BURST_US 100000ull

static int64_t burst(uint64_t rate_bps)
{
    return (int64_t)(rate_bps / (US_PER_S / BURST_US)) + 1;
}

void bucket_init(struct bucket *b, uint64_t rate_bps)
{
    pthread_mutex_init(&b->lock, NULL);
    b->rate_bps = rate_bps;
    b->last_us = clock_now_us();
    b->tokens = 0;
}

void bucket_done(struct bucket *b)
{
    pthread_mutex_destroy(&b->lock);
}

static void fill(struct bucket *b)
{
    uint64_t now = clock_now_us(), us = now - b->last_us;
    unsigned __int128 more = (unsigned __int128)b->rate_bps * us / US_PER_S;
    int64_t full = burst(b->rate_bps);

    /* What rounding would lose is left for the next time. */
    if ( !more )
        return;
    b->last_us = now;
    if ( more > (unsigned __int128)(full - b->tokens) )
        b->tokens = full;
    else
        b->tokens += (int64_t)more;
}

void bucket_set_rate(struct bucket *b, uint64_t rate_bps)
{
    pthread_mutex_lock(&b->lock);
    if ( b->rate_bps )
        fill(b);
    else
        b->last_us = clock_now_us();
    /* A debt made at one rate is not to be paid at a much lower one. */
    if ( b->tokens > burst(rate_bps) )
        b->tokens = burst(rate_bps);
    if ( b->tokens < -burst(rate_bps) )
        b->tokens = -burst(rate_bps);
    b->rate_bps = rate_bps;
    pthread_mutex_unlock(&b->lock);
}

uint64_t bucket_take(struct bucket *b, uint64_t bytes)
{
    uint64_t wait_us = 0;

    pthread_mutex_lock(&b->lock);
    if ( b->rate_bps )
    {
        fill(b);
        b->tokens -= (int64_t)bytes;
        if ( b->tokens < 0 )
            wait_us = (uint64_t)((unsigned __int128)(-b->tokens) * US_PER_S /
                                 b->rate_bps) + 1;
    }
    pthread_mutex_unlock(&b->lock);

    return wait_us;
}
