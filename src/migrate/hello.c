/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * HELLO: who we are, what we speak, which migration and connection it is.
 */
#include "hello.h"

#include <string.h>

static void ours(const struct session *s, struct wire_hello *h)
{
    memset(h, 0, sizeof(*h));
    h->version_min = WIRE_VERSION_MIN;
    h->version_max = WIRE_VERSION_MAX;
    h->role = WIRE_CONTROL;
    h->caps = HELLO_CAPS;
    if ( opt_bool(s->opts, NULL, "comp-accept") )
        h->caps |= HELLO_CAPS_CODED;
    if ( s->toolstack->hooks )
        h->caps |= WIRE_CAP_TOOLSTACK;
    memcpy(h->boot, s->boot, sizeof(h->boot));
    h->xen_version = s->xen_version;
    h->page_shift = PAGE_BITS;
    h->arch = WIRE_ARCH_X86_64;
}

int hello_send(struct conn *c, const struct session *s, enum wire_role role,
               unsigned int lane, const uint8_t *id, const uint8_t *token)
{
    uint8_t buf[WIRE_HELLO_BYTES];
    struct wire_hello h;
    size_t len;
    int rc;

    ours(s, &h);
    h.role = role;
    h.lane = lane;
    if ( id )
        memcpy(h.id, id, sizeof(h.id));
    if ( token )
        memcpy(h.token, token, sizeof(h.token));
    rc = wire_hello_encode(&h, buf, sizeof(buf), &len);
    if ( rc )
        return err_set(c->err, rc, "internal error: encode HELLO");

    return conn_send(c, WIRE_HELLO, buf, len);
}

int hello_recv(struct conn *c, const struct session *s,
               struct wire_hello *ret_theirs, uint64_t *ret_caps)
{
    struct wire_hello h, mine;
    struct wire_record rec;
    uint16_t version;
    int rc;

    rc = conn_expect(c, WIRE_HELLO, &rec);
    if ( rc )
        return rc;
    rc = wire_hello_decode(rec.body, rec.length, c->err, &h);
    if ( rc )
        return rc;
    ours(s, &mine);
    rc = wire_hello_agree(&mine, &h, c->err, &version, ret_caps);
    if ( !rc )
        *ret_theirs = h;

    return rc;
}
