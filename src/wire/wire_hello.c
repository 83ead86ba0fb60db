/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * HELLO, ERROR, REFUSED, QUERY and OUTCOME (docs/stream.md 2.3, 2.4): who
 * we are, and what became of it.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>

#include "wire.h"
#include "wire_bytes.h"

#define AT(type, field, off) \
    static_assert(offsetof(struct type, field) == (off), #type "." #field)

static_assert(sizeof(struct wire_hello) == WIRE_HELLO_BYTES, "HELLO");
AT(wire_hello, version_min, 8);
AT(wire_hello, version_max, 10);
AT(wire_hello, role, 12);
AT(wire_hello, lane, 14);
AT(wire_hello, caps, 16);
AT(wire_hello, id, 24);
AT(wire_hello, boot, 40);
AT(wire_hello, token, 56);
AT(wire_hello, xen_version, 72);
AT(wire_hello, page_shift, 76);
AT(wire_hello, arch, 80);
AT(wire_hello, reserved, 84);
AT(wire_error, guest, 4);
AT(wire_error, text, 8);
AT(wire_outcome, boot, 8);
AT(wire_outcome, text, 24);
static_assert(sizeof(struct wire_query) == 24, "QUERY");
AT(wire_query, flags, 16);
AT(wire_query, reserved, 20);

static const char magic[8] = { 'X', 'M', 'I', 'G', 'S', 'E', 'S', 'S' };

const char *wire_cap_name(unsigned int bit, char buf[16])
{
    static const char *const names[] = {
        "zero-runs", "lanes", "alloc-runs", "post-copy", "redirect", "zlib",
        "zstd", "delta", "toolstack", "fill-runs", "bye-back",
        "mem-access", "early-go", "echo",
    };

    if ( bit < sizeof(names) / sizeof(names[0]) )
        return names[bit];
    snprintf(buf, 16, "bit %u", bit);

    return buf;
}

/* ---- HELLO ------------------------------------------------------------- */

int wire_hello_encode(const struct wire_hello *h, void *buf, size_t room,
                      size_t *ret_len)
{
    uint8_t *p = buf;

    if ( room < WIRE_HELLO_BYTES )
        return -EMSGSIZE;
    memcpy(p, magic, 8);
    wire_put16(p + 8, h->version_min);
    wire_put16(p + 10, h->version_max);
    wire_put16(p + 12, h->role);
    wire_put16(p + 14, h->lane);
    wire_put64(p + 16, h->caps);
    memcpy(p + 24, h->id, 16);
    memcpy(p + 40, h->boot, 16);
    memcpy(p + 56, h->token, 16);
    wire_put32(p + 72, h->xen_version);
    wire_put32(p + 76, h->page_shift);
    wire_put32(p + 80, h->arch);
    wire_put32(p + 84, 0);
    *ret_len = WIRE_HELLO_BYTES;

    return 0;
}

int wire_hello_decode(const void *body, size_t len, struct err *e,
                      struct wire_hello *ret)
{
    const uint8_t *p = body;
    struct wire_hello h;
    int rc;

    rc = wire_want_len("HELLO", len, WIRE_HELLO_BYTES, e);
    if ( rc )
        return rc;
    memcpy(h.magic, p, 8);
    if ( memcmp(h.magic, magic, 8) )
        return err_set(e, -EPROTO, "HELLO: wrong magic: the peer is not xmig");
    h.version_min = wire_get16(p + 8);
    h.version_max = wire_get16(p + 10);
    h.role = wire_get16(p + 12);
    h.lane = wire_get16(p + 14);
    h.caps = wire_get64(p + 16);
    memcpy(h.id, p + 24, 16);
    memcpy(h.boot, p + 40, 16);
    memcpy(h.token, p + 56, 16);
    h.xen_version = wire_get32(p + 72);
    h.page_shift = wire_get32(p + 76);
    h.arch = wire_get32(p + 80);
    h.reserved = wire_get32(p + 84);

    if ( !h.version_min || h.version_min > h.version_max )
        return err_set(e, -EPROTO, "HELLO: versions %u ... %u are no range",
                       h.version_min, h.version_max);
    if ( h.role < WIRE_CONTROL || h.role > WIRE_QUERY )
        return err_set(e, -EPROTO, "HELLO: unknown role %u", h.role);
    if ( h.lane >= WIRE_LANES_MAX ||
         (h.lane && h.role != WIRE_BULK && h.role != WIRE_CONTROL) )
        return err_set(e, -EPROTO, "HELLO: lane %u for role %u", h.lane,
                       h.role);
    if ( h.role != WIRE_QUERY && ident_is_null(h.id) )
        return err_set(e, -EPROTO, "HELLO: no migration id");
    if ( h.reserved )
        return wire_want_zeros("HELLO", p + 84, 4, e);
    *ret = h;

    return 0;
}

int wire_hello_agree(const struct wire_hello *ours,
                     const struct wire_hello *theirs, struct err *e,
                     uint16_t *ret_version, uint64_t *ret_caps)
{
    if ( theirs->version_min > ours->version_max ||
         theirs->version_max < ours->version_min )
        return err_set(e, -EPROTONOSUPPORT, "no protocol version in common: "
                       "this end speaks %u ... %u, the peer %u ... %u",
                       ours->version_min, ours->version_max,
                       theirs->version_min, theirs->version_max);
    if ( theirs->arch != ours->arch )
        return err_set(e, -EPROTONOSUPPORT, "other architecture: %u here, %u "
                       "at the peer", ours->arch, theirs->arch);
    if ( theirs->page_shift != ours->page_shift )
        return err_set(e, -EPROTONOSUPPORT, "other page size: 2^%u here, 2^%u "
                       "at the peer", ours->page_shift, theirs->page_shift);
    *ret_version = theirs->version_max < ours->version_max
                   ? theirs->version_max : ours->version_max;
    *ret_caps = ours->caps & theirs->caps;

    return 0;
}

/* ---- ERROR and REFUSED ------------------------------------------------- */

static int encode_error(const struct wire_error *r, bool with_guest,
                        void *buf, size_t room, size_t *ret_len)
{
    uint8_t *p = buf;

    if ( room < 8 + WIRE_TEXT_MAX )
        return -EMSGSIZE;
    if ( !r->code || r->code > 4095 || r->guest > XMIG_GUEST_LOST )
        return -EINVAL;
    wire_put32(p, r->code);
    wire_put32(p + 4, with_guest ? r->guest : 0);
    *ret_len = 8 + wire_put_text(p + 8, WIRE_TEXT_MAX, r->text);

    return 0;
}

static int decode_error(const char *name, bool with_guest, const void *body,
                        size_t len, struct err *e, struct wire_error *ret)
{
    const uint8_t *p = body;
    struct wire_error r;
    int rc;

    if ( len < 16 )
        return err_set(e, -EPROTO, "%s: body of %zu bytes is too short", name,
                       len);
    r.code = wire_get32(p);
    r.guest = wire_get32(p + 4);
    if ( !r.code || r.code > 4095 )
        return err_set(e, -EPROTO, "%s: %u is no error code", name, r.code);
    if ( r.guest > (with_guest ? XMIG_GUEST_LOST : 0) )
        return err_set(e, -EPROTO, "%s: %u is no place of a guest", name,
                       r.guest);
    rc = wire_get_text(name, p + 8, len - 8, r.text, sizeof(r.text), e);
    if ( rc )
        return rc;
    *ret = r;

    return 0;
}

int wire_error_encode(const struct wire_error *r, void *buf, size_t room,
                      size_t *ret_len)
{
    return encode_error(r, true, buf, room, ret_len);
}

int wire_error_decode(const void *body, size_t len, struct err *e,
                      struct wire_error *ret)
{
    return decode_error("ERROR", true, body, len, e, ret);
}

int wire_refused_encode(const struct wire_error *r, void *buf, size_t room,
                        size_t *ret_len)
{
    return encode_error(r, false, buf, room, ret_len);
}

int wire_refused_decode(const void *body, size_t len, struct err *e,
                        struct wire_error *ret)
{
    return decode_error("REFUSED", false, body, len, e, ret);
}

int wire_code_to_rc(uint32_t code)
{
    /* 133 is the last errno that Linux has on x86. */
    return code >= 1 && code <= 133 ? -(int)code : -EIO;
}

/* ---- QUERY and OUTCOME ------------------------------------------------- */

int wire_query_encode(const struct wire_query *r, void *buf, size_t room,
                      size_t *ret_len)
{
    uint8_t *p = buf;

    if ( room < sizeof(*r) )
        return -EMSGSIZE;
    memcpy(p, r->id, 16);
    wire_put32(p + 16, r->flags);
    wire_put32(p + 20, 0);
    *ret_len = sizeof(*r);

    return 0;
}

int wire_query_decode(const void *body, size_t len, struct err *e,
                      struct wire_query *ret)
{
    const uint8_t *p = body;
    uint32_t flags;
    int rc;

    rc = wire_want_len("QUERY", len, sizeof(*ret), e);
    if ( rc )
        return rc;
    flags = wire_get32(p + 16);
    if ( flags & ~(WIRE_QUERY_ABANDON | WIRE_QUERY_GONE) )
        return err_set(e, -EPROTO, "QUERY: unknown flags %#x", flags);
    if ( ident_is_null(p) )
        return err_set(e, -EPROTO, "QUERY: no migration id");
    rc = wire_want_zeros("QUERY", p + 20, 4, e);
    if ( rc )
        return rc;
    memcpy(ret->id, p, 16);
    ret->flags = flags;
    ret->reserved = 0;

    return 0;
}

int wire_outcome_encode(const struct wire_outcome *r, void *buf, size_t room,
                        size_t *ret_len)
{
    uint8_t *p = buf;

    if ( room < 24 + WIRE_TEXT_MAX )
        return -EMSGSIZE;
    if ( r->outcome < WIRE_OUTCOME_STARTED ||
         r->outcome > WIRE_OUTCOME_LOST )
        return -EINVAL;
    wire_put32(p, r->outcome);
    wire_put32(p + 4, 0);
    memcpy(p + 8, r->boot, 16);
    *ret_len = 24 + wire_put_text(p + 24, WIRE_TEXT_MAX, r->text);

    return 0;
}

int wire_outcome_decode(const void *body, size_t len, struct err *e,
                        struct wire_outcome *ret)
{
    const uint8_t *p = body;
    struct wire_outcome r;
    int rc;

    if ( len < 32 )
        return err_set(e, -EPROTO, "OUTCOME: body of %zu bytes is too short",
                       len);
    r.outcome = wire_get32(p);
    r.reserved = 0;
    if ( r.outcome < WIRE_OUTCOME_STARTED ||
         r.outcome > WIRE_OUTCOME_LOST )
        return err_set(e, -EPROTO, "OUTCOME: %u is no outcome", r.outcome);
    rc = wire_want_zeros("OUTCOME", p + 4, 4, e);
    if ( rc )
        return rc;
    memcpy(r.boot, p + 8, 16);
    rc = wire_get_text("OUTCOME", p + 24, len - 24, r.text, sizeof(r.text),
                       e);
    if ( rc )
        return rc;
    *ret = r;

    return 0;
}
