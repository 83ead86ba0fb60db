/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * All options there are: the engine's and those of every mechanism.
 */
#ifndef XMIG_OPTIONS_H
#define XMIG_OPTIONS_H

#include "opt.h"

/* A set with all of them, at their defaults. */
int options_new(struct err *e, struct optset **ret_set);

/*
 * Row i of all options at their defaults, as opt_describe().
 * Thread: one at a time.
 */
int options_default(unsigned int i, struct xmig_option *ret);

#endif
