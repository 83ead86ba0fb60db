/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The packets of one interface: from its rings to its port of the switch and
 * back.  Knows nothing of xenstore.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "net_port.h"
#include "net_vif_priv.h"

#define RECONNECT_US 100000u

static int copy_grants(void *ctx, uint32_t count,
                       xengnttab_grant_copy_segment_t *segs)
{
    struct net_vif *v = ctx;

    return xengnttab_grant_copy(v->nb->xgt, count, segs);
}

static void switch_lost(struct net_vif *v, int rc)
{
    net_vif_say(v, "the switch is gone: %s", strerror(-rc));
    close(v->fd);
    v->fd = -1;
    v->tx_blocked = false;
    v->reconnect_us = net_now_us() + RECONNECT_US;
}

static int emit_frame(void *ctx, const uint8_t *frame, size_t len)
{
    struct net_vif *v = ctx;
    int rc = -ENOTCONN;

    if ( v->fd >= 0 )
    {
        rc = net_port_send(v->fd, frame, len);
        if ( rc == -EAGAIN )
        {
            v->tx_blocked = true;
            return rc;
        }
        if ( rc )
            switch_lost(v, rc);
    }
    /* No carrier: the packet is lost, not the ring. */
    if ( rc )
        v->dropped++;
    return 0;
}

const struct net_ring_ops net_vif_ring_ops = {
    .copy = copy_grants,
    .emit = emit_frame,
};

/*
 * Tell the switch where the guest is now, on its behalf.  The frontend has
 * just connected, so it runs here and nowhere else.
 */
void net_vif_announce(struct net_vif *v)
{
    struct net_rarp f = net_rarp_of(v->mac);

    if ( v->fd >= 0 )
        net_port_send(v->fd, &f, sizeof(f));
}

uint64_t net_vif_reconnect(struct net_vif *v, uint64_t now_us)
{
    if ( v->state != XenbusStateConnected || v->fd >= 0 )
        return UINT64_MAX;
    if ( now_us < v->reconnect_us )
        return v->reconnect_us;
    if ( net_port_connect(v->nb->switch_path, &v->fd) )
    {
        v->reconnect_us = now_us + RECONNECT_US;
        return v->reconnect_us;
    }
    net_vif_announce(v);
    return UINT64_MAX;
}

/* From the switch into the guest.  0 or -EPROTO. */
static int receive(struct net_vif *v, bool *ret_notify)
{
    size_t len[NET_RING_BATCH];
    unsigned int n = 0;
    int room = net_rings_rx_room(&v->rings);

    if ( room < 0 )
        return room;
    v->rx_starved = !room;
    while ( v->fd >= 0 && n < NET_RING_BATCH && (int)n < room )
    {
        int r = net_port_recv(v->fd, v->rings.buf[n], NET_FRAME_MAX);

        if ( r == -EAGAIN )
            break;
        if ( r == -EMSGSIZE )
            continue;
        if ( r < 0 )
        {
            switch_lost(v, r);
            break;
        }
        /* The switch floods what it has not learnt. */
        if ( r < NET_FRAME_MIN ||
             (!(v->rings.buf[n][0] & 1) &&
              memcmp(v->rings.buf[n], v->mac, NET_MAC_LEN)) )
            continue;
        len[n++] = r;
    }
    net_rings_rx(&v->rings, n, len, ret_notify);
    return 0;
}

void net_vif_work(struct net_vif *v)
{
    bool notify = false;
    int tx = 0, rx;

    if ( v->state != XenbusStateConnected )
        return;
    rx = receive(v, &notify);
    v->tx_blocked = false;
    if ( !rx )
        tx = net_rings_tx(&v->rings, &notify);
    v->more = tx == 1;
    if ( notify )
        xenevtchn_notify(v->nb->xce, v->port);
    if ( rx || tx == -EPROTO )
        net_vif_broken(v, "the frontend broke the ring protocol");
    else if ( v->rings.n.tx_packets )
        v->failures = 0;
}

short net_vif_events(const struct net_vif *v)
{
    if ( v->state != XenbusStateConnected || v->fd < 0 )
        return 0;
    return (v->rx_starved ? 0 : POLLIN) | (v->tx_blocked ? POLLOUT : 0);
}
