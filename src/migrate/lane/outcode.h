/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * A lane at the source that codes its pages where that pays, and else hands
 * its windows to a plain lane (outlane.h) on the same connection.
 */
#ifndef XMIG_OUTCODE_H
#define XMIG_OUTCODE_H

#include "coder.h"
#include "outlane.h"

/* c is borrowed; plain is taken over on success.  -ENOMEM */
int outcode_new(const struct outlane_config *cfg, struct coder *c,
                struct laneout *plain, struct laneout **ret_out);

#endif
