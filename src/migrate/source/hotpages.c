/* SPDX-License-Identifier: LGPL-2.1-only */
/* Pages that are dirtied again and again: see hotpages.h. */
#include "hotpages.h"

#include "clock.h"

int hotpages_init(struct hotpages *h, uint64_t nr_gfns)
{
    int rc = pageset_init(&h->before, nr_gfns);

    if ( !rc )
        rc = pageset_init(&h->hot, nr_gfns);
    h->looked_us = clock_now_us();

    return rc;
}

void hotpages_done(struct hotpages *h)
{
    pageset_done(&h->before);
    pageset_done(&h->hot);
}

void hotpages_note(struct hotpages *h, const struct pageset *dirty)
{
    uint64_t now = clock_now_us();

    h->times_us[0] = h->times_us[1];
    h->times_us[1] = now - h->looked_us;
    h->looked_us = now;
    pageset_copy(&h->hot, &h->before);
    pageset_and(&h->hot, dirty);
    pageset_copy(&h->before, dirty);
}

const struct pageset *hotpages_keep_back(struct hotpages *h,
                                         const struct pageset *pending,
                                         uint64_t goodput_bps)
{
    uint64_t longest = h->times_us[0] > h->times_us[1] ? h->times_us[0]
                                                       : h->times_us[1];
    uint64_t rest;

    pageset_and(&h->hot, pending);
    rest = pending->count - h->hot.count;
    if ( pageset_empty(&h->hot) ||
         (double)rest * PAGE_BYTES * US_PER_S < (double)longest *
                                                (double)goodput_bps )
        return NULL;

    return &h->hot;
}
