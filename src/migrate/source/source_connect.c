/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The source's connections, and what it hears on the control connection.
 */
#include "source.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Number and tuning of the bulk connections, now that there is one to learn
 * from; there: how many a post-copy had that goes on, or 0. */
static void plan_lanes(struct source *src, unsigned int there)
{
    struct session *s = &src->s;
    uint64_t rtt_us = 0;

    if ( !peer_is_command(&src->peer) )
        chan_round_trip(chan_fd(src->ctl->chan), &rtt_us);
    src->links.plan = longlink_plan(rtt_us, opt_u64(s->opts, NULL, "lanes"),
                                    chan_may_force_buffers());
    s->nr_lanes = s->caps & WIRE_CAP_LANES ? src->links.plan.lanes : 1;
    if ( there )
        s->nr_lanes = there;
    LOG_DEBUG(s->logger, "round trip %lu us: %u lanes, send buffers of %u "
              "bytes (0 = the kernel's)", (unsigned long)rtt_us, s->nr_lanes,
              src->links.plan.buffer_bytes);
}

/* It spares the pause a round trip, and leaves the guest in doubt for as long
 * as the last of it takes to be placed: on a short link it is not worth it. */
static bool wants_early_go(const struct source *src)
{
    uint64_t wanted = opt_u64(src->s.opts, NULL, "early-go");
    bool is_long = peer_is_command(&src->peer)
                   ? src->rounds.rtt_us >= LONGLINK_RTT_US
                   : src->links.plan.ahead;

    return (src->s.caps & WIRE_CAP_EARLY_GO) &&
           (wanted == OPT_EARLY_GO_ON ||
            (wanted == OPT_EARLY_GO_AUTO && is_long));
}

/*
 * The round trip over a command, whose first answer is that of its logging in.
 * A second look tells a long link from a peer that was busy.
 */
static int measure_round_trip(struct source *src)
{
    uint64_t begin_us, rtt_us = UINT64_MAX;
    struct wire_record rec;
    unsigned int i;
    int rc = 0;

    for ( i = 0; !rc && i < 2 && rtt_us >= LONGLINK_RTT_US; i++ )
    {
        begin_us = clock_now_us();
        rc = conn_send_empty(src->ctl, WIRE_ECHO);
        if ( !rc )
            rc = conn_expect(src->ctl, WIRE_ECHO, &rec);
        if ( clock_now_us() - begin_us < rtt_us )
            rtt_us = clock_now_us() - begin_us;
    }
    src->rounds.rtt_us = rtt_us;
    LOG_DEBUG(src->s.logger, "round trip %lu us", (unsigned long)rtt_us);

    return rc;
}

int source_connect(struct source *src)
{
    struct session *s = &src->s;
    struct wire_hello theirs;
    uint64_t begin_us;
    int rc;

    rc = peer_open(&src->links, WIRE_CONTROL, 0, s->err, &src->ctl);
    if ( rc )
        return rc;
    begin_us = clock_now_us();
    rc = peer_hello(&src->links, src->ctl, s->id, NULL, s->err, &theirs,
                    &s->caps);
    if ( rc )
    {
        /* Nobody is there who could be told anything. */
        conn_close(src->ctl);
        src->ctl = NULL;
        return rc;
    }
    chan_set_err(src->ctl->chan, &src->ctl_err);
    src->state_conn = src->ctl;
    if ( !peer_is_command(&src->peer) )
        src->rounds.rtt_us = clock_now_us() - begin_us;

    if ( theirs.role != WIRE_CONTROL ||
         !ident_equal(theirs.id, s->id) || ident_is_null(theirs.token) )
        return err_set(s->err, -EPROTO, "the peer answered HELLO for another "
                       "connection");
    if ( ident_equal(theirs.boot, s->boot) )
        return err_set(s->err, -EINVAL, "%s is this very host",
                       src->peer.label);
    memcpy(src->token, theirs.token, sizeof(src->token));
    if ( theirs.lane && !s->split )
        return err_set(s->err, -EPROTO, "the peer speaks of lanes of a "
                       "post-copy that has not begun");
    plan_lanes(src, s->split ? theirs.lane + 1u : 0);
    if ( peer_is_command(&src->peer) && !s->split &&
         (s->caps & WIRE_CAP_ECHO) )
        rc = measure_round_trip(src);
    if ( rc )
        return rc;
    src->rounds.early_go = wants_early_go(src);
    if ( src->rounds.early_go )
        LOG_DEBUG(s->logger, "GO will go with the state");

    return 0;
}

/* A bulk connection, or (lane 0) the one of faults. */
static int join(struct source *src, struct conn *c, unsigned int lane,
                struct err *e)
{
    struct session *s = &src->s;
    struct wire_joined joined;
    struct wire_hello theirs;
    struct wire_record rec;
    uint64_t caps;
    int rc;

    /* What the peer says on control counts more than what fails here. */
    rc = peer_hello(&src->links, c, s->id, src->token, &src->ctl_err,
                    &theirs, &caps);
    if ( !rc )
        rc = conn_expect(c, WIRE_JOINED, &rec);
    if ( !rc )
        rc = wire_joined_decode(rec.body, rec.length, &src->ctl_err, &joined);
    if ( !rc && joined.lane != lane )
        rc = err_set(&src->ctl_err, -EPROTO, "lane %u was joined as lane %u",
                     lane, joined.lane);
    if ( rc )
        return rc;

    c->err = e;
    chan_set_err(c->chan, c->err);

    return 0;
}

int source_join_lanes(struct source *src)
{
    unsigned int i;
    int rc;

    /* Commands take their time, and so do long links: all at once. */
    rc = peer_open_lanes(&src->links, src->s.nr_lanes, &src->ctl_err,
                         src->lanes);
    if ( !peer_is_command(&src->peer) )
        for ( i = 0; !rc && i < src->s.nr_lanes; i++ )
            rc = peer_hello_send(&src->links, src->lanes[i], src->s.id,
                                 src->token, &src->ctl_err);
    if ( !rc && src->s.postcopy )
        rc = peer_open(&src->links, WIRE_FAULT, 0, &src->ctl_err,
                       &src->faults);
    for ( i = 0; !rc && i < src->s.nr_lanes; i++ )
    {
        rc = join(src, src->lanes[i], i, &src->lane_err[i]);
        if ( !rc )
            chan_set_bucket(src->lanes[i]->chan, &src->bucket);
    }
    if ( !rc && src->faults )
        rc = join(src, src->faults, 0, &src->fault_err);
    /* It may be silent for as long as it likes. */
    if ( !rc && src->faults )
        chan_set_io_timeout(src->faults->chan, 0);

    return rc;
}

void source_disconnect(struct source *src)
{
    unsigned int i;

    for ( i = 0; i < WIRE_LANES_MAX; i++ )
    {
        conn_close(src->lanes[i]);
        src->lanes[i] = NULL;
    }
    conn_close(src->faults);
    src->faults = NULL;
    conn_close(src->ctl);
    src->ctl = NULL;
    peer_links_done(&src->links);
}

/* ---- Control ------------------------------------------------------------ */

static int round_acked(struct source *src, const struct wire_record *rec)
{
    struct wire_round_ack ack;
    int rc = wire_round_ack_decode(rec->body, rec->length, src->s.err, &ack);

    if ( rc )
        return rc;
    if ( ack.round != src->acked_rounds || ack.round > src->rounds.round )
        return err_set(src->s.err, -EPROTO, "ROUND_ACK for round %u where "
                       "%lu was due", ack.round,
                       (unsigned long)src->acked_rounds);
    src->acked_rounds++;

    return 0;
}

static int take_refused(struct source *src, const struct wire_record *rec)
{
    struct wire_error r;
    int rc = wire_refused_decode(rec->body, rec->length, src->s.err, &r);

    if ( rc )
        return rc;
    src->refused = true;

    return err_set(src->s.err, wire_code_to_rc(r.code),
                   "the destination had given up: %s", r.text);
}

static int take_running(struct source *src, const struct wire_record *rec)
{
    struct wire_running r;
    int rc = wire_running_decode(rec->body, rec->length, src->s.err, &r);

    if ( rc )
        return rc;
    src->running = true;
    src->unpause_us = r.unpause_us;

    return 0;
}

/* An answer that comes before what it answers is a lie: to believe RUNNING
 * before GO would cost the guest. */
static bool is_due(const struct source *src, uint32_t type)
{
    enum state now = state_get(&src->s.state);
    bool early = src->rounds.early_go;

    switch ( type )
    {
    case WIRE_ARMED:   return src->asked_arm;
    case WIRE_READY:   return now == (early ? STATE_COMMIT
                                            : STATE_SWITCHOVER);
    /* Where GO is early it may be refused before it is sent. */
    case WIRE_REFUSED: return now == STATE_COMMIT ||
                              (early && now == STATE_SWITCHOVER);
    case WIRE_RUNNING: return now == STATE_COMMIT && src->ready;
    case WIRE_ABSENT:
    case WIRE_ABSENT_ACK:
        return src->telling ||
               (src->s.absent && (now == STATE_SETUP || now == STATE_LIVE ||
                                  now == STATE_ARMED));
    case WIRE_PROGRESS:
    case WIRE_PLACED:  return now == STATE_DRAIN;
    }

    return true;
}

int source_control(struct source *src)
{
    struct session *s = &src->s;
    struct wire_record rec;
    bool *flag = NULL;
    int rc;

    rc = conn_recv(src->ctl, &rec);
    if ( rc )
        return rc;
    src->heard_us = clock_now_us();
    if ( !is_due(src, rec.type) )
        return err_set(s->err, -EPROTO, "the destination sent %s before its "
                       "time", wire_name(rec.type));

    switch ( rec.type )
    {
    case WIRE_ALIVE:     return 0;
    case WIRE_ERROR:     return conn_peer_error(src->ctl, &rec);
    case WIRE_ROUND_ACK: return round_acked(src, &rec);
    case WIRE_REFUSED:   return take_refused(src, &rec);
    case WIRE_RUNNING:   return take_running(src, &rec);
    case WIRE_ABSENT:    return split_take_kept(src, &rec);
    case WIRE_ABSENT_ACK: return split_take_ack(src, &rec);
    case WIRE_PROGRESS:
    case WIRE_PLACED:    return split_take_progress(src, &rec);
    case WIRE_PREPARED:  flag = &src->prepared; break;
    case WIRE_ARMED:     flag = &src->armed; break;
    case WIRE_READY:
        flag = &src->ready;
        src->ready_us = src->heard_us;
        break;
    }
    if ( flag )
    {
        if ( *flag )
            return err_set(s->err, -EPROTO, "%s came twice",
                           wire_name(rec.type));
        *flag = true;
        return 0;
    }
    if ( WIRE_TYPE_ID(rec.type) == WIRE_ID_ENGINE )
        return err_set(s->err, -EPROTO, "the destination may not send %s",
                       wire_name(rec.type));

    return engine_record(s, &rec);
}

int source_await(struct source *src, const bool *flag)
{
    int rc = 0;

    while ( !rc && !*flag )
        rc = source_control(src);

    return rc;
}

int source_await_round(struct source *src, unsigned int round)
{
    int rc = 0;

    while ( !rc && src->acked_rounds <= round )
        rc = source_control(src);

    return rc;
}

int source_poll(struct source *src)
{
    int rc = 0;

    while ( !rc )
    {
        struct pollfd pfd = { .fd = chan_fd(src->ctl->chan),
                              .events = POLLIN };

        if ( poll(&pfd, 1, 0) <= 0 )
            return 0;
        rc = source_control(src);
    }

    return rc;
}

int source_send_alive(struct source *src)
{
    return conn_send_empty(src->ctl, WIRE_ALIVE);
}
