/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Making gfns absent and placing pages, many in one multicall: what is the
 * same whichever way they are made absent.
 *
 * Xen works gfn by gfn; what a call costs on the way into the hypervisor is
 * shared by the entries of a multicall, and where there are requests to be
 * answered, by the event that tells of it.
 */
#include "hv_xen_placer.h"

/* An entry that failed because a buffer was moved at that moment. */
#define TRIES 3u

int hv_placer_open(struct hv_pager *p, struct err *e, unsigned int pages,
                   struct hv_placer **ret_pl)
{
    struct hv_placer *pl;
    int rc = -ENOMEM;

    if ( !pages || pages > HV_PLACER_PAGES_MAX )
        return hv_done(e, -EINVAL, p->domid, "open a placer");
    pl = calloc(1, sizeof(*pl));
    if ( !pl )
        return hv_done(e, rc, p->domid, "open a placer");
    pl->pager = p;
    pl->ops = p->kind->placer;
    pl->domid = p->domid;
    pl->pages = pages;
    errno = 0;
    pl->call = xencall_open(&p->hv->log.vt, 0);
    if ( !pl->call )
    {
        rc = hv_rc();
        goto failed;
    }
    pl->buffer = xencall_alloc_buffer_pages(pl->call, pages);
    pl->entry = xencall_alloc_buffer(pl->call,
                                     NR_ENTRIES * sizeof(*pl->entry));
    pl->op = xencall_alloc_buffer(pl->call, NR_OPS * sizeof(*pl->op));
    pl->more = xencall_alloc_buffer(pl->call, sizeof(*pl->more));
    pl->gfns = xencall_alloc_buffer(pl->call,
                                    CHUNK_GFNS * sizeof(*pl->gfns));
    pl->send = xencall_alloc_buffer(pl->call, sizeof(*pl->send));
    if ( !pl->buffer || !pl->entry || !pl->op || !pl->more || !pl->gfns ||
         !pl->send )
        goto failed;
    *ret_pl = pl;

    return 0;

 failed:
    hv_placer_close(pl);

    return hv_done(e, rc, p->domid, "open a placer");
}

void hv_placer_close(struct hv_placer *pl)
{
    if ( !pl )
        return;
    if ( pl->call )
    {
        if ( pl->buffer )
            xencall_free_buffer_pages(pl->call, pl->buffer, pl->pages);
        xencall_free_buffer(pl->call, pl->entry);
        xencall_free_buffer(pl->call, pl->op);
        xencall_free_buffer(pl->call, pl->more);
        xencall_free_buffer(pl->call, pl->gfns);
        xencall_free_buffer(pl->call, pl->send);
        xencall_close(pl->call);
    }
    free(pl);
}

void *hv_placer_page(const struct hv_placer *pl, unsigned int i)
{
    return pl->buffer + (size_t)i * PAGE_BYTES;
}

/* ---- Calls -------------------------------------------------------------- */

void placer_set(struct hv_placer *pl, unsigned int i, unsigned long op,
                unsigned long a0, void *a1)
{
    struct multicall_entry *m = &pl->entry[i];

    memset(m, 0, sizeof(*m));
    m->op = op;
    m->args[0] = a0;
    m->args[1] = (unsigned long)(uintptr_t)a1;
}

static int call_once(struct hv_placer *pl, unsigned int first,
                     unsigned int n)
{
    errno = 0;

    return xencall2(pl->call, __HYPERVISOR_multicall,
                    (uint64_t)(uintptr_t)&pl->entry[first], n) < 0
           ? hv_rc() : 0;
}

/* Those that failed for a buffer that was being moved are made again. */
int placer_call(struct hv_placer *pl, unsigned int n)
{
    unsigned int tries, i;
    int rc;

    for ( tries = 0; ; tries++ )
    {
        rc = call_once(pl, 0, n);
        if ( rc != -EFAULT || tries == TRIES )
            break;
    }
    if ( rc || xencall_buffers_never_fault(pl->call) )
        return rc;
    for ( i = 0; i < n && !rc; i++ )
        for ( tries = 0; !rc && placer_result(pl, i) == -EFAULT &&
              tries < TRIES; tries++ )
            rc = call_once(pl, i, 1);

    return rc;
}

/* ---- Placing ------------------------------------------------------------ */

static int place(struct hv_placer *pl, struct err *e, unsigned int from,
                 const uint64_t *gfns, unsigned int n, int *errs,
                 uint32_t port, bool tell)
{
    int own[HV_PLACER_PAGES_MAX], *each = errs ? errs : own, rc, bad = 0;
    unsigned int i, nr, calls;

    if ( from > pl->pages || n > pl->pages - from )
        return err_set(e, -EINVAL, "domain %u: place %u pages from page %u "
                       "of %u", pl->domid, n, from, pl->pages);
    nr = calls = pl->ops->fill(pl, from, gfns, n);
    if ( tell )
    {
        pl->send->port = port;
        placer_set(pl, calls++, __HYPERVISOR_event_channel_op, EVTCHNOP_send,
                   pl->send);
    }
    rc = calls ? placer_call(pl, calls) : 0;
    pl->ops->results(pl, gfns, n, rc, each);
    if ( rc )
        return err_set(e, rc, "domain %u: place %u pages from gfn %#" PRIx64
                       ": %s", pl->domid, n, n ? gfns[0] : 0, err_text(rc));
    for ( i = 0; !errs && !bad && i < n; i++ )
        if ( each[i] && each[i] != -EEXIST )
            bad = err_set(e, each[i], "domain %u: place gfn %#" PRIx64 ": %s",
                          pl->domid, gfns[i], err_text(each[i]));
    if ( !bad && tell && placer_result(pl, nr) < 0 )
        bad = err_set(e, (int)placer_result(pl, nr), "domain %u: answer "
                      "requests for absent pages: %s", pl->domid,
                      err_text((int)placer_result(pl, nr)));

    return bad;
}

int hv_placer_place(struct hv_placer *pl, struct err *e, unsigned int from,
                    const uint64_t *gfns, unsigned int n, int *errs)
{
    return place(pl, e, from, gfns, n, errs, 0, false);
}

int hv_placer_serve(struct hv_placer *pl, struct hv_pager *p, struct err *e,
                    unsigned int from, const uint64_t *gfns, unsigned int n,
                    int *errs, const struct hv_pager_request *rq,
                    unsigned int nr_rq)
{
    /* Taken by the hypervisor when the event comes, after the pages. */
    hv_pager_respond(p, rq, nr_rq);

    return place(pl, e, from, gfns, n, errs, hv_pager_port(p), nr_rq > 0);
}

int hv_placer_put(struct hv_placer *pl, struct err *e, uint64_t gfn,
                  const void *page)
{
    int err = 0, rc;

    memcpy(hv_placer_page(pl, 0), page, PAGE_BYTES);
    rc = hv_placer_place(pl, e, 0, &gfn, 1, &err);
    if ( rc || !err || err == -EEXIST )
        return rc ? rc : err;

    return err_set(e, err, "domain %u: place gfn %#" PRIx64 ": %s",
                   pl->domid, gfn, err_text(err));
}

/* ---- Making absent ------------------------------------------------------ */

/* The next gfns that are wanted, from *at on, into pl->gfns. */
static unsigned int wanted(struct hv_placer *pl, uint64_t *at, uint64_t end,
                           const struct pageset *want)
{
    unsigned int n = 0;
    uint64_t gfn;

    while ( n < CHUNK_GFNS && *at < end )
    {
        gfn = want ? pageset_next_set(want, *at) : *at;
        *at = gfn + 1;
        if ( gfn < end )
            pl->gfns[n++] = gfn;
    }

    return n;
}

static int evict_all(struct hv_placer *pl, struct err *e, bool populate,
                     uint64_t first, uint64_t count,
                     const struct pageset *want, struct pageset *absent,
                     struct hv_evicted *ret)
{
    struct hv_evicted done = { 0 };
    uint64_t end = first + count, at = first;
    unsigned int n;
    int rc = 0;

    while ( !rc && (n = wanted(pl, &at, end, want)) )
    {
        rc = pl->ops->evict(pl, n, populate, absent, &done);
        if ( rc )
            err_set(e, rc, "domain %u: make %u gfns from %#" PRIx64
                    " on absent: %s", pl->domid, n, pl->gfns[0],
                    err_text(rc));
    }
    if ( ret )
        *ret = done;

    return rc;
}

int hv_placer_evict(struct hv_placer *pl, struct err *e, uint64_t first,
                    uint64_t count, const struct pageset *want,
                    struct pageset *absent, struct hv_evicted *ret)
{
    return evict_all(pl, e, false, first, count, want, absent, ret);
}

int hv_placer_make(struct hv_placer *pl, struct err *e, uint64_t first,
                   uint64_t count, const struct pageset *want,
                   struct pageset *absent, struct hv_evicted *ret)
{
    return evict_all(pl, e, true, first, count, want, absent, ret);
}

int hv_placer_look(struct hv_placer *pl, struct err *e, uint64_t first,
                   uint64_t count, struct pageset *absent)
{
    uint64_t done, n;
    int rc;

    for ( done = 0; done < count; done += n )
    {
        n = count - done < NR_OPS ? count - done : NR_OPS;
        rc = pl->ops->look(pl, first + done, (unsigned int)n, absent);
        if ( rc )
            return err_set(e, rc, "domain %u: look which of %" PRIu64
                           " gfns from %#" PRIx64 " are absent: %s",
                           pl->domid, n, first + done, err_text(rc));
    }

    return 0;
}
