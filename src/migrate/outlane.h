/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * A lane at the source that turns windows into batches on a bulk connection.
 */
#ifndef XMIG_OUTLANE_H
#define XMIG_OUTLANE_H

#include "conn.h"
#include "laneout.h"

/* conn is borrowed, its error record becomes the lane's.  -ENOMEM */
int outlane_new(struct conn *conn, unsigned int lane, unsigned int nr_lanes,
                bool find_zeros, struct laneout **ret_out);

#endif
