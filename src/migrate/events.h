/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What happens in a migration, on its way to the caller's callback: noted
 * with the time and the figures of the moment, handed over in the thread of
 * the operation, never between the request to suspend and the guest's running
 * again.
 *
 * Thread: events_note() any; the others the operation's.
 */
#ifndef XMIG_EVENTS_H
#define XMIG_EVENTS_H

#include <pthread.h>

#include "stats.h"
#include "xmig.h"

#define EVENTS_TEXT 512
#define EVENTS_ROOM 64

struct events_entry
{
    enum xmig_event_kind kind;
    int code;
    char text[EVENTS_TEXT];
    struct xmig_stats stats;
};

struct events
{
    /* set at the start, then read-only */
    xmig_event_fn *fn;           /* NULL: nobody listens */
    void *data;
    struct stats *stats;
    char id[40];

    pthread_mutex_t lock;
    /* under lock */
    struct events_entry *queue;  /* EVENTS_ROOM */
    unsigned int first, nr;
    bool held;                   /* the guest does not run */
};

/* -ENOMEM.  fn may be NULL; stats are the operation's, begun. */
int events_init(struct events *ev, xmig_event_fn *fn, void *data,
                struct stats *stats);
void events_done(struct events *ev);
/* Before the first event that is to carry it. */
void events_set_id(struct events *ev, const char *id);

/* Does not wait.  A queue that is full of what could not be handed over yet
 * forgets the newest, but not the end. */
void events_note(struct events *ev, enum xmig_event_kind kind, int code,
                 const char *text);
/* From here on notes are kept; or handed over again. */
void events_hold(struct events *ev, bool held);
/* Hand over what was noted, unless held. */
void events_tell(struct events *ev);

#endif
