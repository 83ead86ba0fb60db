/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * TAP for a program that tests what says its failures in a struct err.  All
 * of it is static: include it once.
 */
#ifndef XMIG_TESTS_TAP_H
#define XMIG_TESTS_TAP_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"

static unsigned int nr, nr_failed;
static struct err err;

static inline bool claim(bool good, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Also forgets the error, having shown it if the claim is wrong. */
static inline bool claim(bool good, const char *fmt, ...)
{
    struct xmig_error rec;
    va_list ap;

    printf("%s %u - ", good ? "ok" : "not ok", ++nr);
    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
    printf("\n");
    err_copy(&err, &rec);
    if ( !good )
    {
        nr_failed++;
        printf("# %d %s\n", rec.code, rec.text);
    }
    err_reset(&err);
    fflush(stdout);

    return good;
}

/* Does the error that was recorded last have these words? */
static inline bool said(const char *words)
{
    struct xmig_error rec;

    err_copy(&err, &rec);

    return strstr(rec.text, words) != NULL;
}

/* What the rest needs. */
static inline void must(int rc)
{
    struct xmig_error rec;

    if ( !rc )
        return;
    err_copy(&err, &rec);
    printf("Bail out! %d %s\n", rc, rec.text);
    exit(99);
}

static inline int tap_done(void)
{
    printf("1..%u\n", nr);

    return nr_failed ? 1 : 0;
}

#endif
