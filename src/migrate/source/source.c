/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * xmig_send(): a migration at the source from its beginning to its end,
 * whichever that is.  The phases are in docs/design.md.
 *
 * Up to GO every failure ends in roll_back(): the guest runs on here.  After
 * GO only what the destination's journal says counts (switchover_commit()).
 */
#include "source.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "outcode.h"
#include "outlane.h"
#include "recover.h"
#include "settle.h"

/* How long the destination gets to tidy up after it was told of a failure. */
#define TIDY_US (3 * US_PER_S)

/* ---- Beginning ---------------------------------------------------------- */

static int check_running(struct session *s)
{
    struct hv_domain info;
    char buf[16];
    int rc = hv_domain_info(s->hv, s->err, s->domid, &info);

    if ( rc )
        return rc;
    if ( info.shut_down )
        return err_set(s->err, -EINVAL, "domain %u has shut down (%s)%s",
                       s->domid, hv_shutdown_name(info.shutdown_reason, buf),
                       info.shutdown_reason == HV_SHUTDOWN_SUSPEND
                       ? ": \"xmig recover\" settles a migration that "
                         "suspended it" : "");
    if ( info.paused )
        return err_set(s->err, -EINVAL, "domain %u is paused: it can't "
                       "suspend itself", s->domid);

    return 0;
}

static int begin_journal(struct source *src)
{
    struct session *s = &src->s;
    struct journal_info info = { .role = JOURNAL_SOURCE,
                                 .domid = s->domid };
    int rc;

    memcpy(info.id, s->id, sizeof(info.id));
    memcpy(info.uuid, src->desc.domain.uuid, sizeof(info.uuid));
    memcpy(info.boot, s->boot, sizeof(info.boot));
    snprintf(info.name, sizeof(info.name), "%s", s->name);
    snprintf(info.peer, sizeof(info.peer), "%s", src->peer.text);
    rc = journal_create(s->state_dir, &info, s->err, &src->journal);
    if ( !rc )
        rc = journal_claim(src->journal, s->err);
    if ( !rc )
        rc = journal_append(src->journal, JOURNAL_PREPARING, false, s->err);

    return rc;
}

/* The lane's way out: plain, or with a coder around it. */
static int open_lane(struct source *src, unsigned int lane, bool zeros,
                     struct laneout **ret_out)
{
    struct session *s = &src->s;
    struct outlane_config cfg = {
        .conn = src->lanes[lane],
        .lane = lane,
        .nr_lanes = s->nr_lanes,
        .find_zeros = zeros,
        .find_fills = s->caps & WIRE_CAP_FILL,
        .first_access = (unsigned int)opt_u64(s->opts, NULL, "first-access"),
        .logger = s->logger,
    };
    struct laneout *plain;
    int rc;

    rc = outlane_new(&cfg, &plain);
    if ( rc || !src->rounds.coder )
    {
        if ( !rc )
            *ret_out = plain;
        return rc;
    }
    rc = outcode_new(&cfg, src->rounds.coder, plain, ret_out);
    if ( rc )
        plain->ops->free(plain);

    return rc;
}

static int open_mover(struct source *src)
{
    struct session *s = &src->s;
    bool zeros = (s->caps & WIRE_CAP_ZERO) &&
                 opt_bool(s->opts, NULL, "zero-pages");
    struct laneout *outs[WIRE_LANES_MAX];
    unsigned int i;
    int rc;

    rc = coder_new(s, &src->rounds.coder);
    if ( rc )
        return rc;
    for ( i = 0; i < s->nr_lanes; i++ )
    {
        rc = open_lane(src, i, zeros, &outs[i]);
        if ( rc )
        {
            while ( i-- )
                outs[i]->ops->free(outs[i]);
            return err_set(s->err, rc, "set up the lanes: %s", err_text(rc));
        }
    }

    rc = mover_open(s, &src->rounds.set, outs, s->nr_lanes,
                    &src->rounds.mover);
    if ( !rc && s->postcopy )
        rc = split_open(src);

    return rc;
}

/* Connect, and refuse what the peer can not do. */
static int meet(struct source *src)
{
    static const char *const mechs[] = { "postcopy", "precopy" };
    struct session *s = &src->s;
    int rc;

    rc = coder_check(s);
    if ( !rc )
        rc = source_connect(src);
    if ( !rc && src->desc.config && !(s->caps & WIRE_CAP_TOOLSTACK) )
        rc = err_set(s->err, -EOPNOTSUPP, "%s manages the domain, and the "
                     "receiver at %s has no toolstack",
                     s->toolstack->hooks->name, src->peer.label);
    if ( !rc && s->postcopy && !(s->caps & WIRE_CAP_POSTCOPY) )
        rc = err_set(s->err, -EOPNOTSUPP, "the xmig at %s does not know "
                     "post-copy", src->peer.label);
    if ( !rc && s->faults == HV_FAULTS_ACCESS &&
         !(s->caps & WIRE_CAP_ACCESS) )
        rc = err_set(s->err, -EOPNOTSUPP, "the xmig at %s does not know "
                     "post-copy by mem_access", src->peer.label);
    if ( rc )
        return rc;

    return plan_build_names(mechs + !s->postcopy, 1 + s->postcopy, s->caps,
                            s->err, &s->plan);
}

static int set_up(struct source *src)
{
    struct session *s = &src->s;
    int rc;

    rc = session_host(s);
    if ( !rc )
        rc = describe(s->toolstack, s->err, s->domid, &src->desc);
    if ( !rc )
        rc = owner_set(s->err, XMIG_GUEST_AT_SOURCE);
    if ( !rc )
        rc = recover_check_free(&src->s, src->desc.domain.uuid);
    if ( !rc )
        rc = check_running(s);
    if ( !rc )
        rc = ident_random(s->id);
    if ( rc )
        return rc;

    snprintf(s->name, sizeof(s->name), "%s", src->desc.domain.name);
    steer_domain(s);
    steer_open(s, peer_is_command(&src->peer) ? src->peer.label
                                              : src->peer.text);
    s->nr_gfns = src->desc.domain.nr_gfns;
    s->total_pages = src->desc.domain.populated_pages;
    rc = split_choose(src);
    if ( rc )
        return rc;
    if ( opt_is_set(s->opts, NULL, "name") &&
         *opt_str(s->opts, NULL, "name") )
        snprintf(src->desc.domain.name, sizeof(src->desc.domain.name), "%s",
                 opt_str(s->opts, NULL, "name"));

    rc = meet(src);
    if ( !rc )
        rc = begin_journal(src);
    if ( !rc )
        rc = source_send_description(src);
    /* While D builds the domain. */
    if ( !rc )
        rc = suspend_open(&src->su, s->hv, s->store, s->err, s->domid);
    if ( !rc )
        rc = rounds_begin(&src->rounds, !s->absent);
    if ( !rc )
        rc = source_send_memory(src);
    if ( !rc )
        rc = engine_setup(s);
    if ( !rc )
        rc = source_await(src, &src->prepared);
    if ( !rc )
        rc = source_join_lanes(src);
    if ( !rc )
        rc = open_mover(src);

    return rc;
}

/* ---- Ending ------------------------------------------------------------- */

/*
 * Why did it fail?  Of several consequences of one cause, tell the cause: a
 * cancel, a guest that is gone, the peer's own words; only then what was seen
 * of it on a connection or in a hypercall.
 */
void source_find_cause(struct source *src, int rc)
{
    struct session *s = &src->s;
    struct err guest;

    if ( rc == -ECANCELED )
    {
        err_set(s->err, rc, "cancelled");
        return;
    }

    err_init(&guest);
    if ( owner_get(s->err) != XMIG_GUEST_NONE && !src->suspended &&
         suspend_check_alive(s->hv, &guest, s->domid, NULL) )
    {
        /* What failed for want of a guest is of no interest. */
        if ( err_code(s->err) != -ESHUTDOWN && err_code(&guest) != rc )
            err_reset(s->err);
        err_take(s->err, &guest);
    }
    err_done(&guest);
    if ( err_code(s->err) )
        return;

    /* A connection failed, or would not be made: the peer may have said on
     * control why. */
    if ( src->ctl && (rc == -EPIPE || rc == -ECONNRESET || rc == -ENODATA ||
                      (err_code(&src->ctl_err) && rc != -ETIMEDOUT)) )
    {
        chan_set_deadline(src->ctl->chan, deadline_in(US_PER_S));
        while ( !source_control(src) )
            ;
        if ( err_code(s->err) )
            return;
    }
    if ( src->push )
        push_error(src->push, s->err);
    if ( src->rounds.mover )
        mover_error(src->rounds.mover, s->err);
    err_take(s->err, &src->ctl_err);
    err_take(s->err, &src->lane_err[0]);     /* the state's */
}

/* Tell the peer, and wait until it has tidied up: it closes then. */
static void tell_peer(struct source *src)
{
    struct session *s = &src->s;
    struct xmig_error rec;
    uint8_t sink[256];
    size_t got;

    if ( !src->ctl )
        return;
    err_copy(s->err, &rec);
    chan_set_deadline(src->ctl->chan, deadline_in(TIDY_US));
    conn_send_error(src->ctl, rec.code, XMIG_GUEST_AT_SOURCE, rec.text);
    chan_shut_write(src->ctl->chan);
    while ( !chan_read_some(src->ctl->chan, sink, sizeof(sink), &got) && got )
        ;
}

static bool is_suspended(struct session *s)
{
    struct hv_domain info;

    return !hv_domain_info(s->hv, NULL, s->domid, &info) && info.shut_down &&
           info.shutdown_reason == HV_SHUTDOWN_SUSPEND;
}

/* The guest goes on here; ends at AT_SOURCE unless it can't. */
static int roll_back(struct source *src, int rc)
{
    struct session *s = &src->s;
    struct hv_domain info;
    struct err quiet;
    int r = 0;

    cancel_lower(s->stop);
    err_init(&quiet);
    /* First of all: it stands still.  So does one that obeyed a request of
     * an earlier migration, after it had been seen to run. */
    if ( src->suspended || ((src->rounds.dirty || s->absent) &&
                            is_suspended(s)) )
    {
        src->suspended = true;
        src->su.err = &quiet;
        r = suspend_resume(&src->su);
        src->su.err = s->err;
    }
    engine_cleanup(s, false);
    source_find_cause(src, rc);
    peer_explain(&src->links, s->err);
    rc = err_code(s->err) ? err_code(s->err) : rc;
    if ( r )
        err_wrap(s->err, rc, "the guest could not be resumed here (%s), it "
                 "is still suspended: \"xmig recover\" tries again",
                 quiet.rec.text);
    err_done(&quiet);
    if ( state_get(&s->state) != STATE_IDLE )
        state_set(&s->state, NULL, STATE_ROLLBACK);

    split_end(src);
    if ( src->rounds.mover )
        mover_close(src->rounds.mover);
    src->rounds.mover = NULL;
    cancel_lower(s->stop);
    if ( src->renamed )
        toolstack_rename(s->toolstack, NULL, s->domid, s->name);
    rounds_end(&src->rounds);

    /* Open for as long as the guest may obey a request to suspend, or stands
     * still.  A destination that is told forgets the migration, so our own
     * journal has to say first that there is nothing to ask. */
    if ( src->journal )
        journal_append(src->journal, src->su.asked || r ? JOURNAL_WITHDRAWN
                                                        : JOURNAL_RESUMED,
                       true, NULL);
    if ( !src->journal || journal_state(src->journal) != JOURNAL_SUSPENDING )
        tell_peer(src);
    if ( src->journal && journal_state(src->journal) == JOURNAL_RESUMED )
        journal_remove(src->journal, NULL);
    if ( rc == -ENOENT && owner_get(s->err) == XMIG_GUEST_AT_SOURCE &&
         hv_domain_info(s->hv, NULL, s->domid, &info) == -ENOENT )
        owner_set(s->err, XMIG_GUEST_LOST);
    state_set(&s->state, NULL, STATE_FAILED);

    return rc;
}

/* The guest has its name there when this returns 0. */
static int say_bye(struct source *src)
{
    struct session *s = &src->s;

    if ( src->ctl_broken )
        return -ENOTCONN;
    src->ctl->err = NULL;
    chan_set_err(src->ctl->chan, NULL);
    chan_set_cancel(src->ctl->chan, s->stop);
    /* A toolstack there may still be at work. */
    chan_set_deadline(src->ctl->chan, deadline_in(opt_u64(s->opts, NULL,
        src->desc.config ? "recover-timeout" : "io-timeout")));

    return settle_bye_on(src->ctl, s->caps);
}

static const char *manager_of(const struct source *src)
{
    return src->desc.config ? src->s.toolstack->hooks->name : NULL;
}

/* Of us without the link's part of it: 0 would say that nobody knows. */
static uint64_t beyond(uint64_t us, uint64_t link_us)
{
    return us > link_us ? us - link_us : 1;
}

/* For the next one to be predicted by. */
static void keep_pause(struct source *src, const struct xmig_stats *st)
{
    struct rounds_trips trips = rounds_trips(&src->rounds);
    struct pause_memo m = { .suspend_us = st->suspend_us };

    /* In a post-copy other things are waited for; a connection that broke was
     * waited for, too. */
    if ( !src->s.split && !src->ctl_broken )
    {
        m.state_us = beyond(st->state_us, trips.state_us);
        m.commit_us = beyond(st->commit_us + st->unpause_us, trips.commit_us);
    }
    pause_memo_write(src->s.store, manager_of(src), &m);
}

/* It runs there: what is here goes. */
int source_finish(struct source *src)
{
    struct session *s = &src->s;
    struct xmig_stats now;
    struct err quiet;
    int rc;

    stats_phase(s->stats, XMIG_PHASE_DONE);
    stats_end(s->stats);
    stats_tell(s->stats);
    stats_copy(s->stats, &now);
    keep_pause(src, &now);

    split_end(src);
    cancel_lower(s->stop);
    rounds_end(&src->rounds);
    err_init(&quiet);
    rc = toolstack_destroy(s->toolstack, &quiet, s->domid);
    if ( !rc )
        rc = journal_append(src->journal, JOURNAL_DONE, true, &quiet);
    if ( !rc )
    {
        /* One that could not be told is told by "xmig recover". */
        if ( !say_bye(src) ||
             !settle_bye(&(struct settle){ .s = s, .peer = &src->peer,
                                           .id = s->id, .cancel = s->stop }) )
            journal_remove(src->journal, NULL);
        else
            LOG_WARN(s->logger, "the guest runs at %s, which has not said "
                     "that it is done with the migration; \"xmig recover\" "
                     "asks again", src->peer.label);
    }
    else
    {
        LOG_WARN(s->logger, "the guest runs at %s, but the copy here was not "
                 "tidied up: %s; \"xmig recover\" tries again",
                 src->peer.label, quiet.rec.text);
    }
    err_done(&quiet);
    state_set(&s->state, s->err, STATE_DONE);

    return 0;
}

/* GO has been sent, and nobody knows. */
static int in_doubt(struct source *src, int rc)
{
    struct session *s = &src->s;

    split_end(src);
    cancel_lower(s->stop);
    rounds_end(&src->rounds);
    journal_append(src->journal, JOURNAL_IN_DOUBT, true, NULL);
    state_set(&s->state, s->err, STATE_IN_DOUBT);

    return rc;
}

static int run(struct source *src)
{
    struct session *s = &src->s;
    struct xmig_stats *now;
    uint64_t begin_us = clock_now_us();
    int rc;

    rc = state_set(&s->state, s->err, STATE_SETUP);
    if ( !rc )
        rc = set_up(src);
    if ( rc )
        return roll_back(src, rc);

    now = stats_edit(s->stats);
    now->phase = XMIG_PHASE_ROUNDS;
    now->setup_time_us = clock_now_us() - begin_us;
    now->total_bytes = s->total_pages * PAGE_BYTES;
    now->remaining_bytes = now->total_bytes;
    stats_edited(s->stats);
    stats_tell(s->stats);

    pause_memo_read(s->store, manager_of(src), &src->rounds.memo);
    rc = state_set(&s->state, s->err, STATE_LIVE);
    s->split = s->absent;
    if ( !rc && !s->split )
        rc = rounds_live(&src->rounds, chan_fd(src->ctl->chan));
    if ( !rc && s->split )
        rc = split_leave(src);
    if ( !rc )
        rc = switchover(src);
    if ( rc )
        return roll_back(src, rc);

    rc = switchover_commit(src);
    if ( owner_get(s->err) == XMIG_GUEST_SPLIT )
    {
        rc = split_serve(src, split_drain(src));
        if ( rc )
            return rc;
        owner_set(s->err, XMIG_GUEST_AT_DESTINATION);
    }
    if ( owner_get(s->err) == XMIG_GUEST_AT_DESTINATION )
        return source_finish(src);
    if ( owner_get(s->err) == XMIG_GUEST_AT_SOURCE )
        return roll_back(src, rc);

    return in_doubt(src, rc);
}

/* All but whom to reach and what to send. */
int source_begin(struct source *src, struct xmig *x)
{
    unsigned int i;

    session_init(&src->s, x, true);
    src->s.err = &x->err;
    src->s.stop = &x->stop;
    src->s.stats = &x->stats;
    src->rounds.s = &src->s;
    src->rounds.peer = &source_peer;
    src->rounds.data = src;
    peer_links_init(&src->links, &src->s, &src->peer, src->s.stop);
    err_init(&src->ctl_err);
    err_init(&src->fault_err);
    for ( i = 0; i < WIRE_LANES_MAX; i++ )
        err_init(&src->lane_err[i]);
    src->rounds.bucket = &src->bucket;
    src->rounds.bandwidth_bps = opt_u64(src->s.opts, NULL, "bandwidth");
    bucket_init(&src->bucket, src->rounds.bandwidth_bps);

    return steer_init(&src->s, x->event, x->event_data);
}

void source_end(struct source *src, int rc)
{
    unsigned int i;

    engine_cleanup(&src->s, !rc);
    spiller_close(src->spiller, owner_get(src->s.err) == XMIG_GUEST_SPLIT);
    steer_end(&src->s, rc);
    steer_done(&src->s);
    suspend_close(&src->su);
    coder_free(src->rounds.coder);
    source_disconnect(src);
    describe_done(&src->desc);
    bucket_done(&src->bucket);
    for ( i = 0; i < WIRE_LANES_MAX; i++ )
        err_done(&src->lane_err[i]);
    err_done(&src->fault_err);
    err_done(&src->ctl_err);
    free(src);
}

static int send_to(struct xmig *x, uint32_t domid, const char *host,
                   uint16_t port, const char *command)
{
    struct journal *journal;
    struct source *src;
    int rc;

    rc = session_begin(x);
    if ( rc )
        return rc;
    src = calloc(1, sizeof(*src));
    if ( !src )
        return session_end(x, -ENOMEM);

    rc = source_begin(src, x);
    src->s.domid = domid;
    if ( !rc )
        rc = command ? peer_set_command(&src->peer, command, src->s.err)
                     : peer_set_tcp(&src->peer, host, port, src->s.err);
    if ( !rc )
        rc = run(src);
    journal = src->journal;
    source_end(src, rc);
    journal_close(journal);

    return session_end(x, rc);
}

int xmig_send(struct xmig *x, uint32_t domid, const char *host, uint16_t port)
{
    return send_to(x, domid, host, port ? port : XMIG_PORT, NULL);
}

int xmig_send_command(struct xmig *x, uint32_t domid, const char *command)
{
    return send_to(x, domid, NULL, 0, command);
}
