/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Events of a migration: what a person has to be told at once, and the log
 * that xmig report draws.
 */
#include <errno.h>
#include <json-c/json.h>
#include <string.h>
#include <time.h>

#include "cmd.h"

static struct
{
    FILE *log;                   /* NULL: none */
    const char *path;
    bool failed;                 /* it could not be written */
} events;

static const char *event_name(unsigned int kind)
{
    static const char *const names[] = {
        [XMIG_EVENT_STATE] = "state", [XMIG_EVENT_SAMPLE] = "sample",
        [XMIG_EVENT_ROUND] = "round", [XMIG_EVENT_THROTTLE] = "throttle",
        [XMIG_EVENT_VERDICT] = "verdict", [XMIG_EVENT_OPTION] = "option",
        [XMIG_EVENT_END] = "end",
    };

    return kind < sizeof(names) / sizeof(names[0]) ? names[kind] : NULL;
}

/* Takes obj. */
static void write_line(struct json_object *obj)
{
    if ( fprintf(events.log, "%s\n", json_object_to_json_string_ext(
                 obj, JSON_C_TO_STRING_PLAIN |
                 JSON_C_TO_STRING_NOSLASHESCAPE)) < 0 ||
         fflush(events.log) )
        events.failed = true;
    json_object_put(obj);
}

static struct json_object *object_of(const char *event, uint64_t us)
{
    struct json_object *obj = json_object_new_object();

    json_object_object_add(obj, "event", json_object_new_string(event));
    json_object_object_add(obj, "time-us", json_object_new_uint64(us));
    return obj;
}

static void on_event(void *data, const struct xmig_event *e)
{
    struct json_object *obj;

    (void)data;
    if ( e->kind == XMIG_EVENT_VERDICT )
    {
        cli_progress_break();
        cli_complain("%s", e->text);
    }
    if ( e->kind == XMIG_EVENT_ROUND )
        cli_progress_round(e->stats);
    if ( !events.log || events.failed )
        return;
    obj = object_of(event_name(e->kind), e->time_us);
    if ( e->text[0] )
        json_object_object_add(obj, "text", json_object_new_string(e->text));
    if ( e->kind == XMIG_EVENT_END )
        json_object_object_add(obj, "code", json_object_new_int(e->code));
    if ( e->id[0] )
        json_object_object_add(obj, "id", json_object_new_string(e->id));
    json_object_object_add(obj, "stats", cli_json_stats(e->stats));
    write_line(obj);
}

int cli_events_begin(struct xmig *s, const char *path, const char *domain,
                     const char *peer)
{
    struct json_object *obj;
    time_t now = time(NULL);
    struct tm tm;
    char text[32];

    memset(&events, 0, sizeof(events));
    if ( path )
    {
        events.path = path;
        events.log = fopen(path, "we");
        if ( !events.log )
        {
            cli_complain("write the log %s: %s", path, strerror(errno));
            return EXIT_NOTHING;
        }
        obj = object_of("begin", 0);
        strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ",
                 gmtime_r(&now, &tm));
        json_object_object_add(obj, "date", json_object_new_string(text));
        json_object_object_add(obj, "domain",
                               json_object_new_string(domain));
        json_object_object_add(obj, "peer", json_object_new_string(peer));
        write_line(obj);
    }
    xmig_set_event(s, on_event, NULL);
    return 0;
}

void cli_events_end(struct xmig *s)
{
    xmig_set_event(s, NULL, NULL);
    if ( events.log && (fclose(events.log) || events.failed) )
        cli_complain("the log %s could not be written to its end",
                     events.path);
    events.log = NULL;
}
