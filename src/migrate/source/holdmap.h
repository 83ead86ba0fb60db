/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The memory of a suspended guest at the source of a post-copy, mapped chunk
 * by chunk when it is first needed, or ahead of that, and kept mapped: nobody
 * writes it any more and no gfn gets another frame.
 *
 * Thread: holdmap_page() of any; the rest of the owner.
 */
#ifndef XMIG_HOLDMAP_H
#define XMIG_HOLDMAP_H

#include "hv.h"
#include "pages.h"

struct holdmap;

/* hv is borrowed; handles of its own are made of it. */
int holdmap_open(struct hv *hv, struct err *e, uint32_t domid,
                 uint64_t nr_gfns, struct holdmap **ret_h);
/* Unmaps; nobody else uses it.  h may be NULL. */
void holdmap_close(struct holdmap *h);

/*
 * The page's address, or NULL if the gfn is a hole; pages of one chunk that
 * are none lie at the same distances as their gfns.  Maps the chunk if need
 * be, or waits for who does.
 */
int holdmap_page(struct holdmap *h, struct err *e, uint64_t gfn,
                 const uint8_t **ret_page);

#endif
