/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * xmig migrate: send a domain to another host, by ssh as xl does, or to an
 * xmig receive that listens.  Options of the engine and its mechanisms are
 * the library's: any that is not the command's own is handed on by its name.
 */
#include <errno.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"

enum
{
    OPT_PORT = 256, OPT_TCP, OPT_IGNORED, OPT_JSON, OPT_SET, OPT_DEBUG,
    OPT_TIMEOUT_ABORT, OPT_TIMEOUT_SUSPEND, OPT_TIMEOUT_POSTCOPY,
    OPT_POSTCOPY, OPT_POSTCOPY_AFTER, OPT_POSTCOPY_READY, OPT_LOG_JSON,
};

static const struct arg_opt opts[] = {
    { 's', NULL, true },
    { OPT_PORT, "port", true },
    { OPT_TCP, "tcp", false },
    { OPT_IGNORED, "live", false },
    { OPT_JSON, "json", false },
    { OPT_SET, "set", true },
    { OPT_DEBUG, "debug", false },
    { OPT_TIMEOUT_ABORT, "timeout-abort", false },
    { OPT_TIMEOUT_SUSPEND, "timeout-suspend", false },
    { OPT_TIMEOUT_POSTCOPY, "timeout-postcopy", false },
    { OPT_POSTCOPY, "postcopy", false },
    { OPT_POSTCOPY_AFTER, "postcopy-after-precopy", false },
    { OPT_POSTCOPY_READY, "postcopy-ready", false },
    { OPT_LOG_JSON, "log-json", true },
    { 'e', NULL, false },
    { 'F', NULL, false },
    /* of xl, not here */
    { 'p', NULL, false },
    { 'C', NULL, true },
    { 'D', NULL, false },
    { 'h', "help", false },
    { 0, NULL, false },
};

struct request
{
    char *domain, *host;
    const char *ssh;             /* NULL = not given */
    char *command;               /* NULL = TCP */
    bool tcp;
    bool no_watch;               /* xl: nothing waits in the background */
    uint16_t port;
    bool json;
    const char *log_json;        /* NULL = none */
    struct settings settings;
};

/* What others have and we do not: say so rather than do something else. */
static int refuse_option(const struct command *cmd, int opt)
{
    if ( opt == 'C' )
        return cli_usage(cmd, "-C: the configuration goes along with the"
                         " domain; restore takes another one");
    if ( opt == 'D' )
        return cli_usage(cmd, "-D: the number of a domain is not kept");
    return cli_usage(cmd, "-p: a migrated domain is never left paused; save"
                     " it with -p instead");
}

/* ---- Where to ----------------------------------------------------------- */

/* Nothing that a shell or ssh would take for something else. */
static bool is_plain_host(const char *host)
{
    return *host != '-' &&
           !host[strspn(host, "abcdefghijklmnopqrstuvwxyz"
                        "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-@:%")];
}

/* The receiver that ssh starts looks there, too.  -1: it can't be told. */
static int spill_option(const struct request *r, char **ret)
{
    const char *dir = cli_settings_value(&r->settings, "postcopy-spill");

    *ret = NULL;
    if ( !dir || !*dir )
        return 0;
    if ( *dir != '/' || dir[strspn(dir, "abcdefghijklmnopqrstuvwxyz"
                             "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+@")] )
        return -1;
    return asprintf(ret, " --postcopy-spill %s", dir) < 0 ? -1 : 0;
}

/* As xl: sh runs "SSH HOST program"; with an empty SSH, HOST. */
static int settle_command(const struct command *cmd, struct request *r)
{
    static const char verbose[] = " -vvv";
    const char *ssh = r->ssh ? r->ssh : "ssh";
    char *spill;
    int level = cli.verbose > 3 ? 3 : cli.verbose, n;

    if ( !*ssh )
        r->command = strdup(r->host);
    else if ( !is_plain_host(r->host) )
        return cli_usage(cmd, "\"%s\" is no name of a host; -s takes options"
                         " of ssh, -s '' a whole command instead of the host",
                         r->host);
    else if ( spill_option(r, &spill) )
        return cli_usage(cmd, "by ssh --postcopy-spill is an absolute path of"
                         " letters, digits and /._-+@");
    else
    {
        n = asprintf(&r->command, "exec %s %s xmig%.*s receive --stdio%s%s",
                     ssh, r->host, level ? level + 2 : 0, verbose,
                     r->no_watch ? " -e" : "", spill ? spill : "");
        free(spill);
        r->command = n < 0 ? NULL : r->command;
    }
    if ( r->command )
        return 0;
    cli_complain("no memory");
    return EXIT_NOTHING;
}

/* HOST by ssh; HOST:PORT, --port or --tcp (port: 0 = not given). */
static int settle_host(const struct command *cmd, struct request *r,
                       uint16_t port)
{
    const char *why;

    if ( !r->host )
        return cli_usage(cmd, "needs a domain and a host");
    if ( r->ssh && (port || r->tcp) )
        return cli_usage(cmd, "-s is for ssh, %s for a receiver that listens:"
                         " which?", port ? "--port" : "--tcp");
    if ( r->ssh && !*r->ssh )
        return *r->host ? settle_command(cmd, r)
                        : cli_usage(cmd, "the command is empty");
    if ( !cli_host_port(r->host, &r->host, &r->port, &why) )
        return cli_usage(cmd, "%s", why);
    if ( r->ssh && r->port )
        return cli_usage(cmd, "-s is for ssh, HOST:PORT for a receiver that"
                         " listens: which?");
    if ( port && r->port && r->port != port )
        return cli_usage(cmd, "two different ports, %u and %u", r->port,
                         port);
    if ( port )
        r->port = port;
    r->tcp |= r->port != 0;
    return r->tcp ? 0 : settle_command(cmd, r);
}

/* An option of the library, in one of its spellings. */
static int take_setting(const struct command *cmd, struct request *r,
                        struct args *a, int opt)
{
    static const struct
    {
        int opt;
        const char *key;
        char value[16];
    } fixed[] = {
        { OPT_TIMEOUT_ABORT, "timeout-action", "abort" },
        { OPT_TIMEOUT_SUSPEND, "timeout-action", "suspend" },
        { OPT_TIMEOUT_POSTCOPY, "timeout-action", "postcopy" },
        { OPT_POSTCOPY, "postcopy", "now" },
        { OPT_POSTCOPY_AFTER, "postcopy", "after-precopy" },
        { OPT_POSTCOPY_READY, "postcopy", "ready" },
    };
    unsigned int i;
    char *value;

    if ( opt == OPT_SET )
        return cli_settings_word(&r->settings, cmd, a->value);
    for ( i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++ )
        if ( opt == fixed[i].opt )
            return cli_settings_add(&r->settings, fixed[i].key,
                                    fixed[i].value);
    value = args_other_value(a);

    return value ? cli_settings_add(&r->settings, a->name, value)
                 : EXIT_NOTHING;
}

/* 0: go on.  -1: the help was asked for.  Else the exit status. */
static int parse(const struct command *cmd, int argc, char **argv,
                 struct request *r)
{
    uint16_t port = 0;
    struct args a;
    int opt, rc = 0;

    args_init(&a, cmd, argc, argv);
    while ( (opt = args_next(&a, opts)) != ARG_END )
    {
        switch ( opt )
        {
        case OPT_PORT:
            rc = cli_port_option(cmd, a.value, &port);
            break;
        case OPT_TCP:
            r->tcp = true;
            break;
        case 's':
            r->ssh = a.value;
            break;
        case OPT_JSON:
            r->json = true;
            break;
        case OPT_DEBUG:
            cli.verbose = 3;
            break;
        case OPT_LOG_JSON:
            r->log_json = a.value;
            break;
        case OPT_IGNORED: break;
        case 'e':
        case 'F':
            r->no_watch = true;
            break;
        case 'p':
        case 'C':
        case 'D':
            return refuse_option(cmd, opt);
        case 'h':
            cli_help(stdout, cmd);
            return -1;
        case ARG_WORD:
            if ( r->host )
                return cli_usage(cmd, "\"%s\" is too much: one domain and"
                                 " one host", a.value);
            *(r->domain ? &r->host : &r->domain) = a.value;
            break;
        case ARG_BAD:
            return EXIT_NOTHING;
        default:
            rc = take_setting(cmd, r, &a, opt);
        }
        if ( rc )
            return EXIT_NOTHING;
    }

    return settle_host(cmd, r, port);
}

static int report(struct xmig *s, const struct request *r, int rc)
{
    const struct xmig_error *err = xmig_error(s);
    struct xmig_stats st;
    struct json_object *obj;
    char what[512];

    xmig_get_stats(s, &st);
    if ( r->json )
    {
        obj = cli_json_outcome(err, rc, &st);
        json_object_object_add(obj, "domain",
                               json_object_new_string(r->domain));
        json_object_object_add(obj, "host", json_object_new_string(r->host));
        cli_json_print(obj);
    }
    if ( rc )
    {
        snprintf(what, sizeof(what), "migrate %.200s to %.200s", r->domain,
                 r->host);
        return cli_fail(err, rc, what);
    }

    if ( !r->json )
    {
        printf("%s has moved to %s\n", r->domain, r->host);
        cli_table(stdout, &st, "runs at the destination");
    }
    return EXIT_DONE;
}

int cmd_migrate(const struct command *cmd, int argc, char **argv)
{
    static char remote[] = "remote";
    struct request r = { 0 };
    struct xmig *s = NULL;
    uint32_t domid;
    int rc, status;

    status = parse(cmd, argc, argv, &r);
    if ( status )
    {
        status = status < 0 ? EXIT_DONE : status;
        goto out;
    }
    status = cli_open(&s);
    if ( status )
        goto out;
    status = cli_settings_apply(&r.settings, cmd, s);
    if ( status )
        goto out;
    status = cli_find(s, r.domain, &domid);
    if ( status )
        goto out;

    status = cli_events_begin(s, r.log_json, r.domain, r.host);
    if ( status )
        goto out;

    cli_cancel_on_signal(s);
    cli_progress_begin(s);
    xmig_set_remote(s, cli_remote_line,
                    r.ssh && !*r.ssh ? remote : r.host);
    rc = r.command ? xmig_send_command(s, domid, r.command)
                   : xmig_send(s, domid, r.host, r.port);
    cli_progress_end(s);
    cli_events_end(s);
    status = report(s, &r, rc);

 out:
    cli_close(s);
    cli_settings_done(&r.settings);
    free(r.command);
    return status;
}
