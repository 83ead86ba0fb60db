/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * xmig-emu console: what a domain has printed.  A domain given by its
 * number may be gone already; its log stays with the host.
 */
#include <errno.h>
#include <getopt.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <xen/xen.h>

#include "cmd.h"

int verb_console(int argc, char **argv)
{
    static const struct option none[] = { { NULL, 0, NULL, 0 } };
    char name[64], path[HOST_PATH_MAX], buf[4096];
    uint64_t number;
    uint32_t domid;
    struct tools t;
    struct host h;
    size_t n;
    FILE *f;
    int rc;

    if ( getopt_long(argc, argv, "", none, NULL) != -1 )
        return usage(argv[0]);
    rc = host_from_args(&h, argc, argv, &optind, 1, false);
    if ( rc )
        return rc;
    if ( !parse_u64(argv[optind], DOMID_FIRST_RESERVED - 1, &number) )
        domid = number;
    else
    {
        if ( tools_open(&h, &t) )
            return EXIT_FAILED;
        rc = tools_domid(&t, argv[optind], &domid);
        tools_close(&t);
        if ( rc )
            return EXIT_FAILED;
    }

    snprintf(name, sizeof(name), "console/%u.log", domid);
    f = fopen(host_path(&h, name, path), "re");
    if ( !f )
    {
        err("no console log of domain %s: %s: %s", argv[optind], path,
            strerror(errno));
        return EXIT_FAILED;
    }
    while ( (n = fread(buf, 1, sizeof(buf), f)) > 0 )
        fwrite(buf, 1, n, stdout);
    fclose(f);

    return fflush(stdout) ? EXIT_FAILED : EXIT_OK;
}
