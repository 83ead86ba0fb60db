/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * xmig recover: settle migrations whose outcome is not known.
 */
#include <errno.h>

#include "cmd.h"

int cmd_recover(const struct command *cmd, int argc, char **argv)
{
    static const struct arg_opt opts[] = {
        { 256, "fenced", false },
        { 'h', "help", false },
        { 0, NULL, false },
    };
    static char remote[] = "remote";
    const char *name = NULL;
    bool fenced = false;
    struct xmig *s = NULL;
    struct args a;
    char what[256];
    int opt, rc, status;

    args_init(&a, cmd, argc, argv);
    while ( (opt = args_next(&a, opts)) != ARG_END )
    {
        switch ( opt )
        {
        case 256:
            fenced = true;
            break;
        case ARG_WORD:
            if ( name )
                return cli_usage(cmd, "one domain, or all");
            name = a.value;
            break;
        default:
            return args_usual(&a, opt);
        }
    }

    status = cli_open(&s);
    if ( status )
        return status;

    cli_cancel_on_signal(s);
    xmig_set_remote(s, cli_remote_line, remote);
    rc = xmig_recover(s, name, fenced);
    if ( rc )
    {
        snprintf(what, sizeof(what), "recover %.200s",
                 name ? name : "what is open");
        status = cli_fail(xmig_error(s), rc, what);
    }
    else
        puts("Nothing is left in doubt.");

    cli_close(s);
    return status;
}
