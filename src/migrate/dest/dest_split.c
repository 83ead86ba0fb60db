/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Post-copy at the destination: the source of faults, what is made absent
 * before the guest runs, and the wait for all of it afterwards.
 *
 * Thread: the control connection's.
 */
#include "dest_split.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "ranges.h"

#define TICK_MS      20
#define PROGRESS_US  (100 * US_PER_MS)
/* How often it is looked whether the domain is still there. */
#define LOOK_US      (200 * US_PER_MS)
/* The lanes are through for so long and something is missing: ask for it. */
#define REST_US      (200 * US_PER_MS)

/* ---- Before the guest runs ---------------------------------------------- */

int dest_split_new(struct dest *d)
{
    struct session *s = &d->s;
    struct split *sp = calloc(1, sizeof(*sp));
    int rc = sp ? 0 : -ENOMEM;

    if ( !sp )
        return err_set(s->err, rc, "post-copy: %s", err_text(rc));
    d->split = sp;
    faults_init(&sp->faults);
    err_init(&sp->err);
    sp->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if ( sp->done_fd < 0 )
        rc = -errno;
    if ( !rc )
        rc = claimset_init(&sp->left, s->nr_gfns);
    if ( !rc )
        rc = pageset_init(&sp->absent, s->nr_gfns);
    if ( !rc )
        rc = pageset_init(&sp->kept, s->nr_gfns);
    if ( !rc )
        rc = pageset_init(&sp->telling, s->nr_gfns);

    return rc ? err_set(s->err, rc, "post-copy: %s", err_text(rc)) : 0;
}

/* Memory that it shares with us, and what it has to know. */
static struct hv_pager_state *prepare_holder(struct dest *d, struct err *e)
{
    struct session *s = &d->s;
    struct holder_shared *sh;

    if ( !s->x->holder_path || holder_new(s, e, &d->split->holder) )
        return NULL;
    sh = holder_shared(d->split->holder);
    memcpy(sh->id, s->id, sizeof(sh->id));
    sh->domid = s->domid;
    sh->nr_lanes = s->nr_lanes;
    sh->nr_gfns = s->nr_gfns;
    sh->caps = s->caps;
    sh->managed = !!d->config;
    snprintf(sh->name, sizeof(sh->name), "%s", s->name);
    snprintf(sh->peer, sizeof(sh->peer), "%s", d->peer);

    return &sh->pager;
}

int dest_split_open(struct dest *d)
{
    struct session *s = &d->s;
    struct hv_pager_state *state;
    struct xmig_error rec;
    struct split *sp;
    struct err e;
    int rc = dest_split_new(d);

    if ( rc )
        return rc;
    sp = d->split;
    err_init(&e);
    state = prepare_holder(d, &e);
    rc = hv_pager_open(s->hv, s->err, s->faults, s->domid, s->nr_gfns, state,
                       &sp->pager);
    if ( !rc )
        rc = hv_placer_open(sp->pager, s->err, CHUNK_GFNS, &sp->placer);
    if ( !rc && state && holder_run(sp->holder, d->journal, &e) )
    {
        /* It may come yet, and then finds a journal that is not its. */
        holder_end(sp->holder);
        sp->holder = NULL;
    }
    /* Whoever is to map the ring has: not in the pause. */
    if ( !rc )
        rc = hv_pager_seal(sp->pager, s->err);
    err_copy(&e, &rec);
    if ( !rc && rec.code )
        LOG_WARN(s->logger, "%s: the guest does not survive the death of "
                 "this process", rec.text);
    err_done(&e);

    return rc;
}

int dest_split_absent(struct dest *d, const struct pageset *gfns)
{
    struct split *sp = d->split;
    int rc;

    rc = place_make_absent(d->place, sp->placer, d->s.err, gfns, &sp->absent,
                           &sp->kept, dest_still_here, d);

    /* By paging their frames went back to the host. */
    if ( rc || d->s.faults != HV_FAULTS_PAGING )
        return rc;

    return build_claim_again(&d->build);
}

int dest_split_ack(struct dest *d)
{
    struct wire_absent_ack ack = { .absent = d->split->absent.count };
    uint8_t buf[16];
    size_t len;
    int rc = wire_absent_ack_encode(&ack, buf, sizeof(buf), &len);

    if ( rc )
        return rc;
    pthread_mutex_lock(&d->lock);
    if ( !pageset_empty(&d->split->kept) )
        rc = ranges_send(d->ctl, WIRE_ABSENT, &d->split->kept);
    if ( !rc )
        rc = conn_send(d->ctl, WIRE_ABSENT_ACK, buf, len);
    pthread_mutex_unlock(&d->lock);
    pageset_zero(&d->split->kept);
    /* Now and not in the pause, as that is the first use of its memory. */
    claimset_fill(&d->split->left, &d->split->absent);

    return rc;
}

int dest_take_absent(struct dest *d, const struct wire_record *rec)
{
    struct split *sp = d->split;
    struct wire_memory m;
    uint32_t i;
    int rc;

    if ( !sp || d->last_known )
        return err_set(d->s.err, -EPROTO, "ABSENT out of turn");
    rc = wire_ranges_decode("ABSENT", rec->body, rec->length, d->s.nr_gfns,
                            sp->from, d->s.err, &m);
    if ( rc )
        return rc;
    for ( i = 0; i < m.nr_ranges; i++ )
    {
        pageset_set_run(&sp->telling, m.ranges[i].first, m.ranges[i].count);
        sp->from = m.ranges[i].first + m.ranges[i].count;
    }
    if ( m.flags & WIRE_MEMORY_MORE )
        return 0;

    sp->from = 0;
    rc = dest_split_absent(d, &sp->telling);
    pageset_zero(&sp->telling);

    return rc ? rc : dest_split_ack(d);
}

void dest_split_complete(struct dest *d)
{
    struct split *sp = d->split;

    pthread_mutex_lock(&d->lock);
    sp->complete = true;
    pthread_cond_broadcast(&d->cond);
    pthread_mutex_unlock(&d->lock);
}

int dest_split_await_first(struct dest *d)
{
    uint64_t until = deadline_in(opt_u64(d->s.opts, NULL, "io-timeout"));
    struct timespec t;
    bool placed = false;
    int rc = 0;

    while ( !rc && !placed )
    {
        timespec_get(&t, TIME_UTC);
        t.tv_sec++;
        pthread_mutex_lock(&d->lock);
        if ( !d->split->first_placed && !cancel_check(&d->stop) )
            pthread_cond_timedwait(&d->cond, &d->lock, &t);
        placed = d->split->first_placed;
        pthread_mutex_unlock(&d->lock);
        rc = cancel_check(&d->stop);
        if ( !rc && !placed && deadline_passed(until) )
            rc = err_set(&d->err, -ETIMEDOUT, "the source has not sent what "
                         "vCPUs need first");
    }

    return rc;
}

const struct pageset *dest_split_set(const struct dest *d)
{
    return &d->split->absent;
}

void dest_split_break(struct dest *d)
{
    if ( d->split->conn )
        chan_break(d->split->conn->chan);
}

/* ---- While it runs ------------------------------------------------------ */

void dest_split_wake(struct split *sp)
{
    uint64_t one = 1;

    if ( write(sp->done_fd, &one, sizeof(one)) < 0 )
        return;
}

void dest_split_progress(struct dest *d, struct wire_progress *ret)
{
    struct split *sp = d->split;
    struct faults_figures f;

    faults_figures(&sp->faults, &f);
    memset(ret, 0, sizeof(*ret));
    ret->absent = sp->gone ? 0 : sp->left.left;
    ret->flags = d->destroyed ? WIRE_PLACED_DESTROYED : 0;
    ret->placed = sp->placed;
    ret->dropped = sp->dropped;
    ret->requests = sp->requests;
    ret->waited_us = f.waited_us;
    ret->p50_us = f.p50_us;
    ret->p99_us = f.p99_us;
    ret->longest_us = f.longest_us;
}

/* For those who ask this end, too. */
static void keep_figures(struct dest *d, const struct wire_progress *p)
{
    struct xmig_stats *now = stats_edit(&d->stats);

    now->remaining_bytes = p->absent * PAGE_BYTES;
    now->postcopy_pages = d->split->absent.count;
    now->postcopy_requests = p->requests;
    now->postcopy_dropped = p->dropped;
    now->postcopy_waited_us = p->waited_us;
    now->fault_p50_us = p->p50_us;
    now->fault_p99_us = p->p99_us;
    now->fault_max_us = p->longest_us;
    stats_edited(&d->stats);
}

static int send_progress(struct dest *d, uint32_t type)
{
    struct wire_progress p;
    uint8_t buf[WIRE_PROGRESS_BYTES];
    size_t len;
    int rc;

    dest_split_progress(d, &p);
    keep_figures(d, &p);
    rc = wire_progress_encode(&p, buf, sizeof(buf), &len);
    if ( rc )
        return err_set(d->s.err, rc, "internal error: encode PROGRESS");
    pthread_mutex_lock(&d->lock);
    rc = conn_send(d->ctl, type, buf, len);
    pthread_mutex_unlock(&d->lock);

    return rc;
}

bool dest_split_gone(struct dest *d)
{
    struct hv_domain info;
    int rc = hv_domain_info(d->s.hv, NULL, d->s.domid, &info);

    if ( rc == -ENOENT || (!rc && info.dying) )
        d->split->gone = true;

    return d->split->gone;
}

static int take_word(struct dest *d)
{
    struct wire_record rec;
    int rc = conn_recv(d->ctl, &rec);

    if ( rc )
        return rc;
    if ( rec.type == WIRE_ALIVE )
        return 0;
    if ( rec.type == WIRE_ERROR )
        return conn_peer_error(d->ctl, &rec);

    return err_set(&d->err, -EPROTO, "the source may not send %s now",
                   wire_name(rec.type));
}

/* Once the lanes are through all should be here. */
static void look_for_rest(struct dest *d, uint64_t *since_us)
{
    bool drained;

    pthread_mutex_lock(&d->lock);
    drained = d->nr_drained == d->s.nr_lanes;
    pthread_mutex_unlock(&d->lock);
    if ( !drained )
        return;
    if ( !*since_us )
        *since_us = clock_now_us();
    else if ( clock_now_us() - *since_us > REST_US )
        d->split->ask_rest = true;
}

static int drain(struct dest *d)
{
    struct split *sp = d->split;
    uint64_t told_us = 0, looked_us = clock_now_us(), drained_us = 0;
    uint64_t patience_us = opt_u64(d->s.opts, NULL, "io-timeout");
    uint64_t heard_us = clock_now_us(), now;
    int rc = 0;

    while ( !rc && sp->left.left && !sp->gone )
    {
        struct pollfd pfd[] = {
            { .fd = chan_fd(d->ctl->chan), .events = POLLIN },
            { .fd = sp->done_fd, .events = POLLIN },
        };

        if ( poll(pfd, 2, TICK_MS) < 0 && errno != EINTR )
            return err_set(&d->err, -errno, "wait for the pages: %s",
                           err_text(-errno));
        now = clock_now_us();
        if ( pfd[0].revents )
        {
            heard_us = now;
            rc = take_word(d);
        }
        if ( !rc )
            rc = cancel_check(&d->stop);
        if ( !rc && now - told_us > PROGRESS_US )
        {
            told_us = now;
            rc = send_progress(d, WIRE_PROGRESS);
            steer_look(&d->s);
        }
        if ( now - looked_us > LOOK_US )
        {
            looked_us = now;
            dest_split_gone(d);
        }
        look_for_rest(d, &drained_us);
        if ( !rc && now - heard_us > patience_us )
            rc = err_set(&d->err, -ETIMEDOUT, "the source has been silent "
                         "for %lu ms",
                         (unsigned long)(patience_us / US_PER_MS));
    }
    if ( sp->gone || !sp->left.left )
        return 0;

    return rc;
}

static int placed(struct dest *d)
{
    struct split *sp = d->split;
    int rc = journal_append(d->journal, JOURNAL_STARTED, true, &d->err);

    if ( rc )
        return rc;
    dest_spill_done(d, true);
    d->destroyed = sp->gone && sp->left.left;
    owner_set(&d->err, XMIG_GUEST_AT_DESTINATION);
    if ( d->destroyed )
        LOG_WARN(d->s.logger, "\"%s\" was destroyed here before all of its "
                 "memory had come", d->s.name);
    rc = send_progress(d, WIRE_PLACED);
    LOG_INFO(d->s.logger, "post-copy: %lu pages placed, %lu dropped, %lu "
             "holes, %lu asked for",
             (unsigned long)sp->placed, (unsigned long)sp->dropped,
             (unsigned long)sp->holes, (unsigned long)sp->requests);

    return rc;
}

int dest_split_fetch(struct dest *d)
{
    int rc;

    state_set(&d->s.state, NULL, STATE_DRAIN);
    stats_phase(&d->stats, XMIG_PHASE_DRAIN);
    place_unmap(d->place);
    rc = engine_drain(&d->s);
    if ( !rc )
        rc = drain(d);
    while ( rc && !d->split->gone && !(rc = dest_resume(d, rc)) )
        rc = drain(d);
    if ( !rc || d->split->gone )
        rc = placed(d);

    return rc;
}

void dest_split_free(struct dest *d)
{
    struct split *sp = d->split;
    struct xmig_error rec;
    struct err e;
    int rc;

    if ( !sp )
        return;
    dest_spill_done(d, false);
    hv_placer_close(sp->placer);
    err_init(&e);
    rc = hv_pager_close(sp->pager, &e);
    if ( rc )
        hv_pager_leave(sp->pager);
    err_copy(&e, &rec);
    /* Else it goes, or has gone, with its domain. */
    if ( rc && !sp->left.left )
        LOG_WARN(d->s.logger, "%s", rec.text);
    err_done(&e);
    holder_end(sp->holder);
    claimset_done(&sp->left);
    pageset_done(&sp->absent);
    pageset_done(&sp->kept);
    pageset_done(&sp->telling);
    faults_done(&sp->faults);
    err_done(&sp->err);
    if ( sp->done_fd >= 0 )
        close(sp->done_fd);
    free(sp);
    d->split = NULL;
}
