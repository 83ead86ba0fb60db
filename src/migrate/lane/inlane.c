/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * A lane at the destination: reads batches and places them.
 *
 * Pages are read into a buffer that stays in the processor's cache and are
 * copied on to guest memory from there: measured faster than reading into
 * guest frames that are in no cache (docs/design.md).
 */
#include "dest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "incode.h"
#include "longlink.h"

#define BUF_PAGES 128u           /* 512 KiB */
/* In a post-copy somebody may wait for the first of them. */
#define PUSH_PAGES 15u
#define AHEAD_BYTES (64u << 10)  /* the kernel doubles it */

struct inlane
{
    struct dest *d;
    struct conn *conn;
    unsigned int lane;
    struct place_lane pl;
    struct incode code;
    struct dest_placer placer;   /* of post-copy's push */
    struct wire_run *runs;
    uint8_t *buf;
    bool bounded;                /* what is received ahead */
    uint32_t round;              /* being read */
    uint64_t pages;              /* of this round */
};

/* ---- Rounds ------------------------------------------------------------- */

int dest_wait_round(struct dest *d, uint32_t round)
{
    int rc;

    pthread_mutex_lock(&d->lock);
    while ( !(rc = cancel_check(&d->stop)) && d->rounds < round )
        pthread_cond_wait(&d->cond, &d->lock);
    if ( !rc && d->last_known && round > d->last_round + d->draining )
        rc = err_set(&d->err, -EPROTO, "round %u on a lane, %u was the last",
                     round, d->last_round);
    pthread_mutex_unlock(&d->lock);

    return rc;
}

static int send_round_ack(struct dest *d, uint32_t round)
{
    struct wire_round_ack ack = { .round = round };
    uint8_t buf[32];
    unsigned int i;
    size_t len;
    int rc;

    for ( i = 0; i < d->s.nr_lanes; i++ )
        ack.placed_pages += d->lanes[i].pages;
    rc = wire_round_ack_encode(&ack, buf, sizeof(buf), &len);
    if ( rc )
        return err_set(&d->err, rc, "internal error: encode ROUND_ACK");

    return conn_send(d->ctl, WIRE_ROUND_ACK, buf, len);
}

int dest_maybe_ready(struct dest *d)
{
    int64_t received = 0;
    unsigned int i;
    int rc;

    if ( d->ready_sent || !d->state_complete || !d->last_known ||
         d->rounds <= d->last_round )
        return 0;
    for ( i = 0; i < d->s.nr_lanes; i++ )
        received += d->lanes[i].received;
    received += place_absent_received(d->place);
    if ( (uint64_t)received != d->populated )
        return err_set(&d->err, -EPROTO, "%ld pages of the guest were "
                       "received, %lu are populated at the source",
                       (long)received, (unsigned long)d->populated);
    d->ready_sent = true;
    pthread_cond_broadcast(&d->cond);
    rc = conn_send_empty(d->ctl, WIRE_READY);

    /* Who sends GO with the state need not hear it. */
    return d->early_go ? 0 : rc;
}

void dest_lane_drained(struct dest *d)
{
    pthread_mutex_lock(&d->lock);
    d->nr_drained++;
    pthread_mutex_unlock(&d->lock);
}

int dest_round_ended(struct dest *d, unsigned int lane, uint32_t round,
                     uint64_t pages, int64_t received)
{
    unsigned int i;
    int rc = 0;

    pthread_mutex_lock(&d->lock);
    d->lanes[lane].rounds = round + 1;
    d->lanes[lane].pages += pages;
    d->lanes[lane].received = received;
    for ( i = 0; i < d->s.nr_lanes; i++ )
        if ( d->lanes[i].rounds <= round )
            break;
    if ( i == d->s.nr_lanes )
    {
        d->rounds = round + 1;
        pthread_cond_broadcast(&d->cond);
        /* READY says the same of the last one. */
        if ( d->last_known && round == d->last_round )
            rc = dest_maybe_ready(d);
        else
            rc = send_round_ack(d, round);
    }
    pthread_mutex_unlock(&d->lock);

    return rc;
}

/* ---- Batches ------------------------------------------------------------ */

static int read_some(struct inlane *l, uint32_t pages)
{
    struct iovec iov = { l->buf, (size_t)pages * PAGE_BYTES };

    return conn_read_pages(l->conn, &iov, 1);
}

static bool is_push(const struct inlane *l)
{
    return l->d->draining && l->round == l->d->last_round + 1;
}

static int put_run(struct inlane *l, bool push, uint64_t gfn, uint32_t count,
                   enum wire_kind kind, const void *data)
{
    return push ? dest_place(l->d, &l->placer, gfn, count, kind, data)
                : place_run(l->d->place, &l->pl, gfn, count, kind, data);
}

static int place_batch(struct inlane *l, const struct wire_pages_head *h)
{
    uint32_t left = h->nr_data, have = 0, used = 0, i, n;
    bool push = is_push(l);
    uint32_t most = push ? PUSH_PAGES : BUF_PAGES;
    int rc = 0;

    for ( i = 0; !rc && i < h->nr_runs; i++ )
    {
        struct wire_run run = l->runs[i];

        l->pages += run.count;
        if ( run.kind != WIRE_KIND_DATA )
        {
            rc = put_run(l, push, run.gfn, run.count, run.kind,
                         run.kind == WIRE_KIND_FILL ? &run.word : NULL);
            continue;
        }
        while ( !rc && run.count )
        {
            if ( used == have )
            {
                have = left < most ? left : most;
                used = 0;
                left -= have;
                rc = read_some(l, have);
                if ( rc )
                    break;
            }
            n = have - used < run.count ? have - used : run.count;
            rc = put_run(l, push, run.gfn, n, WIRE_KIND_DATA,
                         l->buf + (size_t)used * PAGE_BYTES);
            used += n;
            run.gfn += n;
            run.count -= n;
        }
    }

    return rc;
}

/* On a short link what is received ahead only delays what is waited for. */
static void bound_ahead(struct inlane *l)
{
    const struct chan_tuning t = { .rcvbuf_bytes = AHEAD_BYTES };
    uint64_t rtt_us;

    l->bounded = true;
    if ( chan_round_trip(chan_fd(l->conn->chan), &rtt_us) &&
         rtt_us < LONGLINK_RTT_US )
        chan_tune(chan_fd(l->conn->chan), &t);
}

static int take_pages(struct inlane *l, const struct wire_record *rec)
{
    const struct session *s = &l->d->s;
    struct wire_pages_bounds bounds = {
        .nr_gfns = s->nr_gfns,
        .lane = l->lane,
        .nr_lanes = s->nr_lanes,
        .caps = s->caps,
    };
    struct wire_pages_head h;
    int rc;

    rc = wire_pages_head_decode(rec->body, rec->length, l->conn->err, &h);
    if ( rc )
        return rc;
    if ( h.round != l->round )
        return err_set(l->conn->err, -EPROTO, "pages of round %u on lane %u "
                       "within round %u", h.round, l->lane, l->round);
    rc = wire_runs_decode((const uint8_t *)rec->body + WIRE_PAGES_HEAD_BYTES,
                          (size_t)h.nr_runs * WIRE_RUN_BYTES, &h, &bounds,
                          l->conn->err, l->runs);
    if ( !rc )
        rc = dest_wait_round(l->d, l->round);
    if ( !rc && !l->bounded && is_push(l) )
        bound_ahead(l);
    if ( !rc )
        rc = place_batch(l, &h);

    return rc;
}

/* A batch that is coded: all of its body has been received. */
static int take_coded(struct inlane *l, const struct wire_record *rec)
{
    const struct session *s = &l->d->s;
    struct wire_pages_bounds bounds = {
        .nr_gfns = s->nr_gfns,
        .lane = l->lane,
        .nr_lanes = s->nr_lanes,
        .caps = s->caps,
    };
    uint32_t round, i, nr;
    int rc;

    if ( is_push(l) )
        return err_set(l->conn->err, -EPROTO, "CODED in a post-copy's push");
    rc = incode_open(&l->code, rec, &bounds, l->conn->err, l->runs, &round,
                     &nr);
    if ( rc )
        return rc;
    if ( round != l->round )
        return err_set(l->conn->err, -EPROTO, "pages of round %u on lane %u "
                       "within round %u", round, l->lane, l->round);
    rc = dest_wait_round(l->d, l->round);
    if ( !rc )
        rc = incode_place(&l->code, l->d->place, &l->pl, l->runs, nr);
    for ( i = 0; i < nr; i++ )
        l->pages += l->runs[i].count;

    return rc;
}

static int take_round_end(struct inlane *l, const struct wire_record *rec)
{
    struct wire_round_end end;
    int rc = wire_round_end_decode(rec->body, rec->length, l->conn->err,
                                   &end);

    if ( rc )
        return rc;
    if ( end.round != l->round || end.pages != l->pages )
        return err_set(l->conn->err, -EPROTO, "lane %u: ROUND_END of round "
                       "%u with %lu pages, after %lu of round %u", l->lane,
                       end.round, (unsigned long)end.pages,
                       (unsigned long)l->pages, l->round);
    if ( end.next_lanes != l->d->s.nr_lanes )
        return err_set(l->conn->err, -EPROTO, "lane %u: the number of lanes "
                       "can't change from %u to %u", l->lane,
                       l->d->s.nr_lanes, end.next_lanes);
    /* Also a lane without pages keeps the order. */
    rc = dest_wait_round(l->d, l->round);
    if ( !rc && is_push(l) )
        dest_lane_drained(l->d);
    else if ( !rc )
        rc = dest_round_ended(l->d, l->lane, l->round, l->pages,
                              l->pl.received);
    l->round++;
    l->pages = 0;

    return rc;
}

/* Behind the last round, where GO is early. */
static int take_state(struct inlane *l, const struct wire_record *rec)
{
    struct dest *d = l->d;
    bool due;
    int rc;

    pthread_mutex_lock(&d->lock);
    /* The word of which round is the last comes on another connection. */
    while ( !(rc = cancel_check(&d->stop)) && !d->last_known )
        pthread_cond_wait(&d->cond, &d->lock);
    due = d->early_go && !l->lane && l->round == d->last_round + 1 &&
          !d->draining;
    pthread_mutex_unlock(&d->lock);
    if ( rc )
        return rc;
    if ( !due )
        return err_set(l->conn->err, -EPROTO, "%s on lane %u, which may not "
                       "bring it now", wire_name(rec->type), l->lane);

    return rec->type == WIRE_STATE ? dest_take_state(d, rec)
                                   : dest_take_state_end(d, rec);
}

static int run_lane(struct inlane *l)
{
    struct wire_record rec;
    int rc;

    do {
        rc = conn_recv(l->conn, &rec);
        if ( rc )
            return rc;
        if ( rec.type == WIRE_PAGES )
            rc = take_pages(l, &rec);
        else if ( rec.type == WIRE_CODED )
            rc = take_coded(l, &rec);
        else if ( rec.type == WIRE_ROUND_END )
            rc = take_round_end(l, &rec);
        else if ( rec.type == WIRE_STATE || rec.type == WIRE_STATE_END )
            rc = take_state(l, &rec);
        else if ( rec.type == WIRE_ERROR )
            rc = conn_peer_error(l->conn, &rec);
        else
            rc = err_set(l->conn->err, -EPROTO, "%s does not belong on a "
                         "bulk connection", wire_name(rec.type));
    } while ( !rc );

    return rc;
}

/* ---- The connection's thread -------------------------------------------- */

static int join(struct dest *d, struct conn *c, unsigned int lane)
{
    int rc = 0;

    pthread_mutex_lock(&d->lock);
    if ( !d->open || lane >= d->s.nr_lanes )
        rc = err_set(c->err, -EPROTO, "lane %u does not belong to this "
                     "migration", lane);
    else if ( d->lanes[lane].joined )
        rc = err_set(c->err, -EPROTO, "lane %u is there already", lane);
    else
    {
        d->lanes[lane].joined = true;
        d->lanes[lane].conn = c;
        d->nr_running++;
    }
    pthread_mutex_unlock(&d->lock);

    return rc;
}

static int say_joined(struct conn *c, unsigned int lane)
{
    struct wire_joined joined = { .lane = lane };
    uint8_t buf[16];
    size_t len;
    int rc = wire_joined_encode(&joined, buf, sizeof(buf), &len);

    if ( rc )
        return err_set(c->err, rc, "internal error: encode JOINED");

    return conn_send(c, WIRE_JOINED, buf, len);
}

/* On a long link the kernel takes many round trips to find out how much may be
 * under way. */
static void open_window(struct inlane *l)
{
    struct chan_tuning t = { .nodelay = false };
    uint64_t rtt_us;

    if ( !chan_round_trip(chan_fd(l->conn->chan), &rtt_us) )
        return;
    /* If we may not, chan_tune() leaves it to the kernel. */
    t.rcvbuf_start_bytes = longlink_plan(rtt_us, l->d->s.nr_lanes, true)
                           .buffer_bytes;
    chan_tune(chan_fd(l->conn->chan), &t);
}

/* The lane has brought all that there will be, and GO needs nobody at the
 * other end any more. */
static bool is_through(struct dest *d, unsigned int lane)
{
    bool yes;

    pthread_mutex_lock(&d->lock);
    yes = d->early_go && !d->split &&
          d->lanes[lane].rounds > d->last_round &&
          (lane || d->state_complete);
    pthread_mutex_unlock(&d->lock);

    return yes;
}

int dest_lane(struct dest *d, struct conn *c, unsigned int lane)
{
    struct inlane l = { .d = d, .conn = c, .lane = lane };
    bool moot;
    int rc;

    rc = join(d, c, lane);
    if ( rc )
        return rc;
    c->err = l.pl.err = &d->lanes[lane].err;
    chan_set_err(c->chan, c->err);
    chan_set_cancel(c->chan, &d->stop);
    chan_set_deadline(c->chan, DEADLINE_NEVER);
    /* The control thread watches over silence, of all connections. */
    chan_set_io_timeout(c->chan, 0);

    /* Resumed: see dest_resume.c. */
    l.round = d->draining ? d->last_round + 1 : 0;
    l.runs = calloc(WIRE_RUNS_MAX, sizeof(*l.runs));
    l.buf = aligned_alloc(PAGE_BYTES, BUF_PAGES * PAGE_BYTES);
    if ( !l.runs || !l.buf )
        rc = err_set(c->err, -ENOMEM, "set up lane %u: %s", lane,
                     err_text(-ENOMEM));
    l.placer.err = c->err;
    open_window(&l);
    if ( !rc && d->s.postcopy )
        rc = dest_placer_open(d, &l.placer);
    if ( !rc && d->s.postcopy && !d->draining )
        rc = place_lane_open(d->place, &l.pl);
    if ( !rc )
        rc = say_joined(c, lane);
    if ( !rc )
        rc = run_lane(&l);

    incode_done(&l.code);
    dest_placer_done(&l.placer);
    place_lane_done(&l.pl);
    free(l.runs);
    free(l.buf);
    /* The first to fail knows why; the others are stopped by it.  Of a lost
     * connection the other end may have spoken on control. */
    moot = (d->split && d->draining && dest_split_gone(d)) ||
           is_through(d, lane);
    if ( rc != -ENODATA && rc != -ECONNRESET && rc != -EPIPE &&
         !cancel_check(&d->stop) && !moot )
        err_take(&d->err, &d->lanes[lane].err);
    if ( rc && !moot )
        session_fail(&d->s, rc);
    pthread_mutex_lock(&d->lock);
    d->lanes[lane].conn = NULL;
    d->nr_running--;
    pthread_cond_broadcast(&d->cond);
    pthread_mutex_unlock(&d->lock);

    return rc;
}
