/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The plan of a session: which mechanisms take part, in which order, and
 * why a list is refused.
 */
#include "plan.h"

#include <errno.h>
#include <string.h>

#include "wire.h"

/* The lowest bit of set, by name. */
static const char *first_cap(uint32_t set, char buf[16])
{
    return wire_cap_name((unsigned int)__builtin_ctz(set), buf);
}

static int check_one(const struct mech *const *mechs, size_t i, uint32_t caps,
                     struct err *e)
{
    const struct mech *m = mechs[i];
    char buf[16];
    size_t j;

    for ( j = 0; j < i; j++ )
        if ( mechs[j] == m )
            return err_set(e, -EINVAL, "plan: %s is there twice", m->name);
    if ( m->needs & ~caps )
        return err_set(e, -EOPNOTSUPP, "plan: %s needs %s, which this session "
                       "does not have", m->name,
                       first_cap(m->needs & ~caps, buf));
    if ( m->conflicts & caps )
        return err_set(e, -EOPNOTSUPP, "plan: %s does not go with %s", m->name,
                       first_cap(m->conflicts & caps, buf));

    return 0;
}

int plan_build(const struct mech *const *mechs, size_t nr, uint32_t caps,
               struct err *e, struct plan *ret)
{
    struct plan plan = { .nr = 0 };
    size_t i;
    int rc;

    if ( nr > PLAN_MAX )
        return err_set(e, -EINVAL, "plan: %zu mechanisms, may be %u", nr,
                       PLAN_MAX);
    for ( i = 0; i < nr; i++ )
    {
        rc = check_one(mechs, i, caps, e);
        if ( rc )
            return rc;
        plan.mechs[plan.nr++] = mechs[i];
    }
    *ret = plan;

    return 0;
}

int plan_build_names(const char *const *names, size_t nr, uint32_t caps,
                     struct err *e, struct plan *ret)
{
    const struct mech *mechs[PLAN_MAX];
    size_t i;

    if ( nr > PLAN_MAX )
        return err_set(e, -EINVAL, "plan: %zu mechanisms, may be %u", nr,
                       PLAN_MAX);
    for ( i = 0; i < nr; i++ )
    {
        mechs[i] = registry_by_name(names[i]);
        if ( !mechs[i] )
            return err_set(e, -ENOENT, "plan: there is no mechanism %s",
                           names[i]);
    }

    return plan_build(mechs, nr, caps, e, ret);
}

int plan_probe(const struct plan *plan, struct session *s, struct err *e)
{
    unsigned int i;
    int rc;

    for ( i = 0; i < plan->nr; i++ )
    {
        rc = plan->mechs[i]->probe(s);
        if ( rc )
            return err_wrap(e, rc, "%s cannot be used here",
                            plan->mechs[i]->name);
    }

    return 0;
}

const struct mech *plan_by_id(const struct plan *plan, uint16_t id)
{
    unsigned int i;

    for ( i = 0; i < plan->nr; i++ )
        if ( plan->mechs[i]->id == id )
            return plan->mechs[i];

    return NULL;
}
