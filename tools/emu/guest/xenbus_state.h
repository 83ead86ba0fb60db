/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * State of the xenstore client in its guest pages; for xenbus.c and
 * xenbus_ring.c only.
 */
#ifndef XMIG_EMU_GUEST_XENBUS_STATE_H
#define XMIG_EMU_GUEST_XENBUS_STATE_H

#include <xen/io/xs_wire.h>

#include "kernel.h"
#include "xenbus.h"

#define XENBUS_TXS 8u

struct xenbus_slot
{
    uint32_t type;               /* XS_* */
    uint32_t tx;                 /* our handle; 0: none */
    uint32_t wire_tx;
    uint32_t fn;
    uint32_t arg;
    uint32_t len;
    uint8_t answered;            /* done; goes when head gets here */
    uint8_t lost;                /* its transaction is gone: -EAGAIN */
    uint8_t pad[6];
    char payload[XENBUS_PAYLOAD];
};

struct xenbus_watch
{
    uint32_t used;
    uint32_t registered;         /* the request is queued or done */
    uint32_t generation;         /* tells events of an earlier user */
    uint32_t fn;
    uint32_t arg;
    char path[XENBUS_PATH];
};

struct xenbus
{
    uint64_t ring_gfn;
    uint32_t port;
    uint32_t down;               /* not connected, or the ring is broken */
    uint32_t head, send, tail;   /* running slot numbers = request ids */
    uint32_t send_off;           /* bytes of slot `send` already written */
    uint32_t rx_off;             /* bytes of the message received so far */
    uint32_t watches_due;
    uint32_t last_tx;
    struct
    {
        uint32_t handle;         /* 0: free */
        uint32_t wire_id;
    } tx[XENBUS_TXS];
    struct xenbus_watch watch[XENBUS_WATCHES];
    struct xsd_sockmsg rx_hdr;
    char rx_data[XENSTORE_PAYLOAD_MAX + 8];
    struct xenbus_slot slot[XENBUS_SLOTS];
};

static inline struct xenbus *xenbus_get(const struct guest_env *env)
{
    return guest_page(env, KERNEL_XENBUS_GFN);
}

/* xenbus.c */
void xenbus_register_watches(struct guest_env *env);
void xenbus_received(struct guest_env *env, const struct xsd_sockmsg *hdr,
                     const char *data);
void xenbus_finish(struct guest_env *env, uint32_t seq, int error,
                   const char *data, uint32_t len);

/* xenbus_ring.c: find ring and port of this host; 0 or -errno. */
int xenbus_connect(struct guest_env *env);

#endif
