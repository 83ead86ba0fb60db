/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The backend's half of a network interface's two rings (xen/io/netif.h):
 * take packets off the transmit ring, put packets into the buffers that the
 * receive ring offers.  Contents move by grant copy.
 *
 * The frontend is not trusted: everything is taken out of shared memory once
 * and checked.  Knows nothing of xenstore or sockets; not thread-safe.
 */
#ifndef XMIG_EMU_NET_RING_H
#define XMIG_EMU_NET_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <xengnttab.h>

/* Without __XEN_TOOLS__ Xen's headers call the barriers by these names. */
#define mb()  __sync_synchronize()
#define rmb() __sync_synchronize()
#define wmb() __sync_synchronize()
#include <xen/io/netif.h>

#include "netproto.h"

#define NET_RING_BATCH 32u       /* packets per grant copy */

struct net_ring_ops
{
    /* As xengnttab_grant_copy(): 0, or -1 if nothing could be tried. */
    int (*copy)(void *ctx, uint32_t count,
                xengnttab_grant_copy_segment_t *segs);
    /* A packet of the guest: 0 when it was taken (or may be dropped),
     * -EAGAIN: stop here, it will be offered again. */
    int (*emit)(void *ctx, const uint8_t *frame, size_t len);
};

struct net_ring_counts
{
    uint64_t tx_packets, tx_bytes, tx_errors;
    uint64_t rx_packets, rx_bytes, rx_errors;
};

struct net_rings
{
    /* set by net_rings_attach(), then read-only */
    uint16_t domid;
    const struct net_ring_ops *ops;
    void *ctx;

    netif_tx_back_ring_t tx;
    netif_rx_back_ring_t rx;
    struct net_ring_counts n;
    uint8_t buf[NET_RING_BATCH][NET_FRAME_MAX];
};

/*
 * Begin to serve two mapped ring pages.  Goes on where their last response
 * stands, so that a new backend can take over from one that died.
 * 0, or -EPROTO if the indices make no sense.
 */
int net_rings_attach(struct net_rings *r, uint16_t domid, void *tx_page,
                     void *rx_page, const struct net_ring_ops *ops,
                     void *ctx);

/*
 * Take packets off the transmit ring, at most one batch, and answer their
 * requests.  *ret_notify is set if the frontend wants an event.
 * 1: there is more; 0: the ring is empty and the next request sends an event;
 * -EAGAIN: emit() wants no more now; -EPROTO: the frontend broke the protocol.
 */
int net_rings_tx(struct net_rings *r, bool *ret_notify);

/*
 * How many packets the frontend can take.  0: its next buffer sends an
 * event.  -EPROTO as above.
 */
int net_rings_rx_room(struct net_rings *r);

/*
 * Hand over n packets of buf[] (<= room, <= NET_RING_BATCH) of lengths len[].
 * One that can't be copied is answered as an error and lost.
 */
void net_rings_rx(struct net_rings *r, unsigned int n, const size_t *len,
                  bool *ret_notify);

#endif
