/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The records of a few integers, and STATE (docs/stream.md 2.4).
 */
#include <assert.h>
#include <errno.h>

#include "wire.h"
#include "wire_bytes.h"

#define AT(type, field, off) \
    static_assert(offsetof(struct type, field) == (off), #type "." #field)

static_assert(sizeof(struct wire_joined) == 8, "JOINED");
static_assert(sizeof(struct wire_round) == 24, "ROUND");
AT(wire_round, flags, 4);
AT(wire_round, pages, 8);
AT(wire_round, dirty, 16);
static_assert(sizeof(struct wire_round_ack) == 16, "ROUND_ACK");
AT(wire_round_ack, placed_pages, 8);
static_assert(sizeof(struct wire_state_end) == 16, "STATE_END");
AT(wire_state_end, populated_pages, 8);
static_assert(sizeof(struct wire_running) == 16, "RUNNING");
static_assert(sizeof(struct wire_round_end) == 16, "ROUND_END");
AT(wire_round_end, next_lanes, 4);
AT(wire_round_end, pages, 8);
AT(wire_state, bytes, 4);
AT(wire_state, data, 8);
static_assert(sizeof(struct wire_tsc) == 24, "TSC");
AT(wire_tsc, nsec, 8);
AT(wire_tsc, incarnation, 16);
static_assert(sizeof(struct wire_param) == 16, "param");

int wire_joined_encode(const struct wire_joined *r, void *buf, size_t room,
                       size_t *ret_len)
{
    if ( room < 8 )
        return -EMSGSIZE;
    memset(buf, 0, 8);
    wire_put16(buf, r->lane);
    *ret_len = 8;

    return 0;
}

int wire_joined_decode(const void *body, size_t len, struct err *e,
                       struct wire_joined *ret)
{
    uint16_t lane;
    int rc;

    rc = wire_want_len("JOINED", len, 8, e);
    if ( !rc )
        rc = wire_want_zeros("JOINED", (const uint8_t *)body + 2, 6, e);
    if ( rc )
        return rc;
    lane = wire_get16(body);
    if ( lane >= WIRE_LANES_MAX )
        return err_set(e, -EPROTO, "JOINED: lane %u, may be below %u", lane,
                       WIRE_LANES_MAX);
    memset(ret, 0, sizeof(*ret));
    ret->lane = lane;

    return 0;
}

int wire_round_encode(const struct wire_round *r, void *buf, size_t room,
                      size_t *ret_len)
{
    uint8_t *p = buf;

    if ( room < 24 )
        return -EMSGSIZE;
    wire_put32(p, r->round);
    wire_put32(p + 4, r->flags);
    wire_put64(p + 8, r->pages);
    wire_put64(p + 16, r->dirty);
    *ret_len = 24;

    return 0;
}

int wire_round_decode(const void *body, size_t len, struct err *e,
                      struct wire_round *ret)
{
    const uint8_t *p = body;
    int rc;

    rc = wire_want_len("ROUND", len, 24, e);
    if ( rc )
        return rc;
    if ( wire_get32(p + 4) & ~(WIRE_ROUND_LAST | WIRE_ROUND_EARLY_GO) )
        return err_set(e, -EPROTO, "ROUND: unknown flags %#x",
                       wire_get32(p + 4));
    if ( wire_get32(p + 4) == WIRE_ROUND_EARLY_GO )
        return err_set(e, -EPROTO, "ROUND: early GO, but not the last");
    ret->round = wire_get32(p);
    ret->flags = wire_get32(p + 4);
    ret->pages = wire_get64(p + 8);
    ret->dirty = wire_get64(p + 16);

    return 0;
}

int wire_round_ack_encode(const struct wire_round_ack *r, void *buf,
                          size_t room, size_t *ret_len)
{
    uint8_t *p = buf;

    if ( room < 16 )
        return -EMSGSIZE;
    wire_put32(p, r->round);
    wire_put32(p + 4, 0);
    wire_put64(p + 8, r->placed_pages);
    *ret_len = 16;

    return 0;
}

int wire_round_ack_decode(const void *body, size_t len, struct err *e,
                          struct wire_round_ack *ret)
{
    const uint8_t *p = body;
    int rc;

    rc = wire_want_len("ROUND_ACK", len, 16, e);
    if ( !rc )
        rc = wire_want_zeros("ROUND_ACK", p + 4, 4, e);
    if ( rc )
        return rc;
    ret->round = wire_get32(p);
    ret->reserved = 0;
    ret->placed_pages = wire_get64(p + 8);

    return 0;
}

int wire_state_end_encode(const struct wire_state_end *r, void *buf,
                          size_t room, size_t *ret_len)
{
    uint8_t *p = buf;

    if ( room < 16 )
        return -EMSGSIZE;
    wire_put64(p, r->sent_pages);
    wire_put64(p + 8, r->populated_pages);
    *ret_len = 16;

    return 0;
}

int wire_state_end_decode(const void *body, size_t len, struct err *e,
                          struct wire_state_end *ret)
{
    const uint8_t *p = body;
    int rc;

    rc = wire_want_len("STATE_END", len, 16, e);
    if ( rc )
        return rc;
    ret->sent_pages = wire_get64(p);
    ret->populated_pages = wire_get64(p + 8);

    return 0;
}

int wire_running_encode(const struct wire_running *r, void *buf, size_t room,
                        size_t *ret_len)
{
    uint8_t *p = buf;

    if ( room < 16 )
        return -EMSGSIZE;
    wire_put64(p, r->unpause_us);
    wire_put64(p + 8, 0);
    *ret_len = 16;

    return 0;
}

int wire_running_decode(const void *body, size_t len, struct err *e,
                        struct wire_running *ret)
{
    const uint8_t *p = body;
    int rc;

    rc = wire_want_len("RUNNING", len, 16, e);
    if ( !rc )
        rc = wire_want_zeros("RUNNING", p + 8, 8, e);
    if ( rc )
        return rc;
    ret->unpause_us = wire_get64(p);
    ret->reserved = 0;

    return 0;
}

int wire_round_end_encode(const struct wire_round_end *r, void *buf,
                          size_t room, size_t *ret_len)
{
    uint8_t *p = buf;

    if ( room < 16 )
        return -EMSGSIZE;
    if ( !r->next_lanes || r->next_lanes > WIRE_LANES_MAX )
        return -EINVAL;
    wire_put32(p, r->round);
    wire_put32(p + 4, r->next_lanes);
    wire_put64(p + 8, r->pages);
    *ret_len = 16;

    return 0;
}

int wire_round_end_decode(const void *body, size_t len, struct err *e,
                          struct wire_round_end *ret)
{
    const uint8_t *p = body;
    uint32_t lanes;
    int rc;

    rc = wire_want_len("ROUND_END", len, 16, e);
    if ( rc )
        return rc;
    lanes = wire_get32(p + 4);
    if ( !lanes || lanes > WIRE_LANES_MAX )
        return err_set(e, -EPROTO, "ROUND_END: %u lanes, may be 1 ... %u",
                       lanes, WIRE_LANES_MAX);
    ret->round = wire_get32(p);
    ret->next_lanes = lanes;
    ret->pages = wire_get64(p + 8);

    return 0;
}

/* ---- STATE ------------------------------------------------------------- */

int wire_state_encode(const struct wire_state *r, void *buf, size_t room,
                      size_t *ret_len)
{
    size_t len = 8 + wire_round8(r->bytes);
    uint8_t *p = buf;

    if ( r->kind < WIRE_STATE_TSC || r->kind > WIRE_STATE_TOOLSTACK )
        return -EINVAL;
    if ( room < len || len > WIRE_CONTROL_MAX )
        return -EMSGSIZE;
    wire_put32(p, r->kind);
    wire_put32(p + 4, r->bytes);
    if ( r->bytes )
        memcpy(p + 8, r->data, r->bytes);
    memset(p + 8 + r->bytes, 0, len - 8 - r->bytes);
    *ret_len = len;

    return 0;
}

int wire_state_decode(const void *body, size_t len, struct err *e,
                      struct wire_state *ret)
{
    const uint8_t *p = body;
    struct wire_state r;
    int rc;

    if ( len < 8 )
        return err_set(e, -EPROTO, "STATE: body of %zu bytes is too short",
                       len);
    r.kind = wire_get32(p);
    r.bytes = wire_get32(p + 4);
    r.data = p + 8;
    if ( r.kind < WIRE_STATE_TSC || r.kind > WIRE_STATE_TOOLSTACK )
        return err_set(e, -EPROTO, "STATE: unknown kind %u", r.kind);
    if ( r.bytes > len - 8 || wire_round8(r.bytes) != len - 8 )
        return err_set(e, -EPROTO, "STATE: %u bytes of data in a body of %zu",
                       r.bytes, len);
    rc = wire_want_zeros("STATE", p + 8 + r.bytes, len - 8 - r.bytes, e);
    if ( !rc )
        *ret = r;

    return rc;
}

int wire_tsc_encode(const struct wire_tsc *t, void *buf, size_t room,
                    size_t *ret_len)
{
    uint8_t *p = buf;

    if ( room < 24 )
        return -EMSGSIZE;
    wire_put32(p, t->mode);
    wire_put32(p + 4, t->khz);
    wire_put64(p + 8, t->nsec);
    wire_put32(p + 16, t->incarnation);
    wire_put32(p + 20, 0);
    *ret_len = 24;

    return 0;
}

int wire_tsc_decode(const void *data, size_t len, struct err *e,
                    struct wire_tsc *ret)
{
    const uint8_t *p = data;
    int rc;

    rc = wire_want_len("STATE: TSC", len, 24, e);
    if ( !rc )
        rc = wire_want_zeros("STATE: TSC", p + 20, 4, e);
    if ( rc )
        return rc;
    ret->mode = wire_get32(p);
    ret->khz = wire_get32(p + 4);
    ret->nsec = wire_get64(p + 8);
    ret->incarnation = wire_get32(p + 16);
    ret->reserved = 0;

    return 0;
}

int wire_params_encode(const struct wire_param *params, unsigned int nr,
                       void *buf, size_t room, size_t *ret_len)
{
    uint8_t *p = buf;
    unsigned int i;

    if ( nr > WIRE_PARAMS_MAX )
        return -EINVAL;
    if ( room < (size_t)nr * 16 )
        return -EMSGSIZE;
    for ( i = 0; i < nr; i++ )
    {
        wire_put64(p + (size_t)i * 16, params[i].index);
        wire_put64(p + (size_t)i * 16 + 8, params[i].value);
    }
    *ret_len = (size_t)nr * 16;

    return 0;
}

int wire_params_decode(const void *data, size_t len, struct err *e,
                       struct wire_param *params, unsigned int *ret_nr)
{
    const uint8_t *p = data;
    unsigned int i, j, nr = (unsigned int)(len / 16);

    if ( len % 16 || len / 16 > WIRE_PARAMS_MAX )
        return err_set(e, -EPROTO, "STATE: params of %zu bytes, may be 16 "
                       "each, at most %u", len, WIRE_PARAMS_MAX);
    for ( i = 0; i < nr; i++ )
    {
        params[i].index = wire_get64(p + (size_t)i * 16);
        params[i].value = wire_get64(p + (size_t)i * 16 + 8);
        for ( j = 0; j < i; j++ )
            if ( params[j].index == params[i].index )
                return err_set(e, -EPROTO, "STATE: param %llu is there twice",
                               (unsigned long long)params[i].index);
    }
    *ret_nr = nr;

    return 0;
}

int wire_toolstack_encode(const struct wire_toolstack *t, void *buf,
                          size_t room, size_t *ret_len)
{
    size_t n = strlen(t->name) + 1;

    if ( n == 1 || n > WIRE_TOOLSTACK_NAME_MAX || !t->config_bytes )
        return -EINVAL;
    if ( room < n || room - n < t->config_bytes )
        return -EMSGSIZE;
    memcpy(buf, t->name, n);
    memcpy((char *)buf + n, t->config, t->config_bytes);
    *ret_len = n + t->config_bytes;

    return 0;
}

int wire_toolstack_decode(const void *data, size_t len, struct err *e,
                          struct wire_toolstack *ret)
{
    struct wire_toolstack t = { .name = data };
    size_t n = strnlen(t.name, len), i;

    if ( !n || n >= WIRE_TOOLSTACK_NAME_MAX || n == len )
        return err_set(e, -EPROTO, "toolstack: a name of %zu bytes%s, may "
                       "have 1 ... %u", n, n == len ? " without an end" : "",
                       WIRE_TOOLSTACK_NAME_MAX - 1);
    for ( i = 0; i < n; i++ )
        if ( t.name[i] <= ' ' || t.name[i] >= 0x7f )
            return err_set(e, -EPROTO, "toolstack: character %#x in the name",
                           (unsigned char)t.name[i]);
    t.config = t.name + n + 1;
    t.config_bytes = len - n - 1;
    if ( !t.config_bytes || memchr(t.config, 0, t.config_bytes) )
        return err_set(e, -EPROTO, "toolstack: the configuration is empty or "
                       "has a NUL in it");
    *ret = t;

    return 0;
}
