/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * A migration at the destination.  Private to dest*.c, inlane.c, serve.c.
 *
 * The thread of the control connection is the engine; each bulk connection
 * has its own, which runs a lane.  Whoever completes the last condition for
 * an answer on control (ROUND_ACK, READY) sends it, so that no thread has to
 * be woken for it.
 */
#ifndef XMIG_DEST_H
#define XMIG_DEST_H

#include "build.h"
#include "describe.h"
#include "conn.h"
#include "journal.h"
#include "place.h"
#include "session.h"

struct dest_lane
{
    bool joined;                 /* once and for all */
    struct conn *conn;           /* while its thread runs */
    struct err err;
    uint32_t rounds;             /* ended */
    uint64_t pages;              /* placed, in ended rounds */
    int64_t received;            /* gfns, at the last ROUND_END */
};

struct dest
{
    struct session s;
    struct err err;
    struct cancel stop;
    struct stats stats;
    struct conn *ctl;            /* borrowed */
    struct err ctl_err;          /* transport; err has what the peer says */
    uint8_t token[IDENT_BYTES];
    char peer[CHAN_PEER_TEXT];

    /* control thread only */
    void *domain_body;           /* what domain's pairs lie in */
    char *config;                /* the toolstack's, or NULL */
    uint64_t alive_us;           /* when the source last heard from us */
    struct wire_domain domain;
    struct build build;
    struct journal *journal;
    struct pageset present;      /* from MEMORY */
    bool may_start, started;
    uint32_t next_round;         /* of the next ROUND */
    bool context_set;
    bool source_gave_up;         /* it said so, so GO was never sent */

    /* set before any lane joins, then read-only */
    struct place *place;

    pthread_mutex_t lock;        /* also sends on control are under it */
    pthread_cond_t cond;
    /* under lock */
    struct dest_lane lanes[WIRE_LANES_MAX];
    bool open;                   /* lanes may join */
    unsigned int nr_running;     /* lane threads */
    uint32_t rounds;             /* ended on every lane */
    bool last_known;
    uint32_t last_round;
    bool state_complete;         /* STATE_END was read, all is set */
    uint64_t populated;          /* STATE_END's */
    bool ready_sent;
    bool settled;                /* the source knows the outcome */
};

/* id is of the migration.  0 or -ENOMEM, -EMFILE */
int dest_init(struct dest *d, struct xmig *x, struct conn *ctl,
              const char *peer, const uint8_t id[IDENT_BYTES],
              uint64_t caps);
void dest_done(struct dest *d);

/* The whole of it, in the control connection's thread; the error is in
 * d->err. */
int dest_run(struct dest *d);

/* Have the migration abandoned, from another thread: it was decided. */
void dest_stop(struct dest *d, int rc, const char *why);
/* It has been started, and the source said BYE elsewhere: don't wait for it
 * on the control connection.  From another thread. */
void dest_bye(struct dest *d);

/*
 * A bulk connection of this migration: run the lane, until it ends.  The
 * connection stays the caller's.
 */
int dest_lane(struct dest *d, struct conn *c, unsigned int lane);

/* ---- dest_prepare.c ----------------------------------------------------- */

/* From DOMAIN to PREPARED. */
int dest_prepare(struct dest *d);

/* ---- dest_state.c ------------------------------------------------------- */

int dest_take_state(struct dest *d, const struct wire_record *rec);
int dest_take_state_end(struct dest *d, const struct wire_record *rec);

/* ---- inlane.c ----------------------------------------------------------- */

/* Wait until rounds below round have ended on all lanes. */
int dest_wait_round(struct dest *d, uint32_t round);
/* This lane has placed all of its round. */
int dest_round_ended(struct dest *d, unsigned int lane, uint32_t round,
                     uint64_t pages, int64_t received);
/* Send READY if nothing is missing any more.  Under lock. */
int dest_maybe_ready(struct dest *d);

#endif
