/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Event channels: one handle, and so one descriptor, for each port.
 *
 * A subscription to a domain's suspend takes the place of the event that
 * makes xenstored fire @releaseDomain, for everybody; so the port that it
 * was made for takes it back when it is closed.
 */
#include "hv_xen.h"

#include <poll.h>

struct hv_port
{
    struct hv *hv;
    xenevtchn_handle *xce;
    evtchn_port_t port;
    uint32_t domid;
    uint32_t remote_port;
    /* under hv->port_lock */
    bool subscribed;
    struct hv_port *next;
};

int hv_port_bind(struct hv *hv, struct err *e, uint32_t domid,
                 uint32_t remote_port, struct hv_port **ret_p)
{
    struct hv_port *p = calloc(1, sizeof(*p));
    xenevtchn_port_or_error_t r;
    int rc;

    if ( !p )
        return hv_done(e, -ENOMEM, domid, "bind its event channel");
    p->hv = hv;
    p->domid = domid;
    p->remote_port = remote_port;
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
    pthread_mutex_lock(&hv->port_lock);
    p->next = hv->ports;
    hv->ports = p;
    pthread_mutex_unlock(&hv->port_lock);
    *ret_p = p;

    return 0;

 failed:
    hv_port_close(p);

    return err_set(e, rc, "domain %u: bind its event channel %u: %s", domid,
                   remote_port, err_text(rc));
}

static int subscribe(struct hv *hv, uint32_t domid, uint32_t port)
{
    int r;

    return HV_CALL(hv, r, xc_domain_subscribe_for_suspend(hv->xch, domid,
                                                          port));
}

void hv_port_close(struct hv_port *p)
{
    struct hv_port **at;
    bool subscribed;

    if ( !p )
        return;
    pthread_mutex_lock(&p->hv->port_lock);
    for ( at = &p->hv->ports; *at && *at != p; at = &(*at)->next )
        continue;
    if ( *at )
        *at = p->next;
    subscribed = p->subscribed;
    pthread_mutex_unlock(&p->hv->port_lock);
    if ( subscribed )
        subscribe(p->hv, p->domid, 0);
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
    struct hv_port *p;
    int rc;

    rc = subscribe(hv, domid, port);
    if ( rc == -ENOSYS )
        rc = -EOPNOTSUPP;
    if ( rc )
        return hv_done(e, rc, domid, "subscribe to its suspend");
    pthread_mutex_lock(&hv->port_lock);
    for ( p = hv->ports; p; p = p->next )
        if ( p->domid == domid && p->remote_port == port )
            p->subscribed = true;
    pthread_mutex_unlock(&hv->port_lock);

    return 0;
}
