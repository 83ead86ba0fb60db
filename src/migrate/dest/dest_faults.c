/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The connection of faults at the destination, and its thread: requests come
 * out of the hypervisor's ring and go to the source; pages come back, are
 * placed, and the vCPUs that wait for them go on.
 */
#include "dest_split.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#define TICK_MS 100
#define REST_MAX 64u

struct faulter
{
    struct dest *d;
    struct split *sp;
    struct conn *c;
    struct dest_placer placer;
    struct wire_run *runs;
    struct wire_fault ask;       /* gathered, to be sent */
};

/* ---- To the source ------------------------------------------------------ */

static int send_ask(struct faulter *f)
{
    uint8_t buf[WIRE_FAULT_BYTES(WIRE_FAULTS_MAX)];
    size_t len;
    int rc;

    if ( !f->ask.nr )
        return 0;
    rc = wire_fault_encode(&f->ask, buf, sizeof(buf), &len);
    if ( rc )
        return err_set(f->c->err, rc, "internal error: encode FAULT");
    f->ask.nr = 0;

    return conn_send(f->c, WIRE_FAULT_REC, buf, len);
}

static int ask_for(struct faulter *f, uint64_t gfn, bool idle)
{
    f->ask.want[f->ask.nr].gfn = gfn;
    f->ask.want[f->ask.nr++].idle = idle;

    return f->ask.nr == WIRE_FAULTS_MAX ? send_ask(f) : 0;
}

/* Nobody else will answer it. */
static int answer_now(struct faulter *f, uint64_t gfn)
{
    struct hv_pager_request rq[HV_PAGER_PENDING_MAX];
    unsigned int n = faults_take(&f->sp->faults, gfn, 1, clock_now_us(), rq);

    return n ? hv_pager_answer(f->sp->pager, f->c->err, rq, n) : 0;
}

static int take_request(struct faulter *f, const struct hv_pager_request *rq)
{
    struct split *sp = f->sp;
    bool asked;
    int rc;

    if ( rq->drop )
    {
        if ( claimset_take(&sp->left, rq->gfn) && !sp->left.left )
            dest_split_wake(sp);
        return hv_pager_answer(sp->pager, f->c->err, rq, 1);
    }
    rc = faults_put(&sp->faults, rq, clock_now_us(), &asked);
    if ( rc )
        return err_set(f->c->err, rc, "more than %u requests are unanswered",
                       HV_PAGER_PENDING_MAX);
    /* In this order: who places it after this look sees the request. */
    if ( !claimset_test(&sp->left, rq->gfn) )
        return answer_now(f, rq->gfn);
    if ( asked )
        return 0;
    sp->requests++;

    return ask_for(f, rq->gfn, false);
}

static int take_requests(struct faulter *f)
{
    struct hv_pager_request rq;
    int rc;

    while ( !(rc = hv_pager_next(f->sp->pager, f->c->err, &rq)) )
    {
        rc = take_request(f, &rq);
        if ( rc )
            return rc;
    }
    if ( rc != -EAGAIN )
        return rc;

    return send_ask(f);
}

/* The lanes are through: what is still absent nobody has sent. */
static int ask_rest(struct faulter *f)
{
    uint64_t gfn = 0, end = f->sp->left.nr_gfns;
    unsigned int n;
    int rc = 0;

    for ( n = 0; !rc && n < REST_MAX; n++ )
    {
        gfn = claimset_next(&f->sp->left, gfn, end);
        if ( gfn == end )
            break;
        rc = ask_for(f, gfn++, true);
    }

    return rc ? rc : send_ask(f);
}

/* ---- From the source ---------------------------------------------------- */

static int take_run(struct faulter *f, const struct wire_run *run)
{
    struct iovec iov;
    uint32_t i;
    int rc = 0;

    if ( run->kind != WIRE_KIND_DATA )
    {
        rc = dest_gathered(f->d, &f->placer);
        return rc ? rc : dest_place(f->d, &f->placer, run->gfn, run->count,
                                    run->kind, &run->word);
    }
    for ( i = 0; !rc && i < run->count; i++ )
    {
        iov = (struct iovec){ dest_room(&f->placer), PAGE_BYTES };
        rc = conn_read_pages(f->c, &iov, 1);
        if ( !rc )
            rc = dest_gather(f->d, &f->placer, run->gfn + i);
    }

    return rc;
}

/* Pages may overtake STATE_END, which says that nothing more is absent.
 * Nobody faults yet. */
static int await_complete(struct faulter *f)
{
    struct dest *d = f->d;
    int rc;

    pthread_mutex_lock(&d->lock);
    while ( !(rc = cancel_check(&d->stop)) && !f->sp->complete )
        pthread_cond_wait(&d->cond, &d->lock);
    pthread_mutex_unlock(&d->lock);

    return rc;
}

static int take_pages(struct faulter *f)
{
    const struct session *s = &f->d->s;
    struct wire_pages_bounds bounds = {
        .nr_gfns = s->nr_gfns, .nr_lanes = 1, .caps = s->caps,
    };
    struct wire_pages_head h;
    struct wire_record rec;
    uint32_t i;
    int rc;

    rc = conn_recv(f->c, &rec);
    if ( rc )
        return rc;
    if ( rec.type == WIRE_ERROR )
        return conn_peer_error(f->c, &rec);
    if ( rec.type == WIRE_ALIVE )
    {
        pthread_mutex_lock(&f->d->lock);
        f->sp->first_placed = true;
        pthread_cond_broadcast(&f->d->cond);
        pthread_mutex_unlock(&f->d->lock);
        return 0;
    }
    if ( rec.type != WIRE_PAGES )
        return err_set(f->c->err, -EPROTO, "%s on the fault connection",
                       wire_name(rec.type));
    rc = await_complete(f);
    if ( rc )
        return rc;
    rc = wire_pages_head_decode(rec.body, rec.length, f->c->err, &h);
    if ( !rc )
        rc = wire_runs_decode((const uint8_t *)rec.body +
                              WIRE_PAGES_HEAD_BYTES,
                              (size_t)h.nr_runs * WIRE_RUN_BYTES, &h,
                              &bounds, f->c->err, f->runs);
    for ( i = 0; !rc && i < h.nr_runs; i++ )
        rc = take_run(f, &f->runs[i]);

    return rc ? rc : dest_gathered(f->d, &f->placer);
}

/* ---- The thread --------------------------------------------------------- */

/* Who waits has been asked for on a connection that was lost. */
static int ask_again(struct faulter *f)
{
    uint64_t gfns[HV_PAGER_PENDING_MAX];
    unsigned int n = faults_list(&f->sp->faults, gfns), i;
    int rc = 0;

    for ( i = 0; !rc && i < n; i++ )
        rc = claimset_test(&f->sp->left, gfns[i])
             ? ask_for(f, gfns[i], false) : answer_now(f, gfns[i]);

    return rc ? rc : send_ask(f);
}

static int serve(struct faulter *f)
{
    struct split *sp = f->sp;
    int n, rc = f->d->draining ? ask_again(f) : 0;

    /* What came while there was no connection may have been told already. */
    if ( !rc )
        rc = take_requests(f);
    while ( !rc )
    {
        struct pollfd pfd[] = {
            { .fd = hv_pager_fd(sp->pager), .events = POLLIN },
            { .fd = chan_fd(f->c->chan), .events = POLLIN },
            { .fd = f->d->stop.fd, .events = POLLIN },
        };

        n = poll(pfd, 3, TICK_MS);
        if ( n < 0 && errno != EINTR )
            return err_set(f->c->err, -errno, "wait for faults: %s",
                           err_text(-errno));
        if ( pfd[2].revents )
            return cancel_check(&f->d->stop);
        /* First those that need the source's time. */
        if ( pfd[0].revents || !n )
            rc = take_requests(f);
        if ( !rc && pfd[1].revents )
            rc = take_pages(f);
        if ( !rc && sp->ask_rest && !pfd[0].revents && !pfd[1].revents )
            rc = ask_rest(f);
    }

    return rc;
}

static int join(struct dest *d, struct conn *c)
{
    struct split *sp;
    int rc = 0;

    pthread_mutex_lock(&d->lock);
    sp = d->split;
    if ( !d->open || !sp )
        rc = err_set(c->err, -EPROTO, "a fault connection does not belong to "
                     "this migration");
    else if ( sp->joined )
        rc = err_set(c->err, -EPROTO, "the fault connection is there "
                     "already");
    else
    {
        sp->joined = true;
        sp->conn = c;
        d->nr_running++;
    }
    pthread_mutex_unlock(&d->lock);

    return rc;
}

static int say_joined(struct conn *c)
{
    struct wire_joined joined = { .lane = 0 };
    uint8_t buf[16];
    size_t len;
    int rc = wire_joined_encode(&joined, buf, sizeof(buf), &len);

    if ( rc )
        return err_set(c->err, rc, "internal error: encode JOINED");

    return conn_send(c, WIRE_JOINED, buf, len);
}

int dest_faults(struct dest *d, struct conn *c)
{
    const struct chan_tuning urgent = { .urgent = true };
    struct faulter f = { .d = d, .c = c };
    int rc;

    rc = join(d, c);
    if ( rc )
        return rc;
    f.sp = d->split;
    c->err = f.placer.err = &f.sp->err;
    chan_set_err(c->chan, c->err);
    chan_set_cancel(c->chan, &d->stop);
    chan_set_deadline(c->chan, DEADLINE_NEVER);
    chan_set_io_timeout(c->chan, 0);
    chan_tune(chan_fd(c->chan), &urgent);

    f.runs = calloc(WIRE_RUNS_MAX, sizeof(*f.runs));
    if ( !f.runs )
        rc = err_set(c->err, -ENOMEM, "set up the fault connection: %s",
                     err_text(-ENOMEM));
    if ( !rc )
        rc = dest_placer_open(d, &f.placer);
    if ( !rc )
        rc = say_joined(c);
    if ( !rc )
        rc = serve(&f);

    dest_placer_done(&f.placer);
    free(f.runs);
    if ( rc != -ENODATA && rc != -ECONNRESET && rc != -EPIPE &&
         !cancel_check(&d->stop) && !dest_split_gone(d) )
        err_take(&d->err, &f.sp->err);
    if ( rc && !f.sp->gone )
        session_fail(&d->s, rc);
    dest_split_wake(f.sp);
    pthread_mutex_lock(&d->lock);
    f.sp->conn = NULL;
    d->nr_running--;
    pthread_cond_broadcast(&d->cond);
    pthread_mutex_unlock(&d->lock);

    return rc;
}
