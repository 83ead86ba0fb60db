/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * xmig-emu create: a domain from a configuration file.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xenctrl.h>

#include "cmd.h"

static int name_is_free(struct tools *t, const char *name)
{
    xc_dominfo_t info;
    uint32_t next = 0;
    int r;

    while ( (r = tools_next(t, next, &info)) > 0 )
    {
        char *other = node_get(t->xs, "/local/domain/%u/name", info.domid);
        int same = other && !strcmp(other, name);

        free(other);
        if ( same )
        {
            err("there is a domain \"%s\" already: number %u", name,
                info.domid);
            return -EEXIST;
        }
        next = info.domid + 1;
    }

    return r;
}

static int create(const struct host *h, const char *file, bool paused)
{
    struct dom_config c = { 0 };
    struct dom_built b;
    struct tools t = { 0 };
    int rc;

    rc = config_read(file, &c);
    if ( rc )
        return rc;
    rc = tools_open(h, &t);
    if ( rc )
        goto out;
    rc = name_is_free(&t, c.name);
    if ( !rc )
        rc = build_domain(&t, &c, &b);
    if ( rc )
        goto out;
    rc = devices_add(&t, &c, &b);
    if ( rc )
    {
        xc_domain_destroy(t.xch, b.domid);
        goto out;
    }
    if ( !paused && xc_domain_unpause(t.xch, b.domid) )
    {
        rc = -errno;
        err("cannot unpause domain %u: %s", b.domid, strerror(errno));
        xc_domain_destroy(t.xch, b.domid);
        devices_remove(&t, b.domid);
        goto out;
    }
    printf("%u\n", b.domid);

 out:
    tools_close(&t);
    config_free(&c);

    return rc;
}

int verb_create(int argc, char **argv)
{
    static const struct option opts[] = {
        { "paused", no_argument, NULL, 'p' },
        { NULL, 0, NULL, 0 },
    };
    bool paused = false;
    struct host h;
    int c, rc;

    while ( (c = getopt_long(argc, argv, "p", opts, NULL)) != -1 )
    {
        if ( c != 'p' )
            return usage(argv[0]);
        paused = true;
    }
    rc = host_from_args(&h, argc, argv, &optind, 1, false);
    if ( rc )
        return rc;

    return create(&h, argv[optind], paused) ? EXIT_FAILED : EXIT_OK;
}
