/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The records of post-copy (docs/stream.md 2.8).
 */
#include "wire_fault.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>

#include "wire_bytes.h"

#define IDLE     (1ull << 56)
#define GFN_MASK (IDLE - 1)

static_assert(sizeof(struct wire_absent_ack) == 16, "ABSENT_ACK");
static_assert(sizeof(struct wire_progress) == WIRE_PROGRESS_BYTES,
              "PROGRESS");
static_assert(offsetof(struct wire_progress, waited_us) == 32, "PROGRESS");
static_assert(offsetof(struct wire_progress, p50_us) == 40, "PROGRESS");
static_assert(offsetof(struct wire_progress, longest_us) == 48, "PROGRESS");

int wire_absent_ack_encode(const struct wire_absent_ack *r, void *buf,
                           size_t room, size_t *ret_len)
{
    if ( room < 16 )
        return -EMSGSIZE;
    wire_put64(buf, r->absent);
    wire_put64((uint8_t *)buf + 8, 0);
    *ret_len = 16;

    return 0;
}

int wire_absent_ack_decode(const void *body, size_t len, struct err *e,
                           struct wire_absent_ack *ret)
{
    const uint8_t *p = body;
    int rc;

    rc = wire_want_len("ABSENT_ACK", len, 16, e);
    if ( !rc )
        rc = wire_want_zeros("ABSENT_ACK", p + 8, 8, e);
    if ( rc )
        return rc;
    ret->absent = wire_get64(p);

    return 0;
}

int wire_fault_encode(const struct wire_fault *r, void *buf, size_t room,
                      size_t *ret_len)
{
    uint8_t *p = buf;
    uint32_t i;

    if ( !r->nr || r->nr > WIRE_FAULTS_MAX )
        return -EINVAL;
    if ( room < WIRE_FAULT_BYTES(r->nr) )
        return -EMSGSIZE;
    wire_put32(p, r->nr);
    wire_put32(p + 4, 0);
    for ( i = 0; i < r->nr; i++ )
    {
        if ( r->want[i].gfn > GFN_MASK )
            return -EINVAL;
        wire_put64(p + WIRE_FAULT_BYTES(i),
                   r->want[i].gfn | (r->want[i].idle ? IDLE : 0));
    }
    *ret_len = WIRE_FAULT_BYTES(r->nr);

    return 0;
}

int wire_fault_decode(const void *body, size_t len, uint64_t nr_gfns,
                      struct err *e, struct wire_fault *ret)
{
    const uint8_t *p = body;
    uint32_t nr, i;
    uint64_t v;
    int rc;

    if ( len < 8 )
        return err_set(e, -EPROTO, "FAULT: body of %zu bytes is too short",
                       len);
    nr = wire_get32(p);
    if ( !nr || nr > WIRE_FAULTS_MAX )
        return err_set(e, -EPROTO, "FAULT: %u gfns, may be 1 ... %u", nr,
                       WIRE_FAULTS_MAX);
    rc = wire_want_len("FAULT", len, WIRE_FAULT_BYTES(nr), e);
    if ( !rc )
        rc = wire_want_zeros("FAULT", p + 4, 4, e);
    for ( i = 0; !rc && i < nr; i++ )
    {
        v = wire_get64(p + WIRE_FAULT_BYTES(i));
        if ( (v & ~IDLE) >= nr_gfns )
            rc = err_set(e, -EPROTO, "FAULT: gfn %#" PRIx64 " lies outside "
                         "0 ... %#" PRIx64, v, nr_gfns);
        ret->want[i].gfn = v & GFN_MASK;
        ret->want[i].idle = v & IDLE;
    }
    ret->nr = nr;
    ret->reserved = 0;

    return rc;
}

int wire_progress_encode(const struct wire_progress *r, void *buf,
                         size_t room, size_t *ret_len)
{
    uint8_t *p = buf;

    if ( room < WIRE_PROGRESS_BYTES )
        return -EMSGSIZE;
    wire_put64(p, r->absent);
    wire_put64(p + 8, r->placed);
    wire_put64(p + 16, r->dropped);
    wire_put64(p + 24, r->requests);
    wire_put64(p + 32, r->waited_us);
    wire_put32(p + 40, r->p50_us);
    wire_put32(p + 44, r->p99_us);
    wire_put32(p + 48, r->longest_us);
    wire_put32(p + 52, r->flags);
    *ret_len = WIRE_PROGRESS_BYTES;

    return 0;
}

int wire_progress_decode(const void *body, size_t len, struct err *e,
                         struct wire_progress *ret)
{
    const uint8_t *p = body;
    int rc;

    rc = wire_want_len("PROGRESS", len, WIRE_PROGRESS_BYTES, e);
    if ( rc )
        return rc;
    ret->flags = wire_get32(p + 52);
    if ( ret->flags & ~WIRE_PLACED_DESTROYED )
        return err_set(e, -EPROTO, "PROGRESS: unknown flags %#x",
                       ret->flags);
    ret->absent = wire_get64(p);
    ret->placed = wire_get64(p + 8);
    ret->dropped = wire_get64(p + 16);
    ret->requests = wire_get64(p + 24);
    ret->waited_us = wire_get64(p + 32);
    ret->p50_us = wire_get32(p + 40);
    ret->p99_us = wire_get32(p + 44);
    ret->longest_us = wire_get32(p + 48);

    return 0;
}
