/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Pages that are not worth sending yet: they will be dirty again when the
 * round ends.
 *
 * A page is hot if two looks at the dirty log in a row have found it dirty.
 * Where the longer of the times before these looks is shorter than the next
 * round, that round would send it in vain.  As rounds become shorter than
 * that, what was kept back goes with all else; and what is not dirtied any
 * more is not hot.
 *
 * Knows neither hypervisor nor mover.  Thread: the engine's.
 */
#ifndef XMIG_HOTPAGES_H
#define XMIG_HOTPAGES_H

#include "pages.h"

struct hotpages
{
    struct pageset before;       /* found dirty by the last look */
    struct pageset hot;          /* by the last two */
    uint64_t looked_us;          /* when that was, or logging began */
    uint64_t times_us[2];        /* since the look before, of the last two */
};

/* The log is about to be switched on.  -ENOMEM */
int hotpages_init(struct hotpages *h, uint64_t nr_gfns);
/* No-op on a zeroed one. */
void hotpages_done(struct hotpages *h);

/* The dirty log has been fetched, and contains dirty. */
void hotpages_note(struct hotpages *h, const struct pageset *dirty);
/*
 * A round of pending is about to be sent, at goodput_bps bytes of pages in a
 * second.  Returns those of pending that had better be kept out of it, until
 * the next note; NULL: none.
 */
const struct pageset *hotpages_keep_back(struct hotpages *h,
                                         const struct pageset *pending,
                                         uint64_t goodput_bps);

#endif
