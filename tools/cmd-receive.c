/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * xmig receive: listen for migrations and report each when it has ended, or
 * serve the one connection that ssh has made.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd.h"
#include "libxl-hooks.h"

struct receiver
{
    bool json;
    /* under lock: on_end comes from several threads */
    pthread_mutex_t lock;
    int last_status;
};

static void print_json(uint32_t domid, const char *name,
                       const struct xmig_error *err,
                       const struct xmig_stats *st)
{
    struct json_object *obj = cli_json_outcome(err, err->code, st);

    json_object_object_add(obj, "domain",
                           json_object_new_string(name ? name : ""));
    json_object_object_add(obj, "domid", json_object_new_int64(domid));
    /* One object a line, so that a reader can take them one by one. */
    puts(json_object_to_json_string_ext(obj, JSON_C_TO_STRING_PLAIN |
                                        JSON_C_TO_STRING_NOSLASHESCAPE));
    json_object_put(obj);
}

static void on_end(void *data, uint32_t domid, const char *name,
                   const struct xmig_error *err, const struct xmig_stats *st)
{
    struct receiver *r = data;
    char what[256], a[32], b[32];

    pthread_mutex_lock(&r->lock);
    r->last_status = cli_status(err, err->code);
    if ( r->json )
        print_json(domid, name, err, st);
    if ( err->code )
    {
        snprintf(what, sizeof(what), "receive %.200s",
                 name && *name ? name : "a domain");
        cli_fail(err, err->code, what);
    }
    else if ( !r->json && domid )
        printf("%s runs here as domain %"PRIu32": %s in %s\n", name, domid,
               cli_bytes(st->transferred_bytes, a),
               cli_time(st->total_time_us, b));
    fflush(stdout);
    pthread_mutex_unlock(&r->lock);
}

struct where
{
    char *addr;                  /* NULL = all */
    uint16_t port;               /* 0 = the usual one */
    bool once;
    bool stdio;
    bool no_watch;
};

/* --listen ADDR, ADDR:PORT or :PORT, and --port.  0 or the exit status. */
static int settle_where(const struct command *cmd, struct where *w)
{
    uint16_t port = 0;
    const char *why;

    if ( w->stdio && (w->addr || w->port) )
        return cli_usage(cmd, "--stdio does not listen");
    if ( w->stdio && isatty(STDIN_FILENO) )
        return cli_usage(cmd, "--stdio is for \"xmig migrate\", which starts"
                         " it by ssh");
    if ( w->addr && w->addr[0] == ':' )
    {
        if ( !cli_port(w->addr + 1, &port) )
            return cli_usage(cmd, "--listen %s: a port is a number from 1 to"
                             " 65535", w->addr);
        w->addr = NULL;
    }
    else if ( w->addr && !cli_host_port(w->addr, &w->addr, &port, &why) )
        return cli_usage(cmd, "--listen: %s", why);

    if ( w->port && port && w->port != port )
        return cli_usage(cmd, "two different ports, %u and %u", port,
                         w->port);
    if ( port )
        w->port = port;
    return 0;
}

static int serve(struct xmig *s, const struct where *w,
                 struct receiver *r)
{
    int rc, status = EXIT_DONE;

    rc = xmig_serve(s, w->addr, w->port, w->once, on_end, r);
    if ( rc == -ECANCELED )
        status = EXIT_DONE;              /* that is how it is ended */
    else if ( w->once && r->last_status )
        status = r->last_status;         /* has been told */
    else if ( rc )
        status = cli_fail(xmig_error(s), rc, "receive");

    return status;
}

/*
 * The connection is our standard input and output.  Nothing else shall get
 * into it, so those become something else.  What fails is told through it;
 * the standard error is ssh's, which shows it at the source.
 */
static int serve_stdio(struct xmig *s)
{
    int in = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
    int out = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    int rc;

    if ( in < 0 || out < 0 || null < 0 ||
         dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0 )
    {
        cli_complain("receive: use the standard input and output: %s",
                     strerror(errno));
        return EXIT_NOTHING;
    }
    close(null);
    /* ssh has let him run commands here. */
    libxl_hooks_trust_peers();
    rc = xmig_serve_fds(s, in, out, NULL, NULL);
    if ( rc && xmig_error(s)->guest == XMIG_GUEST_NONE )
        return cli_fail(xmig_error(s), rc, "receive");

    return cli_status(xmig_error(s), rc);
}

static int receive(const struct command *cmd, const struct where *w,
                   const struct settings *settings, struct receiver *r)
{
    struct xmig *s = NULL;
    int status;

    status = cli_open(&s);
    if ( status )
        return status;
    status = cli_settings_apply(settings, cmd, s);
    if ( status )
    {
        cli_close(s);
        return status;
    }

    cli_use_holder(s, settings, w->stdio, w->no_watch);
    cli_cancel_on_signal(s);
    status = w->stdio ? serve_stdio(s) : serve(s, w, r);
    cli_close(s);
    cli_holder_done();
    return status;
}

static const struct arg_opt opts[] = {
    { 256, "listen", true },
    { 257, "port", true },
    { 258, "once", false },
    { 259, "json", false },
    { 260, "set", true },
    { 261, "trusted-peers", false },
    { 'e', NULL, false },                /* xl: nothing waits */
    { 262, "stdio", false },
    { 'h', "help", false },
    { 0, NULL, false },
};

int cmd_receive(const struct command *cmd, int argc, char **argv)
{
    struct receiver r = { .lock = PTHREAD_MUTEX_INITIALIZER };
    struct settings settings = { 0 };
    struct where w = { 0 };
    struct args a;
    char *value;
    int opt, status = 0;

    args_init(&a, cmd, argc, argv);
    while ( !status && (opt = args_next(&a, opts)) != ARG_END )
    {
        switch ( opt )
        {
        case 256:
            w.addr = a.value;
            break;
        case 257:
            status = cli_port_option(cmd, a.value, &w.port);
            break;
        case 258:
            w.once = true;
            break;
        case 259:
            r.json = true;
            break;
        case 260:
            status = cli_settings_word(&settings, cmd, a.value);
            break;
        case 'e':
            libxl_hooks_no_watch();
            w.no_watch = true;
            break;
        case 261:
            libxl_hooks_trust_peers();
            break;
        case 262:
            w.stdio = true;
            break;
        case ARG_OTHER:
            value = args_other_value(&a);
            status = value ? cli_settings_add(&settings, a.name, value)
                           : EXIT_NOTHING;
            break;
        default:
            cli_settings_done(&settings);
            return args_usual(&a, opt);
        }
    }

    if ( !status )
        status = settle_where(cmd, &w);
    /* A guest must not be lost because nobody reads the log any more: ssh's
     * end is that of a connection, which may come back. */
    signal(SIGPIPE, SIG_IGN);
    if ( !status )
        status = receive(cmd, &w, &settings, &r);
    cli_settings_done(&settings);
    return status;
}
