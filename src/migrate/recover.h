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
 * Returns what holds then: JOURNAL_STARTED, JOURNAL_ABANDONED,
 * JOURNAL_MAY_START (of another boot: nobody can know) or -errno; -EBUSY:
 * somebody runs it.
 */
int recover_destination(struct session *s, const uint8_t id[IDENT_BYTES],
                        struct err *e);
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
 * process runs it.  abandon: the source will not send GO.
 */
int recover_outcome(struct session *s, const uint8_t id[IDENT_BYTES],
                    bool abandon, struct err *e, struct wire_outcome *ret);

#endif
