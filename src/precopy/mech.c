/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Pre-copy: memory is copied while the guest runs, again and again what it
 * wrote meanwhile, until little enough is left to stop it for.
 *
 * The rounds are the engine's; this mechanism only says when to stop.  At
 * the destination it has nothing to do.
 */
#include <errno.h>
#include <stdlib.h>

#include "policy.h"
#include "session.h"

#define PRECOPY_ID 2

static const struct opt_row options[] = {
    { .key = "max-iters", .unit = "", .type = OPT_UINT,
      .min = 1, .max = 1000, .def = 30,
      .help = "rounds while the guest runs, then switch over" },
    { .key = "min-remaining", .unit = "pages", .type = OPT_UINT,
      .min = 0, .max = 1u << 30, .def = 50,
      .help = "so few dirty pages are not worth another round" },
    { .key = "max-factor", .unit = "", .type = OPT_UINT,
      .min = 0, .max = 1000, .def = 0,
      .help = "switch over once so many times the memory was sent, 0 = no" },
    { .key = "abort-if-busy", .unit = "", .type = OPT_BOOL,
      .min = 0, .max = 1, .def = 0,
      .help = "rather give up than exceed downtime-limit" },
    { .key = NULL },
};

static int probe(struct session *s)
{
    (void)s;

    return 0;
}

static int source_setup(struct session *s, void **ret_priv)
{
    struct policy *p = calloc(1, sizeof(*p));

    if ( !p )
        return err_set(s->err, -ENOMEM, "precopy: %s", err_text(-ENOMEM));
    p->downtime_limit_us = opt_u64(s->opts, NULL, "downtime-limit");
    p->max_iters = opt_u64(s->opts, "precopy", "max-iters");
    p->min_remaining = opt_u64(s->opts, "precopy", "min-remaining");
    p->max_factor = opt_u64(s->opts, "precopy", "max-factor");
    p->abort_if_busy = opt_bool(s->opts, "precopy", "abort-if-busy");
    policy_init(p, s->total_pages);
    *ret_priv = p;

    return 0;
}

static int source_verdict(struct session *s, void *priv,
                          const struct round_stats *st,
                          enum mech_verdict *ret)
{
    struct policy *p = priv;
    enum policy_why why;

    *ret = policy_decide(p, st, &why);
    LOG_DEBUG(s->logger, "precopy: round %u: %s", st->round,
              policy_why_text(why));
    if ( *ret != MECH_ABORT )
        return 0;

    return err_set(s->err, -EBUSY, "the guest is too busy: after %u rounds "
                   "it would have to pause for %lu ms (limit %lu ms); a "
                   "larger --downtime-limit or more --bandwidth would help",
                   st->round + 1,
                   (unsigned long)(st->expected_downtime_us / US_PER_MS),
                   (unsigned long)(p->downtime_limit_us / US_PER_MS));
}

static void source_cleanup(struct session *s, void *priv, bool ok)
{
    (void)s;
    (void)ok;
    free(priv);
}

static const struct mech_end_ops source = {
    .setup = source_setup,
    .verdict = source_verdict,
    .cleanup = source_cleanup,
};

static int dest_setup(struct session *s, void **ret_priv)
{
    (void)s;
    *ret_priv = NULL;

    return 0;
}

static void dest_cleanup(struct session *s, void *priv, bool ok)
{
    (void)s;
    (void)priv;
    (void)ok;
}

static const struct mech_end_ops dest = {
    .setup = dest_setup,
    .cleanup = dest_cleanup,
};

extern const struct mech mech_precopy;
const struct mech mech_precopy = {
    .name = "precopy",
    .id = PRECOPY_ID,
    .opts = options,
    .probe = probe,
    .source = &source,
    .dest = &dest,
};
