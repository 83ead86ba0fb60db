/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * How to fill a long link: number of lanes and size of their buffers from the
 * round trip.  Arithmetic only.
 *
 * A connection has at most a window of bytes under way, so what it carries is
 * window / round trip: Linux gives a sender 4 MiB by itself (tcp_wmem), which
 * at 128 ms is 33 MB/s, whatever the link.
 */
#ifndef XMIG_LONGLINK_H
#define XMIG_LONGLINK_H

#include <stdint.h>

/* Shorter round trips need nothing of this. */
#define LONGLINK_RTT_US 2000u

struct longlink
{
    unsigned int lanes;          /* 1 ... WIRE_LANES_MAX */
    uint32_t buffer_bytes;       /* of each lane, at either end; 0: leave it
                                  * to the kernel */
    const char *congestion;      /* to be tried; NULL: the system's */
};

/* asked_lanes: the user's number, 0 = as many as it takes. */
struct longlink longlink_plan(uint64_t rtt_us, uint64_t asked_lanes);

#endif
