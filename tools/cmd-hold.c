/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The holder of a post-copy: this very program, started by xmig receive with
 * --hold, and known as xmig-holder.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "cmd.h"
#include "libxl-hooks.h"

#define ARGS_MAX 8

static char **holder_argv;
static char set[] = "--set";

/* Of the receiver: what its holder has to do as it does. */
static char **argv_of(const struct settings *settings, bool stdio,
                      bool no_watch)
{
    static char name[] = "xmig-holder", hold[] = HOLD, quiet[] = "-q",
                watch[] = "-e", verbose[] = "-v",
                dir[] = "--state-dir";
    unsigned int i, nr = 0;
    char **argv = calloc(ARGS_MAX + 4 + 2 * settings->nr, sizeof(*argv));
    int v;

    if ( !argv )
        return NULL;
    argv[nr++] = name;
    argv[nr++] = hold;
    for ( v = 0; v < cli.verbose && v < 3; v++ )
        argv[nr++] = verbose;
    if ( stdio )
        argv[nr++] = quiet;
    if ( no_watch )
        argv[nr++] = watch;
    if ( cli.state_dir )
    {
        argv[nr++] = dir;
        argv[nr++] = (char *)cli.state_dir;
    }
    for ( i = 0; i < settings->nr; i++ )
    {
        argv[nr++] = set;
        if ( asprintf(&argv[nr], "%s=%s", settings->list[i].key,
                      settings->list[i].value) < 0 )
            return NULL;
        nr++;
    }

    return argv;
}

void cli_use_holder(struct xmig *s, const struct settings *settings,
                    bool stdio, bool no_watch)
{
    holder_argv = argv_of(settings, stdio, no_watch);
    /* This program, whatever becomes of its file. */
    if ( holder_argv )
        xmig_set_holder(s, "/proc/self/exe", holder_argv);
}

void cli_holder_done(void)
{
    char **arg;

    for ( arg = holder_argv; arg && *arg; arg++ )
        if ( *arg == set )
            free(*++arg);
    free(holder_argv);
    holder_argv = NULL;
}

static const struct arg_opt opts[] = {
    { 'v', NULL, false },
    { 'q', NULL, false },
    { 'e', NULL, false },
    { 256, "state-dir", true },
    { 257, "set", true },
    { 0, NULL, false },
};

static int parse(const struct command *cmd, struct args *a,
                 struct settings *settings)
{
    int opt, rc = 0, null;

    while ( !rc && (opt = args_next(a, opts)) != ARG_END )
    {
        switch ( opt )
        {
        case 'v':
            cli.verbose++;
            break;
        /* The standard error is ssh's, which would wait for us. */
        case 'q':
            null = open("/dev/null", O_RDWR | O_CLOEXEC);
            if ( null < 0 || dup2(null, STDERR_FILENO) < 0 )
                rc = EXIT_NOTHING;
            close(null);
            break;
        case 'e':
            libxl_hooks_no_watch();
            break;
        case 256:
            cli.state_dir = a->value;
            break;
        case 257:
            rc = cli_settings_word(settings, cmd, a->value);
            break;
        default:
            rc = EXIT_NOTHING;
        }
    }

    return rc;
}

int cli_hold(int argc, char **argv)
{
    static const int ignored[] = { SIGINT, SIGTERM, SIGHUP, SIGPIPE };
    static const struct command cmd = { .name = HOLD, .args = "",
                                        .help = "", .text = "" };
    struct settings settings = { 0 };
    struct xmig *s = NULL;
    struct args a;
    unsigned int i;
    int status;

    prctl(PR_SET_NAME, "xmig-holder");
    for ( i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++ )
        signal(ignored[i], SIG_IGN);
    args_init(&a, &cmd, argc - 1, argv + 1);
    status = parse(&cmd, &a, &settings);
    if ( !status )
        status = cli_open(&s);
    if ( !status )
        status = cli_settings_apply(&settings, &cmd, s);
    if ( !status )
        status = cli_status(xmig_error(s), xmig_hold(s));
    if ( s )
        cli_close(s);
    cli_settings_done(&settings);

    return status;
}
