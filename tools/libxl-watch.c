/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * xmig watch: what the process does that xl create leaves in the background.
 * When the guest powers off, reboots or crashes, somebody has to do what its
 * configuration says (on_poweroff, on_reboot ...).  The one that xl started
 * at the source ends with the domain there; xmig receive starts this one.
 *
 * A guest that suspends is left alone: it is being saved or moved, and that
 * may still fail.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <libxl_utils.h>
#include <xenstore.h>

#include "cmd.h"
#include "libxl-hooks.h"

#define DUMP_DIR "/var/lib/xen/dump"

/* As xl: a guest that crashes at once is not to take the whole host. */
#define RESTART_MS 2000

struct watch
{
    struct call call;
    struct xs_handle *xs;
    uint32_t domid;
};

static void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static void say(const char *fmt, ...)
{
    char stamp[32];
    time_t now = time(NULL);
    struct tm tm;
    va_list ap;

    strftime(stamp, sizeof(stamp), "%F %T", gmtime_r(&now, &tm));
    printf("%s ", stamp);
    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
    putchar('\n');
    fflush(stdout);
}

/* ---- What becomes of it ------------------------------------------------- */

static libxl_action_on_shutdown action_for(const libxl_domain_config *cfg,
                                           libxl_shutdown_reason reason)
{
    switch ( reason )
    {
    case LIBXL_SHUTDOWN_REASON_POWEROFF:   return cfg->on_poweroff;
    case LIBXL_SHUTDOWN_REASON_REBOOT:     return cfg->on_reboot;
    case LIBXL_SHUTDOWN_REASON_CRASH:      return cfg->on_crash;
    case LIBXL_SHUTDOWN_REASON_WATCHDOG:   return cfg->on_watchdog;
    case LIBXL_SHUTDOWN_REASON_SOFT_RESET: return cfg->on_soft_reset;
    default:                   return LIBXL_ACTION_ON_SHUTDOWN_DESTROY;
    }
}

static libxl_action_on_shutdown dump_core(struct watch *w, const char *name,
                                          libxl_action_on_shutdown action)
{
    char path[256];

    if ( action != LIBXL_ACTION_ON_SHUTDOWN_COREDUMP_DESTROY &&
         action != LIBXL_ACTION_ON_SHUTDOWN_COREDUMP_RESTART )
        return action;
    snprintf(path, sizeof(path), DUMP_DIR "/%.128s", name);
    if ( libxl_domain_core_dump(w->call.ctx, w->domid, path, NULL) )
        say("no core dump: %s", w->call.first);
    else
        say("core dumped to %s", path);

    return action == LIBXL_ACTION_ON_SHUTDOWN_COREDUMP_DESTROY
           ? LIBXL_ACTION_ON_SHUTDOWN_DESTROY
           : LIBXL_ACTION_ON_SHUTDOWN_RESTART;
}

static int start_anew(struct watch *w, libxl_domain_config *cfg)
{
    int rc;

    poll(NULL, 0, RESTART_MS);
    cfg->c_info.domid = 0;       /* any */
    rc = libxl_domain_create_new(w->call.ctx, cfg, &w->domid, NULL, NULL);

    return rc ? rc : libxl_domain_unpause(w->call.ctx, w->domid, NULL);
}

/* Under another name and uuid, for whoever wants to look at it. */
static int put_aside(struct watch *w, libxl_domain_config *cfg)
{
    char suffix[32];
    time_t now = time(NULL);
    libxl_uuid uuid;
    struct tm tm;

    strftime(suffix, sizeof(suffix), "-%Y%m%dT%H%MZ", gmtime_r(&now, &tm));
    libxl_uuid_generate(&uuid);

    return libxl_domain_preserve(w->call.ctx, w->domid, &cfg->c_info, suffix,
                                 uuid);
}

/* 1: there is a domain to go on watching; 0: there is not; else libxl's
 * error. */
static int act(struct watch *w, libxl_domain_config *cfg,
               libxl_action_on_shutdown action)
{
    libxl_ctx *ctx = w->call.ctx;
    int rc = 0;

    switch ( dump_core(w, cfg->c_info.name, action) )
    {
    case LIBXL_ACTION_ON_SHUTDOWN_PRESERVE:
        return 0;

    case LIBXL_ACTION_ON_SHUTDOWN_RESTART:
        rc = libxl_domain_destroy(ctx, w->domid, NULL);
        break;

    case LIBXL_ACTION_ON_SHUTDOWN_RESTART_RENAME:
        rc = put_aside(w, cfg);
        break;

    case LIBXL_ACTION_ON_SHUTDOWN_SOFT_RESET:
        rc = libxl_domain_soft_reset(ctx, cfg, w->domid, NULL, NULL);
        if ( !rc )
            rc = libxl_domain_unpause(ctx, w->domid, NULL);
        return rc ? rc : 1;

    default:
        return libxl_domain_destroy(ctx, w->domid, NULL);
    }
    if ( !rc )
        rc = start_anew(w, cfg);

    return rc ? rc : 1;
}

/* ---- Watching ----------------------------------------------------------- */

/* 1: go on; 0: done; -1: failed. */
static int look(struct watch *w)
{
    libxl_domain_config cfg;
    libxl_dominfo info;
    libxl_action_on_shutdown action;
    libxl_shutdown_reason reason;
    bool gone, down;
    int rc;

    libxl_dominfo_init(&info);
    gone = libxl_domain_info(w->call.ctx, &info, w->domid) || info.dying;
    down = info.shutdown;
    reason = info.shutdown_reason;
    libxl_dominfo_dispose(&info);
    if ( gone )
    {
        say("domain %u is gone", w->domid);
        return 0;
    }
    if ( !down || reason == LIBXL_SHUTDOWN_REASON_SUSPEND )
        return 1;

    libxl_domain_config_init(&cfg);
    rc = libxl_retrieve_domain_configuration(w->call.ctx, w->domid, &cfg,
                                             NULL);
    if ( !rc )
    {
        action = action_for(&cfg, reason);
        say("domain %u has shut down (%s): %s", w->domid,
            libxl_shutdown_reason_to_string(reason),
            libxl_action_on_shutdown_to_string(action));
        rc = act(w, &cfg, action);
    }
    libxl_domain_config_dispose(&cfg);
    if ( rc < 0 )
        say("that failed: %s", w->call.first);
    else if ( rc )
        say("domain %u is watched now", w->domid);

    return rc < 0 ? -1 : rc;
}

static int watch(struct watch *w)
{
    unsigned int nr;
    char **event;
    int rc;

    do {
        event = xs_read_watch(w->xs, &nr);
        rc = event ? look(w) : -1;
        if ( !event )
            say("xenstored is gone");
        free(event);
    } while ( rc > 0 );

    return rc ? EXIT_NOTHING : EXIT_DONE;
}

/* In a session of its own, with a log for its output.  In the parent, which
 * ends then, false. */
static bool into_background(void)
{
    int null;

    switch ( fork() )
    {
    case -1: cli_complain("fork: %s", strerror(errno)); _exit(EXIT_NOTHING);
    case 0:  break;
    default: return false;
    }
    setsid();
    null = open("/dev/null", O_RDWR);
    dup2(null, 0);
    dup2(null, 1);
    dup2(null, 2);
    if ( null > 2 )
        close(null);

    return true;
}

static void open_log(struct watch *w)
{
    char *name = libxl_domid_to_name(w->call.ctx, w->domid);
    char what[160], *path = NULL;
    int log = -1;

    snprintf(what, sizeof(what), "xmig-%.128s", name ? name : "nameless");
    free(name);
    if ( !libxl_create_logfile(w->call.ctx, what, &path) )
        log = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    free(path);
    if ( log < 0 )
        return;
    dup2(log, 1);
    dup2(log, 2);
    close(log);
}

/* By name or number, which may be ours no more when this is forked. */
static int find(const struct command *cmd, char *word, uint32_t *ret_domid)
{
    struct xmig *s;
    int status;

    if ( !word )
        return cli_usage(cmd, "needs a domain");
    status = cli_open(&s);
    if ( status )
        return status;
    status = cli_find(s, word, ret_domid);
    cli_close(s);
    if ( !status && !libxl_manages(*ret_domid) )
    {
        cli_complain("watch %s: libxl does not manage it", word);
        status = EXIT_NOTHING;
    }

    return status;
}

int cmd_watch(const struct command *cmd, int argc, char **argv)
{
    static const struct arg_opt opts[] = {
        { 'F', NULL, false },
        { 'h', "help", false },
        { 0, NULL, false },
    };
    struct watch w = { .xs = NULL };
    char *word = NULL;
    bool foreground = false;
    struct args a;
    int opt, status;

    args_init(&a, cmd, argc, argv);
    while ( (opt = args_next(&a, opts)) != ARG_END )
    {
        if ( opt == 'F' )
            foreground = true;
        else if ( opt == ARG_WORD && !word )
            word = a.value;
        else
            return args_usual(&a, opt);
    }
    /* Nothing of whoever started it is to be kept open. */
    closefrom(3);
    status = find(cmd, word, &w.domid);
    if ( status )
        return status;
    if ( !foreground && !into_background() )
        return EXIT_DONE;

    w.xs = xs_open(0);
    if ( !w.xs || call_open(&w.call, NULL) )
        return EXIT_NOTHING;
    if ( !foreground )
        open_log(&w);
    say("watching domain %u", w.domid);
    /* It fires once at once. */
    status = xs_watch(w.xs, "@releaseDomain", "") ? watch(&w) : EXIT_NOTHING;
    call_close(&w.call);
    xs_close(w.xs);

    return status;
}
