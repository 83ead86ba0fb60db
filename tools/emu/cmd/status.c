/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * xmig-emu status: what the host process says about itself, "key value"
 * lines.  Where no domain is left, free-pages below machine-pages shows that
 * somebody still holds a guest's frames.
 */
#include <stddef.h>

#include "cmd.h"
#include "proto.h"

int verb_status(int argc, char **argv)
{
    struct host h;
    int rc = host_alone(&h, argc, argv);

    if ( rc )
        return rc;
    if ( host_setenv(&h, false) )
        return EXIT_FAILED;

    return ctl_talk(&h, EMU_STATUS, NULL) ? EXIT_FAILED : EXIT_OK;
}
