/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * xmig-emu env: what a shell exports so that stock programs reach the host.
 */
#include <stdio.h>
#include <stdlib.h>

#include "cmd.h"

/* In single quotes for the shell. */
static void print_export(const char *name)
{
    const char *p = getenv(name) ?: "";

    printf("export %s='", name);
    for ( ; *p; p++ )
        if ( *p == '\'' )
            fputs("'\\''", stdout);
        else
            putchar(*p);
    puts("'");
}

int verb_env(int argc, char **argv)
{
    struct host h;
    int rc = host_alone(&h, argc, argv);

    if ( rc )
        return rc;
    if ( host_setenv(&h, true) )
        return EXIT_FAILED;
    print_export("XMIG_EMU");
    print_export("XENSTORED_PATH");
    print_export("XENSTORED_RUNDIR");
    print_export("LD_LIBRARY_PATH");

    return EXIT_OK;
}
