/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The frames of gfns that are absent by mem_access: where a page that comes is
 * written to, and which of them have had theirs.  Private to hv_xen_*access.c.
 *
 * A frame is mapped while its gfn is surely still the guest's (before it runs,
 * or while it is paused), and from then on it is the frame that counts: what
 * the guest has given up meanwhile is written to in vain, and what it has
 * populated anew is another frame.
 */
#ifndef XMIG_HV_XEN_FRAMES_H
#define XMIG_HV_XEN_FRAMES_H

#include "claimset.h"
#include "hv.h"

struct frames
{
    /* set at open, then read-only */
    struct hv *hv;
    uint32_t domid;
    uint64_t nr_gfns;

    struct claimset absent;

    /* written before the guest runs */
    uint8_t **chunks;            /* mappings of CHUNK_GFNS, or NULL */
    struct pageset mapped;       /* gfns in them that are */
};

/* -ENOMEM */
int frames_open(struct hv *hv, uint32_t domid, uint64_t nr_gfns,
                struct frames **ret_f);
/* f may be NULL. */
void frames_close(struct frames *f);
/*
 * Map n gfns, ascending; ok[i]: it is.
 * Thread: one, and nobody places.
 */
int frames_map(struct frames *f, const uint64_t *gfns, unsigned int n,
               bool *ok);
/* Of a gfn that is mapped. */
static inline void *frames_page(const struct frames *f, uint64_t gfn)
{
    return f->chunks[gfn / CHUNK_GFNS] + gfn % CHUNK_GFNS * PAGE_BYTES;
}

#endif
