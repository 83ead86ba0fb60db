/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * How to fill a long link: number of lanes and size of their buffers from the
 * round trip.  Arithmetic only.
 *
 * A connection has at most a window of bytes under way, so what it carries is
 * window / round trip: Linux gives a sender 4 MiB by itself (tcp_wmem), which
 * at 128 ms is 33 MB/s, whatever the link.  And bbr has up to three times
 * what the link holds under way while it makes up for losses.
 */
#ifndef XMIG_LONGLINK_H
#define XMIG_LONGLINK_H

#include <stdbool.h>
#include <stdint.h>

/* Shorter round trips need nothing of this. */
#define LONGLINK_RTT_US 2000u

struct longlink
{
    unsigned int lanes;          /* 1 ... WIRE_LANES_MAX */
    uint32_t buffer_bytes;       /* of each lane, at either end; 0: leave it
                                  * to the kernel */
    uint32_t unsent_bytes;       /* that may wait in a lane's buffer; 0: any
                                  * number */
    bool ahead;                  /* rounds need not wait for the peer's word
                                  * that it has placed the one before */
    const char *congestion;      /* to be tried; NULL: the system's */
};

/* asked_lanes: the user's number, 0 = as many as it takes.  may_force: buffers
 * may be larger than what the system grants to anybody. */
struct longlink longlink_plan(uint64_t rtt_us, uint64_t asked_lanes,
                              bool may_force);

#endif
