/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Private to store_xs*.c, the only files that know libxenstore.
 */
#ifndef XMIG_STORE_XS_H
#define XMIG_STORE_XS_H

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xenstore.h>

#include "store.h"

#define STORE_PATH_MAX 512

struct store
{
    struct xs_handle *xs;
    pthread_mutex_t lock;        /* recursive: held for a transaction */
    /* under lock */
    xs_transaction_t t;          /* XBT_NULL outside a transaction */
};

/* Take a library's false and errno, at once: -errno, never 0. */
static inline int store_rc(void)
{
    return errno > 0 ? -errno : -EIO;
}

/* The path into buf; -ENAMETOOLONG. */
int store_path(char buf[STORE_PATH_MAX], struct err *e, const char *fmt,
               va_list ap) __attribute__((format(printf, 3, 0)));

/* May this pair be written at a domain of ours?  The peer chose it. */
bool store_key_travels(const char *key);
/* Is the value of such a pair what the host expects of it?  What is the
 * guest's own may be anything. */
bool store_value_sound(const char *key, const char *value);
/* Of "vif/<n>/<leaf>": true and the parts. */
bool store_key_vif(const char *key, unsigned int *ret_n,
                   const char **ret_leaf);

#endif
