/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Which keys a configuration file sets.  xl's parser can only be asked for
 * keys by name, so a misspelt one would go unnoticed; this walks the file's
 * tokens just closely enough to see the assignments.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "cmd.h"

#define MAX_KEY 64

struct scan
{
    FILE *f;
    unsigned int line;
    unsigned int depth;      /* brackets open */
};

static int next(struct scan *s)
{
    int c = fgetc(s->f);

    if ( c == '\n' )
        s->line++;

    return c;
}

static void skip_string(struct scan *s, int quote)
{
    int c;

    while ( (c = next(s)) != EOF && c != quote && c != '\n' )
        if ( c == '\\' )
            next(s);
}

static void skip_comment(struct scan *s)
{
    int c;

    do {
        c = next(s);
    } while ( c != EOF && c != '\n' );
}

void config_warn_unknown(const char *file, bool (*known)(const char *key))
{
    struct scan s = { .line = 1 };
    char key[MAX_KEY + 1] = "";
    unsigned int key_line = 1;
    size_t len = 0;
    bool ended = false;      /* something stood between key and '=' */
    int c;

    s.f = fopen(file, "re");
    if ( !s.f )
        return;
    while ( (c = next(&s)) != EOF )
    {
        if ( c == '#' )
            skip_comment(&s);
        else if ( c == '"' || c == '\'' )
            skip_string(&s, c);
        else if ( c == '[' )
            s.depth++;
        else if ( c == ']' && s.depth )
            s.depth--;
        else if ( s.depth )
            continue;
        else if ( isalnum(c) || c == '_' )
        {
            if ( ended )
                len = 0;
            ended = false;
            key_line = s.line;
            if ( len < MAX_KEY )
                key[len++] = c;
            key[len] = '\0';
        }
        else if ( c == '=' && len )
        {
            if ( !known(key) )
                err("warning: %s:%u: key \"%s\" is not known and is ignored",
                    file, key_line, key);
            len = 0;
        }
        else if ( c == '\n' || c == ';' )
            len = 0;
        else
            ended = true;
    }
    fclose(s.f);
}
