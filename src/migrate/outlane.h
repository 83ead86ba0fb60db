/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * A lane at the source: turns windows into batches on a bulk connection.
 * No thread of its own; whoever calls, one at a time.
 */
#ifndef XMIG_OUTLANE_H
#define XMIG_OUTLANE_H

#include "conn.h"
#include "window.h"
#include "wire.h"

struct outlane
{
    /* set at the start, then read-only */
    struct conn *conn;
    unsigned int lane, nr_lanes;
    bool find_zeros;

    /* the batch under construction */
    uint32_t round;
    struct wire_run *runs;
    struct iovec *iov;
    uint8_t *meta;
    uint32_t nr_runs, nr_data;
    size_t nr_iov;

    uint64_t round_pages;        /* all runs of this round */
    /* read by other threads */
    _Atomic uint64_t normal_pages, zero_pages;
};

/* conn is borrowed.  -ENOMEM */
int outlane_init(struct outlane *l, struct conn *conn, unsigned int lane,
                 unsigned int nr_lanes, bool find_zeros);
void outlane_done(struct outlane *l);

void outlane_round(struct outlane *l, uint32_t round);
/* Send those of the window's pages that are this lane's.  Nothing of the
 * window is needed any more on return. */
int outlane_window(struct outlane *l, const struct window *w);
int outlane_round_end(struct outlane *l);

#endif
