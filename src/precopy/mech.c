/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Pre-copy: memory is copied while the guest runs, again and again what it
 * wrote meanwhile, until little enough is left to stop it for.
 *
 * The rounds are the engine's; this mechanism says when to stop, and slows
 * the guest down where that was asked for.  At the destination it has nothing
 * to do.
 */
#include <errno.h>
#include <stdlib.h>

#include "policy.h"
#include "session.h"
#include "throttle.h"

#define PRECOPY_ID 2

static const struct opt_row options[] = {
    { .key = "max-iters", .unit = "", .type = OPT_UINT, .live = true,
      .min = 1, .max = 1000, .def = 30,
      .help = "rounds while the guest runs, then switch over" },
    { .key = "min-remaining", .unit = "pages", .type = OPT_UINT,
      .live = true,
      .min = 0, .max = 1u << 30, .def = 50,
      .help = "so few dirty pages are not worth another round" },
    { .key = "max-factor", .unit = "", .type = OPT_UINT, .live = true,
      .min = 0, .max = 1000, .def = 0,
      .help = "switch over once so many times the memory was sent, 0 = no" },
    { .key = "abort-if-busy", .unit = "", .type = OPT_BOOL, .live = true,
      .min = 0, .max = 1, .def = 0,
      .help = "rather give up than exceed downtime-limit" },
    { .key = "stall-window", .unit = "s", .type = OPT_DURATION, .live = true,
      .min = 0, .max = 86400, .def = 10,
      .help = "no progress for so long: it does not converge, 0 = never" },
    { .key = "auto-converge", .unit = "", .type = OPT_BOOL, .live = true,
      .min = 0, .max = 1, .def = 0,
      .help = "slow the guest down if it writes faster than can be sent" },
    { .key = "max-cpu-throttle", .unit = "%", .type = OPT_UINT, .live = true,
      .min = 1, .max = 99, .def = 99,
      .help = "by how much at most" },
    { .key = NULL },
};

static int probe(struct session *s)
{
    (void)s;

    return 0;
}

struct precopy
{
    struct policy policy;
    struct throttle throttle;
    bool told;                   /* that it does not converge */
};

/* What may be set while it runs. */
static void heed_options(struct policy *p, const struct optset *opts)
{
    p->downtime_limit_us = opt_u64(opts, NULL, "downtime-limit");
    p->timeout_us = opt_u64(opts, NULL, "timeout");
    /* Somebody else's then. */
    if ( opt_u64(opts, NULL, "timeout-action") == OPT_TIMEOUT_POSTCOPY )
        p->timeout_us = 0;
    p->timeout_suspend = opt_u64(opts, NULL, "timeout-action") ==
                         OPT_TIMEOUT_SUSPEND;
    p->max_iters = opt_u64(opts, "precopy", "max-iters");
    p->min_remaining = opt_u64(opts, "precopy", "min-remaining");
    p->max_factor = opt_u64(opts, "precopy", "max-factor");
    p->abort_if_busy = opt_bool(opts, "precopy", "abort-if-busy");
    p->stall_window_us = opt_u64(opts, "precopy", "stall-window");
    p->auto_converge = opt_bool(opts, "precopy", "auto-converge");
    p->max_throttle = opt_u64(opts, "precopy", "max-cpu-throttle");
}

static int source_setup(struct session *s, void **ret_priv)
{
    struct precopy *pc;
    int rc;

    if ( opt_bool(s->opts, "precopy", "auto-converge") )
    {
        rc = throttle_probe(s);
        if ( rc )
            return err_wrap(s->err, rc, "auto-converge");
    }
    pc = calloc(1, sizeof(*pc));
    if ( !pc )
        return err_set(s->err, -ENOMEM, "precopy: %s", err_text(-ENOMEM));
    policy_init(&pc->policy, s->total_pages);
    throttle_look(&pc->throttle, s);
    *ret_priv = pc;

    return 0;
}

/* Once, when it is clear, and again if that is what it ends with. */
static void tell_verdict(struct session *s, struct precopy *pc,
                         const struct round_stats *st, char *text,
                         size_t room)
{
    policy_verdict(&pc->policy, st, text, room);
    if ( pc->told )
        return;
    pc->told = true;
    LOG_INFO(s->logger, "%s", text);
    steer_note(s, XMIG_EVENT_VERDICT, text);
}

static int source_verdict(struct session *s, void *priv,
                          const struct round_stats *st,
                          enum mech_verdict *ret)
{
    struct precopy *pc = priv;
    struct policy *p = &pc->policy;
    enum policy_why why;
    char text[480];

    heed_options(p, s->opts);
    throttle_look(&pc->throttle, s);
    *ret = policy_decide(p, st, &why);
    LOG_DEBUG(s->logger, "precopy: round %u: %s", st->round,
              policy_why_text(why));
    if ( throttle_set(&pc->throttle, s, p->throttle) )
        p->throttle = p->max_throttle;
    if ( why == POLICY_WAITING || (*ret != MECH_GO_ON &&
                                   policy_over_limit(p, st)) )
        tell_verdict(s, pc, st, text, sizeof(text));
    if ( *ret != MECH_ABORT )
        return 0;

    if ( why == POLICY_TIMEOUT )
        return err_set(s->err, -ETIMEDOUT, "the migration did not come to "
                       "its end within \"timeout\": %s", text);
    return err_set(s->err, -EBUSY, "the guest is too busy after %u rounds: "
                   "%s", st->round + 1, text);
}

/* To suspend is the guest's own work; but before it was asked it would use
 * the freedom to dirty all that was sent. */
static void source_suspending(struct session *s, void *priv)
{
    struct precopy *pc = priv;

    throttle_end(&pc->throttle, s);
}

static int source_switchover(struct session *s, void *priv)
{
    source_suspending(s, priv);

    return 0;
}

static void source_cleanup(struct session *s, void *priv, bool ok)
{
    struct precopy *pc = priv;

    (void)ok;
    throttle_end(&pc->throttle, s);
    free(pc);
}

static const struct mech_end_ops source = {
    .setup = source_setup,
    .verdict = source_verdict,
    .suspending = source_suspending,
    .switchover = source_switchover,
    .cleanup = source_cleanup,
};

extern const struct mech mech_precopy;
const struct mech mech_precopy = {
    .name = "precopy",
    .id = PRECOPY_ID,
    .opts = options,
    .probe = probe,
    .source = &source,
};
