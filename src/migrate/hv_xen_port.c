/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Event channels: one handle, and so one descriptor, for each port.
 */
#include "hv_xen.h"

#include <poll.h>

struct hv_port
{
    xenevtchn_handle *xce;
    evtchn_port_t port;
    uint32_t domid;
};

int hv_port_bind(struct hv *hv, struct err *e, uint32_t domid,
                 uint32_t remote_port, struct hv_port **ret_p)
{
    struct hv_port *p = calloc(1, sizeof(*p));
    xenevtchn_port_or_error_t r;
    int rc;

    if ( !p )
        return hv_done(e, -ENOMEM, domid, "bind its event channel");
    p->domid = domid;
    errno = 0;
    p->xce = xenevtchn_open(&hv->log.vt, 0);
    if ( !p->xce )
    {
        rc = hv_rc();
        goto failed;
    }
    r = xenevtchn_bind_interdomain(p->xce, domid, remote_port);
    if ( r < 0 )
    {
        rc = hv_rc();
        goto failed;
    }
    p->port = (evtchn_port_t)r;
    *ret_p = p;

    return 0;

 failed:
    hv_port_close(p);

    return err_set(e, rc, "domain %u: bind its event channel %u: %s", domid,
                   remote_port, err_text(rc));
}

void hv_port_close(struct hv_port *p)
{
    if ( !p )
        return;
    if ( p->xce )
    {
        if ( p->port )
            xenevtchn_unbind(p->xce, p->port);
        xenevtchn_close(p->xce);
    }
    free(p);
}

int hv_port_notify(struct hv_port *p, struct err *e)
{
    errno = 0;
    if ( xenevtchn_notify(p->xce, p->port) < 0 )
        return hv_done(e, hv_rc(), p->domid, "notify its event channel");

    return 0;
}

int hv_port_fd(const struct hv_port *p)
{
    return xenevtchn_fd(p->xce);
}

int hv_port_take(struct hv_port *p, struct err *e)
{
    struct pollfd pfd = { .fd = hv_port_fd(p), .events = POLLIN };
    xenevtchn_port_or_error_t port;

    if ( poll(&pfd, 1, 0) <= 0 )
        return -EAGAIN;
    errno = 0;
    port = xenevtchn_pending(p->xce);
    if ( port < 0 )
        return hv_done(e, hv_rc(), p->domid, "take its event");
    if ( xenevtchn_unmask(p->xce, (evtchn_port_t)port) < 0 )
        return hv_done(e, hv_rc(), p->domid, "unmask its event channel");

    return 0;
}

int hv_port_on_suspend(struct hv *hv, struct err *e, uint32_t domid,
                       uint32_t port)
{
    int r, rc;

    rc = HV_CALL(hv, r, xc_domain_subscribe_for_suspend(hv->xch, domid,
                                                        port));
    if ( rc == -ENOSYS )
        rc = -EOPNOTSUPP;

    return hv_done(e, rc, domid, "subscribe to its suspend");
}
