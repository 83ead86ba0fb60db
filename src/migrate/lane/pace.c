/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Whether coding pays: see pace.h.
 */
#include "pace.h"

#include <string.h>

#include "clock.h"

/* A look needs so much of each lane's time. */
#define LOOK_PLAIN_US (40 * US_PER_MS)
#define LOOK_CODED_US (80 * US_PER_MS)
#define SAMPLES       3u
#define SAMPLE_PART   64u        /* of the time goes into samples */
/* On: what is predicted is so much better.  Off: what is seen is not. */
#define WORTH_ON   1.15
#define WORTH_STAY 1.02
#define THREADS_DO 0.9           /* of what they promise */
#define HARDLY     0.93          /* a ratio that is none */
/* Where the link is not the limit nothing is learnt of it while coding. */
#define PEEK_US        (3 * US_PER_S)
#define BACKOFF_US     (US_PER_S)
#define BACKOFF_MAX_US (16 * US_PER_S)
/* A level up: it makes so much smaller, and leaves time. */
#define LEVEL_WORTH  0.96
#define LEVEL_BUSY   0.8
#define LEVEL_CAP_US (5 * US_PER_S)
#define WEIGHT       0.3         /* of what was seen last */

void pace_init(struct pace *p, const struct pace_config *cfg)
{
    memset(p, 0, sizeof(*p));
    p->cfg = *cfg;
    p->on = cfg->always;
    p->step = cfg->first;
    p->step_cap = cfg->nr_levels ? cfg->nr_levels - 1 : 0;
    p->backoff_us = BACKOFF_US;
    p->ratio = 1;
    if ( cfg->guess_bps > 0 )
    {
        p->code_bps = cfg->guess_bps;
        p->ratio = cfg->guess_ratio;
        p->samples = SAMPLES;
    }
}

static void mix(double *known, double seen, bool first)
{
    *known = first ? seen : *known + (seen - *known) * WEIGHT;
}

static void forget(struct pace *p)
{
    memset(&p->sum, 0, sizeof(p->sum));
}

/* Of all lanes in a second, from times that were added up over them. */
static double rate(const struct pace *p, uint64_t bytes, uint64_t us)
{
    return us ? (double)bytes * p->cfg.lanes * US_PER_S / (double)us : 0;
}

/* ---- Off ---------------------------------------------------------------- */

/* How much faster would it be? */
static double promise(const struct pace *p)
{
    double threads = p->code_bps * p->cfg.threads * THREADS_DO;
    double link = p->plain_bps / p->ratio;

    return (threads < link ? threads : link) / p->plain_bps;
}

void pace_plain(struct pace *p, uint64_t now_us, uint64_t page_bytes,
                uint64_t busy_us)
{
    if ( p->on )
        return;
    p->busy_us += busy_us;
    p->sum.page_bytes += page_bytes;
    p->sum.busy_us += busy_us;
    if ( p->sum.busy_us < LOOK_PLAIN_US * p->cfg.lanes )
        return;
    p->plain_bps = rate(p, p->sum.page_bytes, p->sum.busy_us);
    p->plain_seen_us = now_us;
    forget(p);
    if ( p->plain_bps > 0 && p->samples >= SAMPLES && p->ratio < HARDLY &&
         now_us >= p->retry_us && promise(p) >= WORTH_ON )
        p->on = true;
}

bool pace_wants_sample(const struct pace *p)
{
    return !p->on && p->cfg.nr_levels &&
           p->sample_us * SAMPLE_PART <= p->busy_us;
}

void pace_sample(struct pace *p, uint64_t plain_bytes, uint64_t coded_bytes,
                 uint64_t us)
{
    p->sample_us += us;
    if ( !plain_bytes )
        return;
    mix(&p->ratio, (double)coded_bytes / (double)plain_bytes, !p->samples);
    mix(&p->code_bps, (double)plain_bytes * US_PER_S / (double)(us ? us : 1),
        !p->samples);
    p->samples++;
}

/* ---- On ----------------------------------------------------------------- */

static void turn_off(struct pace *p, uint64_t retry_us)
{
    p->on = p->cfg.always;
    p->try_up = false;
    p->retry_us = retry_us;
}

/* It does not pay now: wait longer each time before it is tried again. */
static void give_up(struct pace *p, uint64_t now_us)
{
    turn_off(p, now_us + p->backoff_us);
    if ( p->backoff_us < BACKOFF_MAX_US )
        p->backoff_us *= 2;
}

/* The threads are the limit: a faster level, if there is one. */
static bool step_down(struct pace *p, uint64_t now_us)
{
    if ( !p->step )
        return false;
    p->step--;
    p->step_cap = p->step;
    p->cap_until_us = now_us + LEVEL_CAP_US;
    p->try_up = false;

    return true;
}

static void consider_step_up(struct pace *p, uint64_t now_us, double link)
{
    if ( now_us >= p->cap_until_us && p->cfg.nr_levels )
        p->step_cap = p->cfg.nr_levels - 1;
    p->try_up = link > 0.7 && p->used < LEVEL_BUSY / 2 &&
                p->step < p->step_cap;
}

static void look(struct pace *p, uint64_t now_us)
{
    const struct pace_work *s = &p->sum;
    double coded = rate(p, s->page_bytes, s->busy_us);
    double ratio = (double)s->wire_bytes / (double)s->page_bytes;
    double link = (double)s->link_us / (double)s->busy_us;
    bool threads_limit;

    mix(&p->ratio, ratio, false);
    if ( s->code_us )
        mix(&p->code_bps, (double)s->page_bytes * US_PER_S /
            (double)s->code_us, !(p->code_bps > 0));
    p->used = (double)s->code_us * p->cfg.lanes /
              ((double)s->busy_us * p->cfg.threads);
    threads_limit = p->used > 0.95 && link < 0.8;
    if ( link > 0.5 )
    {
        p->plain_bps = rate(p, s->wire_bytes, s->link_us);
        p->plain_seen_us = now_us;
    }

    /* Without levels there is nothing to sample: it is tried again. */
    if ( ratio > HARDLY && p->cfg.nr_levels )
    {
        p->samples = 0;
        turn_off(p, now_us);
    }
    else if ( ratio > HARDLY )
    {
        p->ratio = p->cfg.guess_ratio;
        give_up(p, now_us);
    }
    else if ( p->plain_bps > 0 && coded < p->plain_bps * WORTH_STAY )
    {
        if ( !threads_limit || !step_down(p, now_us) )
            give_up(p, now_us);
    }
    else if ( threads_limit && step_down(p, now_us) )
        return;
    else if ( link <= 0.5 && now_us - p->plain_seen_us > PEEK_US )
        turn_off(p, now_us);
    else
        consider_step_up(p, now_us, link);
}

void pace_coded(struct pace *p, uint64_t now_us, const struct pace_work *w)
{
    if ( !p->on )
        return;
    p->sum.page_bytes += w->page_bytes;
    p->sum.wire_bytes += w->wire_bytes;
    p->sum.busy_us += w->busy_us;
    p->sum.link_us += w->link_us;
    p->sum.code_us += w->code_us;
    if ( p->sum.busy_us < LOOK_CODED_US * p->cfg.lanes || !p->sum.page_bytes )
        return;
    look(p, now_us);
    forget(p);
}

int pace_level(const struct pace *p)
{
    return p->cfg.nr_levels ? p->cfg.levels[p->step] : PACE_NO_LEVEL;
}

int pace_trial_level(const struct pace *p)
{
    return p->on && p->try_up ? p->cfg.levels[p->step + 1] : PACE_NO_LEVEL;
}

void pace_trial(struct pace *p, uint64_t now_us, uint64_t bytes, uint64_t us,
                uint64_t trial_bytes, uint64_t trial_us)
{
    double dearer = (double)trial_us / (double)(us ? us : 1);

    if ( !p->try_up )
        return;
    p->try_up = false;
    if ( (double)trial_bytes < LEVEL_WORTH * (double)bytes &&
         p->used * dearer < LEVEL_BUSY )
    {
        p->step++;
        return;
    }
    p->step_cap = p->step;
    p->cap_until_us = now_us + LEVEL_CAP_US;
}
