/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Settings from a file and from the environment: see settings.h.
 */
#include "settings.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "xmig.h"

#define CONF "/etc/xmig/save-helper.conf"

static int add(struct settings *st, const char *name, const char *value)
{
    struct setting *more = realloc(st->list, (st->nr + 1) * sizeof(*more));
    struct setting one;

    if ( !more )
        return -ENOMEM;
    st->list = more;
    one.name = strdup(name);
    one.value = strdup(value);
    if ( !one.name || !one.value )
    {
        free(one.name);
        free(one.value);
        return -ENOMEM;
    }
    more[st->nr++] = one;
    return 0;
}

/* Without the blanks around it; text is changed. */
static char *trim(char *text)
{
    char *end;

    while ( isspace((unsigned char)*text) )
        text++;
    end = text + strlen(text);
    while ( end > text && isspace((unsigned char)end[-1]) )
        end--;
    *end = '\0';
    return text;
}

/* "name = value"; text is changed. */
static int add_pair(struct settings *st, char *text)
{
    char *value = strchr(text, '=');

    if ( !value )
        return -EINVAL;
    *value++ = '\0';
    text = trim(text);
    value = trim(value);
    if ( !*text || !*value )
        return -EINVAL;
    return add(st, text, value);
}

int settings_read_file(struct settings *st, const char *path, char *why,
                       size_t size)
{
    unsigned int number = 0;
    char *line = NULL, *text;
    size_t room = 0;
    FILE *f = fopen(path, "re");
    int rc = f ? 0 : -errno;

    if ( rc )
    {
        if ( rc != -ENOENT )
            snprintf(why, size, "%s: %s", path, strerror(-rc));
        return rc;
    }
    while ( !rc && getline(&line, &room, f) >= 0 )
    {
        number++;
        text = trim(line);
        if ( !*text || *text == '#' )
            continue;
        rc = add_pair(st, text);
        if ( rc )
            snprintf(why, size, "%s, line %u: %s", path, number,
                     rc == -EINVAL ? "must be NAME = VALUE"
                                   : strerror(-rc));
    }
    free(line);
    fclose(f);
    return rc;
}

int settings_read_words(struct settings *st, const char *words, char *why,
                        size_t size)
{
    char *copy = strdup(words), *rest = copy, *word;
    int rc = copy ? 0 : -ENOMEM;

    while ( !rc && (word = strsep(&rest, " \t,")) )
    {
        if ( !*word )
            continue;
        rc = add_pair(st, word);
    }
    if ( rc )
        snprintf(why, size, "\"%s\": %s", words,
                 rc == -EINVAL ? "must be words NAME=VALUE" : strerror(-rc));
    free(copy);
    return rc;
}

int settings_load(struct settings *st, char *why, size_t size)
{
    const char *path = getenv("XMIG_SAVE_HELPER_CONF");
    const char *words = getenv("XMIG_SAVE_HELPER_SET");
    const char *stock = getenv("XMIG_SAVE_HELPER_STOCK");
    int rc;

    rc = settings_read_file(st, path ? path : CONF, why, size);
    if ( rc == -ENOENT && path )
        snprintf(why, size, "%s: %s", path, strerror(ENOENT));
    else if ( rc == -ENOENT )
        rc = 0;
    if ( !rc && words )
        rc = settings_read_words(st, words, why, size);
    if ( !rc && stock && add(st, SETTINGS_STOCK, stock) )
    {
        snprintf(why, size, "%s", strerror(ENOMEM));
        rc = -ENOMEM;
    }
    return rc;
}

void settings_done(struct settings *st)
{
    size_t i;

    for ( i = 0; i < st->nr; i++ )
    {
        free(st->list[i].name);
        free(st->list[i].value);
    }
    free(st->list);
    memset(st, 0, sizeof(*st));
}

const char *settings_get(const struct settings *st, const char *name)
{
    size_t i = st->nr;

    while ( i-- )
        if ( !strcmp(st->list[i].name, name) )
            return st->list[i].value;
    return NULL;
}

int settings_apply(const struct settings *st, struct xmig *s, char *why,
                   size_t size)
{
    size_t i;
    int rc;

    for ( i = 0; i < st->nr; i++ )
    {
        if ( !strcmp(st->list[i].name, SETTINGS_STOCK) )
            continue;
        rc = xmig_option_set(s, st->list[i].name, st->list[i].value);
        if ( !rc )
            continue;
        if ( rc == -ENOENT )
            snprintf(why, size, "there is no option \"%s\"; \"xmig options\""
                     " lists them", st->list[i].name);
        else
            snprintf(why, size, "%s", xmig_error(s)->text);
        return rc;
    }
    return 0;
}
