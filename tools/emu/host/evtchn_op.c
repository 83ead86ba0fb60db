/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The event_channel_op hypercall: Xen's argument structures on one side,
 * evtchn_ports.h on the other.
 */
#include <errno.h>
#include <string.h>
#include <xenctrl.h>
#include <xen/event_channel.h>

#include "evtchn_ports.h"

static const uint8_t op_sizes[] = {
    [EVTCHNOP_bind_interdomain] = sizeof(struct evtchn_bind_interdomain),
    [EVTCHNOP_bind_virq] = sizeof(struct evtchn_bind_virq),
    [EVTCHNOP_close] = sizeof(struct evtchn_close),
    [EVTCHNOP_send] = sizeof(struct evtchn_send),
    [EVTCHNOP_status] = sizeof(struct evtchn_status),
    [EVTCHNOP_alloc_unbound] = sizeof(struct evtchn_alloc_unbound),
    [EVTCHNOP_reset] = sizeof(struct evtchn_reset),
};

unsigned int evtchn_op_size(unsigned int op)
{
    return op < sizeof(op_sizes) ? op_sizes[op] : 0;
}

/* DOMID_SELF, or another domain where the caller is privileged. */
static int whose(uint32_t caller, bool privileged, uint32_t named,
                 uint32_t *ret_domid)
{
    *ret_domid = named == DOMID_SELF ? caller : named;

    return *ret_domid == caller || privileged ? 0 : -EPERM;
}

static int op_status(uint32_t caller, bool privileged, struct evtchn_status *s)
{
    struct evtchn_state st;
    uint32_t domid;
    int rc;

    rc = whose(caller, privileged, s->dom, &domid);
    if ( !rc )
        rc = evtchn_status(domid, s->port, &st);
    if ( rc )
        return rc;
    s->status = st.status;
    s->vcpu = 0;
    switch ( st.status )
    {
    case EVTCHNSTAT_unbound:
        s->u.unbound.dom = st.remote_domid;
        break;
    case EVTCHNSTAT_interdomain:
        s->u.interdomain.dom = st.remote_domid;
        s->u.interdomain.port = st.remote_port;
        break;
    case EVTCHNSTAT_virq:
        s->u.virq = st.virq;
        break;
    }

    return 0;
}

static int op_alloc(uint32_t caller, bool privileged,
                    struct evtchn_alloc_unbound *a)
{
    uint32_t domid, port, remote;
    int rc;

    rc = whose(caller, privileged, a->dom, &domid);
    if ( rc )
        return rc;
    remote = a->remote_dom == DOMID_SELF ? caller : a->remote_dom;
    rc = evtchn_alloc_unbound(domid, remote, NULL, &port);
    if ( !rc )
        a->port = port;

    return rc;
}

int evtchn_op(uint32_t caller, bool privileged, unsigned int op, void *arg)
{
    uint32_t domid, port;
    int rc;

    switch ( op )
    {
    case EVTCHNOP_alloc_unbound:
        return op_alloc(caller, privileged, arg);

    case EVTCHNOP_bind_interdomain:
    {
        struct evtchn_bind_interdomain *b = arg;

        domid = b->remote_dom == DOMID_SELF ? caller : b->remote_dom;
        rc = evtchn_bind_interdomain(caller, domid, b->remote_port, NULL,
                                     &port);
        if ( !rc )
            b->local_port = port;
        return rc;
    }

    case EVTCHNOP_bind_virq:
    {
        struct evtchn_bind_virq *b = arg;

        rc = evtchn_bind_virq(caller, b->virq, NULL, &port);
        if ( !rc )
            b->port = port;
        return rc;
    }

    case EVTCHNOP_close:
        return evtchn_close(caller, ((struct evtchn_close *)arg)->port);

    case EVTCHNOP_send:
        return evtchn_send(caller, ((struct evtchn_send *)arg)->port);

    case EVTCHNOP_status:
        return op_status(caller, privileged, arg);

    case EVTCHNOP_reset:
        rc = whose(caller, privileged, ((struct evtchn_reset *)arg)->dom,
                   &domid);
        return rc ?: evtchn_reset(domid);

    default:
        return -ENOSYS;
    }
}
