/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * xmig_image_save(): a domain's memory and state as an image stream on one
 * descriptor, for a toolstack that does the rest.  The rounds are those of a
 * migration, without a peer to talk to.
 *
 * The guest is the toolstack's: its hook suspends it, and whether it goes on
 * here after that is not decided here.
 */
#include <errno.h>
#include <string.h>

#include "image_domain.h"
#include "outimage.h"
#include "rounds.h"
#include "suspend.h"

struct image_save
{
    struct session s;
    struct rounds rounds;
    const struct xmig_image_hooks *hooks;
    void *data;
    struct chan *chan;
    struct err chan_err;         /* of the lane and of the channel */
    struct image_out out;
    struct image_tail tail;
    bool devices_logged;
    bool suspended;
    uint64_t suspend_begin_us;
};

/* None of them: whoever reads the stream does not answer. */
static const struct rounds_peer no_peer;

static int write_chan(void *data, struct iovec *iov, unsigned int nr_iov)
{
    struct image_save *im = data;

    return chan_writev(im->chan, iov, nr_iov);
}

static int log_devices(struct image_save *im, bool on)
{
    int rc;

    if ( !im->hooks->log_devices || im->devices_logged == on )
        return 0;
    im->devices_logged = on;
    rc = im->hooks->log_devices(im->data, on);
    if ( rc )
        return err_set(im->s.err, rc, "domain %u: have its device model log "
                       "what it writes: %s", im->s.domid, err_text(rc));

    return 0;
}

static int set_up(struct image_save *im)
{
    static const char *const mechs[] = { "precopy" };
    struct session *s = &im->s;
    struct hv_policy policy = { 0 };
    struct hv_domain info;
    int rc;

    rc = hv_carried(s->hv, s->err, s->domid);
    if ( rc != -ENOENT )
        owner_set(s->err, XMIG_GUEST_AT_SOURCE);
    if ( !rc )
        rc = hv_domain_info(s->hv, s->err, s->domid, &info);
    if ( !rc )
        rc = hv_nr_gfns(s->hv, s->err, s->domid, &s->nr_gfns);
    if ( !rc )
        rc = hv_policy_get(s->hv, s->err, s->domid, &policy);
    if ( !rc )
        rc = image_domain_head(&im->out, s->hv, s->err, &policy);
    if ( !rc )
        rc = plan_build_names(mechs, 1, 0, s->err, &s->plan);
    hv_policy_done(&policy);
    if ( rc )
        return rc;
    s->total_pages = info.tot_pages;
    s->nr_lanes = 1;

    return 0;
}

static int begin_rounds(struct image_save *im, bool live)
{
    struct session *s = &im->s;
    struct laneout *lane;
    struct xmig_stats *st;
    int rc;

    rc = rounds_begin(&im->rounds, live);
    if ( !rc )
        rc = engine_setup(s);
    if ( rc )
        return rc;
    rc = outimage_new(&im->out, &im->chan_err, &lane);
    if ( rc )
        return err_set(s->err, rc, "save domain %u: %s", s->domid,
                       err_text(rc));
    rc = mover_open(s, &im->rounds.set, &lane, 1, &im->rounds.mover);

    st = stats_edit(s->stats);
    st->phase = live ? XMIG_PHASE_ROUNDS : XMIG_PHASE_SWITCHOVER;
    st->total_bytes = s->total_pages * PAGE_BYTES;
    st->remaining_bytes = st->total_bytes;
    stats_edited(s->stats);
    stats_tell(s->stats);

    return rc;
}

/* The hook's word is good; the hypervisor's is better. */
static int suspend(struct image_save *im, struct hv_domain *ret_info)
{
    struct session *s = &im->s;
    struct xmig_stats *st;
    int rc;

    im->suspend_begin_us = clock_now_us();
    stats_phase(s->stats, XMIG_PHASE_SWITCHOVER);
    stats_tell(s->stats);
    rc = im->hooks->suspend(im->data);
    if ( rc )
        return err_set(s->err, rc, "domain %u: its toolstack did not suspend "
                       "it", s->domid);
    im->suspended = true;
    rc = hv_domain_info(s->hv, s->err, s->domid, ret_info);
    if ( rc )
        return rc;
    if ( !ret_info->shut_down ||
         ret_info->shutdown_reason != HV_SHUTDOWN_SUSPEND )
        return err_set(s->err, -EINVAL, "domain %u is said to be suspended "
                       "and is not", s->domid);

    st = stats_edit(s->stats);
    st->suspend_us = clock_now_us() - im->suspend_begin_us;
    stats_edited(s->stats);

    return 0;
}

/* The guest stands still: everything that is left. */
static int last_round(struct image_save *im, const struct hv_domain *info)
{
    struct session *s = &im->s;
    int rc, r;

    rc = rounds_last_collect(&im->rounds, info);
    if ( !rc )
        rc = engine_switchover(s);
    if ( !rc )
        rc = rounds_last_start(&im->rounds);
    if ( rc )
        return rc;

    rc = image_tail_get(&im->tail, s->hv, s->err, s->domid);
    if ( !rc && !im->rounds.dirty )
        rc = rounds_last_watch(&im->rounds);
    if ( rc )
        session_fail(s, rc);
    r = rounds_last_finish(&im->rounds);
    if ( !rc )
        rc = r;
    if ( !rc )
        rc = image_tail_write(&im->tail, &im->out);

    return rc;
}

static int save(struct image_save *im, bool live)
{
    struct hv_domain info;
    int rc;

    rc = set_up(im);
    if ( !rc && live )
        rc = log_devices(im, true);
    if ( !rc && live )
        rc = begin_rounds(im, true);
    if ( !rc && live )
        rc = rounds_live(&im->rounds, -1);
    if ( !rc )
        rc = suspend(im, &info);
    if ( !rc && !live )
        rc = begin_rounds(im, false);
    if ( !rc )
        rc = last_round(im, &info);

    return rc;
}

/* Of several consequences of one cause, tell the cause. */
static void find_cause(struct image_save *im, int rc)
{
    struct session *s = &im->s;

    if ( cancel_check(s->stop) == -ECANCELED )
    {
        err_reset(s->err);
        err_set(s->err, -ECANCELED, "cancelled");
        return;
    }
    if ( !err_code(s->err) && im->rounds.mover )
        mover_error(im->rounds.mover, s->err);
    err_take(s->err, &im->chan_err);
    err_set(s->err, rc, "save domain %u: %s", s->domid, err_text(rc));
}

/*
 * libxl 4.17 takes a guest that it has suspended by event channel for one
 * that did not respond, and xl migrate then does not resume it.  For others
 * it does.
 */
static void resume_forgotten(struct image_save *im)
{
    struct session *s = &im->s;
    struct suspend su = {
        .hv = s->hv, .store = s->store, .domid = s->domid,
    };
    uint32_t port;

    if ( im->suspended && im->hooks->forgets_events &&
         !store_suspend_port(s->store, NULL, s->domid, &port) )
        suspend_resume(&su);
}

static void tell_end(struct image_save *im)
{
    struct mover_counts c;
    struct xmig_stats *st;

    mover_counts(im->rounds.mover, &c);
    st = stats_edit(im->s.stats);
    st->downtime_us = clock_now_us() - im->suspend_begin_us;
    st->normal_pages = c.normal_pages;
    st->transferred_bytes = im->out.offset;
    st->remaining_bytes = 0;
    stats_edited(im->s.stats);
    stats_permille(im->s.stats, 1000);
    stats_phase(im->s.stats, XMIG_PHASE_DONE);
    stats_tell(im->s.stats);
}

int xmig_image_save(struct xmig *x, uint32_t domid, int fd, bool live,
                    const struct xmig_image_hooks *hooks, void *data)
{
    struct image_save im = { .hooks = hooks, .data = data };
    struct session *s = &im.s;
    struct bucket bucket;
    int rc, r;

    rc = session_begin(x);
    if ( rc )
        return rc;
    session_init(s, x, true);
    s->err = &x->err;
    s->stop = &x->stop;
    s->stats = &x->stats;
    s->domid = domid;
    im.rounds.s = s;
    im.rounds.peer = &no_peer;
    im.out.write = write_chan;
    im.out.data = &im;
    err_init(&im.chan_err);
    im.rounds.bucket = &bucket;
    im.rounds.bandwidth_bps = opt_u64(x->opts, NULL, "bandwidth");
    bucket_init(&bucket, im.rounds.bandwidth_bps);

    rc = chan_open(fd, true, "the stream", s->stop, &im.chan_err, &im.chan);
    if ( !rc )
    {
        chan_set_bucket(im.chan, &bucket);
        rc = save(&im, live);
    }
    if ( rc )
        find_cause(&im, rc);
    else
        tell_end(&im);
    rc = err_code(s->err);
    rounds_end(&im.rounds);
    r = log_devices(&im, false);
    rc = rc ? rc : r;
    if ( rc )
        resume_forgotten(&im);

    engine_cleanup(s, !rc);
    image_tail_done(&im.tail);
    chan_close(im.chan);
    bucket_done(&bucket);
    err_done(&im.chan_err);

    return session_end(x, rc);
}
