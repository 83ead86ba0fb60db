/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * libxenevtchn over the emulated host.  The descriptor to poll is a pipe
 * that the host writes port numbers into; everything else is a request on
 * the handle's connection.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>
#include <xenevtchn.h>

#include "emu_conn.h"
#include "proto_evtchn.h"

struct xenevtchn_handle
{
    struct emu_conn conn;
    int fd;
};

static int64_t request(xenevtchn_handle *xce, uint32_t op, uint32_t a,
                       uint32_t b)
{
    struct emu_evtchn_req req = { .a = a, .b = b };
    int64_t r;

    r = emu_call1(&xce->conn, op, &req, sizeof(req), NULL, 0);
    if ( r < 0 )
    {
        errno = -r;
        return -1;
    }

    return r;
}

xenevtchn_handle *xenevtchn_open(struct xentoollog_logger *logger,
                                 unsigned int flags)
{
    xenevtchn_handle *xce;
    unsigned int nr = 0;
    int64_t r;

    (void)logger;                    /* this library never logs */
    if ( flags & ~XENEVTCHN_NO_CLOEXEC )
    {
        errno = EINVAL;
        return NULL;
    }
    xce = calloc(1, sizeof(*xce));
    if ( !xce )
        return NULL;
    xce->fd = -1;
    r = emu_connect(&xce->conn, EMU_KIND_EVTCHN, 0);
    if ( r )
    {
        free(xce);
        errno = -r;
        return NULL;
    }
    r = emu_call(&xce->conn, EMU_EVTCHN_OPEN, NULL, 0, NULL, 0, NULL,
                 &xce->fd, 1, &nr);
    if ( !r && nr != 1 )
        r = -EIO;
    if ( !r && (flags & XENEVTCHN_NO_CLOEXEC) && fcntl(xce->fd, F_SETFD, 0) )
        r = -errno;
    if ( r < 0 )
    {
        xenevtchn_close(xce);
        errno = -r;
        return NULL;
    }

    return xce;
}

xenevtchn_handle *xenevtchn_fdopen(struct xentoollog_logger *logger,
                                   int fd, unsigned int open_flags)
{
    (void)logger;
    (void)fd;
    (void)open_flags;
    /* A pipe's end does not lead back to its connection. */
    errno = ENOSYS;

    return NULL;
}

int xenevtchn_close(xenevtchn_handle *xce)
{
    if ( !xce )
        return 0;
    if ( xce->fd >= 0 )
        close(xce->fd);
    emu_disconnect(&xce->conn);
    free(xce);

    return 0;
}

int xenevtchn_restrict(xenevtchn_handle *xce, domid_t domid)
{
    return request(xce, EMU_EVTCHN_RESTRICT, domid, 0);
}

int xenevtchn_fd(xenevtchn_handle *xce)
{
    return xce->fd;
}

int xenevtchn_notify(xenevtchn_handle *xce, evtchn_port_t port)
{
    return request(xce, EMU_EVTCHN_NOTIFY, port, 0);
}

xenevtchn_port_or_error_t
xenevtchn_bind_unbound_port(xenevtchn_handle *xce, uint32_t domid)
{
    return request(xce, EMU_EVTCHN_BIND_UNBOUND, domid, 0);
}

xenevtchn_port_or_error_t
xenevtchn_bind_interdomain(xenevtchn_handle *xce, uint32_t domid,
                           evtchn_port_t remote_port)
{
    return request(xce, EMU_EVTCHN_BIND_INTERDOMAIN, domid, remote_port);
}

xenevtchn_port_or_error_t
xenevtchn_bind_virq(xenevtchn_handle *xce, unsigned int virq)
{
    return request(xce, EMU_EVTCHN_BIND_VIRQ, virq, 0);
}

int xenevtchn_unbind(xenevtchn_handle *xce, evtchn_port_t port)
{
    return request(xce, EMU_EVTCHN_UNBIND, port, 0);
}

xenevtchn_port_or_error_t xenevtchn_pending(xenevtchn_handle *xce)
{
    uint32_t port;
    ssize_t n;

    n = read(xce->fd, &port, sizeof(port));
    if ( n == sizeof(port) )
        return port;
    if ( n >= 0 )
        errno = EIO;                 /* the host is gone */

    return -1;
}

int xenevtchn_unmask(xenevtchn_handle *xce, evtchn_port_t port)
{
    return request(xce, EMU_EVTCHN_UNMASK, port, 0);
}
