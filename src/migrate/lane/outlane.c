/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Building and sending batches.  The pages go from the mapping straight into
 * the socket; neighbours in the mapping are one piece.  Where the first access
 * to a page is dear the kernel would have one of its own, so they go by a
 * buffer there, which stays in the processor's cache.
 */
#include "outlane.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "firstaccess.h"
#include "log.h"
#include "opt.h"
#include "wire.h"

/* Pages ahead whose first line is fetched while this one is looked at. */
#define PREFETCH_PAGES 6u
#define BUF_PAGES      128u      /* 512 KiB */

struct outlane
{
    struct laneout out;

    /* set at the start, then read-only */
    struct outlane_config cfg;

    /* the batch under construction */
    uint32_t round;
    struct wire_run *runs;
    struct iovec *iov;
    uint8_t *meta;
    uint32_t nr_runs, nr_data;
    size_t nr_iov;
    uint8_t *buf;                /* what its pages are copied to, or NULL */
    uint32_t max_data;           /* pages of data in a batch */
    bool judged;                 /* whether a buffer is better */

    uint64_t round_pages;        /* all runs of this round */
};

static struct outlane *self(struct laneout *o)
{
    return (struct outlane *)o;
}

static void free_lane(struct laneout *o)
{
    struct outlane *l = self(o);

    free(l->runs);
    free(l->iov);
    free(l->meta);
    free(l->buf);
    free(l);
}

/* Without memory for it the way is the other one. */
static void take_buffer(struct outlane *l)
{
    l->judged = true;
    l->buf = aligned_alloc(PAGE_BYTES, BUF_PAGES * PAGE_BYTES);
    if ( !l->buf )
        return;
    l->max_data = BUF_PAGES;
    LOG_INFO(l->cfg.logger, "lane %u: the first access to a page is dear, so "
             "pages go by a buffer", l->cfg.lane);
}

/* Nobody has touched the window's pages yet; small ones don't tell. */
static void judge(struct outlane *l, const struct window *w)
{
    void *pages[FIRST_ACCESS_SAMPLES];
    unsigned int nr = 0;
    size_t i;

    for ( i = 0; i < w->nr && nr < FIRST_ACCESS_SAMPLES;
          i += FIRST_ACCESS_STRIDE )
        if ( w->todo[i] == WINDOW_PAGE &&
             gfn_lane(w->gfns[i], l->cfg.nr_lanes) == l->cfg.lane )
            pages[nr++] = w->addr + i * PAGE_BYTES;
    if ( nr < FIRST_ACCESS_SAMPLES )
        return;
    l->judged = true;
    if ( first_access_is_dear(pages, false) )
        take_buffer(l);
}

static void begin_round(struct laneout *o, uint32_t round)
{
    struct outlane *l = self(o);

    l->round = round;
    l->round_pages = 0;
}

static uint64_t bytes(const struct laneout *o)
{
    return chan_bytes_written(((const struct outlane *)o)->cfg.conn->chan);
}

static int flush(struct outlane *l)
{
    struct wire_pages_head head = {
        .round = l->round,
        .nr_runs = l->nr_runs,
        .nr_data = l->nr_data,
    };
    size_t len;
    int rc;

    if ( !l->nr_runs )
        return 0;
    rc = wire_pages_encode(&head, l->runs, l->meta, WIRE_PAGES_META_MAX,
                           &len);
    if ( rc )
        return err_set(l->out.err, rc, "internal error: a batch of %u runs "
                       "can't be encoded", l->nr_runs);
    rc = conn_send_pages(l->cfg.conn, l->meta, len, l->iov, l->nr_iov,
                         l->nr_data);
    l->nr_runs = l->nr_data = 0;
    l->nr_iov = 0;

    return rc;
}

static void add_run(struct outlane *l, uint64_t gfn, enum wire_kind kind,
                    uint32_t word)
{
    struct wire_run *last = l->nr_runs ? &l->runs[l->nr_runs - 1] : NULL;

    l->round_pages++;
    if ( last && last->kind == kind && last->word == word &&
         last->gfn + last->count == gfn &&
         (l->cfg.nr_lanes == 1 || gfn % CHUNK_GFNS) )
        last->count++;
    else
        l->runs[l->nr_runs++] = (struct wire_run){
            .gfn = gfn, .count = 1, .kind = kind, .word = word,
        };
}

static void add_data(struct outlane *l, uint8_t *page)
{
    struct iovec *last = l->nr_iov ? &l->iov[l->nr_iov - 1] : NULL;

    if ( l->buf )
        page = memcpy(l->buf + l->nr_data * PAGE_BYTES, page, PAGE_BYTES);
    l->nr_data++;
    if ( last && (uint8_t *)last->iov_base + last->iov_len == page )
        last->iov_len += PAGE_BYTES;
    else
        l->iov[l->nr_iov++] = (struct iovec){ page, PAGE_BYTES };
}

static int send_window(struct laneout *o, const struct window *w)
{
    struct outlane *l = self(o);
    uint64_t normal = 0, zero = 0;
    uint32_t word = 0;
    uint8_t *page;
    size_t i;
    int rc = 0;

    if ( !l->judged )
        judge(l, w);
    for ( i = 0; !rc && i < w->nr; i++ )
    {
        if ( w->todo[i] == WINDOW_NOTHING ||
             gfn_lane(w->gfns[i], l->cfg.nr_lanes) != l->cfg.lane )
            continue;
        page = w->addr + i * PAGE_BYTES;
        if ( w->todo[i] == WINDOW_HOLE )
            add_run(l, w->gfns[i], WIRE_KIND_HOLE, 0);
        else
        {
            if ( i + PREFETCH_PAGES < w->nr &&
                 w->todo[i + PREFETCH_PAGES] == WINDOW_PAGE )
                __builtin_prefetch(page + PREFETCH_PAGES * PAGE_BYTES);
            if ( l->cfg.find_zeros && page_is_fill(page, &word) &&
                 (!word || l->cfg.find_fills) )
            {
                add_run(l, w->gfns[i], word ? WIRE_KIND_FILL
                                            : WIRE_KIND_ZERO, word);
                zero++;
            }
            else
            {
                add_run(l, w->gfns[i], WIRE_KIND_DATA, 0);
                add_data(l, page);
                normal++;
            }
        }
        if ( l->nr_data == l->max_data || l->nr_runs == WIRE_RUNS_MAX )
            rc = flush(l);
    }
    if ( !rc )
        rc = flush(l);
    o->normal_pages += normal;
    o->zero_pages += zero;

    return rc;
}

void outlane_count(struct laneout *o, uint64_t pages)
{
    self(o)->round_pages += pages;
}

static int end_round(struct laneout *o)
{
    struct outlane *l = self(o);
    struct wire_round_end end = {
        .round = l->round,
        .next_lanes = l->cfg.nr_lanes,
        .pages = l->round_pages,
    };
    uint8_t buf[32];
    size_t len;
    int rc = wire_round_end_encode(&end, buf, sizeof(buf), &len);

    if ( rc )
        return err_set(l->out.err, rc, "internal error: encode ROUND_END");

    return conn_send(l->cfg.conn, WIRE_ROUND_END, buf, len);
}

static const struct laneout_ops ops = {
    .round = begin_round,
    .window = send_window,
    .round_end = end_round,
    .bytes = bytes,
    .free = free_lane,
};

int outlane_new(const struct outlane_config *cfg, struct laneout **ret_out)
{
    struct outlane *l = calloc(1, sizeof(*l));

    if ( !l )
        return -ENOMEM;
    l->out.ops = &ops;
    l->out.err = cfg->conn->err;
    l->cfg = *cfg;
    l->max_data = WIRE_DATA_MAX;
    l->judged = cfg->first_access == OPT_FIRST_ACCESS_CHEAP;
    if ( cfg->first_access == OPT_FIRST_ACCESS_DEAR )
        take_buffer(l);
    l->runs = calloc(WIRE_RUNS_MAX, sizeof(*l->runs));
    l->iov = calloc(WIRE_DATA_MAX, sizeof(*l->iov));
    l->meta = calloc(1, WIRE_PAGES_META_MAX);
    if ( !l->runs || !l->iov || !l->meta )
    {
        free_lane(&l->out);
        return -ENOMEM;
    }
    *ret_out = &l->out;

    return 0;
}
