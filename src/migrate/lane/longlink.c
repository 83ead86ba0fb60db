/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * See longlink.h.
 */
#include "longlink.h"

#include "clock.h"
#include "wire.h"

/* What a link may carry: nobody tells.  Buffers for more cost only memory,
 * used where the link is as fast; lanes for more get into each other's way. */
#define BUFFERED_BPS  1250000000ull    /* bytes: 10 Gbit/s */
#define LANES_BPS      250000000ull    /* 2 Gbit/s */
/* What a connection gets by itself, and what it is given. */
#define KERNEL_BYTES  (4ull << 20)
#define BUFFER_MAX    (64ull << 20)
/* Enough to keep a link busy until the lane runs again: pages that wait longer
 * are older than they need be, and written again. */
#define UNSENT_BYTES  (2u << 20)

struct longlink longlink_plan(uint64_t rtt_us, uint64_t asked_lanes,
                              bool may_force)
{
    const uint64_t most = may_force ? BUFFER_MAX : KERNEL_BYTES;
    struct longlink plan = { .lanes = (unsigned int)asked_lanes };
    uint64_t each;

    if ( rtt_us < LONGLINK_RTT_US )
    {
        plan.lanes = plan.lanes ? plan.lanes : 1;
        return plan;
    }
    if ( rtt_us > 10 * US_PER_S )
        rtt_us = 10 * US_PER_S;
    if ( !plan.lanes )
    {
        plan.lanes = (unsigned int)(LANES_BPS * rtt_us / US_PER_S / most) + 1;
        if ( plan.lanes > WIRE_LANES_MAX )
            plan.lanes = WIRE_LANES_MAX;
    }
    each = BUFFERED_BPS * rtt_us / US_PER_S / plan.lanes;
    if ( may_force && each > KERNEL_BYTES )
        plan.buffer_bytes = (uint32_t)(each < most ? each : most);
    plan.unsent_bytes = UNSENT_BYTES;
    plan.ahead = true;
    /* It measures the link instead of filling its queues, and does not take
     * each loss for congestion. */
    plan.congestion = "bbr";

    return plan;
}
