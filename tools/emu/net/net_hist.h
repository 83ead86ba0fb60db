/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * A histogram of durations in microseconds with a relative error below 1/64:
 * constant memory however long the client runs.
 */
#ifndef XMIG_EMU_NET_HIST_H
#define XMIG_EMU_NET_HIST_H

#include <stdint.h>

#define NET_HIST_BUCKETS (64 + 58 * 64)

struct net_hist
{
    uint64_t count;
    uint64_t min_us, max_us;
    uint64_t bucket[NET_HIST_BUCKETS];
};

void net_hist_add(struct net_hist *h, uint64_t us);

/* The duration that permille of 1000 samples did not exceed; 0 if empty. */
uint64_t net_hist_permille(const struct net_hist *h, unsigned int permille);

#endif
