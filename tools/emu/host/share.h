/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Work on a range of gfns that the kernel does page by page, done by two
 * threads: the caller's and one of the host's own.  Xen has nothing like it to
 * do, so that it is to take little time here, too.
 */
#ifndef XMIG_EMU_SHARE_H
#define XMIG_EMU_SHARE_H

#include <stdint.h>

/* 0, or -errno, after which nothing more of the range is begun. */
typedef int share_fn(void *data, uint64_t first, uint64_t nr);

/*
 * Call fn for [first, first + nr), piece by piece, in any order and twice at
 * a time; returns when all is done, what failed first.  While the other
 * thread has work of somebody else's, the caller's does it alone.
 * Thread: any.  Takes no lock that fn may not hold.
 */
int share_out(uint64_t first, uint64_t nr, share_fn *fn, void *data);

#endif
