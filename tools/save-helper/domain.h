/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * A domain saved or restored by the engine, with libxl as the toolstack.
 */
#ifndef HELPER_DOMAIN_H
#define HELPER_DOMAIN_H

#include "args.h"

struct xmig;

/* 0 or -errno; what went wrong stands in libxl's log then. */
int domain_save(struct xmig *s, const struct args *args);
int domain_restore(struct xmig *s, const struct args *args);

#endif
