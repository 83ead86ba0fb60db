/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The foreign mappings of a handle: which addresses stand for which mapping
 * of the host's, so that an unmap can give the pins back.
 */
#ifndef XMIG_EMU_MAPS_H
#define XMIG_EMU_MAPS_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto.h"

enum emu_map_kind
{
    EMU_MAP_REAL,                /* an mmap of its own */
    EMU_MAP_DIRECT,              /* a place in the long-lived mapping */
    EMU_MAP_BOUNCE,              /* a buffer, copied out at unmap */
};

struct emu_mapping
{
    struct emu_mapping *next;
    enum emu_map_kind kind;
    uint8_t *addr;
    size_t pages;
    size_t left;                 /* pages not unmapped yet */
    uint64_t id;                 /* the host's */
    /* EMU_MAP_BOUNCE */
    bool write_back;
    struct emu_run *runs;
    uint32_t nr_runs;
};

struct emu_maps
{
    pthread_mutex_t lock;
    struct emu_mapping *first;   /* newest first; under lock */
};

void emu_maps_init(struct emu_maps *m);

/*
 * Remember a mapping.  A real one may lie where another was that the caller
 * unmapped by plain munmap(): those are returned in *ret_gone, a list, and are
 * to be given back to the host and freed.
 */
void emu_maps_add(struct emu_maps *m, struct emu_mapping *new,
                  struct emu_mapping **ret_gone);

/*
 * The caller unmaps pages at addr; lock held.  Returns the mapping if that
 * was the last of it (taken out of the list).  *ret_found: there was one,
 * NULL if none.
 */
struct emu_mapping *emu_maps_take(struct emu_maps *m, void *addr,
                                  size_t pages,
                                  struct emu_mapping **ret_found);

void emu_mapping_free(struct emu_mapping *map);

#endif
