/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Connections that other processes of this host have got and hand over to the
 * one that runs their migration (attach.h).  Private to serve*.c and hold.c.
 */
#ifndef XMIG_SERVE_ATTACH_H
#define XMIG_SERVE_ATTACH_H

#include "attach.h"
#include "serve.h"

/* The process that runs the migration. */
struct serve_attach
{
    struct server *sv;
    char peer[CHAN_PEER_TEXT];   /* what they are called */
    struct attach_listener listener;
    pthread_t thread;
};

/* Take them for migration id, until serve_attach_end(). */
int serve_attach_begin(struct serve_attach *at, const uint8_t id[IDENT_BYTES],
                       struct err *e);
/* The server has been stopped (serve_end()). */
void serve_attach_end(struct serve_attach *at);

/* ---- The other processes ------------------------------------------------ */

/*
 * Look at a connection's HELLO, and put it back.  What is none has role
 * WIRE_CONTROL: who serves it finds out what is wrong with it.
 */
int serve_look(struct chan *chan, uint8_t raw[CHAN_UNREAD_MAX],
               size_t *ret_nr, struct wire_hello *ret);
/*
 * Hand it over, if a process of this host runs its migration; chan stays the
 * caller's.  0: it has it, until *ret_fd ends.
 */
int serve_give(struct server *sv, struct chan *chan, const uint8_t *raw,
               size_t nr, const struct wire_hello *h, int *ret_fd);

#endif
