/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The contract between the engine and a mechanism (src/<name>/mech.c).
 *
 * The engine owns the round: it fetches the dirty log, keeps every gfn's
 * state, asks each mechanism in plan order to shape the set that is to be
 * sent, lets the lanes send it, and asks for a verdict.  Mechanisms shape and
 * steer; they never carry data.
 *
 * Rules
 *   setup    at most once per session, in plan order
 *   cleanup  exactly once for each setup that returned 0, in reverse order,
 *            also after an error and after a cancel
 *   An op returns 0 or -errno, having called err_set() if not 0.  A NULL op
 *   that is not marked required means "not interested".  Ops of one session
 *   are never called concurrently, and always in the engine's thread.
 *   A mechanism includes headers of the rooms (src/base ... src/migrate) and
 *   its own; never another mechanism's.  It does not ask which others are
 *   active.
 */
#ifndef XMIG_MECH_H
#define XMIG_MECH_H

#include <stdbool.h>
#include <stdint.h>

struct session;
struct sendset;
struct opt_row;
struct wire_record;

/* What the parts of a pause are thought to take where nothing is known of
 * them; state and commit without the round trip in each. */
#define MECH_SUSPEND_US 500u
#define MECH_STATE_US   700u
#define MECH_COMMIT_US  300u

/* A pause, by its parts. */
struct mech_pause
{
    uint64_t suspend_us;           /* until the guest stands still */
    uint64_t last_dirty_us;        /* last pages found and sent */
    uint64_t state_us, commit_us;
    uint64_t slower_us;            /* of all but the pages: what is known to
                                      be beyond what would be thought */
};

/* Figures of the round that has just been sent. */
struct round_stats
{
    unsigned int round;            /* 0 = the first */
    uint64_t sent_pages;           /* in this round */
    uint64_t held_pages;           /* kept out of it, as they are hot */
    uint64_t sent_bytes;
    uint64_t duration_us;
    uint64_t dirty_pages;          /* dirtied in this round or later and not
                                      yet sent: what a next one would send */
    uint64_t dirtied_pages;        /* in this round; also those that it read
                                      after that */
    uint64_t goodput_bps;          /* bytes per second, best recent estimate */
    uint64_t expected_downtime_us; /* were the guest suspended now */
    struct mech_pause expected;    /* its parts */
    uint64_t elapsed_us;           /* since the first round began */
    uint64_t bandwidth_bps;        /* what it is capped to, 0 = not */
    uint64_t working_set_pages;    /* most pages found dirty after a round */
};

enum mech_verdict
{
    MECH_NO_OPINION,
    MECH_GO_ON,                    /* another live round */
    MECH_SWITCH,                   /* suspend the guest and switch over */
    MECH_SPLIT,                    /* the same, but what is left follows when
                                      the guest runs at the destination */
    MECH_ABORT,                    /* give up; err_set() says why */
};

/* When select is asked. */
enum mech_phase
{
    MECH_LIVE,                     /* the guest runs at the source */
    MECH_LEAVING,                  /* it still does, after MECH_SPLIT: what is
                                      left absent now is fetched later */
    MECH_SWITCHOVER,               /* the guest runs nowhere */
};

/* One end: source or destination. */
struct mech_end_ops
{
    /* Required.  *ret_priv is handed to every other op. */
    int (*setup)(struct session *s, void **ret_priv);

    /* Shape what is sent next; pending gfns of set are what the engine would
     * send. */
    int (*select)(struct session *s, void *priv, struct sendset *set,
                  enum mech_phase phase);

    /* In the middle of a live round, 20 times a second: MECH_SPLIT ends it
     * early, as what it has not sent can follow; all else is not heard.  The
     * verdict is asked for afterwards as ever. */
    int (*look)(struct session *s, void *priv, uint64_t elapsed_us,
                enum mech_verdict *ret);

    /* After each live round.  The first mechanism in plan order that has an
     * opinion decides; MECH_ABORT of any wins. */
    int (*verdict)(struct session *s, void *priv,
                   const struct round_stats *st, enum mech_verdict *ret);

    /* The guest has been asked to suspend, and should lose no time.  Where a
     * toolstack asks it, this op is passed over. */
    void (*suspending)(struct session *s, void *priv);

    /* The guest has been suspended and runs nowhere. */
    int (*switchover)(struct session *s, void *priv);

    /* The guest runs at the destination, pages are still at the source. */
    int (*drain)(struct session *s, void *priv);

    /* A control record whose type carries this mechanism's id. */
    int (*record)(struct session *s, void *priv,
                  const struct wire_record *rec);

    /* Required.  ok: the session is ending well. */
    void (*cleanup)(struct session *s, void *priv, bool ok);
};

struct mech
{
    const char *name;              /* in options, docs and logs */
    uint16_t id;                   /* on the wire; never reused; 0 invalid,
                                      1 is the engine */
    uint32_t needs, conflicts;     /* bits of the session's capabilities */
    const struct opt_row *opts;    /* ended by a row with key NULL; or NULL */

    /* Required.  Can it run here?  -EOPNOTSUPP and a reason if not. */
    int (*probe)(struct session *s);

    const struct mech_end_ops *source, *dest;   /* NULL: nothing to do there */
};

#endif
