/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * xmig_image_restore(): an image stream into a domain that a toolstack has
 * created and will start, or destroy.
 */
#include <errno.h>

#include "describe.h"
#include "image_load.h"
#include "session.h"

/* Accounts are kept of all gfns up to the last one that a domain with the
 * memory of this host may have: one that was ballooned down has them anywhere
 * below its maximum, and some are high up by convention. */
#define HOLE_GFNS (1u << 24)

struct image_restore
{
    struct xmig *x;
    struct chan *chan;
    struct image_in in;
    struct image_load load;
    struct hv_rings rings;
    const struct xmig_image_hooks *hooks;
    void *data;
    uint64_t total_pages;
    uint64_t begin_us;           /* of the first page */
};

static int read_chan(void *data, void *buf, size_t bytes)
{
    struct image_restore *im = data;

    return chan_read(im->chan, buf, bytes);
}

static void tell_progress(void *data)
{
    struct image_restore *im = data;
    uint64_t placed = im->load.mem.data_pages;
    uint64_t there = im->load.mem.populated.count;
    uint64_t us = clock_now_us() - im->begin_us;
    struct xmig_stats *st = stats_edit(&im->x->stats);

    st->transferred_bytes = im->in.offset;
    st->normal_pages = placed;
    st->total_bytes = im->total_pages * PAGE_BYTES;
    st->remaining_bytes = there < im->total_pages
                          ? (im->total_pages - there) * PAGE_BYTES : 0;
    if ( us )
        st->bandwidth_bps = placed * PAGE_BYTES * US_PER_S / us;
    stats_edited(&im->x->stats);
    if ( im->total_pages )
        stats_permille(&im->x->stats, there < im->total_pages
                       ? there * 990 / im->total_pages : 990);
    stats_tell(&im->x->stats);
}

/* The domain is there: its policy, and what the toolstack wants to do before
 * memory comes. */
static int begin(void *data, const struct hv_policy *policy)
{
    struct image_restore *im = data;
    unsigned int missing = 0;
    int rc = 0;

    if ( policy->nr_leaves || policy->nr_msrs )
        rc = hv_policy_set(im->x->hv, &im->x->err, im->load.domid,
                           policy->leaves, policy->nr_leaves, policy->msrs,
                           policy->nr_msrs);
    if ( rc )
        return rc;
    if ( !policy->nr_leaves )
        missing |= XMIG_IMAGE_NO_CPUID;
    if ( !policy->nr_msrs )
        missing |= XMIG_IMAGE_NO_MSRS;
    if ( im->hooks->static_done )
        rc = im->hooks->static_done(im->data, missing);
    if ( rc )
        return err_set(&im->x->err, rc, "domain %u: its toolstack did not "
                       "take the static data", im->load.domid);
    im->begin_us = clock_now_us();
    stats_phase(&im->x->stats, XMIG_PHASE_ROUNDS);

    return 0;
}

static int restore(struct image_restore *im)
{
    struct image_load *ld = &im->load;
    struct hv_domain info;
    struct hv_host host;
    int rc;

    rc = hv_carried(ld->hv, ld->err, ld->domid);
    if ( !rc )
        rc = hv_domain_info(ld->hv, ld->err, ld->domid, &info);
    if ( rc )
        return rc;
    rc = hv_host_info(ld->hv, ld->err, &host);
    if ( rc )
        return rc;
    im->total_pages = info.max_pages == UINT64_MAX ? 0 : info.max_pages;
    ld->nr_gfns = im->total_pages + host.total_pages * 4 + HOLE_GFNS;

    rc = image_load(ld);
    if ( !rc )
        rc = image_load_params(ld);
    if ( !rc )
        rc = hv_rings_set_ports(ld->hv, ld->err, ld->domid,
                                im->rings.store_port,
                                im->rings.console_port);
    if ( !rc )
        rc = image_load_context(ld);
    if ( rc )
        return rc;
    describe_rings(ld->params, ld->nr_params, &im->rings.store_gfn,
                   &im->rings.console_gfn);

    return hv_rings_seed(ld->hv, ld->err, ld->domid, &im->rings);
}

int xmig_image_restore(struct xmig *x, uint32_t domid, int fd,
                       const struct xmig_image_hooks *hooks, void *data,
                       struct xmig_image_rings *rings)
{
    struct image_restore im = { .x = x, .hooks = hooks, .data = data };
    int rc;

    rc = session_begin(x);
    if ( rc )
        return rc;
    im.in.read = read_chan;
    im.in.data = &im;
    im.rings.store_port = rings->store_port;
    im.rings.store_domid = rings->store_domid;
    im.rings.console_port = rings->console_port;
    im.rings.console_domid = rings->console_domid;
    im.load.logger = x->logger;
    im.load.hv = x->hv;
    im.load.err = &x->err;
    im.load.in = &im.in;
    im.load.begin = begin;
    im.load.placed = tell_progress;
    im.load.data = &im;
    im.load.domid = domid;

    /* Without a record: the reader says it better, with the place. */
    rc = chan_open(fd, true, "the stream", &x->stop, NULL, &im.chan);
    if ( rc )
        err_set(&x->err, rc, "open the stream: %s", err_text(rc));
    else
        rc = restore(&im);
    if ( !rc )
    {
        rings->store_gfn = im.rings.store_gfn;
        rings->console_gfn = im.rings.console_gfn;
        im.total_pages = im.load.mem.populated.count;
        tell_progress(&im);
        stats_phase(&x->stats, XMIG_PHASE_DONE);
        stats_tell(&x->stats);
    }
    chan_close(im.chan);
    image_load_done(&im.load);

    return session_end(x, rc);
}

int xmig_image_carried(struct xmig *x, uint32_t domid)
{
    err_reset(&x->err);

    return hv_carried(x->hv, &x->err, domid);
}
