/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The holder of a post-copy at its destination: a process that keeps the ring
 * of absent pages mapped beside the receiver, and becomes the engine when that
 * one dies while the guest needs both hosts (docs/postcopy.md, "The holder").
 *
 * Between the two are a memory that both share, which says all that the
 * holder needs to know, the descriptor of the journal, and a socket whose end
 * says that the receiver is dead.
 */
#ifndef XMIG_HOLDER_H
#define XMIG_HOLDER_H

#include "hv_pager.h"
#include "journal.h"
#include "session.h"

/* What a holder finds open. */
#define HOLDER_FD_SOCKET  3
#define HOLDER_FD_SHARED  4
#define HOLDER_FD_JOURNAL 5

#define HOLDER_MAGIC 0x31444c4847494d58ull   /* "XMIGHLD1" */

/* Both ends are one program, so nothing of it is a format. */
struct holder_shared
{
    uint64_t magic;
    uint8_t id[IDENT_BYTES];
    uint32_t domid;
    uint32_t nr_lanes;
    uint64_t nr_gfns, caps;
    uint32_t managed;            /* it is a toolstack's */
    uint32_t reserved;
    char name[128];
    char peer[128];
    struct hv_pager_state pager;
};

/* ---- The receiver's side (holder.c); the other is xmig_hold() ----------- */

struct holder;

/* Make what is shared; the rest of it is the caller's to fill in. */
int holder_new(struct session *s, struct err *e, struct holder **ret_h);
struct holder_shared *holder_shared(struct holder *h);
/* Start the process; it has the ring mapped on return.  The ring is open and
 * not sealed. */
int holder_run(struct holder *h, const struct journal *j, struct err *e);
/* It is not needed any more: it is gone on return.  h may be NULL. */
void holder_end(struct holder *h);
/* The receiver lives, but can't go on: it is the holder's turn. */
void holder_leave(struct holder *h);

#endif
