/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * xmig-emu fault: install, list or clear the fault rules that a running host
 * applies to all its clients.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cmd.h"
#include "lib/emu_conn.h"

#define MAX_TEXT 65536u

static int talk(const struct host *h, uint32_t op, const char *text)
{
    struct emu_part part = { text, text ? strlen(text) : 0 };
    static char answer[MAX_TEXT + 1];
    struct emu_conn conn;
    size_t len = 0;
    unsigned int i;
    int64_t r;

    r = emu_connect(&conn, EMU_KIND_CTL, 0);
    if ( r )
    {
        err("host %s does not answer: %s", h->dir, strerror(-r));
        return r;
    }
    r = emu_call(&conn, op, &part, text ? 1 : 0, answer, MAX_TEXT, &len,
                 NULL, 0, NULL);
    for ( i = 0; i < conn.nr_fds; i++ )
        close(conn.fds[i]);
    emu_disconnect(&conn);
    if ( len > MAX_TEXT )
        len = MAX_TEXT;
    if ( r == -EINVAL && text )
        err("\"%s\" is no fault rule; they read: <what>[:<sub>] nth=<n> "
            "(fail=<errno> | delay=<ms> | kill)", text);
    else if ( r < 0 )
        err("host %s refuses: %s", h->dir, strerror(-r));
    fwrite(answer, 1, len, r < 0 ? stderr : stdout);

    return r < 0 ? r : 0;
}

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
    rc = list ? talk(&h, EMU_FAULT_LIST, NULL)
       : clear ? talk(&h, EMU_FAULT_CLEAR, NULL)
       : talk(&h, EMU_FAULT_ADD, argv[optind]);

    return rc ? EXIT_FAILED : EXIT_OK;
}
