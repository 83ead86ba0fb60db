/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Where a lane of the mover puts its pages: a bulk connection (outlane.h) or
 * an image stream (outimage.h).  The mover knows no more of it than this.
 */
#ifndef XMIG_LANEOUT_H
#define XMIG_LANEOUT_H

#include "window.h"

struct laneout;

/* Called by one thread at a time. */
struct laneout_ops
{
    /* A round begins. */
    void (*round)(struct laneout *o, uint32_t round);
    /* Send those of the window's entries that are this lane's.  Nothing of
     * the window is needed any more on return. */
    int (*window)(struct laneout *o, const struct window *w);
    int (*round_end)(struct laneout *o);
    /* Bytes written so far.  Thread: any. */
    uint64_t (*bytes)(const struct laneout *o);
    void (*free)(struct laneout *o);
};

struct laneout
{
    /* set at the start, then read-only */
    const struct laneout_ops *ops;
    struct err *err;             /* where it records its failures */
    /* read by other threads */
    _Atomic uint64_t normal_pages, zero_pages;
};

#endif
