/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The stock libraries, connected to a running host.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xenctrl.h>
#include <xenstore.h>
#include <xentoollog.h>

#include "cmd.h"

int tools_open(const struct host *h, struct tools *ret_t)
{
    struct tools t = { 0 };
    int rc;

    rc = host_setenv(h, true);
    if ( rc )
        return rc;
    t.logger = xtl_createlogger_stdiostream(stderr, XTL_ERROR, 0);
    t.xch = xc_interface_open(t.logger, t.logger, 0);
    if ( !t.xch )
    {
        rc = errno ? -errno : -EIO;
        err("host %s does not answer: %s", h->dir, strerror(-rc));
        goto out;
    }
    t.xs = xs_open(0);
    if ( !t.xs )
    {
        rc = errno ? -errno : -EIO;
        err("xenstored of host %s does not answer: %s", h->dir,
            strerror(-rc));
        goto out;
    }
    *ret_t = t;

    return 0;

 out:
    tools_close(&t);

    return rc;
}

void tools_close(struct tools *t)
{
    if ( t->xs )
        xs_close(t->xs);
    if ( t->xch )
        xc_interface_close(t->xch);
    if ( t->logger )
        xtl_logger_destroy(t->logger);
    memset(t, 0, sizeof(*t));
}

int tools_next(struct tools *t, uint32_t from, struct xc_dominfo *ret_info)
{
    int r = xc_domain_getinfo(t->xch, from, 1, ret_info);

    if ( r == 1 )
        return 1;
    if ( !r || errno == ESRCH )
        return 0;
    r = -errno;
    err("cannot list domains: %s", strerror(errno));

    return r;
}

int tools_domid(struct tools *t, const char *dom, uint32_t *ret_domid)
{
    xc_dominfo_t info;
    uint32_t next = 0, found = 0;
    unsigned int nr = 0;
    uint64_t id;
    char *name;
    int r;

    if ( !parse_u64(dom, DOMID_FIRST_RESERVED - 1, &id) )
    {
        r = tools_next(t, id, &info);
        if ( r < 0 )
            return r;
        if ( !r || info.domid != id )
        {
            err("no domain %s", dom);
            return -ESRCH;
        }
        *ret_domid = id;
        return 0;
    }

    while ( (r = tools_next(t, next, &info)) > 0 )
    {
        next = info.domid + 1;
        name = node_get(t->xs, "/local/domain/%u/name", info.domid);
        if ( name && !strcmp(name, dom) )
        {
            found = info.domid;
            nr++;
        }
        free(name);
    }
    if ( r < 0 )
        return r;
    if ( nr == 1 )
        *ret_domid = found;
    else if ( nr )
        err("%u domains are named %s: say which by its number", nr, dom);
    else
        err("no domain %s", dom);

    return nr == 1 ? 0 : nr ? -EEXIST : -ESRCH;
}
