/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * A window: guest pages that are mapped at the source, in order to be read
 * and sent once.  It lives for one round at most: a mapping pins the frame,
 * and a gfn that is ballooned out and in again has another one.
 */
#ifndef XMIG_WINDOW_H
#define XMIG_WINDOW_H

#include "hv.h"
#include "sendset.h"

/* What is to be done with an entry. */
enum window_do
{
    WINDOW_NOTHING,              /* a filler, or a hole that stays one */
    WINDOW_PAGE,                 /* mapped: send it */
    WINDOW_HOLE,                 /* it has become a hole: say so */
};

struct window
{
    size_t room;                 /* entries there is room for */
    size_t nr;
    uint64_t *gfns;              /* ascending */
    int *errs;
    uint8_t *todo;               /* enum window_do */
    uint8_t *addr;               /* of entry 0; NULL = not mapped */
    size_t nr_runs;              /* of consecutive gfns */
};

/* What mapping costs here, to decide whether a small gap between two pages
 * is better mapped along: learnt from the windows themselves. */
struct window_cost
{
    double page_us, run_us;      /* 0 = not known yet */
};

/* -ENOMEM */
int window_init(struct window *w, size_t room);
void window_done(struct window *w, struct hv *hv);

/*
 * Fill with the next pending gfns from *cursor on, at most max, and move
 * *cursor behind them.  False when there is none.
 */
bool window_fill(struct window *w, const struct sendset *set,
                 uint64_t *cursor, size_t max,
                 const struct window_cost *cost);
/*
 * Map it, find out what has become a hole, and note in set that its gfns
 * have been sent in epoch.  While the guest runs (live) a gfn may have been a
 * hole for a moment only: it stays pending.
 */
int window_map(struct window *w, struct hv *hv, struct err *e,
               uint32_t domid, struct sendset *set, uint16_t epoch,
               bool live, struct window_cost *cost);
void window_unmap(struct window *w, struct hv *hv);

#endif
