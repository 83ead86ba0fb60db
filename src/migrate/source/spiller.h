/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Writing the spill of a post-copy at its source (spill.h): a thread of its
 * own writes what the destination lacks at the switch beside the push,
 * whatever becomes of the connections.  It begins at the upper end, as the
 * push begins at the lower one: what either has done the other need not.
 *
 * A spill that can't be written is said, and does without; a migration never
 * fails for it.
 *
 * Thread: the engine's.
 */
#ifndef XMIG_SPILLER_H
#define XMIG_SPILLER_H

#include "session.h"
#include "spill.h"

struct spiller;

/* Make the file, while the guest still runs here.  NULL: there is none, which
 * has been said. */
struct spiller *spiller_open(struct session *s, const char *dir);
/* It runs there, without these; what is here does not change any more. */
void spiller_start(struct spiller *sp, const struct pageset *left);
/* For who asks how far it is.  sp may be NULL. */
void spiller_figures(struct spiller *sp, struct xmig_stats *now);
/* Until it is whole, or can't become so.  sp may be NULL. */
void spiller_wait(struct spiller *sp);
/* Ends it where it is.  keep: the file stays.  sp may be NULL. */
void spiller_close(struct spiller *sp, bool keep);

#endif
