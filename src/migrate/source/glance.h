/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * A look at a few pages of the suspended guest, for which it waits: by small
 * mappings, of which nothing is asked but whether they are there.  A chunk of
 * holdmap.h is for many pages, and tells holes from failures.
 *
 * Thread: one at a time.
 */
#ifndef XMIG_GLANCE_H
#define XMIG_GLANCE_H

#include "hv.h"

/* Of 256 KiB: what Linux has for a CPU is in one or two. */
#define GLANCE_GFNS   64u
#define GLANCE_BLOCKS 256u

struct glance
{
    struct hv *hv;               /* borrowed */
    uint32_t domid;
    uint64_t nr_gfns;
    unsigned int nr;
    struct
    {
        uint64_t first;          /* gfn */
        uint8_t *addr;           /* NULL: nothing of it can be mapped */
        uint64_t missing;        /* a bit for each that can't */
    } blocks[GLANCE_BLOCKS];
};

/* The guest's memory is that of [0, nr_gfns).  Can't fail. */
void glance_open(struct glance *g, struct hv *hv, uint32_t domid,
                 uint64_t nr_gfns);
/* *ret_page is there until glance_close(); NULL: there is none, or it can't
 * be mapped.  -ENOSPC: after GLANCE_BLOCKS others; *ret_page is NULL, too. */
int glance_page(struct glance *g, uint64_t gfn, const uint8_t **ret_page);
void glance_close(struct glance *g);

#endif
