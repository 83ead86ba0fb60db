/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What a lane has sent last of some gfns, byte for byte, so that the next
 * time only the changes travel.
 *
 * Bounded: sets of four places, and a page that was of use lately is not
 * driven out by one that is new.  So a guest that writes to more than there
 * is room for gets deltas for a part of it, and not for none.
 *
 * key: the number of the page among those of the lane.
 *
 * Thread: the lane's.
 */
#ifndef XMIG_CODE_CACHE_H
#define XMIG_CODE_CACHE_H

#include <stddef.h>
#include <stdint.h>

struct code_cache;

/* Room for that many bytes, at least for four pages.  -ENOMEM */
int code_cache_new(size_t bytes, struct code_cache **ret_c);
void code_cache_free(struct code_cache *c);

/* The page as it was sent last, or NULL.  round: it is of use now. */
void *code_cache_find(struct code_cache *c, uint64_t key, uint32_t round);
/* A place for a page that is not in it; the caller fills it with what is
 * sent.  NULL: there is none for it. */
void *code_cache_add(struct code_cache *c, uint64_t key, uint32_t round);
void code_cache_drop(struct code_cache *c, uint64_t key);
void code_cache_clear(struct code_cache *c);

#endif
