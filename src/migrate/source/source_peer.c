/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What the rounds (rounds.h) tell and ask a peer that speaks the session
 * protocol.
 */
#include "source.h"

#include <errno.h>
#include <poll.h>

/*
 * Every ten seconds bbr lets so little be under way, for so long, to see the
 * round trip without a queue of its own.
 */
#define NARROW_PACKETS  4u
#define NARROW_US       (210 * US_PER_MS)
/*
 * In its search for more bbr makes a queue, a quarter of a round trip long or
 * as much as the line holds; then some is lost.  Both would be part of the
 * pause.  So rounds of fewer round trips than that are paced, and what is
 * more than QUEUE_US and a 32nd of the round trip is waited for, but not for
 * ever.
 */
#define PACED_TRIPS     16u
#define PACED_LEAST_BPS (1u << 20)
#define QUEUE_US        US_PER_MS
#define EMPTY_TRIPS     3
/* Written and not sent: next to nothing. */
#define WAITING_FEW     (64u << 10)

/* Of a lane on a long link. */
static bool lane_flow(const struct source *src, unsigned int lane,
                      struct chan_flow *ret)
{
    return src->links.plan.ahead &&
           chan_flow(chan_out_fd(src->lanes[lane]->chan), ret);
}

/* Short rounds leave no queue to a pause behind them; a long one may find out
 * what the line carries now. */
static void pace(struct source *src, uint64_t pages)
{
    const struct rounds *r = &src->rounds;
    uint64_t each_bps = r->goodput_bps / src->s.nr_lanes, rate_bps;
    uint64_t short_pages = r->goodput_bps / PAGE_BYTES * r->rtt_us *
                           PACED_TRIPS / US_PER_S;
    struct chan_flow flow;
    unsigned int i;

    if ( !src->links.plan.ahead )
        return;
    /* In bbr's look at the round trip a lane carries next to nothing. */
    if ( each_bps > src->lane_best_bps )
        src->lane_best_bps = each_bps;
    for ( i = 0; i < src->s.nr_lanes; i++ )
        if ( lane_flow(src, i, &flow) &&
             flow.carried_bps > src->lane_best_bps )
            src->lane_best_bps = flow.carried_bps;
    rate_bps = src->lane_best_bps / 20 * 19;
    if ( rate_bps < PACED_LEAST_BPS || pages > short_pages )
        rate_bps = UINT64_MAX;
    for ( i = 0; i < src->s.nr_lanes; i++ )
        chan_pace(chan_out_fd(src->lanes[i]->chan), rate_bps);
}

static int begin(void *data, unsigned int round, bool last, uint64_t pages)
{
    struct source *src = data;
    struct wire_round rec = {
        .round = round,
        .flags = !last ? 0 : src->rounds.early_go
                 ? WIRE_ROUND_LAST | WIRE_ROUND_EARLY_GO : WIRE_ROUND_LAST,
        .pages = pages,
        .dirty = pages,
    };
    uint8_t buf[32];
    size_t len;
    int rc = wire_round_encode(&rec, buf, sizeof(buf), &len);

    if ( rc )
        return err_set(src->s.err, rc, "internal error: encode ROUND");
    if ( round )
        pace(src, pages);

    return conn_send(src->ctl, WIRE_ROUND, buf, len);
}

/* Both journals hold the permission before the guest is ever suspended. */
int source_arm(void *data)
{
    struct source *src = data;
    int rc = journal_append(src->journal, JOURNAL_PERMIT, true, src->s.err);

    src->asked_arm = !rc;

    return rc ? rc : conn_send_empty(src->ctl, WIRE_ARM);
}

static int control(void *data)
{
    return source_control(data);
}

static int await_round(struct source *src, unsigned int round)
{
    uint64_t begin_us = clock_now_us();
    int rc = source_await_round(src, round);

    /* It can't answer faster than this, but what was measured may have been
     * slow for other reasons. */
    if ( !rc && clock_now_us() - begin_us < src->rounds.rtt_us )
        src->rounds.rtt_us = clock_now_us() - begin_us;

    return rc;
}

/* Take what comes on control meanwhile. */
static int wait_until(struct source *src, uint64_t until_us)
{
    int rc = 0;

    while ( !rc )
    {
        rc = cancel_poll(src->s.stop, chan_fd(src->ctl->chan), POLLIN,
                         until_us);
        if ( !rc )
            rc = source_control(src);
    }

    return rc == -ETIMEDOUT ? 0 : rc;
}

/* What all lanes together do on a long link. */
struct line
{
    bool narrow;                 /* bbr looks at the round trip */
    bool under_way;              /* something is, or is lost */
    uint64_t waiting_bytes;      /* for being sent */
    uint64_t queued_us;          /* the longest */
};

static struct line look(const struct source *src)
{
    struct line line = { 0 };
    struct chan_flow flow;
    unsigned int i;

    for ( i = 0; i < src->s.nr_lanes; i++ )
    {
        if ( !lane_flow(src, i, &flow) )
            continue;
        line.narrow |= flow.window_packets <= NARROW_PACKETS;
        line.under_way |= flow.sent_packets;
        line.waiting_bytes += flow.waiting_bytes;
        if ( flow.queued_us > line.queued_us )
            line.queued_us = flow.queued_us;
    }

    return line;
}

/* A lane that is stuck says so itself. */
static int await_leaving(struct source *src)
{
    uint64_t end_us = deadline_in(opt_u64(src->s.opts, NULL, "io-timeout"));
    int rc = wait_until(src, clock_now_us());

    while ( !rc && look(src).waiting_bytes > WAITING_FEW &&
            !deadline_passed(end_us) )
        rc = wait_until(src, deadline_in(US_PER_MS));

    return rc;
}

/*
 * On a long link the guest would dirty more in the time that an answer takes
 * than what a short round sends: rounds follow each other as they leave.  Not
 * after the first, which leaves a full link behind it.
 */
static int placed(void *data, unsigned int round)
{
    struct source *src = data;
    int rc;

    if ( round && src->links.plan.ahead )
        return await_leaving(src);
    rc = await_round(src, round);
    if ( rc || round )
        return rc;
    rc = source_await(src, &src->armed);

    return rc ? rc : state_set(&src->s.state, src->s.err, STATE_ARMED);
}

/* What is lost is sent once more within that. */
static int await_empty(struct source *src)
{
    uint64_t end_us = deadline_in(EMPTY_TRIPS * src->rounds.rtt_us);
    int rc = 0;

    while ( !rc && look(src).under_way && !deadline_passed(end_us) )
        rc = wait_until(src, deadline_in(US_PER_MS));

    return rc;
}

static int settle(void *data, bool *ret_waited)
{
    struct source *src = data;
    uint64_t rtt_us = src->rounds.rtt_us;
    struct line line = look(src);

    *ret_waited = true;
    if ( line.narrow )
    {
        LOG_DEBUG(src->s.logger, "the pause waits until bbr has seen the "
                  "round trip");
        return wait_until(src, deadline_in(NARROW_US + rtt_us));
    }
    if ( line.queued_us > QUEUE_US + rtt_us / 32 )
    {
        LOG_DEBUG(src->s.logger, "the pause waits until the line has no "
                  "queue");
        return await_empty(src);
    }
    *ret_waited = false;

    return 0;
}

static uint64_t bytes(void *data)
{
    struct source *src = data;

    return chan_bytes_written(src->ctl->chan);
}

const struct rounds_peer source_peer = {
    .begin = begin,
    .meanwhile = source_arm,
    .control = control,
    .placed = placed,
    .settle = settle,
    .bytes = bytes,
};
