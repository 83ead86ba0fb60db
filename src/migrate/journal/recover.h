/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Settling migrations from their journals.
 */
#ifndef XMIG_RECOVER_H
#define XMIG_RECOVER_H

#include "journal.h"
#include "session.h"
#include "wire.h"

/*
 * A destination's journal that nobody runs: finish what was STARTED, abandon
 * what was not and can't have been.
 *
 * Returns what holds then: JOURNAL_STARTED, JOURNAL_ABANDONED, JOURNAL_SPLIT,
 * JOURNAL_LOST, JOURNAL_MAY_START (of another boot: nobody can know) or
 * -errno; -EBUSY: somebody runs it.
 */
int recover_destination(struct session *s, const uint8_t id[IDENT_BYTES],
                        struct err *e);
/*
 * The same of ent, by the operator's word.  fenced: its source is off for
 * good, so a post-copy that waits for it need not any more; who runs it is
 * told so.  -ENODATA: it is lost, and how much of it was missing is said.
 */
int recover_destination_by_hand(struct session *s,
                                const struct journal_entry *ent, bool fenced);
/*
 * A source's journal that nobody runs and whose guest runs here: close it.
 * Not 0: it can't be closed so easily.
 */
int recover_if_running(struct session *s, const uint8_t id[IDENT_BYTES]);
/*
 * Is nothing under way with the domain s->domid?  What is open and needs no
 * more (recover_if_running()) is closed.
 *   -EBUSY  a migration or a save of it runs, or is unsettled
 */
int recover_check_free(struct session *s, const uint8_t uuid[IDENT_BYTES]);
/* All destinations' journals that are open; failures are logged. */
void recover_destinations(struct session *s);

/*
 * What this destination says of a migration, for OUTCOME; nobody in this
 * process runs it.  flags are the QUERY's.
 */
int recover_outcome(struct session *s, const uint8_t id[IDENT_BYTES],
                    uint32_t flags, struct err *e, struct wire_outcome *ret);
/* What a journal's state says to a source; the text is its name. */
void recover_tell(enum journal_state st, struct wire_outcome *ret);

#endif
