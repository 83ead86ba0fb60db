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
#define NARROW_PACKETS 4u
#define NARROW_US      (210 * US_PER_MS)
/* Written and not sent: next to nothing. */
#define WAITING_FEW    (64u << 10)

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

/* Of a lane on a long link. */
static bool lane_flow(const struct source *src, unsigned int lane,
                      struct chan_flow *ret)
{
    return src->links.plan.ahead &&
           chan_flow(chan_out_fd(src->lanes[lane]->chan), ret);
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

static uint64_t waiting_bytes(const struct source *src)
{
    struct chan_flow flow;
    uint64_t sum = 0;
    unsigned int i;

    for ( i = 0; i < src->s.nr_lanes; i++ )
        if ( lane_flow(src, i, &flow) )
            sum += flow.waiting_bytes;

    return sum;
}

/* A lane that is stuck says so itself. */
static int await_leaving(struct source *src)
{
    uint64_t end_us = deadline_in(opt_u64(src->s.opts, NULL, "io-timeout"));
    int rc = wait_until(src, clock_now_us());

    while ( !rc && waiting_bytes(src) > WAITING_FEW &&
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

static int settle(void *data, bool *ret_waited)
{
    struct source *src = data;
    struct chan_flow flow;
    unsigned int i;

    for ( i = 0; i < src->s.nr_lanes; i++ )
        if ( lane_flow(src, i, &flow) &&
             flow.window_packets <= NARROW_PACKETS )
            *ret_waited = true;
    if ( !*ret_waited )
        return 0;
    LOG_DEBUG(src->s.logger, "the pause waits until bbr has seen the round "
              "trip");

    return wait_until(src, deadline_in(NARROW_US + src->rounds.rtt_us));
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
