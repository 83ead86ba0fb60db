/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The guest's memory at the destination: populated and mapped ahead of the
 * lanes by a helper thread, written by the lanes.  Where the first access to a
 * page is dear the helper makes that, too, as far as it is ahead.
 *
 * A 2 MiB chunk belongs to one lane (docs/stream.md 2.6), so what is kept
 * per gfn is touched by one thread only, once the chunk is ready; making a
 * chunk ready is done by whoever comes first, helper or lane.
 */
#ifndef XMIG_PLACE_H
#define XMIG_PLACE_H

#include "conn.h"
#include "hv.h"
#include "hv_pager.h"
#include "session.h"
#include "wire.h"

struct place;

/* What one lane keeps; zeroed at the start. */
struct place_lane
{
    struct hv *hv;               /* for what it maps itself; lazily made */
    int64_t received;            /* gfns newly received, less new holes */
    struct err *err;
};

int place_new(struct session *s, uint32_t domid, uint64_t nr_gfns,
              struct place **ret_p);
/* Lanes and helper have ended; unmaps.  p may be NULL. */
void place_free(struct place *p);

/*
 * Never let a page from the wire overwrite this gfn: the rings with xenstore,
 * console and ioreq, which begin anew; populate it, before the lanes begin,
 * unless somebody else does.
 */
int place_own(struct place *p, uint64_t gfn, bool populate);

/* These gfns are populated at the source: the helper begins with them. */
int place_ahead(struct place *p, const struct pageset *present);
/* Record what the helper has failed of, if it has; returns the code. */
int place_ahead_error(struct place *p, struct err *e);
/* End the helper, done or not. */
void place_ahead_end(struct place *p);

/*
 * Place a run: data is count pages (DATA), the word (FILL, uint32_t) or NULL.
 * The run lies in range and in the lane's chunks (checked by
 * wire_runs_decode()).
 */
int place_run(struct place *p, struct place_lane *l, uint64_t gfn,
              uint64_t count, enum wire_kind kind, const void *data);
/*
 * Change a page that has been placed: delta is one that delta_check() has
 * passed.
 *   -EPROTO  there is no such page
 */
int place_delta(struct place *p, struct place_lane *l, uint64_t gfn,
                const void *delta, size_t len);
/* Open what it takes to map pages itself; else that is done at the first. */
int place_lane_open(struct place *p, struct place_lane *l);
void place_lane_done(struct place_lane *l);

/* ---- place_absent.c: post-copy ------------------------------------------ */

/*
 * Make these gfns absent, whether they have frames or not, and note them as
 * received; those that can't be are set in kept.  What the windows that they
 * lie in have besides is written apart from then on.  No lane is at work.
 * tick (may be NULL) is called now and then; not 0 ends it.
 */
int place_make_absent(struct place *p, struct hv_placer *pl, struct err *e,
                      const struct pageset *gfns, struct pageset *absent,
                      struct pageset *kept, int (*tick)(void *data),
                      void *data);
/* Received by place_make_absent(), less those that lanes have counted. */
int64_t place_absent_received(const struct place *p);

/* Nothing is written any more; ends the helper. */
void place_unmap(struct place *p);

#endif
