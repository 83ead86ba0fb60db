/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Reading the command line of libxl's save helper: positional, all decimal.
 */
#include "args.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NUMBERS_MAX 9u

struct number
{
    const char *name;
    long min;
    long max;
};

static int read_number(const char *text, const struct number *n, long *ret)
{
    char *end;
    long v;

    errno = 0;
    v = strtol(text, &end, 10);
    if ( errno || end == text || *end || v < n->min || v > n->max )
        return -EINVAL;
    *ret = v;
    return 0;
}

static int read_numbers(char *const *argv, const struct number *list,
                        unsigned int nr, long *ret, char *why, int size)
{
    unsigned int i;

    for ( i = 0; i < nr; i++ )
    {
        if ( !argv[i] )
        {
            snprintf(why, size, "argument %s is missing", list[i].name);
            return -EINVAL;
        }
        if ( read_number(argv[i], &list[i], &ret[i]) )
        {
            snprintf(why, size, "argument %s is \"%.40s\"", list[i].name,
                     argv[i]);
            return -EINVAL;
        }
    }
    if ( argv[nr] )
    {
        snprintf(why, size, "\"%.40s\" is one argument too many", argv[nr]);
        return -EINVAL;
    }
    return 0;
}

/* Both begin and end alike. */
#define FIRST(back)                                                          \
    { "stream fd", 0, INT_MAX }, { back, -1, INT_MAX },                      \
    { "domid", 0, UINT32_MAX }
#define LAST                                                                 \
    { "callback flags", 0, UINT32_MAX }, { "stream type", 0, INT_MAX }

static const struct number save_list[] = {
    FIRST("receive fd"),
    { "xcflags", 0, UINT32_MAX },
    LAST,
};

static const struct number restore_list[] = {
    FIRST("send-back fd"),
    { "xenstore port", 0, UINT32_MAX },
    { "xenstore domid", 0, UINT32_MAX },
    { "console port", 0, UINT32_MAX },
    { "console domid", 0, UINT32_MAX },
    LAST,
};

static int parse(char *const *argv, bool save, struct args *a, char *why,
                 int size)
{
    const struct number *list = save ? save_list : restore_list;
    unsigned int nr = save ? sizeof(save_list) / sizeof(*list)
                           : sizeof(restore_list) / sizeof(*list);
    long v[NUMBERS_MAX];
    int rc = read_numbers(argv, list, nr, v, why, size);

    if ( rc )
        return rc;
    a->save = save;
    a->stream_fd = v[0];
    a->back_fd = v[1];
    a->domid = v[2];
    a->callbacks = v[nr - 2];
    a->stream_type = v[nr - 1];
    if ( save )
        a->flags = v[3];
    else
    {
        a->store_port = v[3];
        a->store_domid = v[4];
        a->console_port = v[5];
        a->console_domid = v[6];
    }
    return 0;
}

int args_parse(char *const *argv, struct args *ret, char *why, int size)
{
    const char *mode = argv[0] ? argv[1] : NULL;
    struct args a = { 0 };
    int rc;

    if ( mode && !strcmp(mode, "--save-domain") )
        rc = parse(argv + 2, true, &a, why, size);
    else if ( mode && !strcmp(mode, "--restore-domain") )
        rc = parse(argv + 2, false, &a, why, size);
    else
    {
        snprintf(why, size, "libxl runs this program, as LIBXL_SAVE_HELPER,"
                 " with --save-domain or --restore-domain and numbers");
        rc = -EINVAL;
    }
    if ( !rc )
        *ret = a;
    return rc;
}
