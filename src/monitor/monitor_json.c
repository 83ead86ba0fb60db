/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Requests and replies of the monitor, and figures, as JSON: the names are
 * those of QEMU's query-migrate and QMP.  Times are in milliseconds there,
 * and in microseconds beside them where that matters.
 */
#include "monitor.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH            4
#define INTERVAL_MIN_MS  50
#define INTERVAL_MAX_MS  60000
#define INTERVAL_MS      500

/* ---- Figures ------------------------------------------------------------ */

static void add_u64(struct json_object *obj, const char *key, uint64_t v)
{
    json_object_object_add(obj, key, json_object_new_uint64(v));
}

static void add_text(struct json_object *obj, const char *key,
                     const char *text)
{
    json_object_object_add(obj, key, json_object_new_string(text));
}

static struct json_object *ram_object(const struct xmig_stats *st)
{
    struct json_object *ram = json_object_new_object();
    double mbps = st->total_time_us ?
        (double)st->transferred_bytes * 8.0 / (double)st->total_time_us : 0;

    add_u64(ram, "transferred", st->transferred_bytes);
    add_u64(ram, "remaining", st->remaining_bytes);
    add_u64(ram, "total", st->total_bytes);
    add_u64(ram, "normal", st->normal_pages);
    add_u64(ram, "normal-bytes", st->normal_pages * 4096);
    add_u64(ram, "duplicate", st->duplicate_pages);
    add_u64(ram, "skipped", st->skipped_pages);
    add_u64(ram, "dirty-pages-rate", st->dirty_pages_rate);
    json_object_object_add(ram, "mbps", json_object_new_double(mbps));
    add_u64(ram, "dirty-sync-count", st->rounds);
    add_u64(ram, "page-size", 4096);
    add_u64(ram, "postcopy-requests", st->postcopy_requests);

    return ram;
}

static void add_ratio(struct json_object *obj, const char *key,
                      uint64_t pages, uint64_t bytes)
{
    double v = bytes ? (double)pages * 4096 / (double)bytes : 0;

    json_object_object_add(obj, key, json_object_new_double(v));
}

static struct json_object *compression_object(const struct xmig_stats *st)
{
    struct json_object *obj = json_object_new_object();

    add_u64(obj, "pages", st->compressed_pages);
    add_u64(obj, "busy", st->compression_busy);
    add_u64(obj, "compressed-size", st->compressed_bytes);
    add_ratio(obj, "compression-rate", st->compressed_pages,
              st->compressed_bytes);

    return obj;
}

static struct json_object *xbzrle_object(const struct xmig_stats *st)
{
    struct json_object *obj = json_object_new_object();
    uint64_t asked = st->xbzrle_pages + st->xbzrle_misses +
                     st->xbzrle_overflows;

    add_u64(obj, "cache-size", st->xbzrle_cache_bytes);
    add_u64(obj, "pages", st->xbzrle_pages);
    add_u64(obj, "bytes", st->xbzrle_bytes);
    add_u64(obj, "cache-miss", st->xbzrle_misses);
    json_object_object_add(obj, "cache-miss-rate", json_object_new_double(
        asked ? (double)st->xbzrle_misses / (double)asked : 0));
    add_u64(obj, "overflow", st->xbzrle_overflows);
    add_ratio(obj, "encoding-rate", st->xbzrle_pages, st->xbzrle_bytes);

    return obj;
}

static struct json_object *postcopy_object(const struct xmig_stats *st)
{
    static const char *const spills[] = {
        [XMIG_SPILL_NONE] = "none", [XMIG_SPILL_WRITING] = "writing",
        [XMIG_SPILL_WHOLE] = "whole", [XMIG_SPILL_FAILED] = "failed",
    };
    struct json_object *obj = json_object_new_object();

    add_u64(obj, "pages", st->postcopy_pages);
    add_u64(obj, "requests", st->postcopy_requests);
    add_u64(obj, "pushed", st->postcopy_pushed);
    add_u64(obj, "demanded", st->postcopy_demanded);
    add_u64(obj, "neighbours", st->postcopy_neighbours);
    add_u64(obj, "first", st->postcopy_first);
    add_u64(obj, "holes", st->postcopy_holes);
    add_u64(obj, "duplicates", st->postcopy_duplicates);
    add_u64(obj, "resent", st->postcopy_resent);
    add_text(obj, "spill", spills[st->postcopy_spill]);
    add_u64(obj, "spilled", st->postcopy_spilled);
    add_u64(obj, "dropped", st->postcopy_dropped);
    add_u64(obj, "waited-us", st->postcopy_waited_us);
    add_u64(obj, "fault-p50-us", st->fault_p50_us);
    add_u64(obj, "fault-p99-us", st->fault_p99_us);
    add_u64(obj, "fault-max-us", st->fault_max_us);

    return obj;
}

struct json_object *monitor_stats_object(const struct xmig_stats *st)
{
    struct json_object *obj = json_object_new_object();
    struct json_object *parts = json_object_new_object();
    struct json_object *expected = json_object_new_object();

    add_u64(obj, "total-time", st->total_time_us / 1000);
    add_u64(obj, "setup-time", st->setup_time_us / 1000);
    add_u64(obj, "downtime", st->downtime_us / 1000);
    add_u64(obj, "expected-downtime", st->expected_downtime_us / 1000);
    add_u64(obj, "total-time-us", st->total_time_us);
    add_u64(obj, "downtime-us", st->downtime_us);
    add_u64(obj, "expected-downtime-us", st->expected_downtime_us);
    add_u64(obj, "cpu-throttle-percentage", st->cpu_throttle_percentage);

    add_u64(parts, "suspend", st->suspend_us);
    add_u64(parts, "last-dirty", st->last_dirty_us);
    add_u64(parts, "state", st->state_us);
    add_u64(parts, "commit", st->commit_us);
    add_u64(parts, "unpause", st->unpause_us);
    json_object_object_add(obj, "downtime-parts-us", parts);

    add_u64(expected, "suspend", st->expected_suspend_us);
    add_u64(expected, "last-dirty", st->expected_last_dirty_us);
    add_u64(expected, "state", st->expected_state_us);
    add_u64(expected, "commit", st->expected_commit_us);
    json_object_object_add(obj, "expected-downtime-parts-us", expected);

    add_u64(obj, "progress-permille", st->progress_permille);
    add_u64(obj, "bandwidth-bps", st->bandwidth_bps);
    add_u64(obj, "goodput-bps", st->goodput_bps);
    add_u64(obj, "round-pages", st->round_pages);
    add_u64(obj, "round-us", st->round_us);
    add_u64(obj, "working-set-pages", st->working_set_pages);
    json_object_object_add(obj, "ram", ram_object(st));
    if ( st->compressed_pages )
        json_object_object_add(obj, "compression", compression_object(st));
    if ( st->xbzrle_cache_bytes )
        json_object_object_add(obj, "xbzrle-cache", xbzrle_object(st));
    if ( st->postcopy_pages )
        json_object_object_add(obj, "postcopy", postcopy_object(st));

    return obj;
}

#define PLAIN (JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE)

char *xmig_stats_json(const struct xmig_stats *stats)
{
    struct json_object *obj = monitor_stats_object(stats);
    char *text = strdup(json_object_to_json_string_ext(obj, PLAIN));

    json_object_put(obj);

    return text;
}

/* ---- Replies ------------------------------------------------------------ */

/* Takes obj.  What does not fit (it always does) becomes an error. */
static size_t put_line(char *buf, struct json_object *obj)
{
    size_t len;
    const char *text = json_object_to_json_string_length(obj, PLAIN, &len);

    if ( len + 2 > MONITOR_REPLY_MAX )
    {
        json_object_put(obj);
        return monitor_reply_error(buf, -EMSGSIZE, "the answer is too long");
    }
    memcpy(buf, text, len);
    memcpy(buf + len, "\n", 2);
    json_object_put(obj);

    return len + 1;
}

static struct json_object *options_object(const struct optset *opts)
{
    struct json_object *obj = json_object_new_object();
    struct xmig_option o;
    struct opt_text text;
    unsigned int i;

    for ( i = 0; opts && !opt_describe(opts, i, &text, &o); i++ )
        if ( o.live )
            add_text(obj, o.key, o.value);

    return obj;
}

size_t monitor_reply_status(char *buf, const char *id, bool source,
                            const struct monitor_status *st,
                            const struct optset *opts,
                            const struct monitor_outcome *end)
{
    struct json_object *line = json_object_new_object(), *e;
    struct json_object *obj = monitor_stats_object(&st->stats);

    add_text(obj, "id", id);
    add_text(obj, "role", source ? "source" : "destination");
    add_text(obj, "domain", st->domain);
    add_u64(obj, "domid", st->domid);
    add_text(obj, "peer", st->peer);
    add_text(obj, "state", st->state);
    add_text(obj, "status", !end ? st->status : !end->code ? "completed" :
             end->code == -ECANCELED ? "cancelled" : "failed");
    add_text(obj, "guest", st->guest);
    json_object_object_add(obj, "cancellable", json_object_new_boolean(
        !end && st->cancellable));
    json_object_object_add(obj, "options", options_object(opts));
    if ( end )
        json_object_object_add(obj, "end", json_object_new_boolean(1));
    if ( end && end->code )
    {
        e = json_object_new_object();
        json_object_object_add(e, "code", json_object_new_int(end->code));
        add_text(e, "text", end->text);
        json_object_object_add(obj, "error", e);
    }
    json_object_object_add(line, "return", obj);

    return put_line(buf, line);
}

size_t monitor_reply_done(char *buf)
{
    struct json_object *line = json_object_new_object();

    json_object_object_add(line, "return", json_object_new_object());

    return put_line(buf, line);
}

size_t monitor_reply_error(char *buf, int code, const char *text)
{
    struct json_object *line = json_object_new_object();
    struct json_object *e = json_object_new_object();

    json_object_object_add(e, "code", json_object_new_int(code));
    add_text(e, "text", text);
    json_object_object_add(line, "error", e);

    return put_line(buf, line);
}

/* ---- Requests ----------------------------------------------------------- */

static int parse_interval(struct json_object *args, struct err *e,
                          struct monitor_request *ret)
{
    struct json_object *v;
    int64_t ms = INTERVAL_MS;

    if ( args && json_object_object_get_ex(args, "interval", &v) )
    {
        if ( !json_object_is_type(v, json_type_int) )
            return err_set(e, -EINVAL, "the interval is no number");
        ms = json_object_get_int64(v);
    }
    if ( ms < INTERVAL_MIN_MS || ms > INTERVAL_MAX_MS )
        return err_set(e, -EINVAL, "an interval is %d ... %d ms",
                       INTERVAL_MIN_MS, INTERVAL_MAX_MS);
    ret->interval_us = (uint64_t)ms * 1000;

    return 0;
}

static int parse_cancel(struct json_object *args, struct err *e,
                        struct monitor_request *ret)
{
    struct json_object *v;

    if ( !args || !json_object_object_get_ex(args, "watch", &v) )
        return 0;
    if ( !json_object_is_type(v, json_type_boolean) )
        return err_set(e, -EINVAL, "watch is true or false");
    if ( json_object_get_boolean(v) )
        ret->interval_us = (uint64_t)INTERVAL_MS * 1000;

    return 0;
}

static int parse_settings(struct json_object *args, struct err *e,
                          struct monitor_request *ret)
{
    size_t room_key = sizeof(ret->settings[0].key);
    size_t room_value = sizeof(ret->settings[0].value);
    const char *value;

    if ( !args || !json_object_object_length(args) )
        return err_set(e, -EINVAL, "nothing is to be set");
    json_object_object_foreach(args, key, v)
    {
        if ( ret->nr == MONITOR_SETTINGS )
            return err_set(e, -EINVAL, "more than %d options at a time",
                           MONITOR_SETTINGS);
        if ( json_object_is_type(v, json_type_null) ||
             json_object_is_type(v, json_type_object) ||
             json_object_is_type(v, json_type_array) )
            return err_set(e, -EINVAL, "the value of an option is a string, "
                           "a number or a truth value");
        value = json_object_get_string(v);
        if ( strlen(key) >= room_key || strlen(value) >= room_value )
            return err_set(e, -EINVAL, "an option's name or value is too "
                           "long");
        snprintf(ret->settings[ret->nr].key, room_key, "%s", key);
        snprintf(ret->settings[ret->nr].value, room_value, "%s", value);
        ret->nr++;
    }

    return 0;
}

static int parse_object(struct json_object *obj, struct err *e,
                        struct monitor_request *ret)
{
    static const char *const verbs[] = {
        [MONITOR_STATUS] = "status", [MONITOR_WATCH] = "watch",
        [MONITOR_CANCEL] = "cancel", [MONITOR_POSTCOPY] = "postcopy",
        [MONITOR_FENCED] = "fenced",
        [MONITOR_SET] = "set",
    };
    struct json_object *verb, *args = NULL;
    unsigned int i;

    if ( !json_object_is_type(obj, json_type_object) ||
         !json_object_object_get_ex(obj, "execute", &verb) ||
         !json_object_is_type(verb, json_type_string) )
        return err_set(e, -EPROTO, "a request is {\"execute\": ...}");
    if ( json_object_object_get_ex(obj, "arguments", &args) &&
         !json_object_is_type(args, json_type_object) )
        return err_set(e, -EINVAL, "arguments are an object");

    for ( i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++ )
        if ( !strcmp(json_object_get_string(verb), verbs[i]) )
            break;
    ret->verb = i;
    switch ( i )
    {
    case MONITOR_STATUS:
    case MONITOR_FENCED:
    case MONITOR_POSTCOPY: return 0;
    case MONITOR_CANCEL: return parse_cancel(args, e, ret);
    case MONITOR_WATCH:  return parse_interval(args, e, ret);
    case MONITOR_SET:    return parse_settings(args, e, ret);
    }

    return err_set(e, -EINVAL, "there are status, watch, cancel, "
                   "postcopy, fenced and set");
}

int monitor_request_parse(const char *line, size_t len, struct err *e,
                          struct monitor_request *ret)
{
    struct json_tokener *tok = json_tokener_new_ex(DEPTH);
    struct json_object *obj;
    int rc;

    memset(ret, 0, sizeof(*ret));
    if ( !tok )
        return err_set(e, -ENOMEM, "%s", err_text(-ENOMEM));
    json_tokener_set_flags(tok, JSON_TOKENER_STRICT |
                           JSON_TOKENER_VALIDATE_UTF8);
    obj = len > MONITOR_REQUEST_MAX || memchr(line, '\0', len)
          ? NULL : json_tokener_parse_ex(tok, line, (int)len);
    if ( !obj || json_tokener_get_parse_end(tok) != len )
        rc = err_set(e, -EPROTO, "this is not one JSON object on a line");
    else
        rc = parse_object(obj, e, ret);
    json_object_put(obj);
    json_tokener_free(tok);

    return rc;
}
