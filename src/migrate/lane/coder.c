/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What is to be coded, and how: see coder.h.
 */
#include "coder.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "wire.h"

#define THREADS_MAX 4u           /* unless asked for more */
/* A delta that is longer is no gain over the page: which compresses. */
#define DELTA_LIMIT        3072u
#define DELTA_LIMIT_PACKED 2048u
/* Deltas alone: comparing and copying, until it has been measured. */
#define DELTA_BPS   2e9
#define DELTA_RATIO 0.5

/* Beyond 5 a level costs twice for a hundredth. */
static const int zstd_levels[] = { -5, -1, 1, 3, 5 };
#define ZSTD_FIRST 2u
#define ZLIB_LEVEL 1

/* ---- Options ------------------------------------------------------------ */

struct wish
{
    bool on, deltas;
    enum zip_method method;
    int level;                   /* 0 = by itself */
};

static const char *const method_names[] = {
    "zstd", "zlib", "delta", "xbzrle", "mt",
};

static bool can(const struct session *s, enum zip_method method)
{
    return s->caps & (method == ZIP_ZSTD ? WIRE_CAP_ZSTD : WIRE_CAP_ZLIB);
}

/* One word of comp-methods; the first compressor that the peer has wins. */
static int take_method(struct session *s, const char *name, size_t len,
                       struct wish *w)
{
    size_t i, nr = sizeof(method_names) / sizeof(method_names[0]);
    enum zip_method method;

    for ( i = 0; i < nr; i++ )
        if ( strlen(method_names[i]) == len &&
             !strncmp(method_names[i], name, len) )
            break;
    if ( i == nr )
        return err_set(s->err, -EINVAL, "comp-methods: there are zstd, zlib "
                       "and delta (also xbzrle), and not \"%.*s\"",
                       (int)(len < 32 ? len : 32), name);
    if ( i == 2 || i == 3 )
    {
        w->deltas = s->caps & WIRE_CAP_DELTA;
        return 0;
    }
    method = i ? ZIP_ZLIB : ZIP_ZSTD;
    if ( !w->method && can(s, method) )
        w->method = method;

    return 0;
}

static int read_wish(struct session *s, struct wish *w)
{
    const char *p = opt_str(s->opts, NULL, "comp-methods");
    size_t len;
    int rc = 0;

    w->on = opt_bool(s->opts, NULL, "compressed") ||
            (*p && !opt_is_set(s->opts, NULL, "compressed"));
    if ( !w->on )
        return 0;
    if ( !*p )
    {
        w->method = can(s, ZIP_ZSTD) ? ZIP_ZSTD
                    : can(s, ZIP_ZLIB) ? ZIP_ZLIB : ZIP_NONE;
        w->deltas = s->caps & WIRE_CAP_DELTA;
    }
    for ( ; !rc && *p; p += len + (p[len] == ',') )
    {
        len = strcspn(p, ",");
        rc = take_method(s, p, len, w);
    }
    if ( w->method )
        w->level = (int)opt_u64(s->opts, NULL, w->method == ZIP_ZSTD
                                ? "comp-zstd-level" : "comp-zlib-level");
    if ( !opt_u64(s->opts, NULL, "comp-xbzrle-cache") )
        w->deltas = false;

    return rc;
}

int coder_check(struct session *s)
{
    struct wish w = { 0 };

    return read_wish(s, &w);
}

static unsigned int nr_cpus(void)
{
    cpu_set_t set;
    int n = sched_getaffinity(0, sizeof(set), &set) ? 1 : CPU_COUNT(&set);

    return n > 0 ? (unsigned int)n : 1;
}

/* ---- Making one --------------------------------------------------------- */

static void begin_deltas(struct coder *c, const struct session *s)
{
    const struct pace_config cfg = {
        .lanes = s->nr_lanes,
        .threads = s->nr_lanes,
        .always = opt_bool(s->opts, NULL, "comp-always"),
        .guess_bps = DELTA_BPS,
        .guess_ratio = DELTA_RATIO,
    };

    pace_init(&c->delta_pace, &cfg);
    c->delta = c->delta_pace.on;
}

static void begin_packing(struct coder *c, const struct session *s, int level,
                          unsigned int threads)
{
    struct pace_config cfg = {
        .lanes = s->nr_lanes,
        .threads = threads < nr_cpus() ? threads : nr_cpus(),
        .always = opt_bool(s->opts, NULL, "comp-always"),
    };

    if ( level )
    {
        cfg.levels[0] = level;
        cfg.nr_levels = 1;
    }
    else if ( c->method == ZIP_ZSTD )
    {
        memcpy(cfg.levels, zstd_levels, sizeof(zstd_levels));
        cfg.nr_levels = sizeof(zstd_levels) / sizeof(zstd_levels[0]);
        cfg.first = ZSTD_FIRST;
    }
    else
    {
        cfg.levels[0] = ZLIB_LEVEL;
        cfg.nr_levels = 1;
    }
    pace_init(&c->pack_pace, &cfg);
    c->pack = c->pack_pace.on;
}

static void tell(const struct coder *c, struct session *s)
{
    LOG_INFO(s->logger, "pages may be coded: %s, %u threads; %lu MiB for "
             "deltas", zip_name(c->method), c->threads,
             (unsigned long)(c->cache_total_bytes >> 20));
}

int coder_new(struct session *s, struct coder **ret_c)
{
    unsigned int threads = (unsigned int)opt_u64(s->opts, NULL,
                                                 "comp-threads");
    struct wish w = { 0 };
    struct coder *c;
    int rc = read_wish(s, &w);

    *ret_c = NULL;
    if ( rc || !w.on )
        return rc;
    if ( !w.method && !w.deltas )
    {
        LOG_WARN(s->logger, "pages go as they are: the receiver does not "
                 "decode what was asked for");
        return 0;
    }
    if ( !threads )
        threads = nr_cpus() < THREADS_MAX ? nr_cpus() : THREADS_MAX;
    c = calloc(1, sizeof(*c));
    if ( !c )
        return err_set(s->err, -ENOMEM, "set up compression: %s",
                       err_text(-ENOMEM));
    pthread_mutex_init(&c->lock, NULL);
    c->logger = s->logger;
    c->method = w.method;
    c->delta_limit = w.method ? DELTA_LIMIT_PACKED : DELTA_LIMIT;
    if ( w.deltas )
        c->cache_total_bytes = opt_u64(s->opts, NULL, "comp-xbzrle-cache");
    c->cache_bytes = c->cache_total_bytes / s->nr_lanes;
    if ( w.method )
    {
        c->threads = threads;
        rc = code_pool_new(w.method, threads, &c->pool);
    }
    if ( rc )
    {
        coder_free(c);
        return err_set(s->err, rc, "set up %u threads that compress: %s",
                       threads, err_text(rc));
    }
    if ( w.method )
        begin_packing(c, s, w.level, threads);
    if ( c->cache_bytes )
        begin_deltas(c, s);
    tell(c, s);
    *ret_c = c;

    return 0;
}

void coder_free(struct coder *c)
{
    if ( !c )
        return;
    code_pool_free(c->pool);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

/* ---- What lanes tell ---------------------------------------------------- */

/* Under lock: lanes act on it from their next slice on. */
static void heed(struct coder *c, const struct pace *p, _Atomic bool *on,
                 const char *what)
{
    if ( *on == p->on )
        return;
    *on = p->on;
    LOG_INFO(c->logger, "%s%s: the link takes %.0f MiB/s, a thread codes "
             "%.0f MiB/s to %.0f %%", p->on ? "" : "no ", what,
             p->plain_bps / (1 << 20), p->code_bps / (1 << 20),
             p->ratio * 100);
}

static void heed_both(struct coder *c)
{
    heed(c, &c->pack_pace, &c->pack, "compression");
    heed(c, &c->delta_pace, &c->delta, "deltas");
}

void coder_plain(struct coder *c, uint64_t page_bytes, uint64_t busy_us)
{
    uint64_t now = clock_now_us();

    pthread_mutex_lock(&c->lock);
    if ( c->pool )
        pace_plain(&c->pack_pace, now, page_bytes, busy_us);
    if ( c->cache_bytes )
        pace_plain(&c->delta_pace, now, page_bytes, busy_us);
    heed_both(c);
    pthread_mutex_unlock(&c->lock);
}

static void count(struct coder *c, struct pace *p, const struct pace_work *w)
{
    c->content_bytes += w->page_bytes;
    c->wire_bytes += w->wire_bytes;
    pthread_mutex_lock(&c->lock);
    pace_coded(p, clock_now_us(), w);
    heed_both(c);
    pthread_mutex_unlock(&c->lock);
}

void coder_packed(struct coder *c, const struct pace_work *w)
{
    count(c, &c->pack_pace, w);
}

void coder_deltas(struct coder *c, const struct pace_work *w)
{
    count(c, &c->delta_pace, w);
}

int coder_wants_sample(struct coder *c)
{
    int level = PACE_NO_LEVEL;

    pthread_mutex_lock(&c->lock);
    if ( pace_wants_sample(&c->pack_pace) )
        level = pace_level(&c->pack_pace);
    pthread_mutex_unlock(&c->lock);

    return level;
}

void coder_sample(struct coder *c, uint64_t plain_bytes, uint64_t coded_bytes,
                  uint64_t us)
{
    pthread_mutex_lock(&c->lock);
    pace_sample(&c->pack_pace, plain_bytes, coded_bytes, us);
    pthread_mutex_unlock(&c->lock);
}

int coder_level(struct coder *c)
{
    int level;

    pthread_mutex_lock(&c->lock);
    level = pace_level(&c->pack_pace);
    pthread_mutex_unlock(&c->lock);

    return level;
}

int coder_trial_level(struct coder *c)
{
    int level;

    pthread_mutex_lock(&c->lock);
    level = pace_trial_level(&c->pack_pace);
    pthread_mutex_unlock(&c->lock);

    return level;
}

void coder_trial(struct coder *c, uint64_t bytes, uint64_t us,
                 uint64_t trial_bytes, uint64_t trial_us)
{
    pthread_mutex_lock(&c->lock);
    pace_trial(&c->pack_pace, clock_now_us(), bytes, us, trial_bytes,
               trial_us);
    pthread_mutex_unlock(&c->lock);
}

uint64_t coder_saved(const struct coder *c)
{
    uint64_t wire = c ? c->wire_bytes : 0, pages = c ? c->content_bytes : 0;

    return pages > wire ? pages - wire : 0;
}

void coder_figures(const struct coder *c, struct xmig_stats *now)
{
    if ( !c )
        return;
    now->compressed_pages = c->compressed_pages;
    now->compressed_bytes = c->compressed_bytes;
    now->compression_busy = c->busy;
    now->xbzrle_cache_bytes = c->cache_total_bytes;
    now->xbzrle_pages = c->delta_pages;
    now->xbzrle_bytes = c->delta_bytes;
    now->xbzrle_misses = c->misses;
    now->xbzrle_overflows = c->overflows;
}
