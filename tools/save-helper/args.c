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

struct number
{
    const char *name;
    long min;
    unsigned long max;
    long *ret;
};

static int read_number(const char *text, const struct number *n)
{
    char *end;
    long v;

    errno = 0;
    v = strtol(text, &end, 10);
    if ( errno || end == text || *end || v < n->min ||
         (v > 0 && (unsigned long)v > n->max) )
        return -EINVAL;
    *n->ret = v;
    return 0;
}

static int read_numbers(char *const *argv, const struct number *list,
                        unsigned int nr, char *why, int size)
{
    unsigned int i;

    for ( i = 0; i < nr; i++ )
    {
        if ( !argv[i] )
        {
            snprintf(why, size, "argument %s is missing", list[i].name);
            return -EINVAL;
        }
        if ( read_number(argv[i], &list[i]) )
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

static int parse_save(char *const *argv, struct args *a, char *why, int size)
{
    long fd, back, domid, flags, callbacks, type;
    const struct number list[] = {
        { "stream fd", 0, INT_MAX, &fd },
        { "receive fd", -1, INT_MAX, &back },
        { "domid", 0, UINT32_MAX, &domid },
        { "xcflags", 0, UINT32_MAX, &flags },
        { "callback flags", 0, UINT32_MAX, &callbacks },
        { "stream type", 0, INT_MAX, &type },
    };
    int rc = read_numbers(argv, list, sizeof(list) / sizeof(list[0]), why,
                          size);

    if ( rc )
        return rc;
    a->save = true;
    a->stream_fd = fd;
    a->back_fd = back;
    a->domid = domid;
    a->flags = flags;
    a->callbacks = callbacks;
    a->stream_type = type;
    return 0;
}

static int parse_restore(char *const *argv, struct args *a, char *why,
                         int size)
{
    long fd, back, domid, store_port, store_domid, console_port,
         console_domid, callbacks, type;
    const struct number list[] = {
        { "stream fd", 0, INT_MAX, &fd },
        { "send-back fd", -1, INT_MAX, &back },
        { "domid", 0, UINT32_MAX, &domid },
        { "xenstore port", 0, UINT32_MAX, &store_port },
        { "xenstore domid", 0, UINT32_MAX, &store_domid },
        { "console port", 0, UINT32_MAX, &console_port },
        { "console domid", 0, UINT32_MAX, &console_domid },
        { "callback flags", 0, UINT32_MAX, &callbacks },
        { "stream type", 0, INT_MAX, &type },
    };
    int rc = read_numbers(argv, list, sizeof(list) / sizeof(list[0]), why,
                          size);

    if ( rc )
        return rc;
    a->save = false;
    a->stream_fd = fd;
    a->back_fd = back;
    a->domid = domid;
    a->store_port = store_port;
    a->store_domid = store_domid;
    a->console_port = console_port;
    a->console_domid = console_domid;
    a->callbacks = callbacks;
    a->stream_type = type;
    return 0;
}

int args_parse(char *const *argv, struct args *ret, char *why, int size)
{
    const char *mode = argv[0] ? argv[1] : NULL;
    struct args a = { 0 };
    int rc;

    if ( mode && !strcmp(mode, "--save-domain") )
        rc = parse_save(argv + 2, &a, why, size);
    else if ( mode && !strcmp(mode, "--restore-domain") )
        rc = parse_restore(argv + 2, &a, why, size);
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
