/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The switch's learning table: behind which port an Ethernet address was
 * seen last.  A later sighting always wins, so a guest that announces itself
 * from another host is re-routed at once.
 *
 * Not thread-safe; time comes from the caller.
 */
#ifndef XMIG_EMU_NET_TABLE_H
#define XMIG_EMU_NET_TABLE_H

#include <stdint.h>

struct net_table;

/* At most max_entries addresses (the one seen longest ago gives way), each
 * forgotten age_us after it was last seen.  NULL: no memory. */
struct net_table *net_table_new(unsigned int max_entries, uint64_t age_us);
void net_table_free(struct net_table *t);

enum net_learned
{
    NET_LEARNED_NOTHING,  /* known already, or no address to learn */
    NET_LEARNED_NEW,
    NET_LEARNED_MOVED,    /* was behind another port until now */
};

/* Group addresses and the zero address are not learnt. */
enum net_learned net_table_learn(struct net_table *t, const uint8_t *mac,
                                 int port, uint64_t now_us);

/* Port (>= 0), or -1 if unknown. */
int net_table_lookup(const struct net_table *t, const uint8_t *mac,
                     uint64_t now_us);

/* A port went away: forget all addresses behind it. */
void net_table_forget_port(struct net_table *t, int port);

unsigned int net_table_count(const struct net_table *t);

#endif
