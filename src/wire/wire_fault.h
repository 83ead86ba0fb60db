/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The records of post-copy, docs/stream.md 2.8.  The rules are those of
 * wire.h; ABSENT and REMAINING are struct wire_memory.
 */
#ifndef XMIG_WIRE_FAULT_H
#define XMIG_WIRE_FAULT_H

#include "wire.h"

struct wire_absent_ack
{
    uint64_t absent;             /* gfns, in all */
    uint64_t reserved;
};

int wire_absent_ack_encode(const struct wire_absent_ack *r, void *buf,
                           size_t room, size_t *ret_len);
int wire_absent_ack_decode(const void *body, size_t len, struct err *e,
                           struct wire_absent_ack *ret);

#define WIRE_FAULTS_MAX 64u

struct wire_fault
{
    uint32_t nr;                 /* 1 ... WIRE_FAULTS_MAX */
    uint32_t reserved;
    struct
    {
        uint64_t gfn;
        bool idle;               /* no vCPU waits for it */
    } want[WIRE_FAULTS_MAX];
};

#define WIRE_FAULT_BYTES(nr) (8u + (nr) * 8u)

int wire_fault_encode(const struct wire_fault *r, void *buf, size_t room,
                      size_t *ret_len);
/* All gfns are below nr_gfns. */
int wire_fault_decode(const void *body, size_t len, uint64_t nr_gfns,
                      struct err *e, struct wire_fault *ret);

/* Of PLACED: because the guest was destroyed there, not all had come. */
#define WIRE_PLACED_DESTROYED 0x1u

/* PROGRESS, and PLACED, in which absent is 0. */
struct wire_progress
{
    uint64_t absent;             /* gfns, still */
    uint64_t placed, dropped;    /* pages that came */
    uint64_t requests;           /* sent with FAULT for a vCPU */
    uint64_t waited_us;          /* all vCPUs together */
    uint32_t p50_us, p99_us, longest_us;
    uint32_t flags;
};

#define WIRE_PROGRESS_BYTES 56u

int wire_progress_encode(const struct wire_progress *r, void *buf,
                         size_t room, size_t *ret_len);
int wire_progress_decode(const void *body, size_t len, struct err *e,
                         struct wire_progress *ret);

#endif
