/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Outcomes as JSON; the figures come from the library.
 */
#include <errno.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"

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
    char *text = xmig_stats_json(st);
    struct json_object *obj = text ? json_tokener_parse(text) : NULL;

    free(text);
    return obj ? obj : json_object_new_object();
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
