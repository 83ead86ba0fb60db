/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What the rounds (rounds.h) tell and ask a peer that speaks the session
 * protocol.
 */
#include "source.h"

static int begin(void *data, unsigned int round, bool last, uint64_t pages)
{
    struct source *src = data;
    struct wire_round rec = {
        .round = round,
        .flags = last ? WIRE_ROUND_LAST : 0,
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

/*
 * On a long link the guest would dirty more in the time that an answer takes
 * than what a short round sends: rounds follow each other as they can be
 * sent.  Not after the first, which leaves a full link behind it.
 */
static int placed(void *data, unsigned int round)
{
    struct source *src = data;
    int rc;

    if ( round && src->links.plan.ahead )
    {
        rc = cancel_check(src->s.stop);
        return rc ? rc : source_poll(src);
    }
    rc = await_round(src, round);
    if ( rc || round )
        return rc;
    rc = source_await(src, &src->armed);

    return rc ? rc : state_set(&src->s.state, src->s.err, STATE_ARMED);
}

static uint64_t waiting(void *data)
{
    struct source *src = data;
    struct chan_flow flow;
    uint64_t sum = 0;
    unsigned int i;

    for ( i = 0; src->links.plan.ahead && i < src->s.nr_lanes; i++ )
        if ( chan_flow(chan_out_fd(src->lanes[i]->chan), &flow) )
            sum += flow.waiting_bytes;

    return sum;
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
    .waiting = waiting,
    .bytes = bytes,
};
