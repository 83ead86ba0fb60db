/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The mechanisms there are.  The build turns src/<name>/mech.c into a line
 * XMIG_MECH(name) of mechs.inc; no other file names a mechanism.
 */
#include <errno.h>
#include <string.h>

#include "plan.h"
#include "wire.h"

#define XMIG_MECH(name) extern const struct mech mech_##name;
#include "mechs.inc"
#undef XMIG_MECH

static const struct mech *const mechs[] = {
#define XMIG_MECH(name) &mech_##name,
#include "mechs.inc"
#undef XMIG_MECH
    NULL,
};

const struct mech *const *registry_all(size_t *ret_nr)
{
    *ret_nr = sizeof(mechs) / sizeof(mechs[0]) - 1;

    return mechs;
}

const struct mech *registry_by_name(const char *name)
{
    const struct mech *const *m;

    for ( m = mechs; *m; m++ )
        if ( !strcmp((*m)->name, name) )
            return *m;

    return NULL;
}

const struct mech *registry_by_id(uint16_t id)
{
    const struct mech *const *m;

    for ( m = mechs; *m; m++ )
        if ( (*m)->id == id )
            return *m;

    return NULL;
}

static bool end_sound(const struct mech_end_ops *ops)
{
    return !ops || (ops->setup && ops->cleanup);
}

int registry_check(const struct mech *const *list, size_t nr, struct err *e)
{
    size_t i, j;

    for ( i = 0; i < nr; i++ )
    {
        const struct mech *m = list[i];

        if ( !m->name || !m->name[0] )
            return err_set(e, -EINVAL, "mechanism %zu has no name", i);
        if ( m->id <= WIRE_ID_ENGINE )
            return err_set(e, -EINVAL, "mechanism %s: id %u is not free",
                           m->name, m->id);
        if ( !m->probe )
            return err_set(e, -EINVAL, "mechanism %s has no probe", m->name);
        if ( !m->source && !m->dest )
            return err_set(e, -EINVAL, "mechanism %s has no end", m->name);
        if ( !end_sound(m->source) || !end_sound(m->dest) )
            return err_set(e, -EINVAL, "mechanism %s: an end lacks setup or "
                           "cleanup", m->name);
        if ( m->needs & m->conflicts )
            return err_set(e, -EINVAL, "mechanism %s needs what it conflicts "
                           "with", m->name);
        for ( j = 0; j < i; j++ )
        {
            if ( list[j]->id == m->id )
                return err_set(e, -EINVAL, "mechanisms %s and %s both have id "
                               "%u", list[j]->name, m->name, m->id);
            if ( !strcmp(list[j]->name, m->name) )
                return err_set(e, -EINVAL, "two mechanisms are called %s",
                               m->name);
        }
    }

    return 0;
}
