/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * xmig options, xmig version: what the library says of itself.
 */
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"

static void print_row(const struct xmig_option *o)
{
    char range[64] = "";

    if ( o->min[0] || o->max[0] )
        snprintf(range, sizeof(range), "%s...%s", o->min, o->max);
    printf("%-24s %-10s %-8s %-20s %s\n", o->key,
           o->value[0] ? o->value : "-", o->unit, range, o->help);
}

static void add(struct json_object *obj, const char *key, const char *value)
{
    json_object_object_add(obj, key, json_object_new_string(value));
}

static struct json_object *row_json(const struct xmig_option *o)
{
    struct json_object *obj = json_object_new_object();

    add(obj, "name", o->key);
    add(obj, "unit", o->unit);
    add(obj, "value", o->value);
    add(obj, "min", o->min);
    add(obj, "max", o->max);
    add(obj, "help", o->help);
    json_object_object_add(obj, "live", json_object_new_boolean(o->live));
    return obj;
}

int cmd_options(const struct command *cmd, int argc, char **argv)
{
    static const struct arg_opt opts[] = {
        { 256, "names", false },
        { 257, "json", false },
        { 'h', "help", false },
        { 0, NULL, false },
    };
    bool names = false, json = false;
    struct json_object *array = NULL;
    struct xmig_option o;
    struct args a;
    unsigned int i;
    int opt;

    args_init(&a, cmd, argc, argv);
    while ( (opt = args_next(&a, opts)) != ARG_END )
    {
        switch ( opt )
        {
        case 256:
            names = true;
            break;
        case 257:
            json = true;
            break;
        default:
            return args_usual(&a, opt);
        }
    }

    /* The defaults: a list of options needs no hypervisor. */
    if ( json )
        array = json_object_new_array();
    else if ( !names )
        printf("%-24s %-10s %-8s %-20s %s\n", "Option", "Default", "Unit",
               "Range", "");
    for ( i = 0; !xmig_option_get(NULL, i, &o); i++ )
    {
        if ( json )
            json_object_array_add(array, row_json(&o));
        else if ( names )
            puts(o.key);
        else
            print_row(&o);
    }
    if ( json )
        cli_json_print(array);

    return EXIT_DONE;
}

int cmd_version(const struct command *cmd, int argc, char **argv)
{
    struct json_object *obj;

    if ( cmd && argc > 1 && !strcmp(argv[1], "--json") )
    {
        obj = json_object_new_object();
        add(obj, "version", XMIG_VERSION);
        cli_json_print(obj);
        return EXIT_DONE;
    }
    if ( cmd && argc > 1 && (!strcmp(argv[1], "--help") ||
                             !strcmp(argv[1], "-h")) )
    {
        cli_help(stdout, cmd);
        return EXIT_DONE;
    }
    if ( cmd && argc > 1 )
        return cli_usage(cmd, "\"%s\" is too much", argv[1]);

    puts("xmig " XMIG_VERSION);
    return EXIT_DONE;
}
