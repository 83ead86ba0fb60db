/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Numbers with units.  Private to opt*.c.
 */
#ifndef XMIG_OPT_UNIT_H
#define XMIG_OPT_UNIT_H

#include "opt.h"

bool opt_is_number(enum opt_type type);
/* Base units in one unit; 0 if the type has no such unit. */
uint64_t opt_unit_base(enum opt_type type, const char *name);
/*
 * A decimal number with at most 6 places behind the point and an optional
 * unit, in base units.  -EINVAL, -ERANGE (beyond 64 bits).
 */
int opt_number_parse(const struct opt_row *r, const char *text,
                     uint64_t *ret);
/* num base units in the row's unit, with as many places as it needs. */
void opt_number_text(const struct opt_row *r, uint64_t num, char *buf,
                     size_t room);

#endif
