/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * xmig-emu destroy: end a domain and remove what it has in xenstore.
 */
#include <errno.h>
#include <getopt.h>
#include <string.h>
#include <xenctrl.h>

#include "cmd.h"

int verb_destroy(int argc, char **argv)
{
    static const struct option none[] = { { NULL, 0, NULL, 0 } };
    struct tools t;
    struct host h;
    uint32_t domid;
    int rc;

    if ( getopt_long(argc, argv, "", none, NULL) != -1 )
        return usage(argv[0]);
    rc = host_from_args(&h, argc, argv, &optind, 1, false);
    if ( rc )
        return rc;
    if ( tools_open(&h, &t) )
        return EXIT_FAILED;
    rc = tools_domid(&t, argv[optind], &domid);
    if ( !rc && !domid )
    {
        err("domain 0 is the host's own; \"xmig-emu stop\" ends the host");
        rc = -EPERM;
    }
    if ( !rc && xc_domain_destroy(t.xch, domid) )
    {
        rc = -errno;
        err("cannot destroy domain %u: %s", domid, strerror(errno));
    }
    if ( !rc )
        rc = devices_remove(&t, domid);
    tools_close(&t);

    return rc ? EXIT_FAILED : EXIT_OK;
}
