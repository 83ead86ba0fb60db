/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Event channels between clients and evtchn_ports.h: hypercalls, and the
 * handles of libxenevtchn.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "evtchn.h"
#include "proto_evtchn.h"

#define MAX_OP_SIZE 64u

int64_t evtchn_hypercall(struct conn *c, uint64_t op, uint64_t arg_va)
{
    unsigned int size = op < 256 ? evtchn_op_size(op) : 0;
    uint64_t arg[MAX_OP_SIZE / 8] = { 0 };
    int rc;

    if ( !size || size > sizeof(arg) )
    {
        log_line("event_channel_op %lu is not modelled", (unsigned long)op);
        return -ENOSYS;
    }
    rc = copy_from_client(c, arg, arg_va, size);
    if ( rc )
        return rc;
    rc = evtchn_op(0, true, op, arg);
    if ( rc )
        return rc;

    return copy_to_client(c, arg_va, arg, size);
}

static int open_handle(struct conn *c)
{
    struct evtchn_handle *h;
    int p[2], rc;

    if ( c->evtchn )
        return conn_reply(c, EMU_EVTCHN_OPEN, -EBUSY, NULL, 0, NULL, 0);
    if ( pipe2(p, O_CLOEXEC) )
        return conn_reply(c, EMU_EVTCHN_OPEN, -errno, NULL, 0, NULL, 0);
    h = evtchn_handle_new(p[1]);
    if ( !h )
    {
        close(p[0]);
        close(p[1]);
        return conn_reply(c, EMU_EVTCHN_OPEN, -ENOMEM, NULL, 0, NULL, 0);
    }
    c->evtchn = h;
    rc = conn_reply(c, EMU_EVTCHN_OPEN, 0, NULL, 0, &p[0], 1);
    close(p[0]);

    return rc;
}

int evtchn_msg(struct conn *c, uint32_t op, uint32_t len)
{
    struct evtchn_handle *h = c->evtchn;
    struct emu_evtchn_req req;
    uint32_t port = 0;
    int rc;

    if ( op == EMU_EVTCHN_OPEN )
        return open_handle(c);
    if ( !h || len != sizeof(req) )
        return conn_reply(c, op, -EINVAL, NULL, 0, NULL, 0);
    memcpy(&req, c->buf, sizeof(req));

    switch ( op )
    {
    case EMU_EVTCHN_BIND_UNBOUND:
        rc = evtchn_alloc_unbound(0, req.a, h, &port);
        break;
    case EMU_EVTCHN_BIND_INTERDOMAIN:
        rc = evtchn_bind_interdomain(0, req.a, req.b, h, &port);
        break;
    case EMU_EVTCHN_BIND_VIRQ:
        rc = evtchn_bind_virq(0, req.a, h, &port);
        break;
    case EMU_EVTCHN_UNBIND:
        rc = evtchn_handle_unbind(h, req.a);
        break;
    case EMU_EVTCHN_NOTIFY:
        rc = evtchn_handle_notify(h, req.a);
        break;
    case EMU_EVTCHN_UNMASK:
        rc = evtchn_handle_unmask(h, req.a);
        break;
    case EMU_EVTCHN_RESTRICT:
        rc = evtchn_handle_restrict(h, req.a);
        break;
    default:
        log_line("libxenevtchn message 0x%x is not known", op);
        rc = -ENOSYS;
        break;
    }

    return conn_reply(c, op, rc ? rc : (int64_t)port, NULL, 0, NULL, 0);
}

void evtchn_conn_close(struct conn *c)
{
    evtchn_handle_free(c->evtchn);
    c->evtchn = NULL;
}
