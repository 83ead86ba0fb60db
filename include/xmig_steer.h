/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * libxmig: steering an operation and being told of it.  Part of xmig.h, which
 * includes it and whose rules hold here.
 */
#ifndef XMIG_STEER_API_H
#define XMIG_STEER_API_H

#include "xmig.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Progress and figures ----------------------------------------------- */

enum xmig_phase
{
    XMIG_PHASE_SETUP,            /* connecting, preparing the destination */
    XMIG_PHASE_ROUNDS,           /* copying while the guest runs */
    XMIG_PHASE_SWITCHOVER,       /* the guest runs nowhere */
    XMIG_PHASE_DRAIN,            /* post-copy */
    XMIG_PHASE_DONE,
};

/* How far the spill of a post-copy is; docs/postcopy.md. */
enum xmig_spill
{
    XMIG_SPILL_NONE,             /* not asked for */
    XMIG_SPILL_WRITING,
    XMIG_SPILL_WHOLE,            /* the source may die */
    XMIG_SPILL_FAILED,           /* it can't become whole any more */
};

/* Figures of an operation; names follow QEMU's query-migrate. Times are in
 * microseconds, sizes in bytes unless the name says otherwise. */
struct xmig_stats
{
    enum xmig_phase phase;
    uint64_t total_time_us;      /* since the operation began */
    uint64_t setup_time_us;
    uint64_t downtime_us;        /* 0 until known: suspend request to the
                                    peer's word that the guest runs */
    /* its parts, in order: until it stands still; last pages found and sent,
     * and its state beside them; until the peer has all in place; question
     * and answer; starting it */
    uint64_t suspend_us, last_dirty_us, state_us, commit_us, unpause_us;
    uint64_t expected_downtime_us;
    uint64_t transferred_bytes;  /* on the wire, all connections */
    uint64_t total_bytes;        /* the guest's populated memory */
    uint64_t remaining_bytes;
    uint64_t normal_pages;       /* sent whole */
    uint64_t duplicate_pages;    /* zero pages, sent as a mark */
    uint64_t skipped_pages;      /* soft pages not sent */
    uint64_t dirty_pages_rate;   /* pages per second, last round */
    uint64_t bandwidth_bps;      /* bytes per second, last round */
    unsigned int rounds;         /* QEMU: dirty-sync-count */
    unsigned int progress_permille;  /* never runs backwards */
    /* parts of expected_downtime_us: predicted, before the guest is asked to
     * suspend */
    uint64_t expected_suspend_us, expected_last_dirty_us, expected_state_us,
        expected_commit_us;
    uint64_t goodput_bps;        /* best recent estimate, bytes per second */
    uint64_t round_pages, round_us;  /* sent in the last round, and its time */
    uint64_t working_set_pages;  /* most pages found dirty after a round */
    /* post-copy */
    uint64_t postcopy_requests;  /* pages that a vCPU waited for */
    uint64_t postcopy_pages;     /* absent when the guest began to run there;
                                    of them: */
    uint64_t postcopy_pushed;    /* by the lanes */
    uint64_t postcopy_demanded;  /* because they were asked for */
    uint64_t postcopy_neighbours;    /* along with those */
    uint64_t postcopy_first;     /* before it ran, as it was to need them */
    uint64_t postcopy_holes;     /* there was nothing any more */
    uint64_t postcopy_duplicates;    /* sent once more */
    uint64_t postcopy_resent;    /* a connection was lost with them */
    uint64_t postcopy_spilled;   /* at the source: durable in the spill; at the
                                    destination: taken out of it */
    enum xmig_spill postcopy_spill;  /* at the source */
    uint64_t postcopy_dropped;   /* at the destination: were there already */
    uint64_t postcopy_waited_us; /* all vCPUs together */
    uint64_t fault_p50_us, fault_p99_us, fault_max_us;   /* from a request
                                    taken to the vCPU let go */
    unsigned int cpu_throttle_percentage;    /* the guest's vCPUs are slowed
                                    down by so much */
    /* pages that were compressed, and what they became; how often a lane had
     * to wait for the threads that do it */
    uint64_t compressed_pages, compressed_bytes, compression_busy;
    /* pages told as changes (QEMU: XBZRLE): the cache, pages, what they
     * became; those that were not in the cache, or had changed too much */
    uint64_t xbzrle_cache_bytes, xbzrle_pages, xbzrle_bytes, xbzrle_misses,
        xbzrle_overflows;
};

/* Called in the thread of the operation, at most 20 times a second and at
 * each change of phase or round. It must not call back into s, but for
 * xmig_cancel(). */
typedef void xmig_progress_fn(void *data, const struct xmig_stats *stats);
void xmig_set_progress(struct xmig *s, xmig_progress_fn *fn, void *data);

/* Copy the figures of the operation that runs or ran last. Thread: any. */
void xmig_get_stats(struct xmig *s, struct xmig_stats *ret_stats);

/*
 * Where the lines go that a transport command (xmig_send_command()) writes to
 * its standard error; control characters are taken out.  Without it they are
 * not shown, but that the last one is part of the error.  Called in threads
 * of its own, also of several commands at once.  Between operations only.
 */
typedef void xmig_remote_fn(void *data, const char *line);
void xmig_set_remote(struct xmig *s, xmig_remote_fn *fn, void *data);

/* ---- Events and policy -------------------------------------------------- */

/*
 * The figures as a JSON object on one line, in the names of QEMU's
 * query-migrate.  malloc'ed, the caller's; NULL: no memory.
 */
char *xmig_stats_json(const struct xmig_stats *stats);

enum xmig_event_kind
{
    XMIG_EVENT_STATE,            /* text: the state entered, as in "status" */
    XMIG_EVENT_SAMPLE,           /* figures within a round */
    XMIG_EVENT_ROUND,            /* a live round has ended */
    XMIG_EVENT_THROTTLE,         /* cpu_throttle_percentage has changed */
    XMIG_EVENT_VERDICT,          /* text: why the migration does not converge
                                    and what would help */
    XMIG_EVENT_OPTION,           /* text: KEY=VALUE was set while it ran */
    XMIG_EVENT_END,              /* code: 0 or -errno; text: of the error */
};

struct xmig_event
{
    enum xmig_event_kind kind;
    uint64_t time_us;            /* since the operation began */
    const char *id;              /* of the migration, "" = not known yet */
    const char *text;            /* "" = none */
    int code;
    const struct xmig_stats *stats;  /* of that moment */
};

/*
 * Called for what happens in xmig_send() and in each migration of
 * xmig_serve(), in order: in the thread of the operation; of xmig_serve(), in
 * a thread of each migration's own.  What happens while the guest is being
 * suspended or stands still is told when it runs again.  It must not call
 * back into s, but for xmig_cancel() and xmig_option_set().
 */
typedef void xmig_event_fn(void *data, const struct xmig_event *event);
void xmig_set_event(struct xmig *s, xmig_event_fn *fn, void *data);

/*
 * Called after each live round, in the thread of the operation, with what
 * would be done next; returns what is to be done.  Going on beyond the
 * option max-iters, or switching over above downtime-limit, is its choice.
 */
enum xmig_policy
{
    XMIG_POLICY_GO_ON,           /* another round */
    XMIG_POLICY_SWITCH,          /* suspend the guest and switch over */
    XMIG_POLICY_ABORT,           /* give up with -EBUSY */
};
typedef enum xmig_policy xmig_policy_fn(void *data,
                                        const struct xmig_stats *stats,
                                        enum xmig_policy proposed);
void xmig_set_policy(struct xmig *s, xmig_policy_fn *fn, void *data);

/* ---- The holder of a post-copy ------------------------------------------ */

/*
 * Have a program started for each post-copy that xmig_serve() receives, which
 * calls xmig_hold(): should this process die while the guest needs both hosts,
 * that one goes on (docs/postcopy.md, "The holder").  Without it the guest is
 * lost then.  Its standard input and output are /dev/null, its descriptors
 * from 6 on are closed.
 *
 * path, argv  as of execve(); borrowed, and outlive the handle; NULL = none
 */
void xmig_set_holder(struct xmig *s, const char *path, char *const argv[]);

/*
 * In that program, which has the same state directory, options and toolstack,
 * and only for this: wait beside the receiver, and return when it has died and
 * all is done that there was to do.  It is killed when it is not needed.
 *   -EINVAL    it is no receiver that has started it
 *   -ENODATA   the guest is lost
 */
int xmig_hold(struct xmig *s);

/* ---- Migrations of this host, in whatever process ----------------------- */

/*
 * Put a request to the monitors of running migrations, at either end; no
 * handle and no hypervisor is needed.
 *
 * state_dir  NULL = the default
 * which      domain's name or number, or the migration's id; NULL = all
 * request    a JSON object on one line, such as {"execute":"status"}; the
 *            requests and their answers are in docs/design.md
 * fn         called for each answer, a JSON object without the end of the
 *            line; not 0 ends it all and is returned if negative
 *
 * Returns 0 if one or more have answered; else
 *   -ENOENT     none runs, or not this one
 *   -EPERM      the directory of the monitors belongs to another user
 *   -ETIMEDOUT  one does not answer
 */
typedef int xmig_monitor_fn(void *data, const char *line);
int xmig_monitor(const char *state_dir, const char *which,
                 const char *request, xmig_monitor_fn *fn, void *data);

#ifdef __cplusplus
}
#endif

#endif
