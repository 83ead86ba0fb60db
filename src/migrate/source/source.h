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
#include "push.h"
#include "rounds.h"
#include "session.h"
#include "spiller.h"
#include "suspend.h"
#include "wire_fault.h"

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
    struct err ctl_err;          /* transport, that of joining lanes, too;
                                    the session's has what the peer says */
    struct conn *state_conn;     /* where STATE goes: control, or a lane */
    struct conn *lanes[WIRE_LANES_MAX];
    struct err lane_err[WIRE_LANES_MAX];
    struct bucket bucket;

    /* what the control connection brought (source_control()) */
    bool prepared, armed, ready, running, refused;
    bool asked_arm;              /* ARM has been sent */
    bool ctl_broken;             /* the outcome came by another connection */
    bool telling;                /* ABSENT, not answered yet */
    bool absent_acked, placed;
    uint64_t absent_count;       /* ABSENT_ACK's */
    uint64_t acked_rounds;       /* rounds that D has placed */
    uint64_t lane_best_bps;      /* the most that one has carried */
    uint64_t ready_us;           /* when READY came */
    uint64_t unpause_us;         /* RUNNING's */

    struct rounds rounds;        /* memory */

    /* post-copy */
    struct conn *faults;
    struct err fault_err;
    struct push *push;
    struct spiller *spiller;     /* NULL: not asked for */
    bool held;                   /* the domain's memory limit (loan.h) */
    struct wire_progress progress;
    uint64_t heard_us;           /* on control */
    uint64_t absent_total;       /* at D, when the guest began to run there */
    /* of connections that were lost */
    struct mover_counts moved;
    struct push_counts sent;
    uint64_t lost_bytes;         /* written to them */
    uint64_t resent_pages;       /* sent on them, and once more */

    struct suspend su;
    bool suspended;              /* by us: resume it on failure */
    bool renamed;                /* to --migratedaway */
    uint64_t suspend_begin_us, state_begin_us;
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

/* PERMIT and ARM: GO may be sent from here on.  data is the struct source. */
int source_arm(void *data);
/* data is the struct source. */
extern const struct rounds_peer source_peer;

/* ---- source_split.c: post-copy ------------------------------------------ */

/* Do the options want it, from the start or when a mechanism says so? */
int split_choose(struct source *src);
/* Threads for what follows the switch-over; D is prepared, lanes are there. */
int split_open(struct source *src);
/*
 * The guest runs: have everything absent at D that is to follow.  What is
 * pending on return is left for the switch-over.
 */
int split_leave(struct source *src);
/*
 * It is suspended, and the last dirty log is in: what is pending becomes
 * absent, too, unless it is faster sent.  That stays pending.
 */
int split_leave_rest(struct source *src);
/* ABSENT from D: what it could not make absent. */
int split_take_kept(struct source *src, const struct wire_record *rec);
int split_take_ack(struct source *src, const struct wire_record *rec);
int split_take_progress(struct source *src, const struct wire_record *rec);
/* It runs at D: serve it until D has all. */
int split_drain(struct source *src);
/* Written to the connections, and those before. */
uint64_t split_bytes(const struct source *src);
/* The same once it has connected anew. */
int split_watch(struct source *src);
/* Undo, in whichever state; before rounds_end(). */
void split_end(struct source *src);

/* ---- source_resume.c: post-copy whose connections are lost -------------- */

/*
 * The guest runs there; rc is what split_drain() returned.  Returns 0 when D
 * has all; on as many connections as it takes.  Else patience has ended and
 * the owner is SPLIT, or it is LOST, and what was to be done here is done.
 */
int split_serve(struct source *src, int rc);
/*
 * A post-copy whose process is gone: go on with its memory, which is in the
 * suspended domain.  The owner in x's error record is SPLIT; j stays the
 * caller's.
 */
int source_go_on(struct xmig *x, struct journal *j, const struct peer *peer);

/* ---- source.c, for source_resume.c -------------------------------------- */

/* All but whom to reach and what to send. */
int source_begin(struct source *src, struct xmig *x);
/* The cause, of several consequences of one. */
void source_find_cause(struct source *src, int rc);
/* It runs there: what is here goes. */
int source_finish(struct source *src);
/* Frees src, but not its journal. */
void source_end(struct source *src, int rc);

/* ---- switchover.c ------------------------------------------------------- */

/*
 * Suspend, last round, state, and READY unless GO goes with the state.  On
 * failure src->suspended says whether it is to be resumed.
 */
int switchover(struct source *src);
/*
 * GO, and the peer's answer; when the connection fails, ask until it is
 * known or patience ends.  0: the guest runs at D.  Else the owner in the
 * error record is AT_SOURCE (suspended still: resume it) or IN_DOUBT.
 */
int switchover_commit(struct source *src);

#endif
