/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The toolstack seam: see toolstack.h.  Knows nothing of migrations.
 */
#include "toolstack.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define WHY_MAX 384u

bool toolstack_manages(const struct toolstack *t, uint32_t domid)
{
    return t->hooks && t->hooks->manages(t->data, domid);
}

/* libxl notes the type of the domains it has made (of others, it may find
 * devices there). */
static bool is_libxl(const struct toolstack *t, uint32_t domid)
{
    char *value;

    if ( store_read(t->store, NULL, &value, "/libxl/%u/type", domid) )
        return false;
    free(value);

    return true;
}

/* A hook's failure as ours. */
static int failed(const struct toolstack *t, struct err *e, int rc,
                  const char *what, const char *why)
{
    if ( !rc )
        return 0;
    if ( rc > 0 )
        rc = -EIO;

    return err_set(e, rc, "%s: %s: %s", t->hooks->name, what,
                   *why ? why : err_text(rc));
}

int toolstack_describe(const struct toolstack *t, struct err *e,
                       uint32_t domid, char **ret_config)
{
    char why[WHY_MAX] = "";
    int rc;

    *ret_config = NULL;
    if ( toolstack_manages(t, domid) )
    {
        rc = t->hooks->describe(t->data, domid, ret_config, why, sizeof(why));
        if ( rc == -EINVAL )
            return err_set(e, rc, "domain %u is not of a kind that is "
                           "carried: %s", domid, why);
        return failed(t, e, rc, "describe the domain", why);
    }
    if ( is_libxl(t, domid) )
        return err_set(e, -EINVAL, "domain %u is managed by libxl, and this "
                       "program has no hooks for it", domid);

    return store_carried(t->store, e, domid);
}

int toolstack_rename(const struct toolstack *t, struct err *e, uint32_t domid,
                     const char *name)
{
    char why[WHY_MAX] = "";

    if ( !toolstack_manages(t, domid) )
        return store_rename(t->store, e, domid, name);

    return failed(t, e, t->hooks->rename(t->data, domid, name, why,
                                         sizeof(why)),
                  "rename the domain", why);
}

int toolstack_destroy(const struct toolstack *t, struct err *e,
                      uint32_t domid)
{
    struct hv_domain info;
    char why[WHY_MAX] = "";
    int rc;

    if ( toolstack_manages(t, domid) )
    {
        rc = t->hooks->destroy(t->data, domid, why, sizeof(why));
        if ( rc != -ENOENT )
            return failed(t, e, rc, "destroy the domain", why);
    }
    else if ( hv_domain_info(t->hv, NULL, domid, &info) != -ENOENT )
    {
        rc = hv_destroy(t->hv, e, domid);
        if ( rc )
            return rc;
    }

    return store_remove(t->store, e, domid);
}

int toolstack_create(const struct toolstack *t, struct err *e,
                     const char *config, const char *name,
                     const struct xmig_wait *wait, struct xmig_made *ret)
{
    char why[WHY_MAX] = "";

    return failed(t, e, t->hooks->create(t->data, config, name, wait, ret,
                                         why, sizeof(why)),
                  "create the domain", why);
}

int toolstack_attach(const struct toolstack *t, struct err *e, void *handle,
                     uint64_t store_gfn, uint64_t console_gfn,
                     const struct xmig_wait *wait)
{
    char why[WHY_MAX] = "";

    return failed(t, e, t->hooks->attach(t->data, handle, store_gfn,
                                         console_gfn, wait, why,
                                         sizeof(why)),
                  "connect the domain and its devices", why);
}

int toolstack_discard(const struct toolstack *t, struct err *e, void *handle)
{
    char why[WHY_MAX] = "";

    return failed(t, e, t->hooks->discard(t->data, handle, why, sizeof(why)),
                  "make the domain", why);
}

void toolstack_running(const struct toolstack *t, uint32_t domid)
{
    if ( t->hooks && t->hooks->running && toolstack_manages(t, domid) )
        t->hooks->running(t->data, domid);
}
