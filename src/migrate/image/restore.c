/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * xmig_restore(): build a domain from an image stream.  Until the domain is
 * whole nothing of it runs, and after any failure nothing of it is left.
 *
 * Reads a stream of ours, a plain one, and what xl and libxl put around
 * theirs; never a byte behind its end.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "build.h"
#include "clock.h"
#include "config.h"
#include "describe.h"
#include "image_front.h"
#include "image_load.h"
#include "session.h"

struct restore
{
    struct xmig *x;
    struct err *err;
    const char *config_path;
    struct chan *chan;
    struct image_in in;
    struct image_error error;
    struct image_front front;
    bool exact;                  /* the image's size is known beforehand */

    struct wire_domain domain;
    struct config config;        /* what domain's pairs may point into */
    char *pairs_buf;

    struct build build;
    struct image_load load;
    uint64_t begin_us;           /* of the first page */
};

static int read_chan(void *data, void *buf, size_t bytes)
{
    struct restore *rs = data;

    return chan_read(rs->chan, buf, bytes);
}

/* ---- What is to be built ------------------------------------------------ */

static int take_our_config(struct restore *rs)
{
    struct err e;
    int rc;

    err_init(&e);
    rc = wire_domain_decode(rs->front.config, rs->front.config_bytes, &e,
                            &rs->domain);
    if ( rc )
        err_set(rs->err, rc, "the image is refused at byte %zu: the"
                " configuration in xmig's file header: %s",
                sizeof(struct image_front_hdr), e.rec.text);
    err_done(&e);
    rs->exact = true;
    return rc;
}

static int find_config(struct restore *rs)
{
    const struct image_front *f = &rs->front;
    int rc = 0;

    if ( rs->config_path )
        rc = config_read_file(rs->config_path, rs->err, &rs->config);
    else if ( f->json )
        rc = config_read_json((const char *)f->config, rs->err, &rs->config);
    else if ( f->xl && f->config )
        rc = config_read_cfg((const char *)f->config,
                             strnlen((const char *)f->config,
                                     f->config_bytes),
                             "the configuration in the file", rs->err,
                             &rs->config);
    else if ( !f->ours )
        rc = err_set(rs->err, -EINVAL, "the image brings no configuration;"
                     " give one in the syntax of xl.cfg");
    if ( rc )
        return rc;

    if ( !f->ours )
    {
        rs->domain = rs->config.domain;
        return 0;
    }
    rc = take_our_config(rs);
    if ( !rc && rs->config_path )
        rc = config_override(&rs->domain, &rs->config, rs->err,
                             &rs->pairs_buf);
    return rc;
}

/* ---- Reading ------------------------------------------------------------ */

/* The static records are complete: the domain can be created. */
static int create(void *data, const struct hv_policy *policy)
{
    struct restore *rs = data;
    struct wire_policy p = {
        .nr_leaves = policy->nr_leaves,
        .nr_msrs = policy->nr_msrs,
        .leaves = policy->leaves,
        .msrs = policy->msrs,
    };
    int rc = build_create(&rs->build, &p);

    rs->load.domid = rs->build.domid;
    rs->begin_us = clock_now_us();
    stats_phase(&rs->x->stats, XMIG_PHASE_SWITCHOVER);
    return rc;
}

static void tell_progress(void *data)
{
    struct restore *rs = data;
    uint64_t total = rs->domain.populated_pages;
    uint64_t placed = rs->load.mem.data_pages;
    uint64_t us = clock_now_us() - rs->begin_us;
    struct xmig_stats *st = stats_edit(&rs->x->stats);

    st->transferred_bytes = rs->in.offset;
    st->normal_pages = placed;
    st->total_bytes = total * PAGE_BYTES;
    st->remaining_bytes = placed < total ? (total - placed) * PAGE_BYTES : 0;
    if ( us )
        st->bandwidth_bps = placed * PAGE_BYTES * US_PER_S / us;
    stats_edited(&rs->x->stats);
    if ( total )
        stats_permille(&rs->x->stats, placed < total ? placed * 990 / total
                                                     : 990);
    stats_tell(&rs->x->stats);
}

/* Behind the image: what libxl has for a device model. */
static int read_libxl_tail(struct restore *rs)
{
    struct image_rhdr rec;
    int rc;

    do {
        rc = image_read_libxl(&rs->in, &rec, &rs->error);
        if ( rc )
            return image_load_refuse(rs->err, rc, &rs->error);
        if ( rec.type == IMAGE_LIBXL_EMULATOR_STORE ||
             rec.type == IMAGE_LIBXL_EMULATOR_CONTEXT )
            return err_set(rs->err, -EOPNOTSUPP, "the image has the state of"
                           " a device model (%s), which is not carried",
                           image_libxl_name(rec.type));
        if ( rec.type == IMAGE_LIBXL_LIBXC )
            return err_set(rs->err, -EPROTO, "the image is refused at byte"
                           " %lu: a second LIBXC_CONTEXT record in libxl's"
                           " stream", (unsigned long)rs->in.offset);
    } while ( rec.type != IMAGE_LIBXL_END );

    return 0;
}

/* Is there what the header promised? */
static int check_whole(struct restore *rs)
{
    uint64_t have = rs->load.mem.populated.count;

    if ( rs->exact && have != rs->domain.populated_pages )
        return err_set(rs->err, -EPROTO, "the image is refused: it has %lu"
                       " pages, its header announces %lu",
                       (unsigned long)have,
                       (unsigned long)rs->domain.populated_pages);
    return 0;
}

/* ---- The operation ------------------------------------------------------ */

static int read_image(struct restore *rs)
{
    struct image_load *ld = &rs->load;
    int rc;

    ld->logger = rs->x->logger;
    ld->hv = rs->x->hv;
    ld->err = rs->err;
    ld->in = &rs->in;
    ld->nr_gfns = rs->domain.nr_gfns;
    ld->begin = create;
    ld->placed = tell_progress;
    ld->data = rs;
    rc = image_load(ld);
    if ( !rc && rs->front.libxl )
        rc = read_libxl_tail(rs);
    return rc ? rc : check_whole(rs);
}

static int restore(struct restore *rs, bool paused)
{
    struct build *b = &rs->build;
    int rc;

    rc = image_read_front(&rs->in, &rs->front, &rs->error);
    if ( rc )
        return image_load_refuse(rs->err, rc, &rs->error);
    rc = find_config(rs);
    if ( rc )
        return rc;

    b->hv = rs->x->hv;
    b->toolstack = &rs->x->toolstack;
    b->store = rs->x->store;
    b->err = rs->err;
    b->domain = &rs->domain;
    b->name = rs->domain.name;
    rc = build_check(b);
    if ( !rc )
        rc = read_image(rs);
    if ( rc )
        return rc;

    build_unclaim(b);
    rc = build_params(b, rs->load.params, rs->load.nr_params);
    if ( !rc )
        rc = image_load_context(&rs->load);
    if ( !rc )
        rc = build_store(b, false);
    if ( !rc )
        rc = session_commit(rs->x);
    if ( !rc && !paused )
        rc = hv_unpause(rs->x->hv, rs->err, b->domid);
    return rc;
}

int xmig_restore(struct xmig *x, int fd, const char *config, bool paused,
                 uint32_t *ret_domid)
{
    struct restore rs = {
        .x = x,
        .err = &x->err,
        .config_path = config,
    };
    int rc;

    rc = session_begin(x);
    if ( rc )
        return rc;
    rs.in.read = read_chan;
    rs.in.data = &rs;

    /* Without a record: the reader says it better, with the place. */
    rc = chan_open(fd, true, "the file", &x->stop, NULL, &rs.chan);
    if ( rc )
    {
        err_set(&x->err, rc, "open the image: %s", err_text(rc));
        goto out;
    }

    rc = restore(&rs, paused);
    if ( rc )
        build_undo(&rs.build);
    else
    {
        owner_set(&x->err, XMIG_GUEST_AT_DESTINATION);
        tell_progress(&rs);
        stats_phase(&x->stats, XMIG_PHASE_DONE);
        stats_tell(&x->stats);
        if ( ret_domid )
            *ret_domid = rs.build.domid;
    }

 out:
    chan_close(rs.chan);
    image_load_done(&rs.load);
    image_front_done(&rs.front);
    config_done(&rs.config);
    free(rs.pairs_buf);
    return session_end(x, rc);
}
