/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The push of a post-copy: lanes and mapper; see push.h.
 */
#include "push.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "outlane.h"

#define BATCH_PAGES  32u
/* What a lane may have in its socket unsent. */
#define UNSENT_BYTES (64u << 10)
/* A link is long where much is under way. */
#define FAR_US   (5 * US_PER_MS)
/* So often it is looked how long the line's queue is, and so long it may
 * be. */
#define LOOK_US  (50 * US_PER_MS)
#define QUEUE_US (5 * US_PER_MS)
/* The cap may be set anew meanwhile. */
#define CAP_US   (100 * US_PER_MS)
/* Nothing is learned from a lane that hardly moves. */
#define PACE_LEAST_BPS (1u << 20)

void push_fail(struct push *p, int rc)
{
    uint64_t one = 1;

    pthread_mutex_lock(&p->lock);
    if ( !p->rc )
        p->rc = rc;
    pthread_cond_broadcast(&p->cond);
    pthread_mutex_unlock(&p->lock);
    session_fail(p->s, rc);
    if ( write(p->fd, &one, sizeof(one)) < 0 )
        return;
}

bool push_wait(struct push *p, const bool *flag)
{
    bool ok;

    pthread_mutex_lock(&p->lock);
    while ( !*flag && !p->quit )
        pthread_cond_wait(&p->cond, &p->lock);
    ok = !p->quit;
    pthread_mutex_unlock(&p->lock);

    return ok;
}

void push_flag(struct push *p, bool *flag)
{
    pthread_mutex_lock(&p->lock);
    *flag = true;
    pthread_cond_broadcast(&p->cond);
    pthread_mutex_unlock(&p->lock);
}

/* ---- Mapper ------------------------------------------------------------- */

/* Upwards from the newest fault, then all that is left. */
static int map_ahead(struct push *p)
{
    uint64_t faults = 0, now, gfn = 0, end = p->left.nr_gfns;
    const uint8_t *page;
    bool wrapped = false;
    int rc = 0;

    while ( !rc && !cancel_check(p->s->stop) )
    {
        now = atomic_load(&p->order.nr_faults);
        if ( now != faults )
        {
            gfn = atomic_load(&p->order.pivots[(now - 1) % PREPAGE_PIVOTS]);
            faults = now;
            wrapped = false;
        }
        gfn = claimset_next(&p->left, gfn, end);
        if ( gfn < end )
        {
            rc = holdmap_page(p->map, &p->map_err, gfn, &page);
            gfn = (gfn | (CHUNK_GFNS - 1)) + 1;
        }
        else if ( wrapped )
            break;
        else
        {
            wrapped = true;
            gfn = 0;
        }
    }

    return rc;
}

static void *mapper_main(void *arg)
{
    struct push *p = arg;
    int rc = push_wait(p, &p->gone_ahead) ? map_ahead(p) : 0;

    if ( rc )
        push_fail(p, rc);

    return NULL;
}

/* ---- Lanes -------------------------------------------------------------- */

/* Take the members of the span: the view shows them. */
static int claim(struct push_lane *l, const struct gfn_run *span)
{
    struct push *p = l->p;
    struct window *w = &l->view;
    uint64_t pushed = 0, holes = 0, i;
    const uint8_t *page;
    int rc = 0;

    w->nr = span->count;
    /* Where there are nothing but holes nobody looks there. */
    w->addr = (uint8_t *)w->gfns;
    for ( i = 0; !rc && i < span->count; i++ )
    {
        w->gfns[i] = span->first + i;
        w->todo[i] = WINDOW_NOTHING;
        if ( !claimset_take(&p->left, w->gfns[i]) )
            continue;
        rc = holdmap_page(p->map, &l->err, w->gfns[i], &page);
        if ( rc )
            break;
        w->todo[i] = page ? WINDOW_PAGE : WINDOW_HOLE;
        if ( page )
            w->addr = (uint8_t *)page - i * PAGE_BYTES;
        pushed += !!page;
        holes += !page;
    }
    p->pushed += pushed;
    p->holes += holes;

    return rc;
}

static int push_span(struct push_lane *l, const struct gfn_run *span)
{
    struct chan *c = l->p->cfg.lanes[l->lane]->chan;
    uint64_t before = chan_bytes_written(c);
    int rc = claim(l, span);

    if ( !rc )
        rc = l->out->ops->window(l->out, &l->view);
    bucket_take(l->p->cfg.bucket, chan_bytes_written(c) - before);

    return rc;
}

/*
 * The cap is waited for before pages are claimed: one that is claimed goes at
 * once, so that nobody has to send it a second time.
 */
static int wait_bandwidth(struct push *p)
{
    uint64_t wait_us;
    int rc = -ETIMEDOUT;

    while ( rc == -ETIMEDOUT &&
            (wait_us = bucket_take(p->cfg.bucket, 0)) > 0 )
        rc = cancel_poll(p->s->stop, -1, 0,
                         deadline_in(wait_us < CAP_US ? wait_us : CAP_US));

    return rc == -ETIMEDOUT ? cancel_check(p->s->stop) : rc;
}

/*
 * A line's queue that is full delays who waits for a page by its length, and
 * drops a part of what is sent to him; bbr alone keeps it full for seconds.
 * So the push stays a little below the rate at which the queue grows.
 */
static void keep_queue_short(struct push_lane *l)
{
    struct push *p = l->p;
    int fd = chan_fd(p->cfg.lanes[l->lane]->chan);
    uint64_t now = clock_now_us(), least_bps;
    struct chan_flow flow;

    if ( !p->far || now - l->looked_us < LOOK_US || !chan_flow(fd, &flow) )
        return;
    if ( !l->begin_us )
    {
        l->begin_us = now;
        l->begin_bytes = flow.acked_bytes;
    }
    /* What the kernel calls delivery rate is the highest it has seen. */
    else if ( flow.queued_us > QUEUE_US )
    {
        l->rate_bps = (flow.acked_bytes - l->acked_bytes) * US_PER_S /
                      (now - l->looked_us) / 10 * 9;
        /* A queue that this does not shorten is not ours. */
        least_bps = (flow.acked_bytes - l->begin_bytes) * US_PER_S /
                    (now - l->begin_us) / 2;
        if ( l->rate_bps < least_bps )
            l->rate_bps = least_bps;
        if ( l->rate_bps < PACE_LEAST_BPS )
            l->rate_bps = PACE_LEAST_BPS;
    }
    else
        l->rate_bps += l->rate_bps / 32;
    if ( l->rate_bps )
        chan_pace(fd, l->rate_bps);
    l->looked_us = now;
    l->acked_bytes = flow.acked_bytes;
}

static int push_lane(struct push_lane *l)
{
    struct push *p = l->p;
    struct laneout *out = l->out;
    struct gfn_run span;
    int rc = 0;

    out->ops->round(out, p->round);
    while ( !rc )
    {
        rc = wait_bandwidth(p);
        if ( rc )
            return rc;
        if ( !prepage_next(&p->order, &l->order, BATCH_PAGES, &span) )
            return out->ops->round_end(out);
        rc = push_span(l, &span);
        keep_queue_short(l);
    }

    return rc;
}

static void *lane_main(void *arg)
{
    struct push_lane *l = arg;
    struct push *p = l->p;
    uint64_t one = 1;
    bool last;
    int rc;

    if ( !push_wait(p, &p->started) )
        return NULL;
    rc = push_lane(l);
    if ( rc )
    {
        push_fail(p, rc);
        return NULL;
    }
    pthread_mutex_lock(&p->lock);
    last = !--p->nr_pushing;
    pthread_mutex_unlock(&p->lock);
    if ( last && write(p->fd, &one, sizeof(one)) < 0 )
        push_fail(p, -errno);

    return NULL;
}

/* ---- Engine's thread ---------------------------------------------------- */

/* By the best of all connections: they are new, and an end that is busy
 * answers some late. */
static bool is_far(const struct session *s, const struct push_config *cfg)
{
    uint64_t least_us = UINT64_MAX, us;
    unsigned int i;

    if ( chan_round_trip(chan_fd(cfg->faults->chan), &us) )
        least_us = us;
    for ( i = 0; i < s->nr_lanes; i++ )
        if ( chan_round_trip(chan_fd(cfg->lanes[i]->chan), &us) &&
             us < least_us )
            least_us = us;

    return least_us >= FAR_US && least_us != UINT64_MAX;
}

static int make_threads(struct push *p)
{
    unsigned int i;
    int rc = 0;

    for ( i = 0; !rc && i < p->s->nr_lanes; i++ )
    {
        rc = -pthread_create(&p->lanes[i].thread, NULL, lane_main,
                             &p->lanes[i]);
        p->lanes[i].made = !rc;
    }
    if ( !rc )
    {
        rc = -pthread_create(&p->responder, NULL, push_answer_main, p);
        p->responder_made = !rc;
    }
    if ( !rc )
    {
        rc = -pthread_create(&p->mapper, NULL, mapper_main, p);
        p->mapper_made = !rc;
    }

    return rc;
}

int push_open(struct session *s, const struct push_config *cfg,
              struct push **ret_p)
{
    const struct chan_tuning urgent = { .urgent = true };
    struct push *p = calloc(1, sizeof(*p));
    unsigned int i;
    int rc = -ENOMEM;

    if ( !p )
        return err_set(s->err, rc, "set up the push: %s", err_text(rc));
    p->s = s;
    p->cfg = *cfg;
    chan_tune(chan_fd(cfg->faults->chan), &urgent);
    p->far = is_far(s, cfg);
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->cond, NULL);
    err_init(&p->answer_err);
    err_init(&p->map_err);
    p->nr_pushing = s->nr_lanes;
    p->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    rc = p->fd < 0 ? -errno : claimset_init(&p->left, s->nr_gfns);
    for ( i = 0; i < s->nr_lanes; i++ )
    {
        struct outlane_config out = {
            .conn = cfg->lanes[i],
            .lane = i,
            .nr_lanes = s->nr_lanes,
            .find_zeros = cfg->find_zeros,
            .find_fills = cfg->find_zeros && (s->caps & WIRE_CAP_FILL),
            .first_access = (unsigned int)opt_u64(s->opts, NULL,
                                                  "first-access"),
            .logger = s->logger,
        };

        p->lanes[i].p = p;
        p->lanes[i].lane = p->lanes[i].order.lane = i;
        err_init(&p->lanes[i].err);
        if ( !rc )
            rc = window_init(&p->lanes[i].view, CHUNK_GFNS);
        /* Plain ones: what is absent there has nothing a change could be told
         * against, and a vCPU does not wait for a coder. */
        if ( !rc )
            rc = outlane_new(&out, &p->lanes[i].out);
    }
    prepage_init(&p->order, &p->left, s->nr_lanes, !cfg->prepaging);
    if ( !rc )
        rc = make_threads(p);
    if ( rc )
        err_set(s->err, rc, "set up the push: %s", err_text(rc));
    if ( !rc )
        rc = holdmap_open(s->hv, s->err, s->domid, s->nr_gfns, &p->map);
    if ( rc )
        push_close(p);
    else
        *ret_p = p;

    return rc;
}

void push_left(struct push *p, const struct pageset *left)
{
    claimset_fill(&p->left, left);
}

void push_vcpus(struct push *p, const void *context, size_t len)
{
    p->nr_vcpus = hv_context_vcpus(context, len, p->vcpus, PUSH_VCPUS_MAX);
}

void push_map(struct push *p, uint32_t round)
{
    p->round = round;
    push_flag(p, &p->suspended);
}

void push_answer(struct push *p)
{
    push_flag(p, &p->answers);
}

void push_start(struct push *p)
{
    static const struct chan_tuning t = { .nodelay = true,
                                   .lowat_bytes = UNSENT_BYTES };
    unsigned int i;

    for ( i = 0; i < p->s->nr_lanes; i++ )
    {
        chan_tune(chan_out_fd(p->cfg.lanes[i]->chan), &t);
        /* see wait_bandwidth() */
        chan_set_bucket(p->cfg.lanes[i]->chan, NULL);
    }
    push_flag(p, &p->started);
}

int push_fd(const struct push *p)
{
    return p->fd;
}

int push_failed(struct push *p)
{
    int rc;

    pthread_mutex_lock(&p->lock);
    rc = p->rc;
    pthread_mutex_unlock(&p->lock);

    return rc;
}

int push_error(struct push *p, struct err *e)
{
    int rc = push_failed(p);
    unsigned int i;

    if ( !rc || err_take(e, &p->map_err) || err_take(e, &p->answer_err) )
        return rc;
    for ( i = 0; i < p->s->nr_lanes; i++ )
        if ( err_take(e, &p->lanes[i].err) ||
             err_take(e, p->lanes[i].out->err) )
            break;

    return rc;
}

void push_counts(const struct push *p, struct push_counts *ret)
{
    unsigned int i;

    ret->pushed = p->pushed;
    ret->demanded = p->demanded;
    ret->neighbours = p->neighbours;
    ret->first = p->first;
    ret->duplicates = p->duplicates;
    ret->holes = p->holes;
    ret->normal = p->normal;
    ret->zero = p->zero;
    for ( i = 0; i < p->s->nr_lanes; i++ )
    {
        ret->normal += p->lanes[i].out->normal_pages;
        ret->zero += p->lanes[i].out->zero_pages;
    }
    ret->requests = p->requests;
    ret->left = p->left.left;
}

void push_add_counts(const struct push *p, struct push_counts *sum)
{
    struct push_counts c;

    push_counts(p, &c);
    sum->pushed += c.pushed;
    sum->demanded += c.demanded;
    sum->neighbours += c.neighbours;
    sum->first += c.first;
    sum->duplicates += c.duplicates;
    sum->holes += c.holes;
    sum->normal += c.normal;
    sum->zero += c.zero;
    sum->requests += c.requests;
    sum->left = c.left;
}

static void join(pthread_t thread, bool *made)
{
    if ( *made )
        pthread_join(thread, NULL);
    *made = false;
}

void push_stop(struct push *p)
{
    unsigned int i;
    bool busy;

    pthread_mutex_lock(&p->lock);
    p->quit = true;
    busy = p->started || p->answers || p->suspended;
    pthread_cond_broadcast(&p->cond);
    pthread_mutex_unlock(&p->lock);
    /* The responder reads until it is stopped. */
    if ( busy )
        session_fail(p->s, -ECANCELED);
    join(p->mapper, &p->mapper_made);
    join(p->responder, &p->responder_made);
    for ( i = 0; i < WIRE_LANES_MAX; i++ )
        join(p->lanes[i].thread, &p->lanes[i].made);
}

void push_close(struct push *p)
{
    unsigned int i;

    if ( !p )
        return;
    push_stop(p);
    for ( i = 0; i < WIRE_LANES_MAX; i++ )
    {
        if ( p->lanes[i].out )
            p->lanes[i].out->ops->free(p->lanes[i].out);
        p->lanes[i].view.addr = NULL;
        window_done(&p->lanes[i].view, NULL);
        err_done(&p->lanes[i].err);
    }
    holdmap_close(p->map);
    claimset_done(&p->left);
    if ( p->fd >= 0 )
        close(p->fd);
    err_done(&p->answer_err);
    err_done(&p->map_err);
    pthread_cond_destroy(&p->cond);
    pthread_mutex_destroy(&p->lock);
    free(p);
}
