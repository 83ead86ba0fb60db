/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The record that what is tested fails into, and what it is to say.  For
 * cmocka tests; include it once, behind cmocka.h.
 */
#ifndef XMIG_TESTS_SAID_H
#define XMIG_TESTS_SAID_H

#include <string.h>

#include "err.h"

static struct err e;

/* It failed with rc, in these words among others; the record is empty then. */
static inline void assert_said(int got, int rc, const char *words)
{
    struct xmig_error rec;

    err_copy(&e, &rec);
    err_reset(&e);
    if ( got != rc || !strstr(rec.text, words) )
        fail_msg("%d, \"%s\" does not say \"%s\"", got, rec.text, words);
}

#endif
