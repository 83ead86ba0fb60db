/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Options of the engine and its mechanisms on the command line: collected
 * while the arguments are read, given to the library once it is open.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"

int cli_settings_add(struct settings *l, const char *key, const char *value)
{
    struct setting *more = realloc(l->list, (l->nr + 1) * sizeof(*more));

    if ( !more )
        goto fail;
    l->list = more;
    more[l->nr].key = strdup(key);
    more[l->nr].value = value;
    if ( !more[l->nr].key )
        goto fail;
    l->nr++;
    return 0;

 fail:
    cli_complain("no memory");
    return EXIT_NOTHING;
}

int cli_settings_word(struct settings *l, const struct command *cmd,
                      char *text)
{
    char *value = strchr(text, '=');

    if ( !value || value == text )
        return cli_usage(cmd, "--set %s: must be NAME=VALUE", text);
    *value++ = '\0';
    return cli_settings_add(l, text, value);
}

int cli_settings_apply(const struct settings *l, const struct command *cmd,
                       struct xmig *s)
{
    unsigned int i;
    int rc;

    for ( i = 0; i < l->nr; i++ )
    {
        rc = xmig_option_set(s, l->list[i].key, l->list[i].value);
        if ( rc == -ENOENT )
            return cli_usage(cmd, "there is no option \"%s\"; \"xmig"
                             " options\" lists them", l->list[i].key);
        if ( rc )
            return cli_usage(cmd, "%s", xmig_error(s)->text);
    }
    return 0;
}

const char *cli_settings_value(const struct settings *l, const char *key)
{
    unsigned int i = l->nr;

    while ( i-- )
        if ( !strcmp(l->list[i].key, key) )
            return l->list[i].value;
    return NULL;
}

void cli_settings_done(struct settings *l)
{
    unsigned int i;

    for ( i = 0; i < l->nr; i++ )
        free(l->list[i].key);
    free(l->list);
}
