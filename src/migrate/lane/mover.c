/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The source's data path: see mover.h.
 *
 * One mapper and a ring of windows.  Every lane looks at every window, in
 * order, and takes the pages of its own 2 MiB chunks; a window is unmapped
 * and used again, by the mapper, once all lanes have passed it.
 */
#include "mover.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "wire.h"

#define RING           4u
#define WINDOW_PAGES   4096u     /* 16 MiB */
/* Later rounds, of scattered pages: short windows keep the lanes busy. */
#define WINDOW_SMALL   1024u
#define INLINE_PAGES   768u

struct lane_thread
{
    struct mover *m;
    struct laneout *out;
    pthread_t thread;
    bool made;
    uint64_t passed;             /* windows of this round; under lock */
    bool finished;               /* with this round; under lock */
};

struct mover
{
    /* set at the start, then read-only */
    struct session *s;
    struct sendset *set;
    unsigned int nr_lanes;
    int done_fd;                 /* eventfd: the round is through */
    pthread_t mapper;
    bool mapper_made;

    struct lane_thread lanes[WIRE_LANES_MAX];

    /* mapper only, or the engine's thread in an inline round */
    struct window ring[RING];
    struct window_cost cost;
    struct err err;              /* the mapper's */

    _Atomic uint64_t frontier;   /* the mapper's, moved before it maps */

    pthread_mutex_t lock;
    pthread_cond_t cond;
    /* under lock */
    bool quit;
    uint64_t started;            /* rounds */
    uint32_t round;
    bool last;                   /* the guest is suspended */
    bool cut;                    /* the round ends early */
    uint64_t produced;           /* windows of this round */
    bool all_produced;
    unsigned int nr_finished;    /* lanes */
    bool running;                /* until the mapper has unmapped all */
    int rc;                      /* first failure */
};

/* Everybody stops; waits on connections end too. */
static void fail(struct mover *m, int rc)
{
    pthread_mutex_lock(&m->lock);
    if ( !m->rc )
        m->rc = rc;
    pthread_cond_broadcast(&m->cond);
    pthread_mutex_unlock(&m->lock);
    session_fail(m->s, rc);
}

/* 1: there is nothing left. */
static int produce(struct mover *m, struct window *w, uint64_t *cursor)
{
    size_t max = m->round ? WINDOW_SMALL : WINDOW_PAGES;

    if ( !window_fill(w, m->set, cursor, max, &m->cost) )
        return 1;
    m->frontier = *cursor;

    return window_map(w, m->s->hv, &m->err, m->s->domid, m->set, m->round,
                      !m->last, &m->cost);
}

/* ---- Mapper ------------------------------------------------------------- */

/* Under lock. */
static uint64_t least_passed(const struct mover *m)
{
    uint64_t least = UINT64_MAX;
    unsigned int i;

    for ( i = 0; i < m->nr_lanes; i++ )
        if ( m->lanes[i].passed < least )
            least = m->lanes[i].passed;

    return least;
}

/* Wait until the window of sequence seq may be overwritten; false: stop. */
static bool wait_free(struct mover *m, uint64_t seq)
{
    bool ok;

    pthread_mutex_lock(&m->lock);
    while ( !m->rc && !m->cut && seq >= RING &&
            least_passed(m) <= seq - RING )
        pthread_cond_wait(&m->cond, &m->lock);
    ok = !m->rc && !m->cut;
    pthread_mutex_unlock(&m->lock);

    return ok;
}

/* Windows that not all lanes have sent are pending again; some of their pages
 * have been sent. */
static void take_back(struct mover *m)
{
    const struct window *w;
    uint64_t seq;
    size_t i;

    for ( seq = least_passed(m); seq < m->produced; seq++ )
    {
        w = &m->ring[seq % RING];
        for ( i = 0; i < w->nr; i++ )
        {
            if ( w->todo[i] == WINDOW_NOTHING )
                continue;
            /* The peer has not been told that it has become a hole. */
            if ( w->todo[i] == WINDOW_HOLE )
                pageset_set(&m->set->present, w->gfns[i]);
            sendset_pend(m->set, w->gfns[i]);
        }
    }
}

static void map_round(struct mover *m)
{
    uint64_t cursor = 0, seq = 0;
    unsigned int i;
    struct window *w;
    int rc = 0;

    while ( wait_free(m, seq) )
    {
        w = &m->ring[seq % RING];
        window_unmap(w, m->s->hv);
        rc = produce(m, w, &cursor);
        if ( rc )
            break;
        pthread_mutex_lock(&m->lock);
        m->produced = ++seq;
        pthread_cond_broadcast(&m->cond);
        pthread_mutex_unlock(&m->lock);
    }
    if ( rc < 0 )
        fail(m, rc);

    pthread_mutex_lock(&m->lock);
    m->all_produced = true;
    pthread_cond_broadcast(&m->cond);
    while ( m->nr_finished < m->nr_lanes )
        pthread_cond_wait(&m->cond, &m->lock);
    if ( m->cut && !m->rc )
        take_back(m);
    pthread_mutex_unlock(&m->lock);

    for ( i = 0; i < RING; i++ )
        window_unmap(&m->ring[i], m->s->hv);
}

static void *mapper_main(void *arg)
{
    struct mover *m = arg;
    uint64_t seen = 0, one = 1;

    pthread_mutex_lock(&m->lock);
    for ( ; ; )
    {
        while ( !m->quit && m->started == seen )
            pthread_cond_wait(&m->cond, &m->lock);
        if ( m->quit )
            break;
        seen = m->started;
        pthread_mutex_unlock(&m->lock);
        map_round(m);
        pthread_mutex_lock(&m->lock);
        m->running = false;
        pthread_cond_broadcast(&m->cond);
        if ( write(m->done_fd, &one, sizeof(one)) < 0 && !m->rc )
            m->rc = -errno;
    }
    pthread_mutex_unlock(&m->lock);

    return NULL;
}

/* ---- Lanes -------------------------------------------------------------- */

static int send_round(struct lane_thread *l)
{
    struct mover *m = l->m;
    uint64_t seq = 0;
    bool more;
    int rc;

    for ( ; ; )
    {
        pthread_mutex_lock(&m->lock);
        while ( !m->rc && !m->cut && !m->all_produced && m->produced == seq )
            pthread_cond_wait(&m->cond, &m->lock);
        rc = m->rc;
        more = m->produced > seq && !m->cut;
        pthread_mutex_unlock(&m->lock);
        if ( rc )
            return 0;            /* somebody else's, and he has told */
        if ( !more )
            return l->out->ops->round_end(l->out);

        rc = l->out->ops->window(l->out, &m->ring[seq % RING]);
        if ( rc )
            return rc;

        pthread_mutex_lock(&m->lock);
        l->passed = ++seq;
        pthread_cond_broadcast(&m->cond);
        pthread_mutex_unlock(&m->lock);
    }
}

static void *lane_main(void *arg)
{
    struct lane_thread *l = arg;
    struct mover *m = l->m;
    uint64_t seen = 0;
    int rc;

    pthread_mutex_lock(&m->lock);
    for ( ; ; )
    {
        while ( !m->quit && m->started == seen )
            pthread_cond_wait(&m->cond, &m->lock);
        if ( m->quit )
            break;
        seen = m->started;
        l->out->ops->round(l->out, m->round);
        pthread_mutex_unlock(&m->lock);

        rc = send_round(l);
        if ( rc )
            fail(m, rc);

        pthread_mutex_lock(&m->lock);
        m->nr_finished++;
        pthread_cond_broadcast(&m->cond);
    }
    pthread_mutex_unlock(&m->lock);

    return NULL;
}

/* ---- Engine's thread ---------------------------------------------------- */

int mover_open(struct session *s, struct sendset *set, struct laneout **outs,
               unsigned int nr, struct mover **ret_m)
{
    struct mover *m = calloc(1, sizeof(*m));
    struct lane_thread *l;
    unsigned int i;
    int rc = 0;

    if ( !m )
    {
        for ( i = 0; i < nr; i++ )
            outs[i]->ops->free(outs[i]);
        return err_set(s->err, -ENOMEM, "set up the lanes: %s",
                       err_text(-ENOMEM));
    }
    m->s = s;
    m->set = set;
    err_init(&m->err);
    pthread_mutex_init(&m->lock, NULL);
    pthread_cond_init(&m->cond, NULL);

    for ( i = 0; i < nr; i++ )
    {
        m->lanes[i].m = m;
        m->lanes[i].out = outs[i];
    }
    m->nr_lanes = nr;

    m->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if ( m->done_fd < 0 )
        rc = -errno;
    for ( i = 0; !rc && i < RING; i++ )
        rc = window_init(&m->ring[i], WINDOW_PAGES);
    for ( i = 0; !rc && i < nr; i++ )
    {
        l = &m->lanes[i];
        rc = -pthread_create(&l->thread, NULL, lane_main, l);
        l->made = !rc;
    }
    if ( !rc )
    {
        rc = -pthread_create(&m->mapper, NULL, mapper_main, m);
        m->mapper_made = !rc;
    }
    if ( rc )
    {
        mover_close(m);
        return err_set(s->err, rc, "set up %u lanes: %s", nr, err_text(rc));
    }
    *ret_m = m;

    return 0;
}

void mover_close(struct mover *m)
{
    unsigned int i;
    bool running;

    if ( !m )
        return;
    pthread_mutex_lock(&m->lock);
    running = m->running;
    m->quit = true;
    pthread_cond_broadcast(&m->cond);
    pthread_mutex_unlock(&m->lock);
    if ( running )
        fail(m, -ECANCELED);

    if ( m->mapper_made )
        pthread_join(m->mapper, NULL);
    for ( i = 0; i < WIRE_LANES_MAX; i++ )
    {
        if ( m->lanes[i].made )
            pthread_join(m->lanes[i].thread, NULL);
        if ( m->lanes[i].out )
            m->lanes[i].out->ops->free(m->lanes[i].out);
    }
    for ( i = 0; i < RING; i++ )
        window_done(&m->ring[i], m->s->hv);
    if ( m->done_fd >= 0 )
        close(m->done_fd);
    pthread_cond_destroy(&m->cond);
    pthread_mutex_destroy(&m->lock);
    err_done(&m->err);
    free(m);
}

/* Under lock. */
static void reset_round(struct mover *m, uint32_t round, bool last)
{
    unsigned int i;

    m->round = round;
    m->last = last;
    m->frontier = 0;
    m->cut = false;
    m->produced = 0;
    m->all_produced = false;
    m->nr_finished = 0;
    for ( i = 0; i < m->nr_lanes; i++ )
        m->lanes[i].passed = 0;
}

void mover_start(struct mover *m, uint32_t round, bool last)
{
    pthread_mutex_lock(&m->lock);
    reset_round(m, round, last);
    m->running = true;
    m->started++;
    pthread_cond_broadcast(&m->cond);
    pthread_mutex_unlock(&m->lock);
}

uint64_t mover_frontier(const struct mover *m)
{
    return m->frontier;
}

void mover_cut(struct mover *m)
{
    pthread_mutex_lock(&m->lock);
    m->cut = true;
    pthread_cond_broadcast(&m->cond);
    pthread_mutex_unlock(&m->lock);
}

int mover_fd(const struct mover *m)
{
    return m->done_fd;
}

/* Whoever failed first has told the others, so at most one lane's record
 * matters, and the mapper's comes first. */
void mover_error(struct mover *m, struct err *e)
{
    unsigned int i;
    int rc;

    if ( err_take(e, &m->err) )
        return;
    pthread_mutex_lock(&m->lock);
    rc = m->rc;
    pthread_mutex_unlock(&m->lock);
    for ( i = 0; i < m->nr_lanes; i++ )
        if ( err_code(m->lanes[i].out->err) == rc &&
             err_take(e, m->lanes[i].out->err) )
            return;
}

int mover_finish(struct mover *m)
{
    uint64_t count;
    int rc;

    pthread_mutex_lock(&m->lock);
    while ( m->running )
        pthread_cond_wait(&m->cond, &m->lock);
    rc = m->rc;
    pthread_mutex_unlock(&m->lock);

    if ( read(m->done_fd, &count, sizeof(count)) < 0 && !rc )
        rc = -errno;

    return rc;
}

bool mover_is_small(const struct mover *m, uint64_t pages)
{
    return pages <= INLINE_PAGES && m->nr_lanes;
}

static int send_inline(struct mover *m, struct window *w)
{
    struct laneout *o;
    unsigned int i;
    int rc = 0;

    for ( i = 0; !rc && i < m->nr_lanes; i++ )
    {
        o = m->lanes[i].out;
        rc = o->ops->window(o, w);
    }

    return rc;
}

int mover_inline(struct mover *m, uint32_t round, bool last)
{
    uint64_t cursor = 0, seq = 0;
    struct laneout *o;
    struct window *w;
    unsigned int i;
    int rc;

    /* The threads sleep: what they would read under the lock is ours. */
    pthread_mutex_lock(&m->lock);
    reset_round(m, round, last);
    pthread_mutex_unlock(&m->lock);
    for ( i = 0; i < m->nr_lanes; i++ )
    {
        o = m->lanes[i].out;
        o->ops->round(o, round);
    }

    do {
        w = &m->ring[seq++ % RING];
        window_unmap(w, m->s->hv);
        rc = produce(m, w, &cursor);
        if ( !rc )
            rc = send_inline(m, w);
    } while ( !rc );
    if ( rc == 1 )
        rc = 0;
    for ( i = 0; !rc && i < m->nr_lanes; i++ )
    {
        o = m->lanes[i].out;
        rc = o->ops->round_end(o);
    }
    if ( !last )
        mover_release(m);
    if ( rc )
        fail(m, rc);

    return rc;
}

void mover_release(struct mover *m)
{
    unsigned int i;

    for ( i = 0; i < RING; i++ )
        window_unmap(&m->ring[i], m->s->hv);
}

void mover_counts(const struct mover *m, struct mover_counts *ret)
{
    const struct laneout *o;
    unsigned int i;

    memset(ret, 0, sizeof(*ret));
    for ( i = 0; i < m->nr_lanes; i++ )
    {
        o = m->lanes[i].out;
        ret->normal_pages += o->normal_pages;
        ret->zero_pages += o->zero_pages;
        ret->bytes += o->ops->bytes(o);
    }
}
