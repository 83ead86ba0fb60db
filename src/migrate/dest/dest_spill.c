/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * A post-copy at the destination that has lost its source, and has a spill:
 * what stands there is placed while nobody else places anything.  The source
 * may still be writing it, so its end is looked for again and again.
 *
 * Thread: the engine's.
 */
#include "dest_split.h"

#include <errno.h>

static const char *directory(const struct dest *d)
{
    return opt_str(d->s.opts, NULL, "postcopy-spill");
}

/* It is of no more use, but what came before counts. */
static void give_up(struct dest *d, struct err *e)
{
    struct split *sp = d->split;
    struct xmig_error rec;

    err_copy(e, &rec);
    LOG_WARN(d->s.logger, "%s; that and what follows it is not used, %lu "
             "pages of \"%s\" are at its source only", rec.text,
             (unsigned long)sp->left.left, d->s.name);
    sp->spill_spoiled = true;
}

static int open_it(struct dest *d, struct err *e)
{
    struct split *sp = d->split;
    int rc = 0;

    if ( !sp->spill )
        rc = spill_open(directory(d), d->s.id, d->s.nr_gfns, e, &sp->spill);
    if ( !rc && !sp->spill_placer.pl )
        rc = dest_placer_open(d, &sp->spill_placer);

    return rc;
}

static int place_batch(struct dest *d, const struct spill_page *pages,
                       unsigned int nr)
{
    struct split *sp = d->split;
    unsigned int i;
    int rc = 0;

    for ( i = 0; !rc && i < nr; i++ )
    {
        /* Most of it has come otherwise. */
        if ( !claimset_test(&sp->left, pages[i].gfn) )
            continue;
        rc = dest_place(d, &sp->spill_placer, pages[i].gfn, 1,
                        pages[i].kind, pages[i].page);
        sp->spilled += !rc;
    }

    return rc;
}

/* Who waits in the ring still lacks nothing. */
static void answer_all(struct split *sp)
{
    struct hv_pager_request rq;

    while ( !hv_pager_next(sp->pager, NULL, &rq) )
        hv_pager_answer(sp->pager, NULL, &rq, 1);
}

static void keep_figures(struct dest *d)
{
    struct xmig_stats *now = stats_edit(&d->stats);

    now->postcopy_spilled = d->split->spilled;
    now->remaining_bytes = d->split->left.left * PAGE_BYTES;
    stats_edited(&d->stats);
}

bool dest_spill_take(struct dest *d)
{
    struct split *sp = d->split;
    const struct spill_page *pages;
    unsigned int nr;
    struct err e;
    int rc;

    if ( !*directory(d) || sp->spill_spoiled )
        return false;
    err_init(&e);
    sp->spill_placer.err = &e;
    rc = open_it(d, &e);
    while ( !rc && sp->left.left && !dest_is_lent(d) )
    {
        rc = spill_next(sp->spill, &e, &pages, &nr);
        if ( !rc )
            rc = place_batch(d, pages, nr);
    }
    keep_figures(d);
    if ( !sp->left.left )
    {
        answer_all(sp);
        LOG_INFO(d->s.logger, "\"%s\" is whole: %lu pages of it came out of "
                 "the spill in %s", d->s.name, (unsigned long)sp->spilled,
                 directory(d));
    }
    /* Not there yet, or not whole yet: it may become so. */
    else if ( rc && rc != -ENOENT && rc != -EAGAIN && rc != -ENODATA )
        give_up(d, &e);
    sp->spill_placer.err = NULL;
    err_done(&e);

    return !sp->left.left;
}

void dest_spill_done(struct dest *d, bool of_no_use)
{
    struct split *sp = d->split;

    spill_reader_close(sp->spill);
    sp->spill = NULL;
    dest_placer_done(&sp->spill_placer);
    /* Its source may be gone, or another process than that which made it. */
    if ( of_no_use && *directory(d) )
        spill_remove(directory(d), d->s.id, NULL);
}
