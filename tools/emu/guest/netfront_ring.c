/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The network driver's rings.  Ring indices live in struct netfront; Xen's
 * own front ring structure holds a pointer and so can't be kept in guest
 * memory from one step to the next.
 *
 * A transmit slot stays taken until the backend has answered it.  When the
 * rings are made anew, what is still taken goes onto them first, oldest
 * first.
 */
#include <errno.h>
#include <stdint.h>
#include <string.h>

#define mb()  __sync_synchronize()
#define rmb() __sync_synchronize()
#define wmb() __sync_synchronize()
#include <xen/xen.h>
#include <xen/io/netif.h>

#include "netfront.h"
#include "netfront_state.h"

#define RX_BATCH 8u              /* frames handed over in one step */

#define TX_RING_SIZE __CONST_RING_SIZE(netif_tx, GUEST_PAGE_SIZE)
#define RX_RING_SIZE __CONST_RING_SIZE(netif_rx, GUEST_PAGE_SIZE)

_Static_assert(NETFRONT_TX <= TX_RING_SIZE, "transmit slots");
_Static_assert(NETFRONT_RX <= RX_RING_SIZE, "receive slots");

static struct netif_tx_sring *tx_ring(const struct guest_env *env)
{
    return guest_page(env, netfront_get(env)->tx_ring_gfn);
}

static struct netif_rx_sring *rx_ring(const struct guest_env *env)
{
    return guest_page(env, netfront_get(env)->rx_ring_gfn);
}

static void put_tx(struct guest_env *env, struct netfront *nf, uint32_t slot)
{
    struct netif_tx_sring *s = tx_ring(env);

    s->ring[nf->tx_prod++ & (TX_RING_SIZE - 1)].req = (netif_tx_request_t){
        .gref = GRANT_TX_BUFFER + slot,
        .id = slot,
        .size = nf->tx[slot].len,
    };
    nf->tx[slot].use = TX_ON_RING;
    nf->nr_on_ring++;
}

static void put_rx(struct guest_env *env, struct netfront *nf, uint32_t slot)
{
    struct netif_rx_sring *s = rx_ring(env);

    s->ring[nf->rx_prod++ & (RX_RING_SIZE - 1)].req = (netif_rx_request_t){
        .id = slot,
        .gref = GRANT_RX_BUFFER + slot,
    };
}

/* Publish new requests of a ring.  True: the backend wants an event. */
static bool push(uint32_t *shared_prod, const uint32_t *req_event,
                 uint32_t prod)
{
    uint32_t old = *shared_prod;

    if ( old == prod )
        return false;
    shared_set(shared_prod, prod);
    mb();
    return prod - shared_get(req_event) < prod - old;
}

static void flush(struct guest_env *env, struct netfront *nf)
{
    struct netif_tx_sring *tx = tx_ring(env);
    struct netif_rx_sring *rx = rx_ring(env);
    bool notify = push(&tx->req_prod, &tx->req_event, nf->tx_prod);

    if ( push(&rx->req_prod, &rx->req_event, nf->rx_prod) )
        notify = true;
    /* Fails until the backend is bound; it looks at the rings then. */
    if ( notify && nf->port )
        env->hv->evtchn_send(env, nf->port);
}

static int grant_all(struct guest_env *env, const struct netfront *nf)
{
    uint16_t domid = nf->backend_domid;
    int rc = grant_give(env, GRANT_TX_RING, domid, nf->tx_ring_gfn);

    if ( !rc )
        rc = grant_give(env, GRANT_RX_RING, domid, nf->rx_ring_gfn);
    for ( uint32_t i = 0; !rc && i < NETFRONT_TX; i++ )
        rc = grant_give(env, GRANT_TX_BUFFER + i, domid, nf->tx[i].gfn);
    for ( uint32_t i = 0; !rc && i < NETFRONT_RX; i++ )
        rc = grant_give(env, GRANT_RX_BUFFER + i, domid, nf->rx_gfn[i]);
    return rc;
}

int netfront_rings_done(struct guest_env *env)
{
    int rc = 0;

    netfront_get(env)->rings_up = 0;
    for ( uint32_t i = 0; i < GRANT_NETFRONT_NR; i++ )
        if ( grant_revoke(env, GRANT_NETFRONT + i) == -EBUSY )
            rc = -EBUSY;
    return rc;
}

static bool waits(const struct netfront *nf, uint32_t slot, uint64_t after,
                  bool first)
{
    return nf->tx[slot].use == TX_WAITING &&
           (first || nf->tx[slot].seq > after);
}

/* Waiting frames, in the order in which they were first sent. */
static void replay(struct guest_env *env, struct netfront *nf)
{
    uint64_t after = 0;
    bool first = true;

    for ( ;; )
    {
        uint32_t next = NETFRONT_TX;

        for ( uint32_t i = 0; i < NETFRONT_TX; i++ )
            if ( waits(nf, i, after, first) &&
                 (next == NETFRONT_TX || nf->tx[i].seq < nf->tx[next].seq) )
                next = i;
        if ( next == NETFRONT_TX )
            return;
        after = nf->tx[next].seq;
        first = false;
        put_tx(env, nf, next);
        nf->replayed++;
    }
}

int netfront_rings_init(struct guest_env *env)
{
    struct netfront *nf = netfront_get(env);
    struct netif_tx_sring *tx = tx_ring(env);
    struct netif_rx_sring *rx = rx_ring(env);
    int rc;

    memset(tx, 0, GUEST_PAGE_SIZE);
    memset(rx, 0, GUEST_PAGE_SIZE);
    SHARED_RING_INIT(tx);
    SHARED_RING_INIT(rx);
    nf->tx_prod = nf->tx_cons = nf->rx_prod = nf->rx_cons = 0;
    nf->nr_on_ring = 0;
    rc = grant_all(env, nf);
    if ( rc )
        return rc;

    for ( uint32_t i = 0; i < NETFRONT_TX; i++ )
        if ( nf->tx[i].use == TX_ON_RING )
            nf->tx[i].use = TX_WAITING;
    nf->rings_up = 1;
    for ( uint32_t i = 0; i < NETFRONT_RX; i++ )
        put_rx(env, nf, i);
    replay(env, nf);
    flush(env, nf);
    return 0;
}

int netfront_send(struct guest_env *env, const void *frame, size_t len)
{
    struct netfront *nf = netfront_get(env);
    uint32_t slot = 0;

    if ( nf->magic != NETFRONT_MAGIC || nf->state < NETFRONT_LOOK )
        return -ENODEV;
    if ( len < NET_FRAME_MIN || len > NET_FRAME_MAX )
        return -EINVAL;
    while ( slot < NETFRONT_TX && nf->tx[slot].use != TX_FREE )
        slot++;
    if ( slot == NETFRONT_TX )
    {
        nf->dropped++;
        return -ENOBUFS;
    }
    memcpy(guest_page(env, nf->tx[slot].gfn), frame, len);
    nf->tx[slot].len = len;
    nf->tx[slot].seq = nf->next_seq++;
    nf->tx[slot].use = TX_WAITING;
    nf->sent++;
    if ( nf->rings_up )
        put_tx(env, nf, slot);
    return 0;
}

void netfront_announce(struct guest_env *env)
{
    const struct netfront *nf = netfront_get(env);
    struct net_rarp f = net_rarp_of(nf->mac);

    netfront_send(env, &f, sizeof(f));
}

/* Responses that are there, or 0 if the backend's index makes no sense. */
static uint32_t responses(struct guest_env *env, uint32_t prod, uint32_t cons,
                          uint32_t max, const char *ring)
{
    if ( prod - cons <= max )
        return prod - cons;
    kernel_log(env, "net: the backend's index of the %s ring is wrong", ring);
    return 0;
}

static void take_tx(struct guest_env *env, struct netfront *nf)
{
    struct netif_tx_sring *s = tx_ring(env);
    uint32_t n = responses(env, shared_get(&s->rsp_prod), nf->tx_cons,
                           nf->tx_prod - nf->tx_cons, "transmit");
    uint32_t event;

    while ( n-- )
    {
        netif_tx_response_t rsp;

        rsp = s->ring[nf->tx_cons++ & (TX_RING_SIZE - 1)].rsp;
        if ( rsp.id >= NETFRONT_TX || nf->tx[rsp.id].use != TX_ON_RING )
        {
            kernel_log(env, "net: answer to no request (%u)", rsp.id);
            continue;
        }
        nf->tx[rsp.id].use = TX_FREE;
        nf->nr_on_ring--;
        if ( rsp.status != NETIF_RSP_OKAY )
            nf->dropped++;
    }
    /* An event at half of what is out is early enough. */
    event = nf->tx_cons + (nf->tx_prod - nf->tx_cons) / 2 + 1;
    if ( s->rsp_event != event )
        shared_set(&s->rsp_event, event);
}

static void hand_over(struct guest_env *env, struct netfront *nf,
                      const netif_rx_response_t *rsp)
{
    if ( rsp->id >= NETFRONT_RX )
    {
        kernel_log(env, "net: a frame in no buffer (%u)", rsp->id);
        return;
    }
    if ( rsp->status < NET_FRAME_MIN || (rsp->flags & NETRXF_more_data) ||
         (uint32_t)rsp->offset + rsp->status > GUEST_PAGE_SIZE )
        nf->dropped++;
    else
    {
        nf->received++;
        nf->rx_len = rsp->status;
        nf->rx_offset = rsp->offset;
        guest_call(env, nf->receiver, rsp->id, NULL);
        nf->rx_len = 0;
    }
    put_rx(env, nf, rsp->id);
}

/* True: there are more frames. */
static bool take_rx(struct guest_env *env, struct netfront *nf)
{
    struct netif_rx_sring *s = rx_ring(env);

    for ( unsigned int i = 0; i < RX_BATCH; i++ )
    {
        netif_rx_response_t rsp;

        if ( !responses(env, shared_get(&s->rsp_prod), nf->rx_cons,
                        nf->rx_prod - nf->rx_cons, "receive") )
        {
            if ( s->rsp_event == nf->rx_cons + 1 )
                return false;
            /* Ask for an event, and look once more. */
            shared_set(&s->rsp_event, nf->rx_cons + 1);
            mb();
            continue;
        }
        rsp = s->ring[nf->rx_cons++ & (RX_RING_SIZE - 1)].rsp;
        hand_over(env, nf, &rsp);
    }
    return shared_get(&s->rsp_prod) != nf->rx_cons;
}

bool netfront_rings_poll(struct guest_env *env)
{
    struct netfront *nf = netfront_get(env);
    bool more;

    if ( !nf->rings_up )
        return false;
    take_tx(env, nf);
    more = take_rx(env, nf);
    flush(env, nf);
    return more;
}

const void *netfront_frame(const struct guest_env *env, uint32_t slot,
                           size_t *ret_len)
{
    const struct netfront *nf = netfront_get(env);

    *ret_len = nf->rx_len;
    return (const uint8_t *)guest_page(env, nf->rx_gfn[slot]) +
           nf->rx_offset;
}
