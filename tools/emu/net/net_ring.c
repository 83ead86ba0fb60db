/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Ring handling of the network backend.  A transmitted packet may span
 * several requests (a sender whose buffer crosses a page); a received one
 * always fits into one buffer, as frames are at most a page.
 */
#include <errno.h>
#include <string.h>

#include "net_ring.h"

#define PAGE_BYTES 4096u

/* One packet found on the transmit ring. */
struct packet
{
    unsigned int nr_slots;
    unsigned int nr_segs;
    unsigned int len;
    bool bad;                    /* answer with an error, do not send */
};

int net_rings_attach(struct net_rings *r, uint16_t domid, void *tx_page,
                     void *rx_page, const struct net_ring_ops *ops, void *ctx)
{
    struct netif_tx_sring *txs = tx_page;
    struct netif_rx_sring *rxs = rx_page;
    RING_IDX tx_rsp = __atomic_load_n(&txs->rsp_prod, __ATOMIC_ACQUIRE);
    RING_IDX rx_rsp = __atomic_load_n(&rxs->rsp_prod, __ATOMIC_ACQUIRE);
    RING_IDX tx_req = __atomic_load_n(&txs->req_prod, __ATOMIC_ACQUIRE);
    RING_IDX rx_req = __atomic_load_n(&rxs->req_prod, __ATOMIC_ACQUIRE);

    memset(&r->n, 0, sizeof(r->n));
    r->domid = domid;
    r->ops = ops;
    r->ctx = ctx;
    BACK_RING_ATTACH(&r->tx, txs, tx_rsp, PAGE_BYTES);
    BACK_RING_ATTACH(&r->rx, rxs, rx_rsp, PAGE_BYTES);
    if ( tx_req - tx_rsp > RING_SIZE(&r->tx) ||
         rx_req - rx_rsp > RING_SIZE(&r->rx) )
        return -EPROTO;
    return 0;
}

/* Requests on the transmit ring that nobody has taken yet. */
static int tx_waiting(struct net_rings *r)
{
    RING_IDX prod = __atomic_load_n(&r->tx.sring->req_prod, __ATOMIC_ACQUIRE);

    if ( RING_REQUEST_PROD_OVERFLOW(&r->tx, prod) )
        return -EPROTO;
    return prod - r->tx.req_cons;
}

/*
 * Look at the packet that begins at request "from", of which "waiting" are
 * there: fill p and the copy segments into buf.  0; -EAGAIN: not all of it is
 * there yet; -EPROTO.
 */
static int tx_look(struct net_rings *r, RING_IDX from, unsigned int waiting,
                   uint8_t *buf, struct packet *p,
                   xengnttab_grant_copy_segment_t *segs)
{
    netif_tx_request_t req[XEN_NETIF_NR_SLOTS_MIN];
    unsigned int rest = 0, at = 0;

    memset(p, 0, sizeof(*p));
    do
    {
        if ( p->nr_slots == XEN_NETIF_NR_SLOTS_MIN )
            return -EPROTO;
        if ( p->nr_slots == waiting )
            return -EAGAIN;
        RING_COPY_REQUEST(&r->tx, from + p->nr_slots, &req[p->nr_slots]);
        /* Extra slots were never offered, so they are no packet at all. */
        if ( req[p->nr_slots].flags & NETTXF_extra_info )
            return -EPROTO;
        if ( p->nr_slots )
            rest += req[p->nr_slots].size;
    } while ( req[p->nr_slots++].flags & NETTXF_more_data );

    /* The first request has the size of the whole packet. */
    p->len = req[0].size;
    if ( p->len < NET_FRAME_MIN || p->len > NET_FRAME_MAX || rest > p->len )
        p->bad = true;
    req[0].size -= p->bad ? 0 : rest;

    for ( unsigned int i = 0; i < p->nr_slots && !p->bad; i++ )
    {
        if ( req[i].offset + req[i].size > PAGE_BYTES )
        {
            p->bad = true;
            break;
        }
        segs[i] = (xengnttab_grant_copy_segment_t){
            .source.foreign = { .ref = req[i].gref, .offset = req[i].offset,
                                .domid = r->domid },
            .dest.virt = buf + at,
            .len = req[i].size,
            .flags = GNTCOPY_source_gref,
        };
        at += req[i].size;
    }
    p->nr_segs = p->bad ? 0 : p->nr_slots;
    return 0;
}

static void tx_answer(struct net_rings *r, const struct packet *p)
{
    for ( unsigned int i = 0; i < p->nr_slots; i++ )
    {
        netif_tx_request_t req;
        netif_tx_response_t *rsp;

        RING_COPY_REQUEST(&r->tx, r->tx.req_cons, &req);
        r->tx.req_cons++;
        rsp = RING_GET_RESPONSE(&r->tx, r->tx.rsp_prod_pvt);
        rsp->id = req.id;
        rsp->status = p->bad ? NETIF_RSP_ERROR : NETIF_RSP_OKAY;
        r->tx.rsp_prod_pvt++;
    }
}

/*
 * Find one batch of packets and copy what is in them.  Number of packets
 * found or -EPROTO; nothing is taken off the ring yet.
 */
static int tx_gather(struct net_rings *r, struct packet *packet)
{
    xengnttab_grant_copy_segment_t segs[NET_RING_BATCH *
                                        XEN_NETIF_NR_SLOTS_MIN];
    unsigned int nr = 0, nr_segs = 0, seg = 0;
    RING_IDX at = r->tx.req_cons;
    int waiting = tx_waiting(r);

    if ( waiting < 0 )
        return waiting;
    while ( nr < NET_RING_BATCH && waiting > 0 )
    {
        struct packet *p = &packet[nr];
        int rc = tx_look(r, at, waiting, r->buf[nr], p, segs + nr_segs);

        if ( rc == -EAGAIN )
            break;
        if ( rc )
            return rc;
        at += p->nr_slots;
        waiting -= p->nr_slots;
        nr_segs += p->nr_segs;
        nr++;
    }
    if ( nr_segs && r->ops->copy(r->ctx, nr_segs, segs) )
        for ( unsigned int i = 0; i < nr_segs; i++ )
            segs[i].status = GNTST_general_error;
    for ( unsigned int i = 0; i < nr; i++ )
        for ( unsigned int k = 0; k < packet[i].nr_segs; k++ )
            if ( segs[seg++].status != GNTST_okay )
                packet[i].bad = true;
    return nr;
}

int net_rings_tx(struct net_rings *r, bool *ret_notify)
{
    struct packet packet[NET_RING_BATCH];
    int nr = tx_gather(r, packet);
    int rc = 0, more, notify;

    if ( nr < 0 )
        return nr;
    for ( int i = 0; i < nr; i++ )
    {
        struct packet *p = &packet[i];

        if ( p->bad )
            r->n.tx_errors++;
        else
        {
            rc = r->ops->emit(r->ctx, r->buf[i], p->len);
            if ( rc )
                break;
            r->n.tx_packets++;
            r->n.tx_bytes += p->len;
        }
        tx_answer(r, p);
    }

    RING_PUSH_RESPONSES_AND_CHECK_NOTIFY(&r->tx, notify);
    if ( notify )
        *ret_notify = true;
    if ( rc )
        return rc;
    RING_FINAL_CHECK_FOR_REQUESTS(&r->tx, more);
    /* Half a packet is no work: ask for an event when more is there. */
    if ( more && !nr )
    {
        r->tx.sring->req_event = r->tx.req_cons + more + 1;
        xen_mb();
        if ( tx_waiting(r) == more )
            more = 0;
    }
    return more ? 1 : 0;
}

int net_rings_rx_room(struct net_rings *r)
{
    RING_IDX prod = __atomic_load_n(&r->rx.sring->req_prod, __ATOMIC_ACQUIRE);
    int more;

    if ( RING_REQUEST_PROD_OVERFLOW(&r->rx, prod) )
        return -EPROTO;
    if ( prod != r->rx.req_cons )
        return prod - r->rx.req_cons;
    RING_FINAL_CHECK_FOR_REQUESTS(&r->rx, more);
    return more;
}

void net_rings_rx(struct net_rings *r, unsigned int n, const size_t *len,
                  bool *ret_notify)
{
    xengnttab_grant_copy_segment_t segs[NET_RING_BATCH];
    netif_rx_request_t req[NET_RING_BATCH];
    int notify;

    if ( !n )
        return;
    for ( unsigned int i = 0; i < n; i++ )
    {
        RING_COPY_REQUEST(&r->rx, r->rx.req_cons + i, &req[i]);
        segs[i] = (xengnttab_grant_copy_segment_t){
            .source.virt = r->buf[i],
            .dest.foreign = { .ref = req[i].gref, .domid = r->domid },
            .len = len[i],
            .flags = GNTCOPY_dest_gref,
        };
    }
    if ( r->ops->copy(r->ctx, n, segs) )
        for ( unsigned int i = 0; i < n; i++ )
            segs[i].status = GNTST_general_error;

    for ( unsigned int i = 0; i < n; i++ )
    {
        bool ok = segs[i].status == GNTST_okay;
        netif_rx_response_t *rsp = RING_GET_RESPONSE(&r->rx,
                                                     r->rx.rsp_prod_pvt);

        *rsp = (netif_rx_response_t){
            .id = req[i].id,
            .flags = NETRXF_data_validated,
            .status = ok ? (int16_t)len[i] : NETIF_RSP_ERROR,
        };
        r->rx.rsp_prod_pvt++;
        if ( ok )
        {
            r->n.rx_packets++;
            r->n.rx_bytes += len[i];
        }
        else
            r->n.rx_errors++;
    }
    r->rx.req_cons += n;
    RING_PUSH_RESPONSES_AND_CHECK_NOTIFY(&r->rx, notify);
    if ( notify )
        *ret_notify = true;
}
