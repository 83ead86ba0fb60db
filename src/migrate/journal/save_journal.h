/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The journal of a save: so that a guest whose saver was killed does not stay
 * suspended with nobody to resume it (docs/stream.md section 3).
 */
#ifndef XMIG_SAVE_JOURNAL_H
#define XMIG_SAVE_JOURNAL_H

#include "describe.h"
#include "journal.h"
#include "session.h"

/*
 * Before the guest is asked to suspend.
 *   -EBUSY  a migration or save of the domain runs, or is unsettled
 */
int save_journal_begin(struct xmig *x, uint32_t domid,
                       const struct description *desc,
                       struct journal **ret_j);
/* The guest is being asked. */
int save_journal_suspending(struct journal *j, struct err *e);
/* The image is whole: from here on the domain's end is what is wanted. */
int save_journal_written(struct journal *j, struct err *e);
/*
 * It has ended: gone says that the domain is in the file, else it runs on
 * here; not at all if it is still suspended, or may yet obey (asked).
 */
void save_journal_end(struct journal *j, bool gone, bool suspended,
                      bool asked);

#endif
