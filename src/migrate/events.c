/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The queue of events: see events.h.  Its memory is taken at the start, so
 * that noting one in the downtime costs a copy and no more.
 */
#include "events.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int events_init(struct events *ev, xmig_event_fn *fn, void *data,
                struct stats *stats)
{
    memset(ev, 0, sizeof(*ev));
    ev->fn = fn;
    ev->data = data;
    ev->stats = stats;
    pthread_mutex_init(&ev->lock, NULL);
    if ( !fn )
        return 0;
    ev->queue = calloc(EVENTS_ROOM, sizeof(*ev->queue));

    return ev->queue ? 0 : -ENOMEM;
}

void events_done(struct events *ev)
{
    free(ev->queue);
    ev->queue = NULL;
    pthread_mutex_destroy(&ev->lock);
}

void events_set_id(struct events *ev, const char *id)
{
    snprintf(ev->id, sizeof(ev->id), "%s", id);
}

void events_note(struct events *ev, enum xmig_event_kind kind, int code,
                 const char *text)
{
    struct events_entry *e;

    if ( !ev->queue )
        return;
    pthread_mutex_lock(&ev->lock);
    /* The end takes the last place if it has to. */
    if ( ev->nr == EVENTS_ROOM && kind == XMIG_EVENT_END )
        ev->nr--;
    if ( ev->nr < EVENTS_ROOM )
    {
        e = &ev->queue[(ev->first + ev->nr++) % EVENTS_ROOM];
        e->kind = kind;
        e->code = code;
        snprintf(e->text, sizeof(e->text), "%s", text);
        stats_copy(ev->stats, &e->stats);
    }
    pthread_mutex_unlock(&ev->lock);
}

void events_hold(struct events *ev, bool held)
{
    pthread_mutex_lock(&ev->lock);
    ev->held = held;
    pthread_mutex_unlock(&ev->lock);
}

void events_tell(struct events *ev)
{
    struct events_entry e;
    struct xmig_event out;
    bool any;

    if ( !ev->queue )
        return;
    for ( ; ; )
    {
        pthread_mutex_lock(&ev->lock);
        any = ev->nr && !ev->held;
        if ( any )
        {
            e = ev->queue[ev->first];
            ev->first = (ev->first + 1) % EVENTS_ROOM;
            ev->nr--;
        }
        pthread_mutex_unlock(&ev->lock);
        if ( !any )
            return;

        out.kind = e.kind;
        out.time_us = e.stats.total_time_us;
        out.id = ev->id;
        out.text = e.text;
        out.code = e.code;
        out.stats = &e.stats;
        ev->fn(ev->data, &out);
    }
}
