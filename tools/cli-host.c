/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The library's handle: state directory, signals, and what to say where there
 * is no Xen.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <xentoollog.h>

#include "cmd.h"
#include "libxl-hooks.h"

static struct xentoollog_logger *logger;
static struct xmig *volatile cancelled_by_signal;

static const char no_xen[] =
    "There is no Xen on this machine, or this is not its dom0.\n"
    "An emulated host can stand in for it:\n"
    "    xmig-emu start /tmp/hostA\n"
    "    xmig-emu create /tmp/hostA guest.cfg\n"
    "    xmig-emu run /tmp/hostA -- xmig list\n";

static const char no_libraries[] =
    "XMIG_EMU names the emulated host %s, but it does not answer. Start it, "
    "and\nrun xmig with its libraries:\n"
    "    xmig-emu start %s\n"
    "    xmig-emu run %s -- xmig ...\n";

const char *cli_state_dir(void)
{
    const char *dir = cli.state_dir, *emu = getenv("XMIG_EMU");
    static char path[4096];

    if ( !dir )
        dir = getenv("XMIG_STATE_DIR");
    if ( dir && !*dir )
        return NULL;
    if ( !dir && emu && *emu )
    {
        snprintf(path, sizeof(path), "%s/xmig", emu);
        dir = path;
    }
    return dir;
}

static int set_state_dir(struct xmig *s)
{
    const char *dir = cli_state_dir();

    return dir ? xmig_set_state_dir(s, dir) : 0;
}

int cli_open(struct xmig **ret_s)
{
    const char *emu = getenv("XMIG_EMU");
    struct xmig *s;
    int rc;

    logger = cli_log_open();
    if ( !logger )
    {
        cli_complain("no memory");
        return EXIT_NOTHING;
    }

    rc = xmig_open(logger, &s);
    if ( rc == -ENODEV && emu && *emu )
    {
        cli_complain("cannot reach a hypervisor");
        fprintf(stderr, no_libraries, emu, emu, emu);
    }
    else if ( rc == -ENODEV )
    {
        cli_complain("cannot reach a hypervisor");
        fputs(no_xen, stderr);
    }
    else if ( rc )
        cli_fail(NULL, rc, "open the interfaces of Xen");
    if ( rc )
        goto fail;

    rc = set_state_dir(s);
    if ( rc )
    {
        cli_fail(xmig_error(s), rc, "set the state directory");
        xmig_close(s);
        goto fail;
    }

    libxl_hooks_install(s, logger);
    *ret_s = s;
    return 0;

 fail:
    xtl_logger_destroy(logger);
    logger = NULL;
    return EXIT_NOTHING;
}

void cli_close(struct xmig *s)
{
    cli_cancel_on_signal(NULL);
    xmig_close(s);
    if ( logger )
        xtl_logger_destroy(logger);
    logger = NULL;
}

static void on_signal(int sig)
{
    struct xmig *s = cancelled_by_signal;

    (void)sig;
    if ( s )
        xmig_cancel(s);
}

void cli_cancel_on_signal(struct xmig *s)
{
    static const int sigs[] = { SIGINT, SIGTERM, SIGHUP };
    struct sigaction sa = { .sa_handler = s ? on_signal : SIG_DFL };
    struct sigaction old;
    size_t i;

    sigemptyset(&sa.sa_mask);
    if ( s )
        cancelled_by_signal = s;
    for ( i = 0; i < sizeof(sigs) / sizeof(sigs[0]); i++ )
    {
        /* What the caller has us ignore (nohup) stays ignored. */
        if ( !sigaction(sigs[i], NULL, &old) &&
             old.sa_handler != SIG_IGN )
            sigaction(sigs[i], &sa, NULL);
    }
    if ( !s )
        cancelled_by_signal = NULL;
}

int cli_find(struct xmig *s, const char *name_or_id, uint32_t *ret_domid)
{
    char what[256];
    int rc;

    rc = xmig_domain_find(s, name_or_id, ret_domid);
    if ( !rc )
        return 0;

    snprintf(what, sizeof(what), "find the domain \"%.200s\"", name_or_id);
    return cli_fail(xmig_error(s), rc, what);
}
