/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Does coding pages pay?  Decides whether they are compressed, and at which
 * level, from what was measured: how fast the link takes pages as they are,
 * how fast they are coded, and how small they become.
 *
 *   as they are     G           page bytes per second, of all lanes
 *   coded           min(C, G / R)   C: what all threads code in a second,
 *                               R: coded bytes for each byte of page
 *
 * While it is off, small samples are compressed aside (for one part in 64 of
 * the time).  While it is on, what comes of it is compared with G, which is
 * looked at anew now and then where the threads are the limit and not the
 * link.
 *
 * Arithmetic only: no clock, no threads.  Thread: the caller's lock.
 */
#ifndef XMIG_PACE_H
#define XMIG_PACE_H

#include <stdbool.h>
#include <stdint.h>

#define PACE_NO_LEVEL   INT32_MIN
#define PACE_LEVELS_MAX 8u

struct pace_config
{
    unsigned int lanes;
    unsigned int threads;        /* that code at the same time */
    /* levels from fast to small; one: it is fixed */
    int levels[PACE_LEVELS_MAX];
    unsigned int nr_levels;
    unsigned int first;          /* where to begin */
    bool always;                 /* whether it pays or not */
    /* There is nothing to sample (deltas alone): believed at the start. */
    double guess_bps, guess_ratio;
};

/* What lanes have done; times added up over the lanes. */
struct pace_work
{
    uint64_t page_bytes;
    uint64_t wire_bytes;         /* of those pages */
    uint64_t busy_us;            /* all of it */
    uint64_t link_us;            /* waiting for, or filling, the link */
    uint64_t code_us;            /* of the threads that code */
};

struct pace
{
    struct pace_config cfg;
    bool on;
    unsigned int step;           /* in cfg.levels */
    unsigned int step_cap;       /* not above it, until cap_until_us */
    uint64_t cap_until_us;
    bool try_up;                 /* is the next level worth it? */
    double used;                 /* part of the threads' time */

    double plain_bps;            /* G; 0 = not known */
    double code_bps;             /* C of one thread; 0 = not known */
    double ratio;                /* R */
    unsigned int samples;
    uint64_t plain_seen_us;      /* when G was last measured */
    uint64_t retry_us;           /* not on again before */
    uint64_t backoff_us;
    uint64_t busy_us, sample_us; /* totals while off */
    struct pace_work sum;        /* since the last look */
};

void pace_init(struct pace *p, const struct pace_config *cfg);
/* Pages went as they are. */
void pace_plain(struct pace *p, uint64_t now_us, uint64_t page_bytes,
                uint64_t busy_us);
/* Pages went coded. */
void pace_coded(struct pace *p, uint64_t now_us, const struct pace_work *w);
/* While off: is it time to compress something aside? */
bool pace_wants_sample(const struct pace *p);
void pace_sample(struct pace *p, uint64_t plain_bytes, uint64_t coded_bytes,
                 uint64_t us);
int pace_level(const struct pace *p);
/* While on: a level to try on something that was coded; PACE_NO_LEVEL. */
int pace_trial_level(const struct pace *p);
/* It was: bytes and time of the level in use, and of the other. */
void pace_trial(struct pace *p, uint64_t now_us, uint64_t bytes, uint64_t us,
                uint64_t trial_bytes, uint64_t trial_us);

#endif
