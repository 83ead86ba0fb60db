/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Making gfns absent and placing pages, many in one multicall.
 *
 * Xen works gfn by gfn; what a call costs on the way into the hypervisor is
 * shared by the entries of a multicall, and where there are requests to be
 * answered, by the event that tells of it.
 */
#include "hv_xen.h"
#include "hv_xen_pager.h"

#include <xen/event_channel.h>
#include <xen/memory.h>

#include "pages.h"

#define NR_OPS     (2 * CHUNK_GFNS)
/* Operations, a populate, an event. */
#define NR_ENTRIES (NR_OPS + 2)
/* An entry that failed because a buffer was moved at that moment. */
#define TRIES      3u
/* Somebody has taken a reference between nominating and evicting. */
#define UNDO_TRIES 1000u

struct hv_placer
{
    uint32_t domid;
    unsigned int pages;
    xencall_handle *call;
    /* hypercall-safe */
    uint8_t *buffer;
    struct multicall_entry *entry;
    xen_mem_paging_op_t *op;
    struct xen_memory_reservation *more;
    xen_pfn_t *gfns;
    struct evtchn_send *send;
};

int hv_placer_open(struct hv *hv, struct err *e, uint32_t domid,
                   unsigned int pages, struct hv_placer **ret_pl)
{
    struct hv_placer *pl;
    int rc = -ENOMEM;

    if ( !pages || pages > HV_PLACER_PAGES_MAX )
        return hv_done(e, -EINVAL, domid, "open a placer");
    pl = calloc(1, sizeof(*pl));
    if ( !pl )
        return hv_done(e, rc, domid, "open a placer");
    pl->domid = domid;
    pl->pages = pages;
    errno = 0;
    pl->call = xencall_open(&hv->log.vt, 0);
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

    return hv_done(e, rc, domid, "open a placer");
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

/* ---- Entries ----------------------------------------------------------- */

static void set_entry(struct hv_placer *pl, unsigned int i, unsigned long op,
                      unsigned long a0, void *a1)
{
    struct multicall_entry *m = &pl->entry[i];

    memset(m, 0, sizeof(*m));
    m->op = op;
    m->args[0] = a0;
    m->args[1] = (unsigned long)(uintptr_t)a1;
}

/* Entry i is this operation; page: NULL, or in the buffer. */
static void set_paging(struct hv_placer *pl, unsigned int i,
                       unsigned int nr_op, uint8_t op, uint64_t gfn,
                       void *page)
{
    xen_mem_paging_op_t *o = &pl->op[nr_op];

    memset(o, 0, sizeof(*o));
    o->op = op;
    o->domain = (domid_t)pl->domid;
    o->gfn = gfn;
    set_xen_guest_handle_raw(o->buffer, page);
    set_entry(pl, i, __HYPERVISOR_memory_op, XENMEM_paging_op, o);
}

static long result(const struct hv_placer *pl, unsigned int i)
{
    return (long)pl->entry[i].result;
}

static int call_once(struct hv_placer *pl, unsigned int first,
                     unsigned int n)
{
    errno = 0;

    return xencall2(pl->call, __HYPERVISOR_multicall,
                    (uint64_t)(uintptr_t)&pl->entry[first], n) < 0
           ? hv_rc() : 0;
}

/* All n entries.  Those that failed for a buffer that was being moved are
 * made again. */
static int call(struct hv_placer *pl, unsigned int n)
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
        for ( tries = 0; !rc && result(pl, i) == -EFAULT && tries < TRIES;
              tries++ )
            rc = call_once(pl, i, 1);

    return rc;
}

/* ---- Placing ----------------------------------------------------------- */

/* What became of one page; the operation's result. */
static int place_result(long r)
{
    /* Neither paging_in nor paged: Xen says that there is no such gfn. */
    if ( r == -ENOENT )
        return -EEXIST;

    return (int)r;
}

static int place(struct hv_placer *pl, struct err *e, unsigned int from,
                 const uint64_t *gfns, unsigned int n, int *errs,
                 uint32_t port, bool tell)
{
    unsigned int i, nr = n;
    int rc, bad = 0;

    if ( from > pl->pages || n > pl->pages - from )
        return err_set(e, -EINVAL, "domain %u: place %u pages from page %u "
                       "of %u", pl->domid, n, from, pl->pages);
    for ( i = 0; i < n; i++ )
        set_paging(pl, i, i, XENMEM_paging_op_prep, gfns[i],
                   hv_placer_page(pl, from + i));
    if ( tell )
    {
        pl->send->port = port;
        set_entry(pl, nr++, __HYPERVISOR_event_channel_op, EVTCHNOP_send,
                  pl->send);
    }
    rc = nr ? call(pl, nr) : 0;
    if ( rc )
        return err_set(e, rc, "domain %u: place %u pages from gfn %#" PRIx64
                       ": %s", pl->domid, n, n ? gfns[0] : 0, err_text(rc));
    for ( i = 0; i < n; i++ )
    {
        int one = place_result(result(pl, i));

        if ( errs )
            errs[i] = one;
        else if ( one && one != -EEXIST && !bad )
            bad = err_set(e, one, "domain %u: place gfn %#" PRIx64 ": %s",
                          pl->domid, gfns[i], err_text(one));
    }
    if ( !bad && tell && result(pl, n) < 0 )
        bad = err_set(e, (int)result(pl, n), "domain %u: answer requests for "
                      "absent pages: %s", pl->domid,
                      err_text((int)result(pl, n)));

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

/* ---- Making absent ----------------------------------------------------- */

static int one_op(struct hv_placer *pl, uint8_t op, uint64_t gfn)
{
    int rc;

    set_paging(pl, 0, 0, op, gfn, NULL);
    rc = call(pl, 1);

    return rc ? rc : (int)result(pl, 0);
}

/*
 * It was nominated, but not evicted: somebody has just touched or mapped it.
 * Present again, or absent after all.
 */
static int undo(struct hv_placer *pl, uint64_t gfn)
{
    unsigned int i;
    int rc;

    for ( i = 0; i < UNDO_TRIES; i++ )
    {
        rc = one_op(pl, XENMEM_paging_op_prep, gfn);
        if ( !rc )
            return -EBUSY;
        if ( rc != -ENOENT )
            return rc;
        /* Nobody has asked for it: then it may be evictable by now. */
        rc = one_op(pl, XENMEM_paging_op_evict, gfn);
        if ( !rc )
            return 0;
    }

    return -EBUSY;
}

/* The gfns of a chunk that are wanted, into pl->gfns. */
static unsigned int wanted(struct hv_placer *pl, uint64_t first,
                           uint64_t count, const struct pageset *want)
{
    unsigned int n = 0;
    uint64_t i;

    for ( i = 0; i < count; i++ )
        if ( !want || pageset_test(want, first + i) )
            pl->gfns[n++] = first + i;

    return n;
}

/* Make n gfns of pl->gfns absent; populate: they are holes. */
static int evict_some(struct hv_placer *pl, unsigned int n, bool populate,
                      struct pageset *absent, struct hv_evicted *done)
{
    bool nominated[CHUNK_GFNS], evicted[CHUNK_GFNS];
    unsigned int i, at = 0;
    int rc;

    if ( populate )
    {
        memset(pl->more, 0, sizeof(*pl->more));
        set_xen_guest_handle_raw(pl->more->extent_start, pl->gfns);
        pl->more->nr_extents = n;
        pl->more->domid = (domid_t)pl->domid;
        set_entry(pl, at++, __HYPERVISOR_memory_op, XENMEM_populate_physmap,
                  pl->more);
    }
    for ( i = 0; i < n; i++ )
        set_paging(pl, at + i, i, XENMEM_paging_op_nominate, pl->gfns[i],
                   NULL);
    for ( i = 0; i < n; i++ )
        set_paging(pl, at + n + i, n + i, XENMEM_paging_op_evict,
                   pl->gfns[i], NULL);
    rc = call(pl, at + 2 * n);
    if ( rc )
        return rc;
    if ( populate && result(pl, 0) < 0 )
        return (int)result(pl, 0);
    if ( populate && result(pl, 0) < (long)n )
        rc = -ENOMEM;
    for ( i = 0; i < n; i++ )
    {
        nominated[i] = !result(pl, at + i);
        evicted[i] = nominated[i] && !result(pl, at + n + i);
    }
    for ( i = 0; i < n; i++ )
    {
        if ( nominated[i] && !evicted[i] )
            evicted[i] = !undo(pl, pl->gfns[i]);
        if ( evicted[i] )
            pageset_set(absent, pl->gfns[i]);
        *(evicted[i] ? &done->absent : &done->kept) += 1;
    }

    return rc;
}

static int evict_all(struct hv_placer *pl, struct err *e, bool populate,
                     uint64_t first, uint64_t count,
                     const struct pageset *want, struct pageset *absent,
                     struct hv_evicted *ret)
{
    struct hv_evicted done = { 0 };
    uint64_t end = first + count, at = first, n;
    unsigned int nr;
    int rc = 0;

    while ( at < end && !rc )
    {
        n = CHUNK_GFNS - at % CHUNK_GFNS;
        n = n < end - at ? n : end - at;
        nr = wanted(pl, at, n, want);
        if ( nr )
            rc = evict_some(pl, nr, populate, absent, &done);
        if ( rc )
            err_set(e, rc, "domain %u: make gfns %#" PRIx64 "+%" PRIu64
                    " absent: %s", pl->domid, at, n, err_text(rc));
        at += n;
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
    uint64_t done, n, i;
    int rc;

    for ( done = 0; done < count; done += n )
    {
        n = count - done < NR_OPS ? count - done : NR_OPS;
        for ( i = 0; i < n; i++ )
            set_paging(pl, (unsigned int)i, (unsigned int)i,
                       XENMEM_paging_op_prep, first + done + i, NULL);
        rc = call(pl, (unsigned int)n);
        if ( rc )
            return err_set(e, rc, "domain %u: look which of %" PRIu64
                           " gfns from %#" PRIx64 " are absent: %s",
                           pl->domid, n, first + done, err_text(rc));
        /* Absent, and no page was given. */
        for ( i = 0; i < n; i++ )
            if ( result(pl, (unsigned int)i) == -EINVAL )
                pageset_set(absent, first + done + i);
            else
                pageset_clear(absent, first + done + i);
    }

    return 0;
}
