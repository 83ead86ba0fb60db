/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * A migration at the source, as its parts see it.  Private to source*.c,
 * rounds.c and switchover.c; everything in it belongs to the engine's thread
 * unless the mover has it (mover.h).
 */
#ifndef XMIG_SOURCE_H
#define XMIG_SOURCE_H

#include "conn.h"
#include "describe.h"
#include "journal.h"
#include "mover.h"
#include "sendset.h"
#include "session.h"
#include "suspend.h"

struct source
{
    struct session s;
    struct description desc;
    struct journal *journal;

    /* the peer */
    const char *host;
    uint16_t port;
    uint8_t token[IDENT_BYTES];
    uint64_t rtt_us;             /* of HELLO */
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

    /* memory */
    struct hv_dirty *dirty;
    struct pageset log;          /* scratch: one fetch of the dirty log */
    struct sendset set;
    struct mover *mover;
    int64_t tot_offset;          /* tot_pages - gfns known as populated, when
                                    nothing escaped us */

    /* rounds */
    unsigned int round;          /* being sent, or the next */
    uint64_t goodput_bps;
    uint64_t live_deadline_us;
    bool last_by_threads;        /* the last round is the mover's threads' */

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

/* ---- rounds.c ----------------------------------------------------------- */

/* Log-dirty on, what is populated found out. */
int rounds_begin(struct source *src);
/* Copy while the guest runs, until it is time to switch over; armed then. */
int rounds_live(struct source *src);
/*
 * The guest is suspended, info is what the hypervisor says of it: collect
 * what is left; begin to send it as the last round, if there is enough of it
 * for the threads; send it, or wait until it is sent.
 */
int rounds_last_collect(struct source *src, const struct hv_domain *info);
int rounds_last_start(struct source *src);
int rounds_last_finish(struct source *src);
/* Log-dirty off, threads ended, nothing mapped. */
void rounds_end(struct source *src);

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
