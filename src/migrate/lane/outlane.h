/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * A lane at the source that turns windows into batches on a bulk connection.
 */
#ifndef XMIG_OUTLANE_H
#define XMIG_OUTLANE_H

#include "conn.h"
#include "laneout.h"

/* What outlane_new() and outcode_new() make a lane from. */
struct outlane_config
{
    struct conn *conn;           /* borrowed; its error record becomes the
                                    lane's */
    unsigned int lane, nr_lanes;
    bool find_zeros;             /* pages of zeros travel as marks */
    bool find_fills;             /* with find_zeros: those that consist of any
                                    other 32-bit word, too */
    unsigned int first_access;   /* enum opt_first_access */
    struct xentoollog_logger *logger;
};

/* -ENOMEM */
int outlane_new(const struct outlane_config *cfg, struct laneout **ret_out);
/* So many pages of this round have gone another way on the connection. */
void outlane_count(struct laneout *o, uint64_t pages);

#endif
