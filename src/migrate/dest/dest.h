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
#include "faults.h"
#include "place.h"
#include "session.h"
#include "wire_fault.h"

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
    struct conn *ctl;            /* borrowed; replaced, under lock, when a
                                    post-copy has lost it */
    struct conn *first_ctl;      /* its first */
    struct err ctl_err;          /* transport; err has what the peer says */
    uint8_t token[IDENT_BYTES];  /* under lock, as a new connection has a new
                                    one */
    char peer[CHAN_PEER_TEXT];

    /* control thread only */
    void *domain_body;           /* what domain's pairs lie in */
    char *config;                /* the toolstack's, or NULL */
    uint64_t alive_us;           /* when the source last heard from us */
    struct wire_domain domain;
    struct build build;
    struct journal *journal;
    struct pageset present;      /* from MEMORY */
    bool may_start;
    _Atomic bool started;
    _Atomic bool draining;       /* post-copy: it runs, pages come */
    bool destroyed;              /* ... came, as somebody destroyed it */
    uint32_t next_round;         /* of the next ROUND */
    bool go;                     /* it has come */
    bool source_gave_up;         /* it said so, so GO was never sent */

    /* set before any lane joins, then read-only */
    struct place *place;
    struct split *split;         /* post-copy: see dest_split.c */

    bool context_set;            /* belongs to who takes STATE */

    pthread_mutex_t lock;        /* also sends on control are under it */
    pthread_cond_t cond;
    /* under lock */
    struct dest_lane lanes[WIRE_LANES_MAX];
    bool open;                   /* lanes may join */
    unsigned int nr_running;     /* lane threads */
    uint32_t rounds;             /* ended on every lane */
    bool last_known;
    uint32_t last_round;
    bool early_go;               /* GO comes, or has come, before READY */
    bool state_complete;         /* STATE_END was read, all is set */
    uint64_t populated;          /* STATE_END's */
    bool ready_sent;
    bool settled;                /* the source knows the outcome */
    unsigned int nr_drained;     /* lanes that are through with the push */
    bool waits;                  /* for a new control connection */
    struct conn *lent;           /* one that its thread has lent */
    _Atomic bool source_lost;    /* the source has nothing left to send */
};

/* id is of the migration.  0 or -ENOMEM, -EMFILE */
int dest_init(struct dest *d, struct xmig *x, struct conn *ctl,
              const char *peer, const uint8_t id[IDENT_BYTES],
              uint64_t caps);
void dest_done(struct dest *d);

/* The whole of it, in the control connection's thread; the error is in
 * d->err. */
int dest_run(struct dest *d);

/* The end of it: what follows GO, or the failure rc before it. */
int dest_outcome(struct dest *d, int rc);

/* Have the migration abandoned, from another thread.  No-op once the guest
 * runs here; false: and some of its memory is at the source still. */
bool dest_stop(struct dest *d, const char *why);
/* It has been started, and the source said BYE elsewhere: don't wait for it
 * on the control connection.  From another thread. */
void dest_bye(struct dest *d);

/*
 * A bulk connection of this migration: run the lane, until it ends.  The
 * connection stays the caller's.
 */
int dest_lane(struct dest *d, struct conn *c, unsigned int lane);

/* The same for the connection of faults. */
int dest_faults(struct dest *d, struct conn *c);

/* ---- dest_prepare.c ----------------------------------------------------- */

/* From DOMAIN to PREPARED. */
int dest_prepare(struct dest *d);
/* A step of something that takes long: keeps the source informed.  data is
 * the dest; -ECANCELED: give up. */
int dest_still_here(void *data);

/* ---- dest_split.c: post-copy -------------------------------------------- */

/* The domain has its parameters: open the source of faults. */
int dest_split_open(struct dest *d);
/* These are to be absent, as far as they can be. */
int dest_split_absent(struct dest *d, const struct pageset *gfns);
/* Tell which could not, and how many are. */
int dest_split_ack(struct dest *d);
int dest_take_absent(struct dest *d, const struct wire_record *rec);
/* Everything is in place: nothing is made absent any more.  In the pause. */
void dest_split_complete(struct dest *d);
/* GO has come: wait for what has to be here before the first instruction. */
int dest_split_await_first(struct dest *d);
/* The guest runs: until all of it is here and the source knows, or the domain
 * has been destroyed.  Not 0: the rest can't be reached. */
int dest_split_fetch(struct dest *d);
/* Nobody uses it any more; the domain stays as it is.  No-op without. */
void dest_split_free(struct dest *d);
/* Those that are absent, before the guest runs. */
const struct pageset *dest_split_set(const struct dest *d);
/* End the wait on its connection.  Under lock. */
void dest_split_break(struct dest *d);
/* Fill in what the source is to know. */
void dest_split_progress(struct dest *d, struct wire_progress *ret);

/*
 * Of one thread that places pages while the guest runs; zeroed at the start.
 * dest_place() takes what place_run() takes, and drops what is not absent.
 */
#define DEST_PLACER_PAGES 16u
struct dest_placer
{
    struct hv_placer *pl;        /* with a buffer of DEST_PLACER_PAGES */
    struct hv *hv;               /* for holes; lazily made */
    struct err *err;
    uint64_t gfns[DEST_PLACER_PAGES];    /* gathered in the buffer */
    unsigned int nr;
};

int dest_placer_open(struct dest *d, struct dest_placer *p);
void dest_placer_done(struct dest_placer *p);
int dest_place(struct dest *d, struct dest_placer *p, uint64_t gfn,
               uint64_t count, enum wire_kind kind, const void *data);
/*
 * Pages from anywhere that are placed by one step: read one to dest_room(),
 * say with dest_gather() whose it is, and dest_gathered() when there are no
 * more of them, and before dest_place().
 */
void *dest_room(const struct dest_placer *p);
int dest_gather(struct dest *d, struct dest_placer *p, uint64_t gfn);
int dest_gathered(struct dest *d, struct dest_placer *p);
/* The lane has read its last ROUND_END. */
void dest_lane_drained(struct dest *d);
/* Failures of placing are of no interest once the domain is gone. */
bool dest_split_gone(struct dest *d);

/* ---- dest_resume.c ------------------------------------------------------ */

/*
 * The connections of a post-copy are lost, why says how: the guest is paused
 * until the source has connected anew.  0: it has, and all goes on.  Else it
 * stays paused: -ENODATA: it is gone, or what the source had.
 */
int dest_resume(struct dest *d, int why);
/* The end of it: nothing lent is used any more. */
void dest_resume_end(struct dest *d);
/*
 * A new control connection of this migration, by its own thread: returns when
 * nobody uses it any more.
 *   -EBUSY  none is waited for; e says so
 */
int dest_lend(struct dest *d, struct conn *c, uint64_t caps);

/* The rest of the guest can't be reached: it stands still, and all is kept. */
void dest_split_stay(struct dest *d, int rc);
/* What it lacks has gone with its source: it can't run any more, and goes. */
void dest_split_lose(struct dest *d);

/* ---- dest_end.c --------------------------------------------------------- */

/* Lanes are through, or must be: wait for their threads. */
void dest_end_lanes(struct dest *d);
/* Of several consequences of one cause, record the cause. */
void dest_find_cause(struct dest *d, int rc);
/* The guest runs.  What was needed to bring it here goes. */
void dest_settle_in(struct dest *d);
/* Nothing of it is left here, and GO is refused for ever.  rc says why. */
void dest_abandon(struct dest *d, int rc);

/* ---- dest.c, for the others --------------------------------------------- */

/* The source's last word: it has not sent GO and will not. */
int dest_take_error(struct dest *d, const struct wire_record *rec);
/* Bring the figures of what was received up to date.  Thread: any. */
void dest_figures(struct session *s);

/* ---- dest_state.c ------------------------------------------------------- */

/*
 * By the control connection's thread, or, where GO is early, by that of lane
 * 0: then the other one leaves the domain alone until it has all.
 */
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
