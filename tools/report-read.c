/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Reading a log of events (xmig migrate --log-json).  A log that ends in the
 * middle, as that of a process that was killed, is drawn as far as it goes.
 */
#include <errno.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "report.h"

#define LINE_MAX_BYTES (64u << 10)
#define MIB 1048576.0

const char *const report_parts[REPORT_PARTS] = {
    "suspend", "last-dirty", "state", "commit", "unpause",
};

static double number(struct json_object *obj, const char *key)
{
    struct json_object *v;
    double d = 0;

    if ( obj && json_object_object_get_ex(obj, key, &v) )
        d = json_object_get_double(v);
    /* What a log can hold; a picture of more would be none. */
    return d >= 0 && d < 1e18 ? d : 0;
}

static struct json_object *part(struct json_object *obj, const char *key)
{
    struct json_object *v = NULL;

    if ( obj )
        json_object_object_get_ex(obj, key, &v);
    return v;
}

static void copy(struct json_object *obj, const char *key, char *buf,
                 size_t room)
{
    struct json_object *v = part(obj, key);

    if ( v )
        snprintf(buf, room, "%s", json_object_get_string(v));
}

/* Room for one more; NULL: no memory, and list is as it was. */
static void *grow(void *list, size_t nr, size_t size)
{
    /* It doubles. */
    return nr & (nr - 1) ? list : realloc(list, (nr ? nr * 2 : 1) * size);
}

static int add_sample(struct report *r, double t, struct json_object *st)
{
    struct json_object *ram = part(st, "ram");
    struct report_sample *s = grow(r->samples, r->nr_samples, sizeof(*s));

    if ( !s )
        return -ENOMEM;
    r->samples = s;
    s += r->nr_samples++;
    s->t = t;
    s->sent = number(ram, "transferred") / MIB;
    s->left = number(ram, "remaining") / MIB;
    if ( t > r->total )
        r->total = t;
    if ( s->sent > r->sent )
        r->sent = s->sent;
    return 0;
}

static void take_parts(struct json_object *parts, double *ret_ms)
{
    unsigned int i;

    for ( i = 0; i < REPORT_PARTS; i++ )
        ret_ms[i] = number(parts, report_parts[i]) / 1e3;
}

static int add_round(struct report *r, double t, struct json_object *st)
{
    struct report_round *n = grow(r->rounds, r->nr_rounds, sizeof(*n));

    if ( !n )
        return -ENOMEM;
    r->rounds = n;
    n += r->nr_rounds++;
    n->end = t;
    n->begin = t - number(st, "round-us") / 1e6;
    n->dirty = number(part(st, "ram"), "dirty-pages-rate") * 4096 / MIB;
    n->pause_ms = number(st, "expected-downtime-us") / 1e3;
    take_parts(part(st, "expected-downtime-parts-us"), n->parts_ms);
    return 0;
}

static int add_step(struct report *r, double t, struct json_object *st)
{
    struct report_step *n = grow(r->steps, r->nr_steps, sizeof(*n));

    if ( !n )
        return -ENOMEM;
    r->steps = n;
    n += r->nr_steps++;
    n->t = t;
    n->percent = number(st, "cpu-throttle-percentage");
    return 0;
}

static void take_end(struct report *r, struct json_object *obj,
                     struct json_object *st)
{
    struct json_object *code = part(obj, "code");

    r->ended = true;
    r->code = code ? json_object_get_int(code) : 0;
    copy(obj, "text", r->text, sizeof(r->text));
    r->downtime_ms = number(st, "downtime-us") / 1e3;
    r->expected_ms = number(st, "expected-downtime-us") / 1e3;
    take_parts(part(st, "downtime-parts-us"), r->parts_ms);
    take_parts(part(st, "expected-downtime-parts-us"),
               r->expected_parts_ms);
}

static void take_state(struct report *r, struct json_object *obj, double t)
{
    char state[32] = "";

    copy(obj, "text", state, sizeof(state));
    if ( !strcmp(state, "live") )
        r->setup = t;
    if ( !strcmp(state, "suspending") )
        r->stopped = t;
}

static int take_event(struct report *r, struct json_object *obj)
{
    struct json_object *st = part(obj, "stats");
    double t = number(obj, "time-us") / 1e6;
    char event[16] = "";
    int rc = 0;

    copy(obj, "event", event, sizeof(event));
    copy(obj, "id", r->id, sizeof(r->id));
    if ( !strcmp(event, "begin") )
    {
        copy(obj, "domain", r->domain, sizeof(r->domain));
        copy(obj, "peer", r->peer, sizeof(r->peer));
        copy(obj, "date", r->date, sizeof(r->date));
        return 0;
    }
    if ( !event[0] || !st )
        return -EINVAL;
    rc = add_sample(r, t, st);
    if ( !rc && !strcmp(event, "round") )
        rc = add_round(r, t, st);
    if ( !rc && !strcmp(event, "throttle") )
        rc = add_step(r, t, st);
    if ( !strcmp(event, "state") )
        take_state(r, obj, t);
    if ( !strcmp(event, "verdict") )
        copy(obj, "text", r->verdict, sizeof(r->verdict));
    if ( !strcmp(event, "end") )
        take_end(r, obj, st);
    return rc;
}

int report_read(FILE *f, struct report *r, unsigned long *ret_line)
{
    char *line = malloc(LINE_MAX_BYTES);
    struct json_object *obj;
    unsigned long n = 0;
    int rc = line ? 0 : -ENOMEM;

    memset(r, 0, sizeof(*r));
    while ( !rc && fgets(line, LINE_MAX_BYTES, f) )
    {
        n++;
        obj = json_tokener_parse(line);
        if ( obj )
            rc = take_event(r, obj);
        /* The last line may be torn. */
        else if ( n == 1 || strchr(line, '\n') )
            rc = -EINVAL;
        json_object_put(obj);
    }
    if ( !rc && ferror(f) )
        rc = errno ? -errno : -EIO;
    if ( !rc && !r->nr_samples )
        rc = -ENODATA;
    free(line);
    *ret_line = n;
    return rc;
}

void report_done(struct report *r)
{
    free(r->samples);
    free(r->rounds);
    free(r->steps);
}
