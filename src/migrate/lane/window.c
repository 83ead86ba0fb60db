/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Mapping guest pages to be sent: see window.h.
 *
 * A gfn that can't be mapped is no error as such: the guest may have given
 * it up since its bit was set.  The hypervisor is asked, and if it calls the
 * gfn a hole the peer is told, unless it never knew it as anything else.
 */
#include "window.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"

/* Never map more fillers than this for a page. */
#define GAP_MAX 16u

/* Weight of a new sample in a moving mean. */
#define COST_WEIGHT 0.25

int window_init(struct window *w, size_t room)
{
    memset(w, 0, sizeof(*w));
    w->gfns = malloc(room * sizeof(*w->gfns));
    w->errs = malloc(room * sizeof(*w->errs));
    w->todo = malloc(room);
    if ( !w->gfns || !w->errs || !w->todo )
    {
        window_done(w, NULL);
        return -ENOMEM;
    }
    /* Touched now, so that no page fault comes in the switch-over. */
    memset(w->gfns, 0, room * sizeof(*w->gfns));
    memset(w->errs, 0, room * sizeof(*w->errs));
    memset(w->todo, 0, room);
    w->room = room;

    return 0;
}

void window_done(struct window *w, struct hv *hv)
{
    window_unmap(w, hv);
    free(w->gfns);
    free(w->errs);
    free(w->todo);
    memset(w, 0, sizeof(*w));
}

void window_unmap(struct window *w, struct hv *hv)
{
    if ( w->addr )
        hv_unmap(hv, w->addr, w->nr);
    w->addr = NULL;
}

/* How many fillers are cheaper than another run. */
static unsigned int gap_worth(const struct window_cost *cost)
{
    double gap;

    if ( cost->page_us <= 0 || cost->run_us <= 0 )
        return 0;
    gap = cost->run_us / cost->page_us;

    return gap > GAP_MAX ? GAP_MAX : (unsigned int)gap;
}

/* A window that is full ends at the end of a 2 MiB chunk if it can, so that
 * a reader meets chunks whole. */
static bool cut_at_chunk(struct gfn_run *run)
{
    uint64_t beyond = (run->first + run->count) % CHUNK_GFNS;

    if ( !beyond || beyond >= run->count )
        return false;
    run->count -= beyond;

    return true;
}

bool window_fill(struct window *w, const struct sendset *set,
                 uint64_t *cursor, size_t max,
                 const struct window_cost *cost)
{
    unsigned int gap = gap_worth(cost);
    struct gfn_run run;
    bool cut = false;
    uint64_t gfn;

    if ( max > w->room )
        max = w->room;
    w->nr = 0;
    w->nr_runs = 0;

    while ( w->nr < max &&
            pageset_next_run(&set->pending, *cursor, max - w->nr, &run) )
    {
        if ( w->nr && run.first > *cursor && run.first - *cursor <= gap &&
             run.first - *cursor < max - w->nr )
        {
            for ( gfn = *cursor; gfn < run.first; gfn++ )
            {
                w->gfns[w->nr] = gfn;
                w->todo[w->nr++] = WINDOW_NOTHING;
            }
        }
        else if ( !w->nr || run.first > *cursor )
            w->nr_runs++;
        if ( run.count > max - w->nr )
            run.count = max - w->nr;
        cut = run.count == max - w->nr && cut_at_chunk(&run);
        for ( gfn = run.first; gfn < run.first + run.count; gfn++ )
        {
            w->gfns[w->nr] = gfn;
            w->todo[w->nr++] = WINDOW_PAGE;
        }
        *cursor = run.first + run.count;
        if ( cut )
            break;
    }

    return w->nr;
}

/* Small windows say little: what a call costs is in every one of them. */
static void learn(struct window_cost *cost, const struct window *w,
                  uint64_t us)
{
    double one;

    if ( w->nr < 256 )
        return;
    if ( w->nr_runs <= w->nr / 256 )
    {
        one = (double)us / w->nr;
        cost->page_us += (one - cost->page_us) *
                         (cost->page_us > 0 ? COST_WEIGHT : 1);
    }
    else if ( cost->page_us > 0 && w->nr_runs >= 64 )
    {
        one = ((double)us - cost->page_us * w->nr) / w->nr_runs;
        if ( one < 0 )
            one = 0;
        cost->run_us += (one - cost->run_us) *
                        (cost->run_us > 0 ? COST_WEIGHT : 1);
    }
}

/*
 * Entry i could not be mapped: is it a hole now?  If not, it may have been
 * one for a moment, and the dirty log will bring it; or that was an error,
 * which the last round will meet again.
 */
static int classify(struct window *w, struct hv *hv, struct err *e,
                    uint32_t domid, struct sendset *set, size_t i,
                    uint16_t epoch, bool live, struct pageset *types)
{
    int rc;

    if ( !types->words )
    {
        rc = pageset_init(types, set->nr_gfns);
        if ( rc )
            return err_set(e, rc, "look at a page's type: %s", err_text(rc));
    }
    rc = hv_page_types(hv, e, domid, w->gfns[i], 1, types, NULL);
    if ( rc )
        return rc;
    if ( pageset_test(types, w->gfns[i]) )
    {
        if ( !live )
            return err_set(e, w->errs[i], "map gfn %#lx of domain %u: %s",
                           (unsigned long)w->gfns[i], domid,
                           err_text(w->errs[i]));
        w->todo[i] = WINDOW_NOTHING;
        return 0;
    }
    w->todo[i] = pageset_test(&set->present, w->gfns[i]) ? WINDOW_HOLE
                                                         : WINDOW_NOTHING;
    sendset_sent_hole(set, w->gfns[i], epoch);

    return 0;
}

int window_map(struct window *w, struct hv *hv, struct err *e,
               uint32_t domid, struct sendset *set, uint16_t epoch,
               bool live, struct window_cost *cost)
{
    uint64_t begin_us = clock_now_us();
    struct pageset types = { 0 };
    void *addr = NULL;
    size_t i;
    int rc;

    rc = hv_map(hv, e, domid, false, w->gfns, w->nr, w->errs, &addr);
    if ( rc )
        return rc;
    w->addr = addr;
    learn(cost, w, clock_now_us() - begin_us);

    for ( i = 0; i < w->nr; i++ )
    {
        if ( w->todo[i] == WINDOW_NOTHING )
            continue;
        if ( w->errs[i] )
        {
            rc = classify(w, hv, e, domid, set, i, epoch, live, &types);
            if ( rc )
                break;
        }
        else
            sendset_sent_page(set, w->gfns[i], epoch);
    }
    pageset_done(&types);

    return rc;
}
