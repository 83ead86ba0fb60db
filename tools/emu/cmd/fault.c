/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * xmig-emu fault: install, list or clear the fault rules that a running host
 * applies to all its clients.
 */
#include <getopt.h>
#include <stddef.h>

#include "cmd.h"
#include "proto.h"

int verb_fault(int argc, char **argv)
{
    static const struct option opts[] = {
        { "list", no_argument, NULL, 'l' },
        { "clear", no_argument, NULL, 'c' },
        { NULL, 0, NULL, 0 },
    };
    bool list = false, clear = false;
    struct host h;
    int c, rc;

    while ( (c = getopt_long(argc, argv, "lc", opts, NULL)) != -1 )
        switch ( c )
        {
        case 'l':
            list = true;
            break;
        case 'c':
            clear = true;
            break;
        default:
            return usage(argv[0]);
        }
    if ( list && clear )
        return usage(argv[0]);
    rc = host_from_args(&h, argc, argv, &optind, !list && !clear, false);
    if ( rc )
        return rc;
    if ( host_setenv(&h, false) )
        return EXIT_FAILED;
    rc = list ? ctl_talk(&h, EMU_FAULT_LIST, NULL)
       : clear ? ctl_talk(&h, EMU_FAULT_CLEAR, NULL)
       : ctl_talk(&h, EMU_FAULT_ADD, argv[optind]);

    return rc ? EXIT_FAILED : EXIT_OK;
}
