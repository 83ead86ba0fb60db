/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Event channels, as the rest of the host sees them.  evtchn_ports.h has
 * what goes by domid: domains, guests' operations, evtchn_raise_virq().  Here
 * is what takes connections.
 */
#ifndef XMIG_EMU_EVTCHN_H
#define XMIG_EMU_EVTCHN_H

#include "evtchn_ports.h"
#include "host.h"

/* event_channel_op(op, arg) by a client in dom0: its result, or -errno. */
int64_t evtchn_hypercall(struct conn *c, uint64_t op, uint64_t arg_va);

/*
 * A message EMU_EVTCHN_FIRST ... LAST on an EMU_KIND_EVTCHN connection, its
 * payload in c->buf.  Replies.  Returns what conn_reply() does.
 */
int evtchn_msg(struct conn *c, uint32_t op, uint32_t len);
/* The connection is gone. */
void evtchn_conn_close(struct conn *c);

#endif
