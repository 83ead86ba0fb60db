/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * xmig-emu status: what the host process says about itself, "key value"
 * lines.  Where no domain is left, free-pages below machine-pages shows that
 * somebody still holds a guest's frames.
 */
#include <getopt.h>
#include <stddef.h>

#include "cmd.h"
#include "proto.h"

int verb_status(int argc, char **argv)
{
    static const struct option none[] = { { NULL, 0, NULL, 0 } };
    struct host h;
    int rc;

    if ( getopt_long(argc, argv, "", none, NULL) != -1 )
        return usage(argv[0]);
    rc = host_from_args(&h, argc, argv, &optind, 0, false);
    if ( rc )
        return rc;
    if ( host_setenv(&h, false) )
        return EXIT_FAILED;

    return ctl_talk(&h, EMU_STATUS, NULL) ? EXIT_FAILED : EXIT_OK;
}
