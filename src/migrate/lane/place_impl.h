/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The account of the guest's memory at the destination.  Private to
 * place*.c.
 */
#ifndef XMIG_PLACE_IMPL_H
#define XMIG_PLACE_IMPL_H

#include <stdatomic.h>

#include "place.h"

/* Chunks that the helper maps as one window, at most. */
#define WINDOW_CHUNKS 8u
#define OWN_MAX       6u

enum chunk_state
{
    CHUNK_NONE,
    CHUNK_BUSY,                  /* somebody is making it ready */
    CHUNK_READY,
};

struct chunk
{
    _Atomic int state;
    uint8_t *addr;               /* of its first gfn; NULL: none is direct */
    bool whole;                  /* all of it that is wanted was mapped */
};

struct mapping
{
    void *addr;
    size_t nr;
    uint64_t first;              /* gfn */
};

struct place
{
    /* set at the start, then read-only */
    struct session *s;
    uint32_t domid;
    uint64_t nr_gfns;
    uint64_t nr_chunks;
    struct pageset want;         /* populated at the source at its start */
    uint64_t own[OWN_MAX];
    unsigned int nr_own;

    struct chunk *chunks;
    int64_t absent_received;     /* by place_make_absent() */
    /* per gfn; a chunk's words belong to who makes it ready, then to its
     * lane.  Plain words: a pageset's count would be shared. */
    uint64_t *populated, *direct, *received;

    _Atomic uint64_t front;      /* chunk that a lane was last seen at */

    pthread_t helper;
    bool helper_made;
    struct err err;              /* the helper's */
    _Atomic bool stop;

    pthread_mutex_t lock;
    pthread_cond_t cond;         /* a chunk has become ready, or failed */
    /* under lock */
    struct mapping *maps;
    size_t nr_maps, room;
    int rc;                      /* first failure of making ready */
};

static inline bool get(const uint64_t *map, uint64_t gfn)
{
    return map[gfn / 64] >> (gfn % 64) & 1;
}

static inline void put(uint64_t *map, uint64_t gfn, bool on)
{
    uint64_t bit = 1ull << (gfn % 64);

    if ( on )
        map[gfn / 64] |= bit;
    else
        map[gfn / 64] &= ~bit;
}

/* Remember a mapping of nr pages from gfn first on.  -ENOMEM */
int place_keep_mapping(struct place *p, void *addr, size_t nr,
                       uint64_t first);
bool place_is_own(const struct place *p, uint64_t gfn);

/* ---- place_touch.c: the helper's -------------------------------------- */

/* Is the first access to pages dear, as n chunks that have just been mapped
 * show?  -1: they are too small to tell. */
int place_access_is_dear(const struct place *p, uint64_t chunk,
                         unsigned int n);
/* Be ahead of the lanes at what has been mapped, until they have passed it
 * all or the helper is to end. */
void place_touch_ahead(struct place *p);

#endif
