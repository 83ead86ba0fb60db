/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What a session shows to the outside while it runs, and takes from there:
 * its events and its monitor.
 *
 * Thread: the engine's, but where it says otherwise.
 */
#ifndef XMIG_STEER_H
#define XMIG_STEER_H

#include <pthread.h>

#include "events.h"
#include "monitor.h"

struct session;

struct steer
{
    struct events events;
    struct monitor *monitor;     /* NULL: has none */
    uint64_t sampled_us;
    /* Monitor's thread: bring the figures up to date; may be NULL. */
    void (*figures)(struct session *s);

    pthread_mutex_t lock;
    /* under lock; the monitor's copies of what the session knows */
    uint32_t domid;
    char domain[128], peer[128];
};

/* Behind session_init() and with its stats set.  -ENOMEM. */
int steer_init(struct session *s, xmig_event_fn *fn, void *data);
void steer_done(struct session *s);
/* The migration has its id: open its monitor.  A failure is logged only. */
void steer_open(struct session *s, const char *peer);
/* Name and number of the domain are known. */
void steer_domain(struct session *s);
/* It has ended with rc: tell everybody, and close the monitor. */
void steer_end(struct session *s, int rc);

/* Note a sample, if it is time, and hand events over.  Not in the
 * downtime. */
void steer_look(struct session *s);
/* Note that something happened; any thread. */
void steer_note(struct session *s, enum xmig_event_kind kind,
                const char *text);

#endif
