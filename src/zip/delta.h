/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * A page as the changes against what it was: the deltas of CODED
 * (docs/stream.md 2.5).  Pure functions.
 *
 * Steps of 16 bits, each followed by its new words of 8 bytes: so many words
 * stay, so many are new.  The changed bytes themselves travel and not the
 * difference, so that applying writes only what has changed.
 */
#ifndef XMIG_DELTA_H
#define XMIG_DELTA_H

#include <stddef.h>
#include <stdint.h>

#include "err.h"

/* The longest one that may travel; above it a page goes whole. */
#define DELTA_MAX 4094u

/*
 * From was to is, both of 4096 bytes, aligned to 8, and unchanging.  Returns
 * its length, 0 when they are equal; more than room when it does not fit
 * (room at most DELTA_MAX), and then out's contents mean nothing.
 */
size_t delta_encode(const void *was, const void *is, void *out, size_t room);
/* -EPROTO and a sentence when it breaks the rules; then it is not applied. */
int delta_check(const void *delta, size_t len, struct err *e);
/* One that delta_check() has passed, on a page that is what the delta was
 * made from. */
void delta_apply(void *page, const void *delta, size_t len);

#endif
