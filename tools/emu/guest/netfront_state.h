/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What the network driver keeps in its guest pages, shared by netfront.c
 * (handshake with the backend) and netfront_ring.c (packets).
 */
#ifndef XMIG_EMU_GUEST_NETFRONT_STATE_H
#define XMIG_EMU_GUEST_NETFRONT_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "grants.h"
#include "kernel.h"
#include "netproto.h"

#define NETFRONT_MAGIC    0x54464e474d58ull
#define NETFRONT_TX       64u
#define NETFRONT_RX       64u
#define NETFRONT_PATH     96u

#define GRANT_TX_RING     GRANT_NETFRONT
#define GRANT_RX_RING     (GRANT_NETFRONT + 1)
#define GRANT_TX_BUFFER   (GRANT_NETFRONT + 2)
#define GRANT_RX_BUFFER   (GRANT_TX_BUFFER + NETFRONT_TX)

_Static_assert(2 + NETFRONT_TX + NETFRONT_RX <= GRANT_NETFRONT_NR, "grants");

enum netfront_state
{
    NETFRONT_NONE,       /* no interface known */
    NETFRONT_ALLOC,      /* taking frames for rings and buffers */
    NETFRONT_LOOK,       /* asked xenstore for backend and address */
    NETFRONT_WAIT,       /* Initialising: the backend has to offer */
    NETFRONT_CONNECTING, /* rings are up and published */
    NETFRONT_CONNECTED,  /* the backend has said so too */
    NETFRONT_CLOSED,     /* the backend went away; it may come back */
};

/* Things to ask of xenstore that are waiting for a free request slot, in the
 * order in which they are sent. */
enum netfront_due
{
    DUE_WATCH_DIR     = 1u << 0,   /* device/vif: an interface may come */
    DUE_READ_BACKEND  = 1u << 1,
    DUE_READ_ID       = 1u << 2,
    DUE_READ_MAC      = 1u << 3,
    DUE_UNWATCH       = 1u << 4,   /* the backend of the old host */
    DUE_WATCH         = 1u << 5,   /* the backend's state */
    DUE_READ_STATE    = 1u << 6,
    DUE_PUBLISH       = 1u << 7,   /* rings, event channel, features */
    DUE_STATE         = 1u << 8,   /* our state */
};

enum netfront_tx_use
{
    TX_FREE,
    TX_WAITING,          /* filled, not on the ring: there is none */
    TX_ON_RING,
};

struct netfront_tx
{
    uint64_t seq;        /* order of sending */
    uint32_t gfn;
    uint16_t len;
    uint8_t use;         /* enum netfront_tx_use */
    uint8_t pad;
};

struct netfront
{
    uint64_t magic;              /* NETFRONT_MAGIC once set up */
    uint32_t state;              /* enum netfront_state */
    uint32_t due;                /* enum netfront_due */
    uint32_t generation;         /* of the connection; in callbacks' arg */
    uint32_t pending;            /* answers of this generation due */
    uint32_t xenbus_state;       /* what DUE_STATE is to write */
    uint32_t backend_state;      /* last seen */
    uint32_t backend_domid;
    uint32_t port;
    uint32_t announcements;      /* still to make */
    uint32_t receiver;           /* enum guest_fn_id */
    uint32_t nr_frames;          /* allocated so far */
    uint8_t have_backend, have_id, have_mac, rings_up;
    uint8_t mac[NET_MAC_LEN];
    uint8_t said_so;             /* that we are Initialising again */
    uint8_t pad;
    char backend[NETFRONT_PATH];
    char watched[NETFRONT_PATH]; /* "": none */

    /* rings */
    uint32_t tx_ring_gfn, rx_ring_gfn;
    uint32_t tx_prod, tx_cons;   /* requests made, responses taken */
    uint32_t rx_prod, rx_cons;
    uint64_t next_seq;
    uint32_t nr_on_ring;         /* transmit slots in TX_ON_RING */
    uint32_t rx_len;             /* of the frame being handed over */
    uint32_t rx_offset;
    uint32_t pad2;
    struct netfront_tx tx[NETFRONT_TX];
    uint32_t rx_gfn[NETFRONT_RX];

    /* counters, for data/program and the log */
    uint64_t sent, received, dropped, replayed;
};

_Static_assert(sizeof(struct netfront) <=
               KERNEL_DRIVER_PAGES * GUEST_PAGE_SIZE, "driver pages");

static inline struct netfront *netfront_get(const struct guest_env *env)
{
    return driver_pages(env, DRIVER_NETFRONT);
}

/* netfront_ring.c */

/* Empty rings, everything granted afresh, buffers posted, waiting frames put
 * on the ring again in their old order.  0 or -errno. */
int netfront_rings_init(struct guest_env *env);
/* The backend has let go: take the grants back.  0 or -EBUSY. */
int netfront_rings_done(struct guest_env *env);
/* What comes off the rings, and the event if one is due.  True: more. */
bool netfront_rings_poll(struct guest_env *env);
/* Send "here I am". */
void netfront_announce(struct guest_env *env);

#endif
