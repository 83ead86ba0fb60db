/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The fake xenstored of the guest tests: nodes with relative paths, watches,
 * one transaction at a time with conflict detection, behind the real ring
 * page layout.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>

#include <xen/io/xs_wire.h>

#include "guest_fake.h"

static struct fake_node *find(struct fake_xs *xs, const char *path)
{
    unsigned int i;

    for ( i = 0; i < xs->nr_nodes; i++ )
        if ( !strcmp(xs->node[i].path, path) )
            return &xs->node[i];
    return NULL;
}

const char *fake_xs_get(struct fake_xs *xs, const char *path)
{
    struct fake_node *n = find(xs, path);

    return n ? n->value : NULL;
}

static void push(struct fake_xs *xs, const struct xsd_sockmsg *hdr,
                 const void *data)
{
    if ( xs->nr_out + sizeof(*hdr) + hdr->len > sizeof(xs->out) )
        abort();
    memcpy(xs->out + xs->nr_out, hdr, sizeof(*hdr));
    memcpy(xs->out + xs->nr_out + sizeof(*hdr), data, hdr->len);
    xs->nr_out += sizeof(*hdr) + hdr->len;
}

static void fire_one(struct fake_xs *xs, const char *path, const char *token)
{
    struct xsd_sockmsg hdr = { .type = XS_WATCH_EVENT };
    char data[256];

    hdr.len = snprintf(data, sizeof(data), "%s%c%s", path, 0, token) + 1;
    push(xs, &hdr, data);
}

static void fire(struct fake_xs *xs, const char *path)
{
    unsigned int i;

    for ( i = 0; i < xs->nr_watches; i++ )
    {
        size_t len = strlen(xs->watch[i].path);

        if ( !strncmp(path, xs->watch[i].path, len) &&
             (!path[len] || path[len] == '/') )
            fire_one(xs, path, xs->watch[i].token);
    }
}

void fake_xs_set(struct fake_xs *xs, const char *path, const char *value)
{
    struct fake_node *n = find(xs, path);

    if ( !n )
    {
        if ( xs->nr_nodes == FAKE_NODES )
            abort();
        n = &xs->node[xs->nr_nodes++];
        snprintf(n->path, sizeof(n->path), "%s", path);
    }
    snprintf(n->value, sizeof(n->value), "%s", value);
    n->version = ++xs->last_version;
    fire(xs, path);
}

void fake_xs_remove(struct fake_xs *xs, const char *path)
{
    struct fake_node *n = find(xs, path);

    if ( !n )
        return;
    *n = xs->node[--xs->nr_nodes];
    xs->last_version++;
    fire(xs, path);
}

static void reply(struct fake_xs *xs, const struct xsd_sockmsg *req,
                  const char *data, uint32_t len)
{
    struct xsd_sockmsg hdr = *req;

    hdr.len = len;
    push(xs, &hdr, data);
}

static void fail(struct fake_xs *xs, const struct xsd_sockmsg *req,
                 const char *name)
{
    struct xsd_sockmsg hdr = *req;

    hdr.type = XS_ERROR;
    hdr.len = strlen(name) + 1;
    push(xs, &hdr, name);
}

static void tx_write(struct fake_xs *xs, const char *path, const char *value)
{
    struct fake_node *n;

    if ( xs->nr_tx_nodes == 16 )
        abort();
    n = &xs->tx_node[xs->nr_tx_nodes++];
    snprintf(n->path, sizeof(n->path), "%s", path);
    snprintf(n->value, sizeof(n->value), "%s", value);
}

static void tx_end(struct fake_xs *xs, const struct xsd_sockmsg *req,
                   const char *data)
{
    bool conflict = xs->tx_version != xs->last_version;
    unsigned int i;

    xs->tx_id = 0;
    if ( data[0] == 'T' && conflict )
    {
        fail(xs, req, "EAGAIN");
        return;
    }
    reply(xs, req, "OK", 3);
    for ( i = 0; data[0] == 'T' && i < xs->nr_tx_nodes; i++ )
        fake_xs_set(xs, xs->tx_node[i].path, xs->tx_node[i].value);
}

static void watch(struct fake_xs *xs, const struct xsd_sockmsg *req,
                  const char *path, const char *token)
{
    unsigned int i;

    reply(xs, req, "OK", 3);
    if ( req->type == XS_WATCH )
    {
        xs->nr_watch_requests++;
        snprintf(xs->watch[xs->nr_watches].path, 128, "%s", path);
        snprintf(xs->watch[xs->nr_watches++].token, 64, "%s", token);
        fire_one(xs, path, token);
        return;
    }
    for ( i = 0; i < xs->nr_watches; i++ )
        if ( !strcmp(xs->watch[i].token, token) )
            xs->watch[i] = xs->watch[--xs->nr_watches];
}

static void tx_start(struct fake_xs *xs, const struct xsd_sockmsg *req)
{
    char text[16];

    if ( xs->tx_id )
    {
        fail(xs, req, "EBUSY");
        return;
    }
    xs->tx_id = ++xs->last_tx;
    xs->tx_version = xs->last_version;
    xs->nr_tx_nodes = 0;
    reply(xs, req, text, snprintf(text, sizeof(text), "%u", xs->tx_id) + 1);
}

static void write_node(struct fake_xs *xs, const struct xsd_sockmsg *req,
                       const char *path, const char *value, size_t len)
{
    char text[512];

    snprintf(text, sizeof(text), "%.*s", (int)len, value);
    reply(xs, req, "OK", 3);
    if ( req->tx_id )
        tx_write(xs, path, text);
    else
        fake_xs_set(xs, path, text);
}

static void request(struct fake_xs *xs, const struct xsd_sockmsg *req,
                    const char *data)
{
    const char *second = data + strnlen(data, req->len) + 1;
    struct fake_node *n;

    xs->nr_requests++;
    if ( xs->hook )
        xs->hook(xs, req->type, xs->hook_arg);
    if ( req->tx_id && req->tx_id != xs->tx_id )
    {
        fail(xs, req, "ENOENT");
        return;
    }
    switch ( req->type )
    {
    case XS_READ:
        n = find(xs, data);
        if ( n )
            reply(xs, req, n->value, strlen(n->value));
        else
            fail(xs, req, "ENOENT");
        break;

    case XS_WRITE:
        write_node(xs, req, data, second, req->len - (second - data));
        break;

    case XS_RM:
        reply(xs, req, "OK", 3);
        fake_xs_remove(xs, data);
        break;

    case XS_WATCH:
    case XS_UNWATCH:
        watch(xs, req, data, second);
        break;

    case XS_TRANSACTION_START:
        tx_start(xs, req);
        break;

    case XS_TRANSACTION_END:
        tx_end(xs, req, data);
        break;

    default:
        fail(xs, req, "ENOSYS");
        break;
    }
}

void fake_xs_run(struct fake *f)
{
    struct fake_xs *xs = &f->xs;
    struct xenstore_domain_interface *ring =
        (void *)(f->mem + f->ring_gfn * GUEST_PAGE_SIZE);
    bool moved = false;
    struct xsd_sockmsg hdr;
    size_t n;

    if ( xs->stopped )
        return;
    while ( ring->req_cons != ring->req_prod &&
            xs->nr_in < sizeof(xs->in) )
    {
        xs->in[xs->nr_in++] =
            ring->req[MASK_XENSTORE_IDX(ring->req_cons++)];
        moved = true;
    }
    while ( xs->nr_in >= sizeof(hdr) )
    {
        memcpy(&hdr, xs->in, sizeof(hdr));
        if ( hdr.len > XENSTORE_PAYLOAD_MAX )
            abort();
        if ( xs->nr_in < sizeof(hdr) + hdr.len )
            break;
        request(xs, &hdr, xs->in + sizeof(hdr));
        xs->nr_in -= sizeof(hdr) + hdr.len;
        memmove(xs->in, xs->in + sizeof(hdr) + hdr.len, xs->nr_in);
    }
    for ( n = 0; n < xs->nr_out &&
                 ring->rsp_prod - ring->rsp_cons < XENSTORE_RING_SIZE; n++ )
        ring->rsp[MASK_XENSTORE_IDX(ring->rsp_prod++)] = xs->out[n];
    xs->nr_out -= n;
    memmove(xs->out, xs->out + n, xs->nr_out);
    if ( moved || n )
        fake_notify(f, f->xs_port);
}
