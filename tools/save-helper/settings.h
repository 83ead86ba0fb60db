/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What the administrator wants, as libxl passes no options through: a file
 * of lines "name = value", and words "name=value" in the environment, which
 * win.
 */
#ifndef HELPER_SETTINGS_H
#define HELPER_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>

struct xmig;

struct setting
{
    char *name, *value;
};

struct settings
{
    struct setting *list;
    size_t nr;
};

/* Both add; on failure why (size bytes) gets a sentence. */
/*   -ENOENT  there is no such file: why is left alone */
int settings_read_file(struct settings *st, const char *path, char *why,
                       size_t size);
int settings_read_words(struct settings *st, const char *words, char *why,
                        size_t size);
/* The file and the environment of this program (its man page). */
int settings_load(struct settings *st, char *why, size_t size);
void settings_done(struct settings *st);

/* The last value given to name; NULL = none.  For names of our own. */
const char *settings_get(const struct settings *st, const char *name);
/* Give the options of the library to it. */
int settings_apply(const struct settings *st, struct xmig *s, char *why,
                   size_t size);

/* Path of the stock helper: the one setting that is no option. */
#define SETTINGS_STOCK "stock-helper"

#endif
