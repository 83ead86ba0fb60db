/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * A migration at the source, as its parts see it.  Private to source*.c and
 * switchover.c; everything in it belongs to the engine's thread unless the
 * mover has it (mover.h).
 */
#ifndef XMIG_SOURCE_H
#define XMIG_SOURCE_H

#include "conn.h"
#include "describe.h"
#include "journal.h"
#include "peer.h"
#include "rounds.h"
#include "session.h"
#include "suspend.h"

struct source
{
    struct session s;
    struct description desc;
    struct journal *journal;

    /* the peer */
    struct peer peer;
    struct peer_links links;
    uint8_t token[IDENT_BYTES];
    struct conn *ctl;
    struct err ctl_err;          /* transport; the session's has what the
                                    peer says */
    struct conn *lanes[WIRE_LANES_MAX];
    struct err lane_err[WIRE_LANES_MAX];
    struct bucket bucket;

    /* what the control connection brought (source_control()) */
    bool prepared, armed, ready, running, refused;
    bool asked_arm;              /* ARM has been sent */
    bool ctl_broken;             /* the outcome came by another connection */
    uint64_t acked_rounds;       /* rounds that D has placed */
    uint64_t unpause_us;         /* RUNNING's */

    struct rounds rounds;        /* memory */

    struct suspend su;
    bool suspended;              /* by us: resume it on failure */
    bool renamed;                /* to --migratedaway */
    uint64_t suspend_begin_us;
};

/* ---- source_connect.c --------------------------------------------------- */

/* Control connection and HELLO: the peer is there and speaks with us. */
int source_connect(struct source *src);
/* Bulk connections, once D is prepared. */
int source_join_lanes(struct source *src);
void source_disconnect(struct source *src);

/*
 * Receive one control record and note what it says.  ERROR is recorded and
 * its code returned.
 */
int source_control(struct source *src);
/* Receive until *flag; the peer's patience is ours. */
int source_await(struct source *src, const bool *flag);
int source_await_round(struct source *src, unsigned int round);
/* Take what is there, without waiting. */
int source_poll(struct source *src);
int source_send_alive(struct source *src);

/* ---- source_describe.c -------------------------------------------------- */

/* DOMAIN, STATE(toolstack), POLICY, STATE(params): all that D needs to build
 * its like. */
int source_send_description(struct source *src);
int source_send_state(struct source *src, enum wire_state_kind kind,
                      const void *data, size_t bytes);
/* What is populated now, in as many MEMORY records as it takes. */
int source_send_memory(struct source *src);

/* ---- source_peer.c ------------------------------------------------------ */

/* data is the struct source. */
extern const struct rounds_peer source_peer;

/* ---- switchover.c ------------------------------------------------------- */

/*
 * Suspend, last round, state, READY.  On failure src->suspended says whether
 * it is to be resumed.
 */
int switchover(struct source *src);
/*
 * GO, and the peer's answer; when the connection fails, ask until it is
 * known or patience ends.  0: the guest runs at D.  Else the owner in the
 * error record is AT_SOURCE (suspended still: resume it) or IN_DOUBT.
 */
int switchover_commit(struct source *src);

#endif
