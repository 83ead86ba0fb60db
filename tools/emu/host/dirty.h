/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Log-dirty: which pages did the vCPUs write, asked of the MMU, plus a
 * software bitmap for what the MMU of the vCPUs can't see.
 */
#ifndef XMIG_EMU_DIRTY_H
#define XMIG_EMU_DIRTY_H

#include <stdbool.h>
#include <stdint.h>

#include "host.h"

/* What this kernel can do: DIRTY_ASYNC, DIRTY_SYNC, or -EOPNOTSUPP. */
int dirty_probe(enum dirty_mode want);

void dirty_init(struct domain *d);
void dirty_done(struct domain *d);

/*
 * vCPUs may run meanwhile: what they write after dirty_enable() has returned
 * is logged, what they write before may be.
 *   -EINVAL  on already
 *   -EBUSY   pages are kept from the guest (watch.h), which the log says
 */
int dirty_enable(struct domain *d);
int dirty_disable(struct domain *d);

/*
 * vCPUs must be stopped (domain_pause()) for this one.
 * Collect into bitmap (nr_gfns bits; NULL: nowhere); clean: forget those
 * nr_gfns bits.  *ret_dirty counts beyond them, too.  Returns 0 or -errno.
 */
int dirty_collect(struct domain *d, uint8_t *bitmap, uint64_t nr_gfns,
                  bool clean, uint32_t *ret_faults, uint32_t *ret_dirty);

/* p2m.c, p2m_lock held for writing: gfns [first, first + nr) are mapped anew
 * at their place; track them and log them.  If that can't be done, collecting
 * fails from now on. */
void dirty_remapped(struct domain *d, uint64_t first, uint64_t nr);
/* The same for gfns that became holes. */
void dirty_hole(struct domain *d, uint64_t first, uint64_t nr);

#endif
