/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Gathering the options from the registry: see options.h.
 */
#include "options.h"

#include <errno.h>

#include "plan.h"

int options_new(struct err *e, struct optset **ret_set)
{
    const struct mech *const *mechs;
    struct optset *set = NULL;
    size_t nr, i;
    int rc;

    rc = optset_new(&set);
    if ( rc )
        return rc;
    mechs = registry_all(&nr);
    rc = registry_check(mechs, nr, e);
    for ( i = 0; !rc && i < nr; i++ )
        if ( mechs[i]->opts )
            rc = optset_add(set, e, mechs[i]->name, mechs[i]->opts);

    if ( rc )
        optset_free(set);
    else
        *ret_set = set;
    return rc;
}

int options_default(unsigned int i, struct xmig_option *ret)
{
    /* Made once and kept: the rows' strings are handed out. */
    static struct optset *set;
    static struct opt_text text;
    int rc = set ? 0 : options_new(NULL, &set);

    return rc ? rc : opt_describe(set, i, &text, ret);
}
