/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What net_vif.c (handshake) and net_vif_work.c (packets) call of each other.
 */
#ifndef XMIG_EMU_NET_VIF_PRIV_H
#define XMIG_EMU_NET_VIF_PRIV_H

#include "net_vif.h"

/* One line about this interface to stderr. */
void net_vif_say(const struct net_vif *v, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* The frontend can't be served: let go of it and say Closed. */
void net_vif_broken(struct net_vif *v, const char *why);

/* Grant copies and the way to the switch; their ctx is the net_vif. */
extern const struct net_ring_ops net_vif_ring_ops;

/* Tell the switch where the guest is now. */
void net_vif_announce(struct net_vif *v);

#endif
