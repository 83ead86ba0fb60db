/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Granting pages of this guest to a backend: entries of the domain's grant
 * table, version 1 (xen/grant_table.h).  References are laid out statically;
 * each driver has its range.  vCPU 0.
 *
 * The table is the hypervisor's and empty on a new host: whoever granted
 * something grants it again there.
 */
#ifndef XMIG_EMU_GUEST_GRANTS_H
#define XMIG_EMU_GUEST_GRANTS_H

#include <stdint.h>

#include "guest.h"

/* 0 ... 7 are the toolstack's. */
#define GRANT_NETFRONT      8u
#define GRANT_NETFRONT_NR   160u

/* Let domid read and write the page gfn.  0; -EBUSY: the reference is still
 * in use by somebody's mapping; -ENOSPC: no such reference. */
int grant_give(struct guest_env *env, uint32_t ref, uint16_t domid,
               uint64_t gfn);

/* Take it back.  0, or -EBUSY while the other side has it mapped. */
int grant_revoke(struct guest_env *env, uint32_t ref);

#endif
