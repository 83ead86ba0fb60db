/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * libxl's helper for restoring a domain, as this program is when libxl in
 * xmig receive starts it (see libxl-create.c): it tells the engine, at the
 * other end of the stream, which domain and event channels libxl has made,
 * and libxl what the engine answers.  No memory passes through it.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>

#include "libxl-hooks.h"
#include "save-helper/args.h"
#include "save-helper/callout.h"

/* 0 or an errno value; libxl's answers are its own failures. */
static int relay(const struct args *a)
{
    struct helper_hello hello = {
        .magic = HELPER_MAGIC, .domid = a->domid,
        .store_port = a->store_port, .store_domid = a->store_domid,
        .console_port = a->console_port, .console_domid = a->console_domid,
    };
    struct helper_results res;
    int answer;

    if ( send(a->stream_fd, &hello, sizeof(hello), MSG_NOSIGNAL) !=
         sizeof(hello) ||
         recv(a->stream_fd, &res, sizeof(res), MSG_WAITALL) != sizeof(res) ||
         res.magic != HELPER_MAGIC )
        return ECONNRESET;
    /* The engine has set the CPU policy: nothing is missing. */
    if ( callout_static_data(0, &answer) )
        return EPIPE;
    if ( answer )
        return EIO;
    callout_results(res.store_gfn, res.console_gfn);

    return 0;
}

int libxl_helper(char **argv)
{
    struct args a;
    char why[160];
    int rc;

    rc = args_parse(argv, &a, why, sizeof(why));
    if ( rc || a.save )
    {
        fprintf(stderr, "xmig: this is for libxl alone: %s\n",
                rc ? why : "a save");
        return 2;
    }
    callout_init(0, 1);
    rc = relay(&a);

    return callout_complete(rc ? -1 : 0, rc) ? 1 : 0;
}
