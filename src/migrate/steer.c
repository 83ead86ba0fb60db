/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The session's side of its monitor and its events: see steer.h.
 */
#include "steer.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "session.h"

#define SAMPLE_US (100 * US_PER_MS)

/* For each state: QEMU's word for it, and what a cancel does. */
enum on_cancel
{
    CANCEL_STOPS,
    CANCEL_IS_MOOT,              /* it is being undone already */
    CANCEL_IS_LATE,              /* the guest may run at the destination */
};

static const struct
{
    const char *status;
    enum on_cancel on_cancel;
} states[] = {
    [STATE_IDLE] = { "setup", CANCEL_STOPS },
    [STATE_SETUP] = { "setup", CANCEL_STOPS },
    [STATE_LIVE] = { "active", CANCEL_STOPS },
    [STATE_ARMED] = { "active", CANCEL_STOPS },
    [STATE_SUSPENDING] = { "pre-switchover", CANCEL_STOPS },
    [STATE_SWITCHOVER] = { "device", CANCEL_STOPS },
    [STATE_COMMIT] = { "device", CANCEL_IS_LATE },
    [STATE_DRAIN] = { "postcopy-active", CANCEL_IS_LATE },
    [STATE_HELD] = { "postcopy-paused", CANCEL_IS_LATE },
    [STATE_ROLLBACK] = { "cancelling", CANCEL_IS_MOOT },
    [STATE_IN_DOUBT] = { "failed", CANCEL_IS_LATE },
    [STATE_DONE] = { "completed", CANCEL_IS_LATE },
    [STATE_FAILED] = { "failed", CANCEL_IS_MOOT },
};
static_assert(sizeof(states) / sizeof(states[0]) == STATE_NR_,
              "every state has a row");

/* ---- Events ------------------------------------------------------------- */

static void on_state(void *data, enum state to)
{
    struct session *s = data;

    events_hold(&s->steer.events, to == STATE_SUSPENDING ||
                to == STATE_SWITCHOVER || to == STATE_COMMIT);
    events_note(&s->steer.events, XMIG_EVENT_STATE, 0, state_name(to));
    events_tell(&s->steer.events);
}

int steer_init(struct session *s, xmig_event_fn *fn, void *data)
{
    pthread_mutex_init(&s->steer.lock, NULL);
    s->state.on_set = on_state;
    s->state.data = s;

    return events_init(&s->steer.events, fn, data, s->stats);
}

void steer_done(struct session *s)
{
    events_done(&s->steer.events);
    pthread_mutex_destroy(&s->steer.lock);
}

void steer_look(struct session *s)
{
    uint64_t now = clock_now_us();

    if ( now - s->steer.sampled_us >= SAMPLE_US )
    {
        s->steer.sampled_us = now;
        events_note(&s->steer.events, XMIG_EVENT_SAMPLE, 0, "");
    }
    events_tell(&s->steer.events);
}

void steer_note(struct session *s, enum xmig_event_kind kind,
                const char *text)
{
    events_note(&s->steer.events, kind, 0, text);
}

/* ---- Monitor ------------------------------------------------------------ */

static void status(void *data, struct monitor_status *ret)
{
    struct session *s = data;
    enum state now = state_get(&s->state);
    enum xmig_guest guest = owner_get(s->err);

    if ( s->steer.figures )
        s->steer.figures(s);
    pthread_mutex_lock(&s->steer.lock);
    ret->domid = s->steer.domid;
    snprintf(ret->domain, sizeof(ret->domain), "%s", s->steer.domain);
    snprintf(ret->peer, sizeof(ret->peer), "%s", s->steer.peer);
    pthread_mutex_unlock(&s->steer.lock);
    ret->state = state_name(now);
    ret->status = states[now].status;
    ret->cancellable = states[now].on_cancel == CANCEL_STOPS;
    /* The destination owns nothing until it does. */
    ret->guest = xmig_guest_name(guest == XMIG_GUEST_NONE
                                 ? XMIG_GUEST_AT_SOURCE : guest);
    stats_copy(s->stats, &ret->stats);
}

static int cancel(void *data, struct err *e)
{
    struct session *s = data;

    switch ( states[state_get(&s->state)].on_cancel )
    {
    case CANCEL_IS_MOOT:
        return 0;
    case CANCEL_IS_LATE:
        if ( state_get(&s->state) == STATE_DRAIN ||
             state_get(&s->state) == STATE_HELD )
            return err_set(e, -EBUSY, "the migration can't be cancelled any "
                           "more: the guest runs at the destination, and "
                           "neither host has all of it");
        break;
    case CANCEL_STOPS:
        if ( s->source && s->x->committed )
            break;
        /* At the destination nothing heeds it once GO has been read. */
        session_fail(s, -ECANCELED);
        return 0;
    }

    return err_set(e, -EBUSY, "the migration can't be cancelled any more: it "
                   "is past its point of no return");
}

static int postcopy(void *data, struct err *e)
{
    struct session *s = data;
    enum state now = state_get(&s->state);

    if ( !s->source )
        return err_set(e, -EOPNOTSUPP, "it is the source that is told so");
    if ( !s->postcopy )
        return err_set(e, -EOPNOTSUPP, "the migration was not started with "
                       "--postcopy-ready, --postcopy-after-precopy or "
                       "--timeout-postcopy: the destination can't fetch");
    if ( now != STATE_SETUP && now != STATE_LIVE && now != STATE_ARMED )
        return err_set(e, -EBUSY, "it is too late for that: %s",
                       state_name(now));
    s->split_asked = true;

    return 0;
}

static int fenced(void *data, struct err *e)
{
    struct session *s = data;

    if ( s->source )
        return err_set(e, -EOPNOTSUPP, "it is the destination that is told "
                       "so");
    if ( state_get(&s->state) != STATE_HELD )
        return err_set(e, -EBUSY, "\"%s\" does not wait for its source "
                       "here: %s", s->name, state_name(state_get(&s->state)));
    s->fenced = true;

    return 0;
}

static void was_set(void *data, const char *text)
{
    steer_note(data, XMIG_EVENT_OPTION, text);
}

void steer_domain(struct session *s)
{
    pthread_mutex_lock(&s->steer.lock);
    s->steer.domid = s->domid;
    snprintf(s->steer.domain, sizeof(s->steer.domain), "%s", s->name);
    pthread_mutex_unlock(&s->steer.lock);
}

void steer_open(struct session *s, const char *peer)
{
    static const struct monitor_ops ops = {
        .status = status, .cancel = cancel, .postcopy = postcopy,
        .was_set = was_set, .fenced = fenced,
    };
    char text[IDENT_TEXT];
    struct err e;

    events_set_id(&s->steer.events, ident_text(s->id, text));
    snprintf(s->steer.peer, sizeof(s->steer.peer), "%s", peer);
    err_init(&e);
    if ( monitor_open(s->state_dir, s->id, s->source, &ops, s,
                      s->source ? s->x->opts : NULL, &e, &s->steer.monitor) )
        LOG_WARN(s->logger, "%s: \"xmig status\" will not see this migration",
                 e.rec.text);
    err_done(&e);
}

void steer_end(struct session *s, int rc)
{
    struct xmig_error rec;

    err_copy(s->err, &rec);
    if ( rc && !rec.code )
        snprintf(rec.text, sizeof(rec.text), "%s", err_text(rc));
    events_hold(&s->steer.events, false);
    events_note(&s->steer.events, XMIG_EVENT_END, rc, rc ? rec.text : "");
    events_tell(&s->steer.events);
    monitor_end(s->steer.monitor, rc, rec.text);
    s->steer.monitor = NULL;
}
