/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What libxenevtchn and the host say to each other, in the frames of
 * proto.h.  A connection is one handle.
 */
#ifndef XMIG_EMU_PROTO_EVTCHN_H
#define XMIG_EMU_PROTO_EVTCHN_H

#include "proto.h"

enum emu_evtchn_op
{
    /*
     * First on every connection.  With the reply comes the read end of a
     * pipe: a uint32_t port number for each event.
     */
    EMU_EVTCHN_OPEN = EMU_EVTCHN_FIRST,
    EMU_EVTCHN_BIND_UNBOUND,     /* a: remote domid; result: local port */
    EMU_EVTCHN_BIND_INTERDOMAIN, /* a: remote domid, b: remote port; port */
    EMU_EVTCHN_BIND_VIRQ,        /* a: VIRQ; result: local port */
    EMU_EVTCHN_UNBIND,           /* a: local port */
    EMU_EVTCHN_NOTIFY,           /* a: local port */
    EMU_EVTCHN_UNMASK,           /* a: local port */
    EMU_EVTCHN_RESTRICT,         /* a: domid */
};

struct emu_evtchn_req
{
    uint32_t a, b;
};

#endif
