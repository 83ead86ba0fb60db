/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Figures and outcomes as JSON, in the names of QEMU's query-migrate: times
 * in milliseconds there, and in microseconds beside them where that matters.
 */
#include <errno.h>
#include <json-c/json.h>
#include <string.h>

#include "cmd.h"

static void add_u64(struct json_object *obj, const char *key, uint64_t v)
{
    json_object_object_add(obj, key, json_object_new_uint64(v));
}

void cli_uuid_text(const uint8_t uuid[16], char text[37])
{
    unsigned int i, at = 0;

    for ( i = 0; i < 16; i++ )
    {
        if ( i == 4 || i == 6 || i == 8 || i == 10 )
            text[at++] = '-';
        at += snprintf(text + at, 3, "%02x", uuid[i]);
    }
}

struct json_object *cli_json_stats(const struct xmig_stats *st)
{
    struct json_object *obj = json_object_new_object();
    struct json_object *ram = json_object_new_object();
    struct json_object *parts = json_object_new_object();
    double mbps = st->total_time_us ?
        st->transferred_bytes * 8.0 / st->total_time_us : 0;

    add_u64(obj, "total-time", st->total_time_us / 1000);
    add_u64(obj, "setup-time", st->setup_time_us / 1000);
    add_u64(obj, "downtime", st->downtime_us / 1000);
    add_u64(obj, "expected-downtime", st->expected_downtime_us / 1000);
    add_u64(obj, "total-time-us", st->total_time_us);
    add_u64(obj, "downtime-us", st->downtime_us);

    add_u64(parts, "suspend", st->suspend_us);
    add_u64(parts, "last-dirty", st->last_dirty_us);
    add_u64(parts, "state", st->state_us);
    add_u64(parts, "commit", st->commit_us);
    add_u64(parts, "unpause", st->unpause_us);
    json_object_object_add(obj, "downtime-parts-us", parts);

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
    json_object_object_add(obj, "ram", ram);

    return obj;
}

struct json_object *cli_json_outcome(const struct xmig_error *err, int rc,
                                     const struct xmig_stats *st)
{
    struct json_object *obj = cli_json_stats(st), *e;

    json_object_object_add(obj, "status", json_object_new_string(
        !rc ? "completed" : rc == -ECANCELED ? "cancelled" : "failed"));
    json_object_object_add(obj, "guest", json_object_new_string(
        xmig_guest_name(err ? err->guest : XMIG_GUEST_NONE)));
    if ( rc )
    {
        e = json_object_new_object();
        json_object_object_add(e, "code", json_object_new_int(rc));
        json_object_object_add(e, "text", json_object_new_string(
            err && err->text[0] ? err->text : strerror(-rc)));
        json_object_object_add(obj, "error", e);
    }
    return obj;
}

void cli_json_print(struct json_object *obj)
{
    puts(json_object_to_json_string_ext(obj, JSON_C_TO_STRING_PRETTY |
                                        JSON_C_TO_STRING_NOSLASHESCAPE));
    fflush(stdout);
    json_object_put(obj);
}
