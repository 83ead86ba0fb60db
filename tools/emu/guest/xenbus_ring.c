/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Xenstore client: bytes to and from the ring page that xenstored shares.
 * The other side is a process of its own: every index of its is checked.
 */
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include <xen/io/xs_wire.h>
#include <xen/hvm/params.h>

#include "kernel.h"
#include "xenbus.h"
#include "xenbus_state.h"

/* Messages handled in one step. */
#define BATCH 6

static struct xenstore_domain_interface *ring_get(struct guest_env *env)
{
    return guest_page(env, xenbus_get(env)->ring_gfn);
}

int xenbus_connect(struct guest_env *env)
{
    struct xenbus *xb = xenbus_get(env);
    uint64_t gfn, port;
    int rc;

    xb->down = 1;
    rc = env->hv->get_param(env, HVM_PARAM_STORE_PFN, &gfn);
    if ( rc )
        return rc;
    rc = env->hv->get_param(env, HVM_PARAM_STORE_EVTCHN, &port);
    if ( rc )
        return rc;
    if ( !gfn || gfn >= env->nr_gfns || !port || port > UINT32_MAX )
        return -ENODEV;
    rc = port_bind(env, port, FN_xenbus_on_event, 0);
    if ( rc )
        return rc;
    xb->ring_gfn = gfn;
    xb->port = port;
    xb->down = 0;
    return 0;
}

/* The port only wakes vCPU 0: every step looks at the ring. */
void xenbus_on_event(struct guest_env *env, uint32_t arg,
                     const struct xenbus_msg *msg)
{
    (void)env;
    (void)arg;
    (void)msg;
}

static void ring_broken(struct guest_env *env, const char *what)
{
    xenbus_get(env)->down = 1;
    kernel_log(env, "xenstore: ring is broken: %s", what);
}

/* Write up to len bytes of src; how many went. */
static uint32_t ring_put(struct guest_env *env, const void *src, uint32_t len)
{
    struct xenstore_domain_interface *ring = ring_get(env);
    uint32_t prod = ring->req_prod;
    uint32_t cons = __atomic_load_n(&ring->req_cons, __ATOMIC_ACQUIRE);
    uint32_t room = XENSTORE_RING_SIZE - (prod - cons);
    uint32_t at = MASK_XENSTORE_IDX(prod), first;

    if ( prod - cons > XENSTORE_RING_SIZE )
    {
        ring_broken(env, "request indices");
        return 0;
    }
    if ( len > room )
        len = room;
    first = XENSTORE_RING_SIZE - at < len ? XENSTORE_RING_SIZE - at : len;
    memcpy(ring->req + at, src, first);
    memcpy(ring->req, (const char *)src + first, len - first);
    __atomic_store_n(&ring->req_prod, prod + len, __ATOMIC_RELEASE);
    return len;
}

/* Read up to len bytes; how many came. */
static uint32_t ring_take(struct guest_env *env, void *dst, uint32_t len)
{
    struct xenstore_domain_interface *ring = ring_get(env);
    uint32_t cons = ring->rsp_cons;
    uint32_t prod = __atomic_load_n(&ring->rsp_prod, __ATOMIC_ACQUIRE);
    uint32_t at = MASK_XENSTORE_IDX(cons), first;

    if ( prod - cons > XENSTORE_RING_SIZE )
    {
        ring_broken(env, "reply indices");
        return 0;
    }
    if ( len > prod - cons )
        len = prod - cons;
    first = XENSTORE_RING_SIZE - at < len ? XENSTORE_RING_SIZE - at : len;
    memcpy(dst, ring->rsp + at, first);
    memcpy((char *)dst + first, ring->rsp, len - first);
    __atomic_store_n(&ring->rsp_cons, cons + len, __ATOMIC_RELEASE);
    return len;
}

/* Write bytes [*off, ...) of one request; true when all are in the ring. */
static bool put_slot(struct guest_env *env, uint32_t seq, bool *moved)
{
    struct xenbus *xb = xenbus_get(env);
    const struct xenbus_slot *s = &xb->slot[seq % XENBUS_SLOTS];
    const struct xsd_sockmsg hdr =
        { .type = s->type, .req_id = seq, .tx_id = s->wire_tx,
          .len = s->len };
    uint32_t n;

    if ( xb->send_off < sizeof(hdr) )
    {
        n = ring_put(env, (const char *)&hdr + xb->send_off,
                     sizeof(hdr) - xb->send_off);
        xb->send_off += n;
        *moved |= n;
    }
    if ( xb->send_off >= sizeof(hdr) && !xb->down )
    {
        n = ring_put(env, s->payload + (xb->send_off - sizeof(hdr)),
                     s->len - (xb->send_off - sizeof(hdr)));
        xb->send_off += n;
        *moved |= n;
    }
    return xb->send_off == sizeof(hdr) + s->len;
}

/* True if a callback ran that may have queued more. */
static bool send_some(struct guest_env *env, bool *moved)
{
    struct xenbus *xb = xenbus_get(env);
    unsigned int n;

    for ( n = 0; n < BATCH && xb->send != xb->tail && !xb->down; n++ )
    {
        struct xenbus_slot *s = &xb->slot[xb->send % XENBUS_SLOTS];

        if ( s->answered )
        {
            if ( xb->head == xb->send )
                xb->head++;
            xb->send++;
        }
        else if ( s->lost && !xb->send_off )
        {
            xb->send++;
            xenbus_finish(env, xb->send - 1, -EAGAIN, "", 0);
        }
        else if ( put_slot(env, xb->send, moved) )
        {
            xb->send_off = 0;
            xb->send++;
        }
        else
            return false;                       /* the ring is full */
    }
    return n == BATCH;
}

/* True if there may be more. */
static bool receive_some(struct guest_env *env, bool *moved)
{
    struct xenbus *xb = xenbus_get(env);
    const uint32_t hlen = sizeof(xb->rx_hdr);
    unsigned int n;

    for ( n = 0; n < BATCH && !xb->down; n++ )
    {
        uint32_t got;

        if ( xb->rx_off < hlen )
        {
            got = ring_take(env, (char *)&xb->rx_hdr + xb->rx_off,
                            hlen - xb->rx_off);
            xb->rx_off += got;
            *moved |= got;
            if ( xb->rx_off < hlen )
                return false;
            if ( xb->rx_hdr.len > XENSTORE_PAYLOAD_MAX )
            {
                ring_broken(env, "a message is too long");
                return false;
            }
        }
        got = ring_take(env, xb->rx_data + (xb->rx_off - hlen),
                        xb->rx_hdr.len - (xb->rx_off - hlen));
        xb->rx_off += got;
        *moved |= got;
        if ( xb->rx_off < hlen + xb->rx_hdr.len )
            return false;
        xb->rx_off = 0;
        xb->rx_data[xb->rx_hdr.len] = '\0';
        xenbus_received(env, &xb->rx_hdr, xb->rx_data);
    }
    return n == BATCH;
}

bool xenbus_poll(struct guest_env *env)
{
    struct xenbus *xb = xenbus_get(env);
    bool moved = false, more;

    if ( xb->down )
        return false;
    /* xenstored is not ready for this ring yet; it sends an event then. */
    if ( __atomic_load_n(&ring_get(env)->connection, __ATOMIC_ACQUIRE) !=
         XENSTORE_CONNECTED )
        return false;

    more = receive_some(env, &moved);
    xenbus_register_watches(env);
    more |= send_some(env, &moved);
    if ( moved )
        env->hv->evtchn_send(env, xb->port);
    return more;
}
