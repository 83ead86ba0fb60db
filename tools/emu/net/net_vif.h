/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * One network interface of a guest as its backend sees it: the XenBus
 * handshake with the frontend, and the packets between rings and switch.
 *
 * Uses only Xen's own libraries, so it is a backend for a real Xen as much as
 * for an emulated host.  One thread.
 */
#ifndef XMIG_EMU_NET_VIF_H
#define XMIG_EMU_NET_VIF_H

#include <stdbool.h>
#include <stdint.h>
#include <xenevtchn.h>
#include <xengnttab.h>
#include <xenstore.h>
#include <xen/io/xenbus.h>

#include "net_ring.h"

struct netback
{
    /* set at start, then read-only */
    const char *switch_path;
    bool verbose;
    struct xs_handle *xs;
    xenevtchn_handle *xce;
    xengnttab_handle *xgt;

    struct net_vif *vifs;
};

struct net_vif
{
    struct net_vif *next;
    struct netback *nb;
    uint32_t domid, handle;
    char backend[64];            /* relative to our own domain */
    char *frontend;              /* absolute; NULL until probed */
    char token[32];              /* of the watch on the frontend */
    bool watching;
    uint8_t mac[NET_MAC_LEN];
    enum xenbus_state state;     /* what we wrote last; Unknown: not probed */
    bool introduced;             /* xenstored knows the domain, or knew it */
    bool ask_domain;             /* does it still? */
    bool forgotten;              /* its backend directory is gone */
    unsigned int failures;       /* connections in a row that failed */

    /* while Connected */
    int port;                    /* event channel, -1 */
    void *tx_page, *rx_page;
    int fd;                      /* port of the switch, -1: none at present */
    uint64_t reconnect_us;       /* when to try the switch again */
    bool tx_blocked;             /* the switch is slow: wait for POLLOUT */
    bool rx_starved;             /* the frontend has no buffer: wait for it */
    bool more;                   /* work is left over */
    bool unplugged;              /* xenstore does not yet say Connected: the
                                  * toolstack's script is not done */
    uint64_t dropped;            /* packets while there was no switch */
    struct net_rings rings;
};

/* NULL: no memory.  Does not touch xenstore yet. */
struct net_vif *net_vif_new(struct netback *nb, uint32_t domid,
                            uint32_t handle);
/* Disconnects; leaves xenstore as it is but for the watch. */
void net_vif_free(struct net_vif *v);

/* Something changed in xenstore: look at both ends and act.  Sets
 * v->forgotten when there is nothing left to serve. */
void net_vif_check(struct net_vif *v);

/* The same; domains have come or gone, perhaps this one. */
void net_vif_check_domain(struct net_vif *v);

/* The event channel fired, the switch's socket is ready, or v->more. */
void net_vif_work(struct net_vif *v);

/* What to poll v->fd for; 0 if nothing. */
short net_vif_events(const struct net_vif *v);

/* Try the switch again if that is due.  Returns when to call again,
 * UINT64_MAX: no need. */
uint64_t net_vif_reconnect(struct net_vif *v, uint64_t now_us);

/* The backend ends: close as a backend should. */
void net_vif_close(struct net_vif *v);

#endif
