/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Arguments of a guest's hypercalls, which may lie in its memory or (a step's
 * variables) on its thread's stack.
 *
 * In its memory they are reached through the frames, so that a denied page is
 * no obstacle (access.h), as under Xen.  A hole crashes the guest, and an
 * absent page is waited for, as if the guest had touched it: so no lock may be
 * held.
 */
#ifndef XMIG_EMU_GUEST_COPY_H
#define XMIG_EMU_GUEST_COPY_H

#include "host.h"

void copy_from_guest(struct domain *d, void *dst, const void *src,
                     size_t len);
void copy_to_guest(struct domain *d, void *dst, const void *src, size_t len);
/* Cut to size - 1 bytes. */
void copy_guest_string(struct domain *d, char *dst, const char *src,
                       size_t size);

#endif
