/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Post-copy: the guest goes on at the destination, and its memory follows.
 *
 * What is sent when and how is the engine's (docs/postcopy.md); this mechanism
 * says when to switch over, and leaves everything absent then that has not
 * been sent.  At the destination it has nothing to do.
 */
#include <errno.h>
#include <stdlib.h>

#include "sendset.h"
#include "session.h"
#include "wire.h"

#define POSTCOPY_ID 3

/* So few pages are not worth it: they go in the pause. */
#define FEW_PAGES 64u
/* Nor is a pause that is so short anyway: telling what is to be absent takes
 * some milliseconds, in which the guest writes to more. */
#define SHORT_US  (10 * US_PER_MS)

static const struct opt_row options[] = {
    { .key = "rounds", .unit = "rounds", .type = OPT_UINT, .live = true,
      .min = 0, .max = 1000, .def = 0, .alias = "postcopy-rounds",
      .help = "after-precopy: switch over after so many, 0 = when another "
              "gains nothing" },
    { .key = NULL },
};

struct postcopy
{
    uint64_t best_dirty;         /* after a round */
};

static int probe(struct session *s)
{
    (void)s;

    return 0;
}

static int source_setup(struct session *s, void **ret_priv)
{
    struct postcopy *pc = calloc(1, sizeof(*pc));

    if ( !pc )
        return err_set(s->err, -ENOMEM, "postcopy: %s", err_text(-ENOMEM));
    pc->best_dirty = UINT64_MAX;
    *ret_priv = pc;

    return 0;
}

static int source_select(struct session *s, void *priv, struct sendset *set,
                         enum mech_phase phase)
{
    (void)s;
    (void)priv;
    if ( phase == MECH_LEAVING )
        sendset_leave_all_absent(set);

    return 0;
}

/* Somebody has asked for it, or time is up. */
static const char *is_called(const struct session *s, uint64_t elapsed_us)
{
    uint64_t limit_us = opt_u64(s->opts, NULL, "timeout");

    if ( s->split_asked )
        return "asked to";
    if ( limit_us && elapsed_us >= limit_us &&
         opt_u64(s->opts, NULL, "timeout-action") == OPT_TIMEOUT_POSTCOPY )
        return "timeout";

    return NULL;
}

static int source_look(struct session *s, void *priv, uint64_t elapsed_us,
                       enum mech_verdict *ret)
{
    (void)priv;
    if ( is_called(s, elapsed_us) )
        *ret = MECH_SPLIT;

    return 0;
}

/* Pre-copy will end by itself, as well. */
static bool is_short(const struct session *s, const struct round_stats *st)
{
    return st->dirty_pages <= FEW_PAGES ||
           (st->expected_downtime_us <= SHORT_US &&
            st->expected_downtime_us <=
            opt_u64(s->opts, NULL, "downtime-limit"));
}

static const char *why(const struct session *s, const struct postcopy *pc,
                       const struct round_stats *st)
{
    uint64_t rounds = opt_u64(s->opts, "postcopy", "rounds");
    const char *called = is_called(s, st->elapsed_us);

    if ( called ||
         opt_u64(s->opts, NULL, "postcopy") != OPT_POSTCOPY_AFTER )
        return called;
    if ( rounds && st->round + 1 >= rounds )
        return "rounds";
    if ( is_short(s, st) )
        return NULL;
    if ( !rounds && st->round &&
         st->dirty_pages >= pc->best_dirty / 4 * 3 )
        return "another round gains nothing";

    return NULL;
}

static int source_verdict(struct session *s, void *priv,
                          const struct round_stats *st,
                          enum mech_verdict *ret)
{
    struct postcopy *pc = priv;
    const char *because = why(s, pc, st);

    if ( st->dirty_pages < pc->best_dirty )
        pc->best_dirty = st->dirty_pages;
    if ( !because )
        return 0;
    *ret = MECH_SPLIT;
    LOG_INFO(s->logger, "post-copy of what is left after round %u: %s",
             st->round, because);

    return 0;
}

static void source_cleanup(struct session *s, void *priv, bool ok)
{
    (void)s;
    (void)ok;
    free(priv);
}

static const struct mech_end_ops source = {
    .setup = source_setup,
    .select = source_select,
    .look = source_look,
    .verdict = source_verdict,
    .cleanup = source_cleanup,
};

extern const struct mech mech_postcopy;
const struct mech mech_postcopy = {
    .name = "postcopy",
    .id = POSTCOPY_ID,
    .needs = WIRE_CAP_POSTCOPY,
    .opts = options,
    .probe = probe,
    .source = &source,
};
