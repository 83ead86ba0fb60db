/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Compressing and delta encoding at the source: what the lanes of a
 * migration share.  The options say what is wanted, the peer what it can
 * decode, pace.h whether it pays.
 */
#ifndef XMIG_CODER_H
#define XMIG_CODER_H

#include "code_pool.h"
#include "pace.h"
#include "session.h"

struct coder
{
    /* set at the start, then read-only */
    enum zip_method method;      /* NONE: no compression */
    struct code_pool *pool;      /* NULL with NONE */
    unsigned int threads;        /* in it */
    struct xentoollog_logger *logger;
    size_t cache_bytes;          /* of each lane, 0 = no deltas */
    uint64_t cache_total_bytes;
    unsigned int delta_limit;    /* a longer one is not worth it */

    /* read by all */
    _Atomic bool pack;           /* compress */
    _Atomic bool delta;          /* also where nothing is compressed */

    pthread_mutex_t lock;
    /* under lock */
    struct pace pack_pace;       /* with a pool */
    struct pace delta_pace;      /* with a cache; of deltas alone */

    /* figures; written by all lanes */
    _Atomic uint64_t compressed_pages, compressed_bytes, busy;
    _Atomic uint64_t delta_pages, delta_bytes, misses, overflows;
    _Atomic uint64_t content_bytes, wire_bytes;   /* of what went coded */
};

/* Are the options in order?  Before there is a peer.  -EINVAL */
int coder_check(struct session *s);
/*
 * *ret_c is NULL when nothing is to be coded: not asked for, or the peer
 * can't decode it (which is said in the log).
 *   -EINVAL  the options are at odds
 */
int coder_new(struct session *s, struct coder **ret_c);
/* No lane uses it any more; c may be NULL. */
void coder_free(struct coder *c);

/* Lanes tell what they have done, see pace.h: pages that went as they are;
 * that were compressed, with deltas among them; deltas, and nothing else. */
void coder_plain(struct coder *c, uint64_t page_bytes, uint64_t busy_us);
void coder_packed(struct coder *c, const struct pace_work *w);
void coder_deltas(struct coder *c, const struct pace_work *w);
/* The level to pack a sample at; PACE_NO_LEVEL: none is wanted. */
int coder_wants_sample(struct coder *c);
void coder_sample(struct coder *c, uint64_t plain_bytes, uint64_t coded_bytes,
                  uint64_t us);
int coder_level(struct coder *c);
int coder_trial_level(struct coder *c);
void coder_trial(struct coder *c, uint64_t bytes, uint64_t us,
                 uint64_t trial_bytes, uint64_t trial_us);

/* Bytes of pages that did not travel as they were coded; c may be NULL. */
uint64_t coder_saved(const struct coder *c);
/* Fill in the figures; c may be NULL. */
void coder_figures(const struct coder *c, struct xmig_stats *now);

#endif
