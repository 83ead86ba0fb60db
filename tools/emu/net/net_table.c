/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Learning table of the switch: hash chains over a fixed array of entries.
 * Knows nothing of sockets or clocks.
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "net_table.h"
#include "netproto.h"

#define NR_CHAINS 256u
#define END       UINT32_MAX

struct entry
{
    uint8_t mac[NET_MAC_LEN];
    int port;
    uint64_t seen_us;
    uint32_t next;               /* in the chain, or in the free list */
    bool used;
};

struct net_table
{
    /* set at creation, then read-only */
    unsigned int max;
    uint64_t age_us;

    unsigned int count;
    uint32_t free;
    uint32_t chain[NR_CHAINS];
    struct entry entry[];
};

static unsigned int chain_of(const uint8_t *mac)
{
    uint32_t h = 0x811c9dc5u;

    for ( unsigned int i = 0; i < NET_MAC_LEN; i++ )
        h = (h ^ mac[i]) * 0x01000193u;
    return (h ^ (h >> 16)) % NR_CHAINS;
}

struct net_table *net_table_new(unsigned int max_entries, uint64_t age_us)
{
    struct net_table *t;

    t = calloc(1, sizeof(*t) + max_entries * sizeof(t->entry[0]));
    if ( !t )
        return NULL;
    t->max = max_entries;
    t->age_us = age_us;
    t->free = END;
    for ( uint32_t i = max_entries; i-- > 0; )
    {
        t->entry[i].next = t->free;
        t->free = i;
    }
    for ( unsigned int c = 0; c < NR_CHAINS; c++ )
        t->chain[c] = END;
    return t;
}

void net_table_free(struct net_table *t)
{
    free(t);
}

static uint32_t find(const struct net_table *t, const uint8_t *mac)
{
    uint32_t i = t->chain[chain_of(mac)];

    while ( i != END && memcmp(t->entry[i].mac, mac, NET_MAC_LEN) )
        i = t->entry[i].next;
    return i;
}

static void drop(struct net_table *t, uint32_t i)
{
    uint32_t *link = &t->chain[chain_of(t->entry[i].mac)];

    while ( *link != i )
        link = &t->entry[*link].next;
    *link = t->entry[i].next;
    t->entry[i].used = false;
    t->entry[i].next = t->free;
    t->free = i;
    t->count--;
}

static void drop_oldest(struct net_table *t)
{
    uint32_t oldest = END;

    for ( uint32_t i = 0; i < t->max; i++ )
        if ( t->entry[i].used &&
             (oldest == END ||
              t->entry[i].seen_us < t->entry[oldest].seen_us) )
            oldest = i;
    if ( oldest != END )
        drop(t, oldest);
}

enum net_learned net_table_learn(struct net_table *t, const uint8_t *mac,
                                 int port, uint64_t now_us)
{
    static const uint8_t zero[NET_MAC_LEN];
    enum net_learned what = NET_LEARNED_NOTHING;
    unsigned int c;
    uint32_t i;

    if ( (mac[0] & 1) || !memcmp(mac, zero, NET_MAC_LEN) || !t->max )
        return NET_LEARNED_NOTHING;

    i = find(t, mac);
    if ( i != END )
    {
        if ( t->entry[i].port != port )
            what = NET_LEARNED_MOVED;
        t->entry[i].port = port;
        t->entry[i].seen_us = now_us;
        return what;
    }

    if ( t->free == END )
        drop_oldest(t);
    i = t->free;
    t->free = t->entry[i].next;
    memcpy(t->entry[i].mac, mac, NET_MAC_LEN);
    t->entry[i].port = port;
    t->entry[i].seen_us = now_us;
    t->entry[i].used = true;
    c = chain_of(mac);
    t->entry[i].next = t->chain[c];
    t->chain[c] = i;
    t->count++;
    return NET_LEARNED_NEW;
}

int net_table_lookup(const struct net_table *t, const uint8_t *mac,
                     uint64_t now_us)
{
    uint32_t i = find(t, mac);

    if ( i == END || now_us - t->entry[i].seen_us > t->age_us )
        return -1;
    return t->entry[i].port;
}

void net_table_forget_port(struct net_table *t, int port)
{
    for ( uint32_t i = 0; i < t->max; i++ )
        if ( t->entry[i].used && t->entry[i].port == port )
            drop(t, i);
}

unsigned int net_table_count(const struct net_table *t)
{
    return t->count;
}
