/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What the first access to a page of a new mapping costs.  Mostly that is a
 * miss or two.  Under a hypervisor that shadows page tables, as where Xen
 * runs within another one, it is an exit: several microseconds for each page
 * that is written, and once more where the kernel reads what the process has
 * read.  docs/design.md, "Where a first access is dear".
 */
#ifndef XMIG_FIRSTACCESS_H
#define XMIG_FIRSTACCESS_H

#include <stdbool.h>
#include <stddef.h>

/* How many pages it takes to tell, and how far apart they should be: entries
 * of neighbours may be filled together, eight or sixteen at a time. */
#define FIRST_ACCESS_SAMPLES 16u
#define FIRST_ACCESS_STRIDE  17u

/*
 * Touch so many pages that nobody has touched since they were mapped, by
 * reading or by first_access_make(), and tell whether that is dear.
 */
bool first_access_is_dear(void *const pages[FIRST_ACCESS_SAMPLES],
                          bool write);

/* Be the first to write to each of nr pages at addr.  They keep what they
 * hold, even if somebody writes to them meanwhile. */
void first_access_make(void *addr, size_t nr);

#endif
