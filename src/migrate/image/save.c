/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * xmig_save(): suspend a domain, write it down as an image stream, destroy
 * it or let it go on.  Not live: the guest stands still for one pass, as
 * under `xl save`.
 *
 * The guest goes on here after any failure; it is destroyed only when every
 * byte has left, and is on the disk where there is one.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "describe.h"
#include "image_domain.h"
#include "image_front.h"
#include "save_journal.h"
#include "session.h"
#include "suspend.h"

/* Mapped at a time, and looked at for types at a time. */
#define WINDOW_GFNS (8 * IMAGE_BATCH_PAGES)
#define TYPES_GFNS  (1u << 18)

struct save
{
    struct xmig *x;
    struct hv *hv;
    struct err *err;
    uint32_t domid;
    int fd;
    unsigned int flags;
    struct chan *chan;
    struct image_out out;
    struct suspend su;
    struct journal *journal;
    struct description desc;
    struct pageset ram, broken;
    bool suspended, gone;
    uint64_t suspended_us;       /* when */
    uint64_t sent_pages;
};

static int write_chan(void *data, struct iovec *iov, unsigned int nr_iov)
{
    struct save *sv = data;

    return chan_writev(sv->chan, iov, nr_iov);
}

/* ---- Memory ------------------------------------------------------------- */

static int find_pages(struct save *sv)
{
    uint64_t nr = sv->desc.domain.nr_gfns, first, count;
    int rc;

    rc = pageset_init(&sv->ram, nr);
    if ( !rc )
        rc = pageset_init(&sv->broken, nr);
    if ( rc )
        return err_set(sv->err, rc, "save domain %u: page sets of %lu gfns:"
                       " %s", sv->domid, (unsigned long)nr, err_text(rc));

    for ( first = 0; first < nr; first += count )
    {
        count = nr - first < TYPES_GFNS ? nr - first : TYPES_GFNS;
        rc = hv_page_types(sv->hv, sv->err, sv->domid, first, count,
                           &sv->ram, &sv->broken);
        if ( !rc )
            rc = cancel_check(&sv->x->stop);
        if ( rc )
            return rc;
    }
    return 0;
}

static void tell_progress(struct save *sv)
{
    uint64_t now_us = clock_now_us() - sv->suspended_us;
    struct xmig_stats *st = stats_edit(&sv->x->stats);

    st->transferred_bytes = sv->out.offset;
    st->normal_pages = sv->sent_pages;
    st->remaining_bytes = (sv->ram.count - sv->sent_pages) * PAGE_BYTES;
    if ( now_us )
        st->bandwidth_bps = sv->out.offset * US_PER_S / now_us;
    stats_edited(&sv->x->stats);
    stats_permille(&sv->x->stats, sv->ram.count ?
                   sv->sent_pages * 990 / sv->ram.count : 990);
    stats_tell(&sv->x->stats);
}

/* How many of gfns[0 ... n) make a record: those of one aligned piece of gfn
 * space, so that a reader, who populates record by record, can do it in 2 MiB
 * pieces though the guest has holes. */
static size_t record_pages(const uint64_t *gfns, size_t n)
{
    size_t count = 1;

    while ( count < n && count < IMAGE_BATCH_PAGES &&
            gfns[count] / IMAGE_BATCH_PAGES == gfns[0] / IMAGE_BATCH_PAGES )
        count++;

    return count;
}

/* The pages gfns[0 ... n), as records. */
static int send_window(struct save *sv, const uint64_t *gfns, size_t n)
{
    uint64_t entries[IMAGE_BATCH_PAGES];
    void *addr = NULL;
    size_t at, count, i;
    int rc;

    rc = hv_map(sv->hv, sv->err, sv->domid, false, gfns, n, NULL, &addr);
    if ( rc )
        return rc;
    for ( at = 0; !rc && at < n; at += count )
    {
        struct iovec iov;

        count = record_pages(gfns + at, n - at);
        for ( i = 0; i < count; i++ )
            entries[i] = image_entry(gfns[at + i], IMAGE_PAGE_NORMAL);
        iov.iov_base = (uint8_t *)addr + at * PAGE_BYTES;
        iov.iov_len = count * PAGE_BYTES;
        rc = image_write_pages(&sv->out, entries, count, &iov, 1);
        if ( !rc )
            sv->sent_pages += count;
        tell_progress(sv);
    }
    hv_unmap(sv->hv, addr, n);
    return rc;
}

static int send_ram(struct save *sv)
{
    struct gfn_run run = { 0, 0 };
    uint64_t *gfns;
    size_t n = 0;
    int rc = 0;

    gfns = malloc(WINDOW_GFNS * sizeof(*gfns));
    if ( !gfns )
        return err_set(sv->err, -ENOMEM, "save domain %u: %s", sv->domid,
                       err_text(-ENOMEM));
    while ( !rc && pageset_next_run(&sv->ram, run.first + run.count, 0,
                                    &run) )
    {
        uint64_t gfn = run.first;

        for ( ; !rc && gfn < run.first + run.count; gfn++ )
        {
            if ( n && gfn / WINDOW_GFNS != gfns[0] / WINDOW_GFNS )
            {
                rc = send_window(sv, gfns, n);
                n = 0;
            }
            gfns[n++] = gfn;
        }
    }
    if ( !rc && n )
        rc = send_window(sv, gfns, n);
    free(gfns);
    return rc;
}

/* Frames that a machine check has taken: named, without contents. */
static int send_broken(struct save *sv)
{
    uint64_t entries[IMAGE_BATCH_PAGES], gfn;
    unsigned int n = 0;
    int rc = 0;

    for ( gfn = pageset_next_set(&sv->broken, 0);
          !rc && gfn < sv->broken.nr_gfns;
          gfn = pageset_next_set(&sv->broken, gfn + 1) )
    {
        entries[n++] = image_entry(gfn, IMAGE_PAGE_BROKEN);
        if ( n == IMAGE_BATCH_PAGES )
        {
            rc = image_write_pages(&sv->out, entries, n, NULL, 0);
            n = 0;
        }
    }
    if ( !rc && n )
        rc = image_write_pages(&sv->out, entries, n, NULL, 0);
    return rc;
}

/* ---- The rest of the stream --------------------------------------------- */

static int send_front(struct save *sv)
{
    void *body = NULL;
    size_t len;
    int rc;

    if ( !(sv->flags & XMIG_SAVE_PLAIN) )
    {
        rc = describe_domain_body(&sv->desc, sv->err, &body, &len);
        if ( rc )
            return rc;
        if ( len > IMAGE_FRONT_CONFIG_MAX )
            rc = err_set(sv->err, -EINVAL, "save domain %u: its xenstore"
                         " nodes make %zu bytes, a file's header holds %u",
                         sv->domid, len, IMAGE_FRONT_CONFIG_MAX);
        else
            rc = image_write_front(&sv->out, body, len);
        free(body);
        if ( rc )
            return rc;
    }

    return image_domain_head(&sv->out, sv->hv, sv->err, &sv->desc.policy);
}

static int send_state(struct save *sv)
{
    struct image_tail tail;
    int rc = image_tail_get(&tail, sv->hv, sv->err, sv->domid);

    if ( !rc )
        rc = image_tail_write(&tail, &sv->out);
    image_tail_done(&tail);
    return rc;
}

/* On the disk, where fd is something that has one. */
static int make_durable(struct save *sv)
{
    struct stat st;
    int rc;

    if ( fstat(sv->fd, &st) || !(S_ISREG(st.st_mode) || S_ISBLK(st.st_mode)) )
        return 0;
    if ( !fsync(sv->fd) )
        return 0;
    rc = -errno;
    return err_set(sv->err, rc, "sync the image of domain %u: %s", sv->domid,
                   err_text(rc));
}

/* ---- The operation ------------------------------------------------------ */

static int idle(void *data)
{
    struct save *sv = data;

    stats_tell(&sv->x->stats);
    return 0;
}

static int do_suspend(struct save *sv)
{
    uint64_t timeout_us = opt_u64(sv->x->opts, NULL, "suspend-timeout");
    uint64_t begin_us = clock_now_us();
    struct xmig_stats *st;
    int rc;

    stats_phase(&sv->x->stats, XMIG_PHASE_SWITCHOVER);
    stats_tell(&sv->x->stats);
    rc = save_journal_suspending(sv->journal, sv->err);
    if ( !rc )
        rc = suspend_guest(&sv->su, timeout_us, &sv->x->stop, idle, sv,
                           NULL);
    if ( rc )
        return rc;
    sv->suspended = true;
    sv->suspended_us = clock_now_us();

    st = stats_edit(&sv->x->stats);
    st->setup_time_us = begin_us - sv->x->stats.begin_us;
    st->suspend_us = sv->suspended_us - begin_us;
    stats_edited(&sv->x->stats);
    return 0;
}

static int write_image(struct save *sv)
{
    struct xmig_stats *st;
    int rc;

    rc = find_pages(sv);
    if ( rc )
        return rc;
    st = stats_edit(&sv->x->stats);
    st->total_bytes = sv->ram.count * PAGE_BYTES;
    st->remaining_bytes = st->total_bytes;
    st->rounds = 1;
    stats_edited(&sv->x->stats);

    sv->desc.domain.populated_pages = sv->ram.count;
    rc = send_front(sv);
    if ( !rc )
        rc = send_ram(sv);
    if ( !rc )
        rc = send_broken(sv);
    if ( !rc )
        rc = send_state(sv);
    if ( !rc )
        rc = make_durable(sv);
    return rc;
}

static int go_on(struct save *sv)
{
    struct xmig_stats *st;
    int rc;

    rc = suspend_resume(&sv->su);
    if ( rc )
        return err_wrap(sv->err, rc, "domain %u stays suspended here",
                        sv->domid);
    sv->suspended = false;
    st = stats_edit(&sv->x->stats);
    st->downtime_us = clock_now_us() - sv->suspended_us + st->suspend_us;
    stats_edited(&sv->x->stats);
    return 0;
}

/* The image is whole: what becomes of the domain. */
static int finish(struct save *sv)
{
    struct hv_domain info;
    int rc;

    rc = session_commit(sv->x);
    if ( rc )
        return rc;

    if ( sv->flags & XMIG_SAVE_KEEP_PAUSED )
    {
        rc = hv_pause(sv->hv, sv->err, sv->domid);
        if ( rc )
            return rc;
    }
    if ( sv->flags & (XMIG_SAVE_KEEP | XMIG_SAVE_KEEP_PAUSED) )
        return go_on(sv);

    rc = save_journal_written(sv->journal, sv->err);
    if ( rc )
        return rc;
    rc = toolstack_destroy(&sv->x->toolstack, sv->err, sv->domid);
    if ( rc && !hv_domain_info(sv->hv, NULL, sv->domid, &info) &&
         !info.dying )
        return rc;
    sv->suspended = false;
    sv->gone = true;
    err_reset(sv->err);
    if ( rc )
        LOG_WARN(sv->x->logger, "domain %u is saved and destroyed, but nodes"
                 " of it are left in xenstore", sv->domid);
    return owner_set(sv->err, XMIG_GUEST_NONE);
}

/* A file has no room for a toolstack's configuration: what comes out of it
 * is nobody's domain, and has to be of a kind that can be. */
static int describe_for_file(struct save *sv)
{
    const struct toolstack *t = &sv->x->toolstack;
    int rc = describe(t, sv->err, sv->domid, &sv->desc);

    if ( rc || !sv->desc.config )
        return rc;
    sv->desc.domain.flags &= ~WIRE_DOMAIN_MANAGED;

    return store_carried(t->store, sv->err, sv->domid);
}

static int save(struct save *sv)
{
    int rc;

    /* Looked at twice: now to refuse what can't be saved, before the guest
     * feels anything; and again when it can't change any more. */
    rc = describe_for_file(sv);
    if ( rc != -ENOENT )
        owner_set(sv->err, XMIG_GUEST_AT_SOURCE);
    if ( !rc )
        rc = suspend_check_alive(sv->hv, sv->err, sv->domid, NULL);
    if ( !rc )
        rc = suspend_open(&sv->su, sv->hv, sv->x->store, sv->err, sv->domid);
    if ( rc )
        return rc;

    rc = save_journal_begin(sv->x, sv->domid, &sv->desc, &sv->journal);
    if ( !rc )
        rc = do_suspend(sv);
    if ( rc )
        goto out;
    describe_done(&sv->desc);
    rc = describe_for_file(sv);
    if ( !rc )
        rc = write_image(sv);
    if ( !rc )
        rc = finish(sv);
    if ( rc && sv->suspended )
    {
        LOG_DEBUG(sv->x->logger, "save of domain %u failed, it goes on",
                  sv->domid);
        go_on(sv);
    }

 out:
    save_journal_end(sv->journal, sv->gone, sv->suspended, sv->su.asked);
    suspend_close(&sv->su);
    return rc;
}

int xmig_save(struct xmig *x, uint32_t domid, int fd, unsigned int flags)
{
    struct save sv = {
        .x = x,
        .hv = x->hv,
        .err = &x->err,
        .domid = domid,
        .fd = fd,
        .flags = flags,
    };
    struct bucket bucket;
    int rc;

    rc = session_begin(x);
    if ( rc )
        return rc;
    bucket_init(&bucket, opt_u64(x->opts, NULL, "bandwidth"));
    sv.out.write = write_chan;
    sv.out.data = &sv;

    if ( flags & ~(XMIG_SAVE_PLAIN | XMIG_SAVE_KEEP | XMIG_SAVE_KEEP_PAUSED) )
        rc = err_set(&x->err, -EINVAL, "save: unknown flags %#x", flags);
    else
        rc = chan_open(fd, true, "the file", &x->stop, &x->err, &sv.chan);
    if ( rc )
        goto out;
    chan_set_bucket(sv.chan, &bucket);

    rc = save(&sv);
    if ( !rc )
    {
        tell_progress(&sv);
        stats_phase(&x->stats, XMIG_PHASE_DONE);
        stats_tell(&x->stats);
    }

 out:
    chan_close(sv.chan);
    bucket_done(&bucket);
    pageset_done(&sv.ram);
    pageset_done(&sv.broken);
    describe_done(&sv.desc);
    return session_end(x, rc);
}
