/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * xmig status, cancel, set: to migrations that other processes run, through
 * their monitors.  No hypervisor is needed.
 */
#include <errno.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"

/* ---- What a monitor says ------------------------------------------------ */

static const char *text_of(struct json_object *st, const char *key)
{
    struct json_object *v;

    return json_object_object_get_ex(st, key, &v) ? json_object_get_string(v)
                                                  : "";
}

static uint64_t number_of(struct json_object *st, const char *key)
{
    struct json_object *v;

    return json_object_object_get_ex(st, key, &v) ? json_object_get_uint64(v)
                                                  : 0;
}

static struct json_object *part_of(struct json_object *st, const char *key)
{
    struct json_object *v = NULL;

    json_object_object_get_ex(st, key, &v);
    return v;
}

struct reply
{
    struct json_object *line;    /* to be put */
    struct json_object *ret;     /* "return", or NULL */
    const char *error;           /* or NULL */
};

static bool parse_reply(const char *line, struct reply *r)
{
    struct json_object *e;

    memset(r, 0, sizeof(*r));
    r->line = json_tokener_parse(line);
    if ( json_object_object_get_ex(r->line, "error", &e) )
        r->error = text_of(e, "text");
    else if ( !json_object_object_get_ex(r->line, "return", &r->ret) )
        r->error = "it gives no answer that makes sense";
    return !r->error;
}

/* The exit status of a migration that has ended so. */
static int end_status(struct json_object *st)
{
    static const char *const names[] = {
        [EXIT_SOURCE] = "at-source", [EXIT_DESTINATION] = "at-destination",
        [EXIT_SPLIT] = "split", [EXIT_DOUBT] = "in-doubt",
        [EXIT_LOST] = "lost",
    };
    int i;

    if ( !strcmp(text_of(st, "status"), "completed") )
        return EXIT_DONE;
    for ( i = EXIT_SOURCE; i <= EXIT_LOST; i++ )
        if ( !strcmp(text_of(st, "guest"), names[i]) )
            return i;
    return EXIT_NOTHING;
}

/* ---- Which one ---------------------------------------------------------- */

struct found
{
    bool sources_only;
    unsigned int nr;
    char id[40], name[128];
};

static int count_one(void *data, const char *line)
{
    struct found *f = data;
    struct reply r;

    if ( parse_reply(line, &r) &&
         (!f->sources_only || !strcmp(text_of(r.ret, "role"), "source")) )
    {
        f->nr++;
        snprintf(f->id, sizeof(f->id), "%s", text_of(r.ret, "id"));
        snprintf(f->name, sizeof(f->name), "%s", text_of(r.ret, "domain"));
    }
    json_object_put(r.line);
    return 0;
}

static int fail(int rc, const char *which)
{
    if ( rc == -ENOENT && which )
        cli_complain("no migration of \"%s\" runs here", which);
    else if ( rc == -ENOENT )
        cli_complain("no migration runs here");
    else
        cli_complain("ask the migrations of %s: %s",
                     cli_state_dir() ? cli_state_dir() : "this host",
                     strerror(-rc));
    return EXIT_NOTHING;
}

/* Exactly one, or say what is wrong with that. */
static int find_one(const struct command *cmd, const char *which,
                    struct found *f)
{
    int rc = xmig_monitor(cli_state_dir(), which, "{\"execute\":\"status\"}",
                          count_one, f);

    if ( rc && rc != -ENOENT )
        return fail(rc, which);
    if ( !f->nr && !rc )
    {
        cli_complain("options of a migration are set at the source");
        return EXIT_NOTHING;
    }
    if ( !f->nr )
        return fail(-ENOENT, which);
    if ( f->nr > 1 )
        return cli_usage(cmd, "%u migrations run here: give the domain, or "
                         "the id that \"xmig status\" shows", f->nr);
    return 0;
}

/* ---- xmig status -------------------------------------------------------- */

struct showing
{
    bool json, watch;
    unsigned int nr;
    struct json_object *list;
    int status;                  /* watched to its end; -1: it has not ended */
};

static void print_row(struct json_object *st)
{
    struct json_object *ram = part_of(st, "ram");
    char sent[32], rate[32], left[32], dirty[32], pause[32];

    printf("%-16s %5"PRIu64" %-11s %-11s %5.1f %6"PRIu64" %11s %11s/s %11s/s"
           " %11s %10s  %-22s %s\n", text_of(st, "domain"),
           number_of(st, "domid"), text_of(st, "role"), text_of(st, "state"),
           (double)number_of(st, "progress-permille") / 10,
           number_of(ram, "dirty-sync-count"),
           cli_bytes(number_of(ram, "transferred"), sent),
           cli_bytes(number_of(st, "bandwidth-bps"), rate),
           cli_bytes(number_of(ram, "dirty-pages-rate") * 4096, dirty),
           cli_bytes(number_of(ram, "remaining"), left),
           cli_time(number_of(st, "expected-downtime-us"), pause),
           text_of(st, "peer"), text_of(st, "id"));
}

static void print_spill(struct json_object *st)
{
    struct json_object *post = part_of(st, "postcopy");
    const char *spill = text_of(post, "spill");

    if ( !strcmp(text_of(st, "role"), "source") && *spill &&
         strcmp(spill, "none") )
        printf("    spill: %s, %"PRIu64" of %"PRIu64" pages\n", spill,
               number_of(post, "spilled"), number_of(post, "pages"));
}

static void print_head(void)
{
    printf("%-16s %5s %-11s %-11s %5s %6s %11s %13s %13s %11s %10s  %-22s "
           "%s\n", "Domain", "ID", "End", "State", "%", "Rounds", "Sent",
           "Rate", "Dirty", "Left", "Pause", "Peer", "Migration");
}

static void print_end(struct json_object *st)
{
    struct json_object *e = part_of(st, "error");

    printf("%s: %s", text_of(st, "domain"), text_of(st, "status"));
    if ( e )
        printf(": %s", text_of(e, "text"));
    printf(" (guest %s)\n", text_of(st, "guest"));
}

static int show(void *data, const char *line)
{
    struct showing *s = data;
    struct reply r;

    if ( !parse_reply(line, &r) )
        cli_complain("%s", r.error);
    else if ( s->json && s->watch )
        puts(json_object_to_json_string_ext(r.ret, JSON_C_TO_STRING_PLAIN |
             JSON_C_TO_STRING_NOSLASHESCAPE));
    else if ( s->json )
        json_object_array_add(s->list, json_object_get(r.ret));
    else
    {
        if ( !s->nr )
            print_head();
        print_row(r.ret);
        print_spill(r.ret);
    }
    if ( !r.error && s->watch && part_of(r.ret, "end") )
    {
        s->status = end_status(r.ret);
        if ( !s->json )
            print_end(r.ret);
    }
    s->nr++;
    fflush(stdout);
    json_object_put(r.line);
    return 0;
}

static int watch(const struct command *cmd, const char *which,
                 unsigned long ms, struct showing *s)
{
    struct found f = { 0 };
    char request[96];
    int rc = find_one(cmd, which, &f);

    if ( rc )
        return rc;
    snprintf(request, sizeof(request), "{\"execute\":\"watch\",\"arguments\":"
             "{\"interval\":%lu}}", ms);
    s->status = -1;
    rc = xmig_monitor(cli_state_dir(), f.id, request, show, s);
    if ( rc )
        return fail(rc, f.name);
    if ( s->status < 0 )
    {
        cli_complain("the migration of \"%s\" is gone without a word; \"xmig "
                     "recover\" looks after it", f.name);
        return EXIT_NOTHING;
    }
    return s->status;
}

int cmd_status(const struct command *cmd, int argc, char **argv)
{
    static const struct arg_opt opts[] = {
        { 256, "json", false },
        { 257, "watch", false },
        { 258, "interval", true },
        { 'h', "help", false },
        { 0, NULL, false },
    };
    struct showing s = { 0 };
    const char *which = NULL;
    unsigned long ms = 500;
    struct args a;
    char *end;
    int opt, rc;

    args_init(&a, cmd, argc, argv);
    while ( (opt = args_next(&a, opts)) != ARG_END )
    {
        switch ( opt )
        {
        case 256:
            s.json = true;
            break;
        case 257:
            s.watch = true;
            break;
        case 258:
            ms = strtoul(a.value, &end, 10);
            if ( *end || ms < 50 || ms > 60000 )
                return cli_usage(cmd, "--interval %s: 50 ... 60000 ms",
                                 a.value);
            break;
        case ARG_WORD:
            if ( which )
                return args_usual(&a, opt);
            which = a.value;
            break;
        default:
            return args_usual(&a, opt);
        }
    }

    if ( s.watch )
        return watch(cmd, which, ms, &s);
    s.list = json_object_new_array();
    rc = xmig_monitor(cli_state_dir(), which, "{\"execute\":\"status\"}",
                      show, &s);
    if ( s.json && (!rc || (rc == -ENOENT && !which)) )
        cli_json_print(s.list);
    else
        json_object_put(s.list);
    if ( rc == -ENOENT && !which )
    {
        if ( !s.json )
            puts("No migration runs here.");
        return EXIT_DONE;
    }
    return rc ? fail(rc, which) : EXIT_DONE;
}

/* ---- xmig cancel -------------------------------------------------------- */

struct cancelling
{
    bool asked;
    int status;                  /* -1: not known */
};

static int on_cancel(void *data, const char *line)
{
    struct cancelling *c = data;
    struct reply r;

    if ( !parse_reply(line, &r) )
    {
        cli_complain("%s", r.error);
        c->status = EXIT_NOTHING;
    }
    else if ( part_of(r.ret, "end") )
    {
        c->status = end_status(r.ret);
        print_end(r.ret);
    }
    c->asked = true;
    json_object_put(r.line);
    return 0;
}

int cmd_cancel(const struct command *cmd, int argc, char **argv)
{
    static const struct arg_opt opts[] = {
        { 256, "no-wait", false },
        { 'h', "help", false },
        { 0, NULL, false },
    };
    struct cancelling c = { .status = -1 };
    struct found f = { 0 };
    const char *which = NULL;
    bool wait = true;
    struct args a;
    int opt, rc;

    args_init(&a, cmd, argc, argv);
    while ( (opt = args_next(&a, opts)) != ARG_END )
    {
        if ( opt == 256 )
            wait = false;
        else if ( opt == ARG_WORD && !which )
            which = a.value;
        else
            return args_usual(&a, opt);
    }
    rc = find_one(cmd, which, &f);
    if ( rc )
        return rc;

    rc = xmig_monitor(cli_state_dir(), f.id, wait
                      ? "{\"execute\":\"cancel\",\"arguments\":"
                        "{\"watch\":true}}" : "{\"execute\":\"cancel\"}",
                      on_cancel, &c);
    if ( rc )
        return fail(rc, f.name);
    if ( !wait )
        return c.status < 0 ? EXIT_DONE : c.status;
    /* That it failed, with the guest where it was, is what was wanted. */
    if ( c.status == EXIT_SOURCE )
        return EXIT_DONE;
    if ( c.status == EXIT_DONE )
        return EXIT_DESTINATION;
    return c.status < 0 ? EXIT_NOTHING : c.status;
}

/* ---- xmig set, xmig postcopy -------------------------------------------- */

static int on_done(void *data, const char *line)
{
    struct reply r;

    if ( !parse_reply(line, &r) )
    {
        cli_complain("%s", r.error);
        *(int *)data = EXIT_NOTHING;
    }
    json_object_put(r.line);
    return 0;
}

int cmd_postcopy(const struct command *cmd, int argc, char **argv)
{
    static const struct arg_opt opts[] = {
        { 'h', "help", false },
        { 0, NULL, false },
    };
    struct found f = { .sources_only = true };
    const char *which = NULL;
    struct args a;
    int opt, rc, status;

    args_init(&a, cmd, argc, argv);
    while ( (opt = args_next(&a, opts)) != ARG_END )
    {
        if ( opt == ARG_WORD && !which )
            which = a.value;
        else
            return args_usual(&a, opt);
    }
    status = find_one(cmd, which, &f);
    if ( status )
        return status;
    rc = xmig_monitor(cli_state_dir(), f.id, "{\"execute\":\"postcopy\"}",
                      on_done, &status);

    return rc ? fail(rc, f.name) : status;
}

int cmd_set(const struct command *cmd, int argc, char **argv)
{
    static const struct arg_opt opts[] = {
        { 'h', "help", false },
        { 0, NULL, false },
    };
    struct json_object *req = json_object_new_object();
    struct json_object *set = json_object_new_object();
    struct found f = { .sources_only = true };
    const char *which = NULL;
    struct args a;
    char *value;
    int opt, rc, status = EXIT_DONE;

    json_object_object_add(req, "execute", json_object_new_string("set"));
    json_object_object_add(req, "arguments", set);
    args_init(&a, cmd, argc, argv);
    while ( (opt = args_next(&a, opts)) != ARG_END )
    {
        value = opt == ARG_WORD ? strchr(a.value, '=') : NULL;
        if ( value )
        {
            *value++ = '\0';
            json_object_object_add(set, a.value,
                                   json_object_new_string(value));
        }
        else if ( opt == ARG_WORD && !which )
            which = a.value;
        else
        {
            json_object_put(req);
            return args_usual(&a, opt);
        }
    }
    if ( json_object_object_length(set) )
        status = find_one(cmd, which, &f);
    else
        status = cli_usage(cmd, "needs NAME=VALUE");
    if ( !status )
    {
        rc = xmig_monitor(cli_state_dir(), f.id,
                          json_object_to_json_string_ext(req,
                              JSON_C_TO_STRING_PLAIN), on_done, &status);
        if ( rc )
            status = fail(rc, f.name);
    }
    json_object_put(req);
    return status;
}
