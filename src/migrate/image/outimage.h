/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * A lane at the source that turns windows into PAGE_DATA records of an image
 * stream, for any reader: zero pages travel whole.
 */
#ifndef XMIG_OUTIMAGE_H
#define XMIG_OUTIMAGE_H

#include "image_write.h"
#include "laneout.h"

/* Both are borrowed; out is used by the lane's thread during a round and by
 * nobody else.  -ENOMEM */
int outimage_new(struct image_out *out, struct err *e,
                 struct laneout **ret_out);

#endif
