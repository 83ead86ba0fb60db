/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * xmig-emu list: the domains of a host, as xl list shows them.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <xenctrl.h>

#include "cmd.h"

static void print_domain(struct tools *t, const xc_dominfo_t *d)
{
    char *name = node_get(t->xs, "/local/domain/%u/name", d->domid);

    printf("%-40s %5u %5lu %5u     %c%c%c%c%c%c %10.1f\n",
           name ?: "(no name)", d->domid,
           (d->nr_pages * (XC_PAGE_SIZE / 1024)) / 1024, d->nr_online_vcpus,
           d->running ? 'r' : '-', d->blocked ? 'b' : '-',
           d->paused ? 'p' : '-', d->shutdown ? 's' : '-',
           d->crashed ? 'c' : '-', d->dying ? 'd' : '-',
           (double)d->cpu_time / 1e9);
    free(name);
}

int verb_list(int argc, char **argv)
{
    xc_dominfo_t info;
    uint32_t next = 0;
    struct tools t;
    struct host h;
    int rc = host_alone(&h, argc, argv);

    if ( rc )
        return rc;
    if ( tools_open(&h, &t) )
        return EXIT_FAILED;
    printf("%-40s %5s %5s %5s  %8s %10s\n", "Name", "ID", "Mem", "VCPUs",
           "State", "Time(s)");
    while ( (rc = tools_next(&t, next, &info)) > 0 )
    {
        print_domain(&t, &info);
        next = info.domid + 1;
    }
    tools_close(&t);

    return rc ? EXIT_FAILED : EXIT_OK;
}
