/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The ends of a migration at the destination: the guest is here, or nothing
 * of it is left.
 *
 * Thread: the control connection's.
 */
#include "dest.h"

#include <errno.h>
#include <poll.h>

/* When a lane breaks, the source has so long to say why.  It waits longer for
 * our words, so that the two do not wait for each other. */
#define WORDS_US (200 * US_PER_MS)

/* How long a peer that was told of a failure may take to close. */
#define DRAIN_US (2 * US_PER_S)

#define RENAME_TRIES 5
#define RENAME_WAIT_US (50 * US_PER_MS)

void dest_end_lanes(struct dest *d)
{
    unsigned int i;

    pthread_mutex_lock(&d->lock);
    d->open = false;
    pthread_cond_broadcast(&d->cond);
    for ( i = 0; i < WIRE_LANES_MAX; i++ )
        if ( d->lanes[i].conn )
            chan_break(d->lanes[i].conn->chan);
    if ( d->split )
        dest_split_break(d);
    while ( d->nr_running )
        pthread_cond_wait(&d->cond, &d->lock);
    pthread_mutex_unlock(&d->lock);
}

/* There is no way back: what fails is tried again. */
static void take_name(struct dest *d, struct err *quiet)
{
    unsigned int tries;
    int rc;

    for ( tries = 1; (rc = build_rename(&d->build)) && tries < RENAME_TRIES;
          tries++ )
    {
        err_reset(quiet);
        cancel_poll(NULL, -1, 0, deadline_in(RENAME_WAIT_US));
    }
    if ( rc )
        LOG_WARN(d->s.logger, "domain %u keeps the name \"%s%s\": %s",
                 d->s.domid, d->s.name, BUILD_INCOMING, quiet->rec.text);
}

void dest_settle_in(struct dest *d)
{
    struct session *s = &d->s;
    struct wire_record rec;
    struct err quiet;
    uint64_t patience_us;
    int rc;

    dest_figures(&d->s);
    stats_phase(&d->stats, XMIG_PHASE_DONE);
    stats_end(&d->stats);
    session_fail(s, -ECANCELED);
    dest_end_lanes(d);
    dest_split_free(d);
    err_init(&quiet);
    d->build.err = &quiet;
    if ( !d->destroyed )
        take_name(d, &quiet);
    if ( d->config && !d->destroyed )
        toolstack_running(s->toolstack, s->domid);
    build_unclaim(&d->build);
    place_free(d->place);
    d->place = NULL;

    chan_set_err(d->ctl->chan, NULL);
    d->ctl->err = NULL;
    /* A toolstack takes its time to destroy the copy there, in silence. */
    patience_us = opt_u64(s->opts, NULL, d->config ? "recover-timeout"
                                                   : "io-timeout");
    chan_set_io_timeout(d->ctl->chan, patience_us);
    chan_set_deadline(d->ctl->chan, deadline_in(patience_us));
    do {
        rc = conn_recv(d->ctl, &rec);
    } while ( !rc && rec.type == WIRE_ALIVE );
    if ( !rc && rec.type == WIRE_BYE &&
         !journal_append(d->journal, JOURNAL_DONE, true, NULL) )
    {
        journal_remove(d->journal, NULL);
        if ( s->caps & WIRE_CAP_BYE )
            conn_send_empty(d->ctl, WIRE_BYE);
        pthread_mutex_lock(&d->lock);
        d->settled = true;
        pthread_mutex_unlock(&d->lock);
    }
    err_done(&quiet);
}

void dest_find_cause(struct dest *d, int rc)
{
    struct wire_record rec;
    unsigned int i;

    if ( err_code(&d->err) )
        return;
    if ( rc == -ECANCELED )
    {
        err_set(&d->err, rc, "cancelled at the destination");
        return;
    }
    if ( rc == -EPIPE || rc == -ECONNRESET || rc == -ENODATA )
    {
        /* The source's own words may still be in the pipe. */
        chan_set_cancel(d->ctl->chan, NULL);
        chan_set_deadline(d->ctl->chan, deadline_in(WORDS_US));
        while ( !conn_recv(d->ctl, &rec) )
            if ( rec.type == WIRE_ERROR )
            {
                dest_take_error(d, &rec);
                return;
            }
        if ( err_code(&d->err) )
            return;
    }
    if ( d->place && place_ahead_error(d->place, &d->err) )
        return;
    for ( i = 0; i < WIRE_LANES_MAX; i++ )
        if ( err_code(&d->lanes[i].err) &&
             err_take(&d->err, &d->lanes[i].err) )
            return;
    if ( !err_take(&d->err, &d->ctl_err) )
        err_set(&d->err, rc, "%s: %s", chan_name(d->ctl->chan),
                err_text(rc));
}

/*
 * To close a connection with something unread in it resets it, and the peer
 * would lose what we have said: read on until it closes too.
 */
static void drain(struct chan *c)
{
    uint8_t sink[4096];
    size_t got;

    chan_shut_write(c);
    chan_set_deadline(c, deadline_in(DRAIN_US));
    while ( !chan_read_some(c, sink, sizeof(sink), &got) && got )
        ;
}

/* REFUSED says that it never runs here, which ERROR does not. */
static int say_refused(struct dest *d, const struct xmig_error *why)
{
    struct wire_error r = { .code = (uint32_t)-why->code };
    uint8_t buf[16 + WIRE_TEXT_MAX];
    size_t len;
    int rc;

    snprintf(r.text, sizeof(r.text), "%s", why->text);
    rc = wire_refused_encode(&r, buf, sizeof(buf), &len);

    return rc ? rc : conn_send(d->ctl, WIRE_REFUSED, buf, len);
}

/* At once, so that the guest need not wait for the tidying up. */
static void tell_source(struct dest *d, bool never)
{
    struct pollfd pfd = { .fd = chan_fd(d->ctl->chan), .events = POLLIN };
    struct xmig_error rec;

    chan_set_cancel(d->ctl->chan, NULL);
    chan_set_deadline(d->ctl->chan, deadline_in(US_PER_S));
    err_copy(&d->err, &rec);
    pthread_mutex_lock(&d->lock);
    if ( poll(&pfd, 1, 0) > 0 && pfd.revents & (POLLHUP | POLLERR) )
        ;
    else if ( never && (d->go || d->early_go) && !d->source_gave_up )
        say_refused(d, &rec);
    else
        conn_send_error(d->ctl, rec.code, XMIG_GUEST_AT_SOURCE, rec.text);
    pthread_mutex_unlock(&d->lock);
}

void dest_abandon(struct dest *d, int rc)
{
    enum journal_state decided = JOURNAL_PREPARING;

    rc = build_explain(&d->build, rc);
    session_fail(&d->s, rc);
    pthread_mutex_lock(&d->lock);
    pthread_cond_broadcast(&d->cond);
    pthread_mutex_unlock(&d->lock);
    dest_find_cause(d, rc);

    if ( d->journal )
        journal_decide(d->journal, JOURNAL_ABANDONED, d->may_start, NULL,
                       &decided);
    tell_source(d, decided == JOURNAL_ABANDONED);

    dest_end_lanes(d);
    dest_split_free(d);
    if ( d->place )
        place_free(d->place);
    d->place = NULL;
    d->build.err = NULL;
    build_undo(&d->build);
    /* Nobody needs to look for it any more. */
    if ( d->journal && journal_info(d->journal)->domid )
        journal_set_domid(d->journal, 0, NULL);
    /* A source that may have sent GO asks what became of it. */
    if ( d->journal && (!d->may_start || d->source_gave_up) )
        journal_remove(d->journal, NULL);
    pthread_mutex_lock(&d->lock);
    d->settled = !(d->ready_sent || d->early_go) || d->source_gave_up;
    pthread_mutex_unlock(&d->lock);
    owner_set(&d->err, XMIG_GUEST_AT_SOURCE);
    stats_end(&d->stats);
    drain(d->ctl->chan);
}
