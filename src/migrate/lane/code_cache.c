/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Pages as they were sent: see code_cache.h.
 */
#include "code_cache.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "pages.h"

#define WAYS      4u
#define LIFETIME  2u             /* rounds that a page stays unused */
#define NO_KEY    UINT64_MAX

struct slot
{
    uint64_t key;
    uint32_t round;              /* when it was last of use */
};

struct code_cache
{
    size_t nr_sets;
    struct slot *slots;          /* nr_sets * WAYS */
    uint8_t *pages;              /* touched as they are used */
};

int code_cache_new(size_t bytes, struct code_cache **ret_c)
{
    struct code_cache *c = calloc(1, sizeof(*c));
    size_t nr;

    if ( !c )
        return -ENOMEM;
    c->nr_sets = bytes / PAGE_BYTES / WAYS;
    if ( !c->nr_sets )
        c->nr_sets = 1;
    nr = c->nr_sets * WAYS;
    c->slots = calloc(nr, sizeof(*c->slots));
    c->pages = mmap(NULL, nr * PAGE_BYTES, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if ( !c->slots || c->pages == MAP_FAILED )
    {
        free(c->slots);
        free(c);
        return -ENOMEM;
    }
    code_cache_clear(c);
    *ret_c = c;

    return 0;
}

void code_cache_free(struct code_cache *c)
{
    if ( !c )
        return;
    munmap(c->pages, c->nr_sets * WAYS * PAGE_BYTES);
    free(c->slots);
    free(c);
}

/* Neighbours go to neighbouring sets: a run of a guest's pages fits in. */
static size_t first_of_set(const struct code_cache *c, uint64_t key)
{
    return (size_t)(key % c->nr_sets) * WAYS;
}

static struct slot *find(struct code_cache *c, uint64_t key)
{
    struct slot *s = &c->slots[first_of_set(c, key)];
    unsigned int i;

    for ( i = 0; i < WAYS; i++ )
        if ( s[i].key == key )
            return &s[i];

    return NULL;
}

static void *page_of(const struct code_cache *c, const struct slot *s)
{
    return c->pages + (size_t)(s - c->slots) * PAGE_BYTES;
}

void *code_cache_find(struct code_cache *c, uint64_t key, uint32_t round)
{
    struct slot *s = find(c, key);

    if ( !s )
        return NULL;
    s->round = round;

    return page_of(c, s);
}

void *code_cache_add(struct code_cache *c, uint64_t key, uint32_t round)
{
    struct slot *s = &c->slots[first_of_set(c, key)], *worst = s;
    unsigned int i;

    for ( i = 0; i < WAYS && worst->key != NO_KEY; i++ )
        if ( s[i].key == NO_KEY || s[i].round < worst->round )
            worst = &s[i];
    if ( worst->key != NO_KEY && worst->round + LIFETIME > round )
        return NULL;
    worst->key = key;
    worst->round = round;

    return page_of(c, worst);
}

void code_cache_drop(struct code_cache *c, uint64_t key)
{
    struct slot *s = find(c, key);

    if ( s )
        s->key = NO_KEY;
}

void code_cache_clear(struct code_cache *c)
{
    size_t i;

    for ( i = 0; i < c->nr_sets * WAYS; i++ )
        c->slots[i].key = NO_KEY;
}
