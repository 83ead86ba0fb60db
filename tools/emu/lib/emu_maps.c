/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Bookkeeping of foreign mappings by address.
 */
#include <stdlib.h>

#include "emu_maps.h"

void emu_maps_init(struct emu_maps *m)
{
    pthread_mutex_init(&m->lock, NULL);
    m->first = NULL;
}

void emu_mapping_free(struct emu_mapping *map)
{
    if ( !map )
        return;
    free(map->runs);
    free(map);
}

static size_t overlap(const struct emu_mapping *map, const uint8_t *addr,
                      size_t pages)
{
    const uint8_t *end = addr + pages * EMU_PAGE_SIZE;
    const uint8_t *map_end = map->addr + map->pages * EMU_PAGE_SIZE;

    if ( addr < map->addr )
        addr = map->addr;
    if ( end > map_end )
        end = map_end;
    return addr < end ? (size_t)(end - addr) / EMU_PAGE_SIZE : 0;
}

void emu_maps_add(struct emu_maps *m, struct emu_mapping *new,
                  struct emu_mapping **ret_gone)
{
    struct emu_mapping **p, *map;

    *ret_gone = NULL;
    pthread_mutex_lock(&m->lock);
    for ( p = &m->first; new->kind == EMU_MAP_REAL && (map = *p); )
    {
        size_t n = map->kind == EMU_MAP_REAL ?
                   overlap(map, new->addr, new->pages) : 0;

        map->left -= n < map->left ? n : map->left;
        if ( n && !map->left )
        {
            *p = map->next;
            map->next = *ret_gone;
            *ret_gone = map;
        }
        else
            p = &map->next;
    }
    new->next = m->first;
    m->first = new;
    pthread_mutex_unlock(&m->lock);
}

struct emu_mapping *emu_maps_take(struct emu_maps *m, void *addr,
                                  size_t pages,
                                  struct emu_mapping **ret_found)
{
    struct emu_mapping **p, *map;

    *ret_found = NULL;
    for ( p = &m->first; (map = *p); p = &map->next )
    {
        size_t n = overlap(map, addr, pages);

        /* Places in the long-lived mapping may overlap one another. */
        if ( !n || (map->kind != EMU_MAP_REAL &&
                    (map->addr != addr || map->pages != pages)) )
            continue;
        *ret_found = map;
        map->left -= n < map->left ? n : map->left;
        if ( map->left )
            return NULL;
        *p = map->next;
        return map;
    }
    return NULL;
}
