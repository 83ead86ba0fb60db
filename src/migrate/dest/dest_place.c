/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Placing pages while the guest runs: each once, as hv_pager.h sees to.  A
 * page that comes too late is dropped and counted.
 */
#include "dest_split.h"

#include <errno.h>
#include <string.h>

/* The host is short of memory for a moment, its claim notwithstanding. */
#define NOMEM_TRIES   50
#define NOMEM_WAIT_US (20 * US_PER_MS)

int dest_placer_open(struct dest *d, struct dest_placer *p)
{
    return hv_placer_open(d->split->pager, p->err, DEST_PLACER_PAGES,
                          &p->pl);
}

void dest_placer_done(struct dest_placer *p)
{
    hv_placer_close(p->pl);
    hv_close(p->hv);
    p->pl = NULL;
    p->hv = NULL;
}

/* They are not absent any more, whoever did it. */
static void settle(struct split *sp, uint64_t gfn, uint64_t count)
{
    bool last = false;

    for ( ; count; gfn++, count-- )
        last |= claimset_take(&sp->left, gfn) && !sp->left.left;
    if ( last )
        dest_split_wake(sp);
}

/* The first n pages of the buffer. */
static int place_some(struct dest *d, struct dest_placer *p,
                      const uint64_t *gfns, unsigned int n)
{
    struct hv_pager_request rq[HV_PAGER_PENDING_MAX];
    struct split *sp = d->split;
    unsigned int i, tries, run, nr_rq = 0;
    int errs[DEST_PLACER_PAGES], rc;

    rc = hv_placer_place(p->pl, p->err, 0, gfns, n, errs);
    for ( i = 0; !rc && i < n; i++ )
    {
        for ( tries = 0; errs[i] == -ENOMEM && tries < NOMEM_TRIES; tries++ )
        {
            cancel_poll(&d->stop, -1, 0, deadline_in(NOMEM_WAIT_US));
            rc = hv_placer_place(p->pl, p->err, i, &gfns[i], 1, &errs[i]);
            if ( rc )
                return rc;
        }
        if ( errs[i] && errs[i] != -EEXIST )
            return err_set(p->err, errs[i], "place gfn %#lx of domain %u: %s",
                           (unsigned long)gfns[i], d->s.domid,
                           err_text(errs[i]));
        sp->placed += !errs[i];
        sp->dropped += errs[i] == -EEXIST;
    }
    if ( rc )
        return rc;
    for ( i = 0; i < n; i += run )
    {
        for ( run = 1; i + run < n && gfns[i + run] == gfns[i] + run; run++ )
            ;
        settle(sp, gfns[i], run);
        nr_rq += faults_take(&sp->faults, gfns[i], run, clock_now_us(),
                             rq + nr_rq);
    }

    return nr_rq ? hv_pager_answer(sp->pager, p->err, rq, nr_rq) : 0;
}

/*
 * They are holes at the source: take the absent ones away.  The guest must
 * not populate one at this moment, so it stands still for that.
 */
static int place_holes(struct dest *d, struct dest_placer *p, uint64_t gfn,
                       uint64_t count)
{
    struct hv_pager_request rq[HV_PAGER_PENDING_MAX];
    struct split *sp = d->split;
    struct pageset look = { 0 };
    struct gfn_run run = { 0 };
    unsigned int nr_rq;
    int rc;

    if ( !p->hv )
        rc = hv_clone(d->s.hv, p->err, &p->hv);
    else
        rc = 0;
    if ( !rc )
        rc = pageset_init(&look, d->s.nr_gfns);
    if ( !rc )
        rc = hv_pause(p->hv, p->err, d->s.domid);
    if ( rc )
        goto out;
    rc = hv_placer_look(p->pl, p->err, gfn, count, &look);
    while ( !rc && pageset_next_run(&look, run.first + run.count, 0, &run) )
    {
        rc = hv_depopulate(p->hv, p->err, d->s.domid, run.first, run.count);
        sp->holes += run.count;
    }
    hv_unpause(p->hv, NULL, d->s.domid);
    if ( rc )
        goto out;
    settle(sp, gfn, count);
    nr_rq = faults_take(&sp->faults, gfn, count, clock_now_us(), rq);
    if ( nr_rq )
        rc = hv_pager_answer(sp->pager, p->err, rq, nr_rq);

out:
    pageset_done(&look);

    return rc;
}

int dest_place(struct dest *d, struct dest_placer *p, uint64_t gfn,
               uint64_t count, enum wire_kind kind, const void *data)
{
    uint64_t gfns[DEST_PLACER_PAGES];
    const uint8_t *from = data;
    uint32_t word = 0;
    unsigned int n, i;
    int rc = 0;

    if ( kind == WIRE_KIND_HOLE )
        return place_holes(d, p, gfn, count);
    if ( kind == WIRE_KIND_ALLOC )
        return err_set(p->err, -EPROTO, "a page without contents in a "
                       "post-copy");
    if ( kind == WIRE_KIND_FILL )
        memcpy(&word, data, sizeof(word));
    for ( ; !rc && count; gfn += n, count -= n )
    {
        n = count < DEST_PLACER_PAGES ? (unsigned int)count
                                      : DEST_PLACER_PAGES;
        for ( i = 0; i < n; i++ )
            gfns[i] = gfn + i;
        if ( kind == WIRE_KIND_DATA )
        {
            memcpy(hv_placer_page(p->pl, 0), from, (size_t)n * PAGE_BYTES);
            from += (size_t)n * PAGE_BYTES;
        }
        else
            pages_fill(hv_placer_page(p->pl, 0), word, n);
        rc = place_some(d, p, gfns, n);
    }

    return rc;
}

void *dest_room(const struct dest_placer *p)
{
    return hv_placer_page(p->pl, p->nr);
}

int dest_gather(struct dest *d, struct dest_placer *p, uint64_t gfn)
{
    p->gfns[p->nr++] = gfn;

    return p->nr == DEST_PLACER_PAGES ? dest_gathered(d, p) : 0;
}

int dest_gathered(struct dest *d, struct dest_placer *p)
{
    unsigned int n = p->nr;

    p->nr = 0;

    return n ? place_some(d, p, p->gfns, n) : 0;
}
