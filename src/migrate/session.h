/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The handle of the public interface (struct xmig) and one operation at one
 * end (struct session).
 *
 * A handle runs one operation at a time.  xmig_serve() runs a session per
 * migration that comes in, each in a thread of its own, with an error
 * record and a stop of its own; every other operation is one session that
 * uses the handle's.
 */
#ifndef XMIG_SESSION_H
#define XMIG_SESSION_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "chan.h"
#include "err.h"
#include "hv.h"
#include "hv_pager.h"
#include "ident.h"
#include "log.h"
#include "opt.h"
#include "plan.h"
#include "state.h"
#include "stats.h"
#include "steer.h"
#include "store.h"
#include "toolstack.h"
#include "xmig.h"

#define SESSION_STATE_DIR MONITOR_STATE_DIR

struct xmig
{
    /* set at open, then read-only */
    struct xentoollog_logger *logger;
    struct hv *hv;
    struct store *store;
    struct optset *opts;

    /* between operations only */
    struct toolstack toolstack;
    char *state_dir;
    struct opt_text opt_text;    /* xmig_option_get()'s */
    xmig_progress_fn *progress;
    void *progress_data;
    xmig_event_fn *event;
    void *event_data;
    xmig_policy_fn *policy;
    void *policy_data;
    xmig_remote_fn *on_remote;
    void *remote_data;
    const char *holder_path;     /* NULL: none is started */
    char *const *holder_argv;

    struct err err;
    struct stats stats;
    /* Raised by xmig_cancel(), or by a failing thread of the operation. */
    struct cancel stop;
    _Atomic bool running;        /* an operation runs */
    _Atomic bool committed;      /* ... and can't be stopped any more */
};

struct session
{
    /* set at the start, then read-only */
    struct xmig *x;
    bool source;                 /* which end this is */
    struct xentoollog_logger *logger;
    const struct optset *opts;
    const char *state_dir;
    struct hv *hv;
    struct store *store;
    const struct toolstack *toolstack;
    uint8_t boot[IDENT_BYTES];   /* of this host */
    uint32_t xen_version;

    /* known once the domain is, then read-only */
    uint8_t id[IDENT_BYTES];     /* of the migration */
    uint32_t domid;              /* at this end */
    char name[128];              /* of the domain, its proper one */
    uint64_t nr_gfns;            /* highest gfn + 1 */
    uint64_t total_pages;        /* populated when the session began */
    uint64_t caps;               /* agreed, WIRE_CAP_* */
    unsigned int nr_lanes;
    bool postcopy;               /* it may become one: D has a fault source */
    bool absent;                 /* it is one from the start */
    enum hv_faults faults;       /* of post-copy, at D */

    struct err *err;
    struct cancel *stop;
    struct stats *stats;
    struct state_cell state;
    struct steer steer;

    _Atomic bool split_asked;    /* by the monitor */
    _Atomic bool fenced;         /* ... the other host is off for good */

    /* engine's thread only */
    bool split;                  /* the switch-over is, or was, post-copy's */
    struct plan plan;
    void *priv[PLAN_MAX];        /* of the plan's mechanisms */
    unsigned int nr_setup;       /* so many of them have been set up */
};

/*
 * Begin an operation on the handle: forget the last error and figures.
 *   -EBUSY  one runs
 */
int session_begin(struct xmig *x);
/* It ended with rc (returned as it is); one ERROR line if it failed. */
int session_end(struct xmig *x, int rc);
/* From here on xmig_cancel() is ignored, and one that came is forgotten if
 * nothing has acted on it: -ECANCELED if it came in time. */
int session_commit(struct xmig *x);

/* Fill in what a session takes from its handle; own error record, stop and
 * figures are the caller's to set. */
void session_init(struct session *s, struct xmig *x, bool source);
/* Learn what this host is: boot id and Xen's version. */
int session_host(struct session *s);

/* A thread of the session failed with rc: every wait of it ends. */
void session_fail(struct session *s, int rc);

/* ---- mechanisms (engine.c) ---------------------------------------------- */

struct sendset;
struct wire_record;

/* Probe and set up the plan, in order; -errno leaves those set up for
 * engine_cleanup(). */
int engine_setup(struct session *s);
int engine_select(struct session *s, struct sendset *set,
                  enum mech_phase phase);
int engine_look(struct session *s, uint64_t elapsed_us,
                enum mech_verdict *ret);
int engine_verdict(struct session *s, const struct round_stats *st,
                   enum mech_verdict *ret);
void engine_suspending(struct session *s);
int engine_switchover(struct session *s);
int engine_drain(struct session *s);
/* A control record of a mechanism's id.  -EPROTO: none of the plan's. */
int engine_record(struct session *s, const struct wire_record *rec);
/* In reverse order, those that were set up. */
void engine_cleanup(struct session *s, bool ok);

#endif
