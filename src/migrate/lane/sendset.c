/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Per-gfn state at the source: see sendset.h.  Bitmaps, because a dirty log
 * is one, and because merging, counting and walking 64 gfns at a time keeps
 * the switch-over short.  Knows neither lanes nor hypervisor.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sendset.h"

int sendset_init(struct sendset *set, uint64_t nr_gfns)
{
    struct pageset *all[] = { &set->pending, &set->held, &set->skipped,
                              &set->absent, &set->sent, &set->present };
    unsigned int i;
    int rc;

    memset(set, 0, sizeof(*set));
    set->nr_gfns = nr_gfns;

    for ( i = 0; i < sizeof(all) / sizeof(all[0]); i++ )
    {
        rc = pageset_init(all[i], nr_gfns);
        if ( rc )
            goto fail;
    }
    set->epoch = calloc(nr_gfns + 1, sizeof(*set->epoch));
    rc = set->epoch ? 0 : -ENOMEM;
    if ( !rc )
        return 0;

fail:
    sendset_done(set);
    return rc;
}

void sendset_done(struct sendset *set)
{
    pageset_done(&set->pending);
    pageset_done(&set->held);
    pageset_done(&set->skipped);
    pageset_done(&set->absent);
    pageset_done(&set->sent);
    pageset_done(&set->present);
    free(set->epoch);
    memset(set, 0, sizeof(*set));
}

enum send_state sendset_state(const struct sendset *set, uint64_t gfn)
{
    if ( pageset_test(&set->pending, gfn) )
        return SEND_PENDING;
    if ( pageset_test(&set->held, gfn) )
        return SEND_HELD;
    if ( pageset_test(&set->skipped, gfn) )
        return SEND_SKIPPED;
    if ( pageset_test(&set->absent, gfn) )
        return SEND_ABSENT;
    if ( pageset_test(&set->sent, gfn) )
        return SEND_SENT;
    return SEND_NONE;
}

/* Out of every state that excludes the others. */
static void leave(struct sendset *set, uint64_t gfn)
{
    pageset_clear(&set->pending, gfn);
    pageset_clear(&set->held, gfn);
    pageset_clear(&set->skipped, gfn);
    pageset_clear(&set->absent, gfn);
}

void sendset_pend(struct sendset *set, uint64_t gfn)
{
    leave(set, gfn);
    pageset_set(&set->pending, gfn);
}

void sendset_pend_set(struct sendset *set, const struct pageset *gfns)
{
    pageset_or(&set->pending, gfns);
    if ( !pageset_empty(&set->held) )
        pageset_andnot(&set->held, gfns);
    if ( !pageset_empty(&set->skipped) )
        pageset_andnot(&set->skipped, gfns);
    if ( !pageset_empty(&set->absent) )
        pageset_andnot(&set->absent, gfns);
}

void sendset_pend_held(struct sendset *set)
{
    if ( pageset_empty(&set->held) )
        return;
    pageset_or(&set->pending, &set->held);
    pageset_zero(&set->held);
}

void sendset_pend_skipped(struct sendset *set)
{
    if ( pageset_empty(&set->skipped) )
        return;
    pageset_or(&set->pending, &set->skipped);
    pageset_zero(&set->skipped);
}

void sendset_hold_set(struct sendset *set, const struct pageset *gfns)
{
    pageset_or(&set->held, gfns);
    pageset_andnot(&set->pending, gfns);
}

void sendset_skip(struct sendset *set, uint64_t gfn)
{
    leave(set, gfn);
    pageset_set(&set->skipped, gfn);
}

void sendset_leave_absent(struct sendset *set, uint64_t gfn)
{
    leave(set, gfn);
    pageset_set(&set->absent, gfn);
}

void sendset_leave_all_absent(struct sendset *set)
{
    pageset_or(&set->absent, &set->pending);
    pageset_zero(&set->pending);
}

void sendset_sent_page(struct sendset *set, uint64_t gfn, uint16_t epoch)
{
    leave(set, gfn);
    pageset_set(&set->sent, gfn);
    pageset_set(&set->present, gfn);
    set->epoch[gfn] = epoch;
}

void sendset_sent_hole(struct sendset *set, uint64_t gfn, uint16_t epoch)
{
    leave(set, gfn);
    pageset_clear(&set->sent, gfn);
    pageset_clear(&set->present, gfn);
    set->epoch[gfn] = epoch;
}
