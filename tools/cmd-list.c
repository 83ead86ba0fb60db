/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * xmig list: the domains of this host, in xl's columns.
 */
#include <inttypes.h>
#include <json-c/json.h>
#include <stdlib.h>

#include "cmd.h"

static void print_row(const struct xmig_domain *d)
{
    printf("%-40s %5"PRIu32" %5"PRIu64" %5u     %6s  %8.1f\n", d->name,
           d->domid, d->memory_kib / 1024, d->vcpus, d->state,
           d->cpu_seconds);
}

static struct json_object *row_json(const struct xmig_domain *d)
{
    struct json_object *obj = json_object_new_object();
    char uuid[37];

    cli_uuid_text(d->uuid, uuid);
    json_object_object_add(obj, "domid", json_object_new_int64(d->domid));
    json_object_object_add(obj, "name", json_object_new_string(d->name));
    json_object_object_add(obj, "uuid", json_object_new_string(uuid));
    json_object_object_add(obj, "memory-kib",
                           json_object_new_uint64(d->memory_kib));
    json_object_object_add(obj, "vcpus", json_object_new_int64(d->vcpus));
    json_object_object_add(obj, "state", json_object_new_string(d->state));
    json_object_object_add(obj, "cpu-seconds",
                           json_object_new_double(d->cpu_seconds));
    return obj;
}

static void print_list(const struct xmig_domain *list, size_t nr,
                       const uint32_t *only, bool json)
{
    struct json_object *array = NULL;
    size_t i;

    if ( json )
        array = json_object_new_array();
    else
        printf("%-40s %5s %5s %5s     %6s  %8s\n", "Name", "ID", "Mem",
               "VCPUs", "State", "Time(s)");
    for ( i = 0; i < nr; i++ )
    {
        if ( only && list[i].domid != *only )
            continue;
        if ( json )
            json_object_array_add(array, row_json(&list[i]));
        else
            print_row(&list[i]);
    }
    if ( json )
        cli_json_print(array);
}

static int open_and_list(const char *name, bool json)
{
    struct xmig_domain *list = NULL;
    struct xmig *s = NULL;
    uint32_t domid = 0;
    size_t nr;
    int rc, status;

    status = cli_open(&s);
    if ( status )
        return status;
    if ( name )
    {
        status = cli_find(s, name, &domid);
        if ( status )
            goto out;
    }

    rc = xmig_domain_list(s, &list, &nr);
    if ( rc )
        status = cli_fail(xmig_error(s), rc, "list the domains");
    else
        print_list(list, nr, name ? &domid : NULL, json);

 out:
    free(list);
    cli_close(s);
    return status;
}

int cmd_list(const struct command *cmd, int argc, char **argv)
{
    static const struct arg_opt opts[] = {
        { 'l', "long", false },
        { 256, "json", false },
        { 'h', "help", false },
        { 0, NULL, false },
    };
    const char *name = NULL;
    bool json = false;
    struct args a;
    int opt;

    args_init(&a, cmd, argc, argv);
    while ( (opt = args_next(&a, opts)) != ARG_END )
    {
        switch ( opt )
        {
        case 'l':
        case 256:
            json = true;
            break;
        case ARG_WORD:
            if ( name )
                return cli_usage(cmd, "one domain, or all");
            name = a.value;
            break;
        default:
            return args_usual(&a, opt);
        }
    }
    return open_and_list(name, json);
}
