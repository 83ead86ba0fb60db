/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * One direction of a link: when does a packet leave at the other end, if at
 * all?  Arithmetic only, on times that are given: no clock, no descriptor.
 *
 * Thread: one, but shaper_set() may be called by another at any time.
 */
#ifndef LINK_SHAPER_H
#define LINK_SHAPER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* On the wire around each IP packet: preamble, header, check, gap. */
#define SHAPER_FRAME_BYTES 38u

struct shaper
{
    /* parameters, any thread */
    _Atomic uint64_t delay_ns;   /* one way */
    _Atomic uint64_t rate_bps;   /* bits a second, 0 = no limit */
    _Atomic uint64_t queue_ns;   /* at that rate */
    _Atomic uint32_t loss_ppm;   /* of the packets on the wire */

    /* the direction's thread */
    uint64_t free_ns;            /* the line is free from here on */
    uint64_t last_due_ns;        /* nothing arrives before this */
    uint64_t random;

    /* figures; any thread reads */
    _Atomic uint64_t packets, bytes, lost, dropped, late_max_ns;
};

enum shaper_fate
{
    SHAPER_PASSES,
    SHAPER_LOST,
    SHAPER_DROPPED,              /* the queue is full */
};

/* seed is any number: the same one loses the same packets. */
void shaper_init(struct shaper *s, uint64_t seed);

/*
 * A piece of nr packets with bytes of IP in all comes at now_ns (monotonic).
 * Passes: *ret_due_ns, when it is there.  nr > 0.
 */
enum shaper_fate shaper_take(struct shaper *s, uint64_t now_ns,
                             uint64_t bytes, uint32_t nr,
                             uint64_t *ret_due_ns);

/*
 * key=value as in docs/link.md.  False: no such key, or not in range.
 */
bool shaper_set(struct shaper *s, const char *key, const char *value);

/*
 * How many packets is a piece of total bytes, of which the first header bytes
 * are repeated in each, with at most segment bytes of the rest in one?  Also
 * *ret_bytes, what they are together.  segment 0: one packet.
 */
uint32_t shaper_packets(uint64_t total, uint32_t header, uint32_t segment,
                        uint64_t *ret_bytes);

#endif
