/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The one file that calls a mechanism's ops.  Keeps the promises of mech.h:
 * setup at most once and in plan order, cleanup exactly once for each setup
 * that succeeded and in reverse order, never two ops at a time.
 */
#include <errno.h>

#include "session.h"
#include "wire.h"

static const struct mech_end_ops *ops_of(const struct session *s,
                                         unsigned int i)
{
    return s->source ? s->plan.mechs[i]->source : s->plan.mechs[i]->dest;
}

int engine_setup(struct session *s)
{
    const struct mech_end_ops *ops;
    int rc;

    rc = plan_probe(&s->plan, s, s->err);
    if ( rc )
        return rc;

    while ( s->nr_setup < s->plan.nr )
    {
        ops = ops_of(s, s->nr_setup);
        rc = ops ? ops->setup(s, &s->priv[s->nr_setup]) : 0;
        if ( rc )
            return rc;
        s->nr_setup++;
    }

    return 0;
}

int engine_select(struct session *s, struct sendset *set,
                  enum mech_phase phase)
{
    const struct mech_end_ops *ops;
    unsigned int i;
    int rc;

    for ( i = 0; i < s->nr_setup; i++ )
    {
        ops = ops_of(s, i);
        rc = ops && ops->select ? ops->select(s, s->priv[i], set, phase) : 0;
        if ( rc )
            return rc;
    }

    return 0;
}

int engine_look(struct session *s, uint64_t elapsed_us,
                enum mech_verdict *ret)
{
    const struct mech_end_ops *ops;
    enum mech_verdict v;
    unsigned int i;
    int rc;

    *ret = MECH_NO_OPINION;
    for ( i = 0; i < s->nr_setup; i++ )
    {
        ops = ops_of(s, i);
        v = MECH_NO_OPINION;
        rc = ops && ops->look ? ops->look(s, s->priv[i], elapsed_us, &v) : 0;
        if ( rc )
            return rc;
        if ( v == MECH_SPLIT )
            *ret = v;
    }

    return 0;
}

int engine_verdict(struct session *s, const struct round_stats *st,
                   enum mech_verdict *ret)
{
    enum mech_verdict first = MECH_NO_OPINION, v;
    const struct mech_end_ops *ops;
    unsigned int i;
    int rc;

    for ( i = 0; i < s->nr_setup; i++ )
    {
        ops = ops_of(s, i);
        if ( !ops || !ops->verdict )
            continue;
        v = MECH_NO_OPINION;
        rc = ops->verdict(s, s->priv[i], st, &v);
        if ( rc )
            return rc;
        if ( v == MECH_ABORT )
        {
            rc = err_code(s->err);
            if ( rc )
                return rc;
            return err_set(s->err, -EBUSY, "%s gave the migration up",
                           s->plan.mechs[i]->name);
        }
        if ( first == MECH_NO_OPINION )
            first = v;
    }
    *ret = first;

    return 0;
}

void engine_suspending(struct session *s)
{
    const struct mech_end_ops *ops;
    unsigned int i;

    for ( i = 0; i < s->nr_setup; i++ )
    {
        ops = ops_of(s, i);
        if ( ops && ops->suspending )
            ops->suspending(s, s->priv[i]);
    }
}

int engine_switchover(struct session *s)
{
    const struct mech_end_ops *ops;
    unsigned int i;
    int rc;

    for ( i = 0; i < s->nr_setup; i++ )
    {
        ops = ops_of(s, i);
        rc = ops && ops->switchover ? ops->switchover(s, s->priv[i]) : 0;
        if ( rc )
            return rc;
    }

    return 0;
}

int engine_drain(struct session *s)
{
    const struct mech_end_ops *ops;
    unsigned int i;
    int rc;

    for ( i = 0; i < s->nr_setup; i++ )
    {
        ops = ops_of(s, i);
        rc = ops && ops->drain ? ops->drain(s, s->priv[i]) : 0;
        if ( rc )
            return rc;
    }

    return 0;
}

int engine_record(struct session *s, const struct wire_record *rec)
{
    const struct mech_end_ops *ops;
    unsigned int i;

    for ( i = 0; i < s->nr_setup; i++ )
    {
        if ( s->plan.mechs[i]->id != WIRE_TYPE_ID(rec->type) )
            continue;
        ops = ops_of(s, i);
        if ( ops && ops->record )
            return ops->record(s, s->priv[i], rec);
    }

    return err_set(s->err, -EPROTO, "unexpected record %#x from the peer",
                   rec->type);
}

void engine_cleanup(struct session *s, bool ok)
{
    const struct mech_end_ops *ops;

    while ( s->nr_setup )
    {
        ops = ops_of(s, --s->nr_setup);
        if ( ops )
            ops->cleanup(s, s->priv[s->nr_setup], ok);
    }
}
