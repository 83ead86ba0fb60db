/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The rounds of a migration at the source: log-dirty, what is to be sent,
 * the mover, the verdicts.  What there is at the other end, a peer that
 * speaks the session protocol or the mere reader of a stream, is told and
 * asked through struct rounds_peer.
 *
 * Thread: the engine's.
 */
#ifndef XMIG_ROUNDS_H
#define XMIG_ROUNDS_H

#include "coder.h"
#include "hotpages.h"
#include "mover.h"
#include "pause_memo.h"
#include "rounds_early.h"
#include "sendset.h"
#include "session.h"

/* Any may be NULL: then there is nothing to be done. */
struct rounds_peer
{
    /* The round is about to be sent. */
    int (*begin)(void *data, unsigned int round, bool last, uint64_t pages);
    /* The first round is being sent by threads: time for what takes time. */
    int (*meanwhile)(void *data);
    /* While threads send: control() is called when fd is readable. */
    int (*control)(void *data);
    /* The round has been sent: wait until the peer has placed it, or will not
     * be far behind. */
    int (*placed)(void *data, unsigned int round);
    /* The guest is about to be suspended; wait if a pause would take longer
     * now than in a moment: then *ret_waited is set. */
    int (*settle)(void *data, bool *ret_waited);
    /* Bytes written beside the lanes' so far. */
    uint64_t (*bytes)(void *data);
};

struct rounds
{
    /* set at the start, then read-only */
    struct session *s;
    const struct rounds_peer *peer;
    void *data;                  /* of peer */
    uint64_t rtt_us;             /* one question and its answer, 0 = not
                                    known */
    bool early_go;               /* GO goes with the state */
    struct pause_memo memo;      /* all 0: of a save */
    struct coder *coder;         /* of the lanes; NULL: pages go as they are */
    struct bucket *bucket;       /* follows the option; NULL: there is none */

    struct hv_dirty *dirty;
    struct pageset log;          /* scratch: one fetch of the dirty log */
    struct sendset set;
    struct rounds_early early;
    struct hotpages hotpages;
    struct pageset told;         /* absent at the peer; empty unless post-copy
                                    has been prepared */
    struct pageset kept;         /* could not be made absent there */
    struct mover *mover;         /* opened by the caller, closed here */
    uint64_t told_holes;         /* of told and present, holes meanwhile */
    int64_t tot_offset;          /* tot_pages - gfns known as populated, when
                                    nothing escaped us */
    unsigned int round;          /* being sent, or the next */
    uint64_t goodput_bps;        /* of the guest's pages */
    uint64_t saved_bytes;        /* by coding, up to the last weighing */
    uint64_t live_begin_us, round_begin_us;
    uint64_t fetch_us;           /* the last fetch of the dirty log took */
    uint64_t held_pages;         /* kept out of this round */
    uint64_t dirtied_pages;      /* in the last round */
    uint64_t working_set_pages;  /* most pages found dirty after a round */
    uint64_t bandwidth_bps;      /* the bucket's rate */
    bool last_by_threads;        /* the last round is the mover's threads' */
    uint64_t last_pages;         /* in it */
};

/* What is populated found out; log-dirty on before, if live.  Sets of
 * post-copy are there if the session may become one. */
int rounds_begin(struct rounds *r, bool live);
/* Copy while the guest runs, until it is time to switch over.  control_fd:
 * see struct rounds_peer, -1 = none. */
int rounds_live(struct rounds *r, int control_fd);
/*
 * The guest still runs, and what is left is to follow: what should be absent
 * at the peer is what set.absent has beyond told.  Look once more what has
 * been dirtied, or has become populated; *ret_pages: pending, without what the
 * peer has as absent already.
 */
int rounds_leave_look(struct rounds *r, uint64_t *ret_pages);
/* Have the mechanisms leave what is pending absent. */
int rounds_leave(struct rounds *r);
/*
 * The guest is suspended, info is what the hypervisor says of it: collect
 * what is left; begin to send it as the last round, if there is enough of it
 * for the threads; send it, or wait until it is sent.
 */
int rounds_last_collect(struct rounds *r, const struct hv_domain *info);
int rounds_last_start(struct rounds *r);
/* Tell of its progress until the threads are through. */
int rounds_last_watch(struct rounds *r);
int rounds_last_finish(struct rounds *r);
/* Log-dirty off, threads ended, nothing mapped.  No-op on a zeroed one. */
void rounds_end(struct rounds *r);

/* ---- rounds_figures.c --------------------------------------------------- */

/* A round of so many pages is under way; before: counts at its start.
 * Returns how many of them have been sent. */
uint64_t rounds_tell(struct rounds *r, uint64_t round_pages,
                     const struct mover_counts *before);
/* Options that may have been set meanwhile. */
void rounds_heed(struct rounds *r);
/* Of a pause, what is the link's. */
struct rounds_trips
{
    uint64_t state_us, commit_us;
    uint64_t back_us;            /* of RUNNING, in none of them: the guest runs
                                    then.  0 on a link where half a round trip
                                    is not worth a guess */
};
struct rounds_trips rounds_trips(const struct rounds *r);
/* It has ended and the log has been fetched. */
void rounds_weigh(struct rounds *r, struct round_stats *st,
                  const struct mover_counts *before);

#endif
