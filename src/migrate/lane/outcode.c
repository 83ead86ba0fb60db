/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Coding a lane's pages: see outcode.h.
 *
 * Batches are filled here, compressed by the pool's threads, and sent in the
 * order in which they were filled: a ring of jobs.  Before a window goes the
 * plain way all of them have been sent, so a gfn's pages never overtake one
 * another.  What the cache holds of a page is what was sent last, and only
 * that: pages that go another way are dropped from it.
 */
#include "outcode.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "code_cache.h"
#include "delta.h"
#include "outlane.h"

#define RING_MAX     12u
/* Entries between two looks at whether it pays. */
#define SLICE        1024u
#define SAMPLE_PAGES 16u
#define SCRATCH      (JOB_PAGES * PAGE_BYTES + JOB_DELTA_BYTES)

enum way
{
    WAY_PLAIN,                   /* as they are */
    WAY_PACKED,                  /* compressed, and deltas where there are */
    WAY_DELTAS,                  /* deltas, and the rest as it is */
};

struct outcode
{
    struct laneout out;

    /* set at the start, then read-only */
    struct coder *coder;
    struct outlane_config cfg;
    struct laneout *plain;

    struct code_cache *cache;    /* NULL: no deltas */
    struct zip_packer *packer;   /* for samples and trials; NULL: none */
    uint8_t *scratch;

    /* jobs[filled % nr_jobs] is being filled; those from sent on are in the
     * pool */
    struct code_job *jobs[RING_MAX];
    unsigned int nr_jobs;
    uint64_t filled, sent;

    uint32_t round;
    uint64_t round_pages;        /* of this round, that went coded */
    uint64_t normal, zero;       /* likewise, of all rounds */
    size_t sample_from;          /* rotates */
    enum way way;
    struct pace_work work;       /* since it was told */
    uint64_t miss_bytes;         /* in it; DELTAS */
};

static struct outcode *self(struct laneout *o)
{
    return (struct outcode *)o;
}

static struct code_job *filling(struct outcode *l)
{
    return l->jobs[l->filled % l->nr_jobs];
}

/* The gfn's number among those of the lane. */
static uint64_t key_of(const struct outcode *l, uint64_t gfn)
{
    return (gfn >> CHUNK_BITS) / l->cfg.nr_lanes * CHUNK_GFNS +
           gfn % CHUNK_GFNS;
}

/* ---- Jobs --------------------------------------------------------------- */

static void account(struct outcode *l, const struct code_job *job)
{
    struct coder *c = l->coder;
    uint64_t data = (uint64_t)job->nr_data * PAGE_BYTES;
    uint64_t of_delta = job->delta_bytes;

    if ( job->packed_bytes )
    {
        of_delta = of_delta * job->packed_bytes / job->plain_bytes;
        c->compressed_pages += job->nr_data;
        c->compressed_bytes += data * job->packed_bytes / job->plain_bytes;
    }
    c->delta_bytes += of_delta;
    l->work.page_bytes += job->page_bytes;
    l->work.code_us += job->us;
    l->miss_bytes += job->miss_bytes;
}

/* Would another level be better?  On what has just been packed. */
static void try_level(struct outcode *l, const struct code_job *job)
{
    int level = l->packer ? coder_trial_level(l->coder) : PACE_NO_LEVEL;
    size_t bytes;
    uint64_t us;

    if ( level == PACE_NO_LEVEL || !job->packed_bytes )
        return;
    bytes = code_job_try(job, l->packer, level, l->scratch, &us);
    coder_trial(l->coder, job->packed_bytes, job->us, bytes, us);
}

static int send_oldest(struct outcode *l)
{
    struct code_job *job = l->jobs[l->sent % l->nr_jobs];
    uint64_t begin_us, bytes;
    int rc;

    if ( l->way == WAY_PACKED )
        code_pool_wait(l->coder->pool, job);
    l->sent++;
    account(l, job);
    bytes = chan_bytes_written(l->cfg.conn->chan);
    begin_us = clock_now_us();
    rc = code_job_send(job, l->cfg.conn);
    l->work.link_us += clock_now_us() - begin_us;
    l->work.wire_bytes += chan_bytes_written(l->cfg.conn->chan) - bytes;
    if ( !rc )
        try_level(l, job);

    return rc;
}

/* The one that was filled goes its way, and those that are ready. */
static int submit(struct outcode *l)
{
    struct code_pool *pool = l->way == WAY_PACKED ? l->coder->pool : NULL;
    struct code_job *job = filling(l);
    int rc = 0;

    if ( code_job_is_empty(job) )
        return 0;
    job->method = pool ? l->coder->method : ZIP_NONE;
    job->level = pool ? coder_level(l->coder) : 0;
    if ( pool )
        code_pool_put(pool, job);
    l->filled++;
    if ( l->filled - l->sent == l->nr_jobs &&
         pool && !code_pool_is_done(pool, l->jobs[l->sent % l->nr_jobs]) )
        l->coder->busy++;
    while ( !rc && l->sent < l->filled &&
            (!pool || l->filled - l->sent == l->nr_jobs ||
             code_pool_is_done(pool, l->jobs[l->sent % l->nr_jobs])) )
        rc = send_oldest(l);
    if ( !rc )
        code_job_begin(filling(l), l->round);

    return rc;
}

static int drain(struct outcode *l)
{
    int rc = submit(l);

    while ( !rc && l->sent < l->filled )
        rc = send_oldest(l);

    return rc;
}

/* ---- One page ----------------------------------------------------------- */

static void add_again(struct outcode *l, uint64_t gfn, const uint8_t *page,
                      bool join)
{
    struct code_job *job = filling(l);
    uint64_t key = key_of(l, gfn);
    uint8_t *was = code_cache_find(l->cache, key, l->round), *to;
    unsigned int limit = l->coder->delta_limit;
    size_t len;

    if ( !was )
    {
        to = code_job_page(job, gfn, join);
        memcpy(to, page, PAGE_BYTES);
        job->miss_bytes += PAGE_BYTES;
        l->coder->misses++;
        was = code_cache_add(l->cache, key, l->round);
        if ( was )
            memcpy(was, to, PAGE_BYTES);
        return;
    }
    /* It may be written to at this moment: once read, it stays so. */
    memcpy(l->scratch, page, PAGE_BYTES);
    len = delta_encode(was, l->scratch, code_job_delta_room(job), limit);
    if ( len <= limit )
    {
        code_job_delta(job, gfn, len, join);
        l->coder->delta_pages++;
    }
    else
    {
        memcpy(code_job_page(job, gfn, join), l->scratch, PAGE_BYTES);
        l->coder->overflows++;
    }
    memcpy(was, l->scratch, PAGE_BYTES);
}

static void add_entry(struct outcode *l, const struct window *w, size_t i)
{
    bool join = l->cfg.nr_lanes == 1 || w->gfns[i] % CHUNK_GFNS;
    enum wire_kind kind = WIRE_KIND_DATA;
    const uint8_t *page = NULL;
    uint32_t word = 0;

    l->round_pages++;
    if ( w->todo[i] == WINDOW_PAGE )
        page = w->addr + i * PAGE_BYTES;
    if ( !page )
        kind = WIRE_KIND_HOLE;
    else if ( l->cfg.find_zeros && page_is_fill(page, &word) &&
              (!word || l->cfg.find_fills) )
    {
        kind = word ? WIRE_KIND_FILL : WIRE_KIND_ZERO;
        l->zero++;
    }
    else
        l->normal++;

    if ( kind != WIRE_KIND_DATA )
    {
        code_job_mark(filling(l), w->gfns[i], kind, word, join);
        if ( l->cache )
            code_cache_drop(l->cache, key_of(l, w->gfns[i]));
    }
    else if ( l->cache && l->round )
        add_again(l, w->gfns[i], page, join);
    else
        memcpy(code_job_page(filling(l), w->gfns[i], join), page,
               PAGE_BYTES);
}

/* ---- Windows ------------------------------------------------------------ */

static bool is_mine(const struct outcode *l, const struct window *w, size_t i)
{
    return w->todo[i] != WINDOW_NOTHING &&
           gfn_lane(w->gfns[i], l->cfg.nr_lanes) == l->cfg.lane;
}

/*
 * What deltas gain is seen where there is one to make: pages of which nothing
 * is known, and their part of the time, do not count.
 */
static void tell_deltas(struct outcode *l)
{
    struct pace_work *w = &l->work;
    uint64_t pages = w->page_bytes, wire = w->wire_bytes;

    w->page_bytes -= l->miss_bytes;
    w->wire_bytes -= l->miss_bytes;
    w->code_us = w->busy_us > w->link_us ? w->busy_us - w->link_us : 0;
    if ( !w->page_bytes )
        return;
    w->code_us = w->code_us * w->page_bytes / pages;
    w->link_us = wire ? w->link_us * w->wire_bytes / wire : 0;
    w->busy_us = w->code_us + w->link_us;
    coder_deltas(l->coder, w);
}

static void tell_work(struct outcode *l)
{
    if ( l->way == WAY_DELTAS )
        tell_deltas(l);
    else
        coder_packed(l->coder, &l->work);
    memset(&l->work, 0, sizeof(l->work));
    l->miss_bytes = 0;
}

static int code_slice(struct outcode *l, const struct window *w)
{
    uint64_t begin_us = clock_now_us();
    size_t i;
    int rc = 0;

    for ( i = 0; !rc && i < w->nr; i++ )
    {
        if ( !is_mine(l, w, i) )
            continue;
        add_entry(l, w, i);
        if ( code_job_is_full(filling(l)) )
            rc = submit(l);
    }
    l->work.busy_us += clock_now_us() - begin_us;
    if ( !rc )
        tell_work(l);

    return rc;
}

/* Some pages, compressed aside, to see whether it would pay. */
static void sample(struct outcode *l, const struct window *w, int level)
{
    struct code_job *job = filling(l);
    size_t i, n = 0, got;
    uint64_t begin_us;
    uint32_t word;

    for ( i = l->sample_from % w->nr; n < SAMPLE_PAGES && i < w->nr; i++ )
        if ( is_mine(l, w, i) && w->todo[i] == WINDOW_PAGE &&
             !page_is_fill(w->addr + i * PAGE_BYTES, &word) )
            memcpy(job->data + n++ * PAGE_BYTES, w->addr + i * PAGE_BYTES,
                   PAGE_BYTES);
    l->sample_from += SLICE / 3;
    begin_us = clock_now_us();
    got = n ? zip_pack(l->packer, level, l->scratch, n * PAGE_BYTES,
                       job->data, n * PAGE_BYTES) : 0;
    coder_sample(l->coder, n * PAGE_BYTES, got ? got : n * PAGE_BYTES,
                 clock_now_us() - begin_us);
}

static int plain_slice(struct outcode *l, const struct window *w)
{
    uint64_t begin_us = clock_now_us(), pages = l->plain->normal_pages;
    int level = l->packer ? coder_wants_sample(l->coder) : PACE_NO_LEVEL;
    int rc;

    if ( level != PACE_NO_LEVEL )
        sample(l, w, level);
    rc = l->plain->ops->window(l->plain, w);
    pages = l->plain->normal_pages - pages;
    if ( pages )
        coder_plain(l->coder, pages * PAGE_BYTES,
                    clock_now_us() - begin_us);

    return rc;
}

/* Which way do pages go from here on? */
static int choose(struct outcode *l)
{
    struct coder *c = l->coder;
    enum way way = WAY_PLAIN;
    int rc;

    if ( c->pack )
        way = WAY_PACKED;
    /* In the first round there is nothing they could be told against. */
    else if ( l->cache && l->round && c->delta )
        way = WAY_DELTAS;
    if ( way == l->way )
        return 0;
    rc = drain(l);
    if ( way == WAY_PLAIN && l->cache )
        code_cache_clear(l->cache);
    memset(&l->work, 0, sizeof(l->work));
    l->miss_bytes = 0;
    l->way = way;

    return rc;
}

static int send_window(struct laneout *o, const struct window *w)
{
    struct outcode *l = self(o);
    struct window part;
    size_t at;
    int rc = 0;

    for ( at = 0; !rc && at < w->nr; at += SLICE )
    {
        part = *w;
        part.gfns += at;
        part.todo += at;
        part.addr = w->addr ? w->addr + at * PAGE_BYTES : NULL;
        part.nr = w->nr - at < SLICE ? w->nr - at : SLICE;
        rc = choose(l);
        if ( !rc )
            rc = l->way == WAY_PLAIN ? plain_slice(l, &part)
                                     : code_slice(l, &part);
        o->normal_pages = l->normal + l->plain->normal_pages;
        o->zero_pages = l->zero + l->plain->zero_pages;
    }

    return rc;
}

/* ---- Rounds ------------------------------------------------------------- */

static void begin_round(struct laneout *o, uint32_t round)
{
    struct outcode *l = self(o);

    l->round = round;
    l->round_pages = 0;
    code_job_begin(filling(l), round);
    l->plain->ops->round(l->plain, round);
}

static int end_round(struct laneout *o)
{
    struct outcode *l = self(o);
    uint64_t begin_us = clock_now_us();
    int rc = drain(l);

    if ( rc )
        return rc;
    l->work.busy_us += clock_now_us() - begin_us;
    outlane_count(l->plain, l->round_pages);

    return l->plain->ops->round_end(l->plain);
}

static uint64_t bytes(const struct laneout *o)
{
    const struct outcode *l = (const struct outcode *)o;

    return chan_bytes_written(l->cfg.conn->chan);
}

/* ---- Beginning and end -------------------------------------------------- */

static void free_lane(struct laneout *o)
{
    struct outcode *l = self(o);
    unsigned int i;

    /* After a failure some are still with the pool. */
    for ( ; l->way == WAY_PACKED && l->sent < l->filled; l->sent++ )
        code_pool_wait(l->coder->pool, l->jobs[l->sent % l->nr_jobs]);
    for ( i = 0; i < RING_MAX; i++ )
        code_job_free(l->jobs[i]);
    code_cache_free(l->cache);
    zip_packer_free(l->packer);
    free(l->scratch);
    if ( l->plain )
        l->plain->ops->free(l->plain);
    free(l);
}

static const struct laneout_ops ops = {
    .round = begin_round,
    .window = send_window,
    .round_end = end_round,
    .bytes = bytes,
    .free = free_lane,
};

int outcode_new(const struct outlane_config *cfg, struct coder *c,
                struct laneout *plain, struct laneout **ret_out)
{
    struct outcode *l = calloc(1, sizeof(*l));
    unsigned int i;
    int rc = 0;

    if ( !l )
        return -ENOMEM;
    l->out.ops = &ops;
    l->out.err = cfg->conn->err;
    l->coder = c;
    l->cfg = *cfg;
    /* One is filled and one is sent while the threads have theirs. */
    l->nr_jobs = c->pool ? c->threads + 2 : 1;
    if ( l->nr_jobs > RING_MAX )
        l->nr_jobs = RING_MAX;
    for ( i = 0; !rc && i < l->nr_jobs; i++ )
        rc = code_job_new(&l->jobs[i]);
    l->scratch = aligned_alloc(PAGE_BYTES, SCRATCH);
    if ( !l->scratch )
        rc = -ENOMEM;
    if ( !rc && c->method )
        rc = zip_packer_new(c->method, &l->packer);
    if ( !rc && c->cache_bytes )
        rc = code_cache_new(c->cache_bytes, &l->cache);
    if ( rc )
    {
        free_lane(&l->out);
        return rc;
    }
    l->plain = plain;
    *ret_out = &l->out;

    return 0;
}
