/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Placing the pages of an image in a domain that is being built.
 */
#ifndef XMIG_RESTORE_MEM_H
#define XMIG_RESTORE_MEM_H

#include "hv.h"
#include "image_read.h"

struct restore_mem
{
    struct hv *hv;               /* borrowed, as err */
    struct err *err;
    uint32_t domid;
    struct pageset populated;
    uint64_t data_pages;         /* placed, a gfn counts each time */
    /* set by the caller: pages that come now are those that came before, and
     * are compared */
    bool verify;
    uint64_t verified_pages, differing_pages;
    uint64_t differing_gfn;      /* the first */
    /* for one batch */
    uint8_t *pages;              /* read here first: it stays in the cache,
                                    where the guest's frames are cold */
    uint64_t *gfns, *fresh;
};

/* -ENOMEM */
int restore_mem_init(struct restore_mem *m, struct hv *hv, struct err *e,
                     uint32_t domid, uint64_t nr_gfns);
void restore_mem_done(struct restore_mem *m);

/*
 * Take in the PAGE_DATA record that r has just read.  An error of the stream
 * is in r's error, one of the hypervisor in err; *ret_stream tells which.
 */
int restore_mem_batch(struct restore_mem *m, struct image_reader *r,
                      bool *ret_stream);

#endif
