/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * xmig-emu stop: ends exactly the processes of one host, the ones that
 * depend on others first, and waits until they are gone.
 */
#include <errno.h>
#include <unistd.h>

#include "cmd.h"

#define GRACE_US 5000000ull

const char *const host_daemons[] = {
    "host", "xenstored", "xenconsoled", "netback",
};
const unsigned int nr_host_daemons =
    sizeof(host_daemons) / sizeof(host_daemons[0]);

int host_stop(const struct host *h)
{
    char path[HOST_PATH_MAX];
    struct proc p;
    unsigned int i;
    int rc = 0, r;

    for ( i = nr_host_daemons; i-- > 0; )
    {
        if ( proc_find(h, host_daemons[i], &p) )
            continue;
        r = proc_stop(h, host_daemons[i], &p, GRACE_US);
        proc_close(&p);
        if ( r && !rc )
            rc = r;
    }
    if ( !rc )
    {
        unlink(host_path(h, "host.sock", path));
        unlink(host_path(h, "xenstored.sock", path));
    }

    return rc;
}

int verb_stop(int argc, char **argv)
{
    struct host h;
    int rc = host_alone(&h, argc, argv);

    if ( rc )
        return rc;

    return host_stop(&h) ? EXIT_FAILED : EXIT_OK;
}
