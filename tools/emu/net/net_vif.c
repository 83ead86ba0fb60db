/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The backend's side of one interface.
 *
 * Handshake: we offer (InitWait), the frontend grants its rings and says
 * Initialised or Connected, we map them and say Connected.  Either side may
 * go back to Closed, and a frontend that came anew to Initialising, as after
 * a resume, gets a fresh offer.  Every decision is made from what xenstore
 * says now, never from which watch fired.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "net_port.h"
#include "net_vif_priv.h"

#define PATH_BYTES   256
#define MAX_FAILURES 5u /* then only the toolstack can start it again */

void net_vif_say(const struct net_vif *v, const char *fmt, ...)
{
    va_list ap;

    fprintf(stderr, "vif %u.%u: ", v->domid, v->handle);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
}

/* ---- xenstore ----------------------------------------------------------- */

/* The node's text (to be freed), or NULL. */
static char *node_read(const struct net_vif *v, const char *dir,
                       const char *name)
{
    char path[PATH_BYTES];
    unsigned int len;

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    return xs_read(v->nb->xs, XBT_NULL, path, &len);
}

static int node_number(const struct net_vif *v, const char *dir,
                       const char *name, uint64_t max, uint64_t *ret_value)
{
    char *text = node_read(v, dir, name);
    int rc = text ? net_number_parse(text, 0, max, ret_value) : -ENOENT;

    free(text);
    return rc;
}

static enum xenbus_state node_state(const struct net_vif *v, const char *dir)
{
    uint64_t value;

    if ( node_number(v, dir, "state", XenbusStateReconfigured, &value) )
        return XenbusStateUnknown;
    return value;
}

/*
 * Write under the backend directory, unless the toolstack has removed it: a
 * plain write would bring it back.  0, -ENOENT or -errno.
 */
static int backend_write(struct net_vif *v, const char *const (*nodes)[2],
                         unsigned int n)
{
    struct xs_handle *xs = v->nb->xs;

    for ( ;; )
    {
        char path[PATH_BYTES];
        xs_transaction_t t = xs_transaction_start(xs);
        unsigned int len;
        bool ok = true;
        char *state;

        if ( t == XBT_NULL )
            return -errno;
        snprintf(path, sizeof(path), "%s/state", v->backend);
        state = xs_read(xs, t, path, &len);
        free(state);
        if ( !state )
        {
            xs_transaction_end(xs, t, true);
            return -ENOENT;
        }
        for ( unsigned int i = 0; i < n && ok; i++ )
        {
            snprintf(path, sizeof(path), "%s/%s", v->backend, nodes[i][0]);
            ok = xs_write(xs, t, path, nodes[i][1], strlen(nodes[i][1]));
        }
        if ( !ok )
        {
            int rc = -errno;

            xs_transaction_end(xs, t, true);
            return rc;
        }
        if ( xs_transaction_end(xs, t, false) )
            return 0;
        if ( errno != EAGAIN )
            return -errno;
    }
}

static void set_state(struct net_vif *v, enum xenbus_state state)
{
    char text[4];
    const char *const node[][2] = { { "state", text } };
    int rc;

    snprintf(text, sizeof(text), "%d", state);
    rc = backend_write(v, node, 1);
    if ( rc == -ENOENT )
        v->forgotten = true;
    else if ( rc )
        net_vif_say(v, "cannot write state %d: %s", state, strerror(-rc));
    v->state = state;
    if ( v->nb->verbose )
        net_vif_say(v, "state %d", state);
}

/* ---- connecting --------------------------------------------------------- */

static void disconnect(struct net_vif *v)
{
    if ( v->port >= 0 )
        xenevtchn_unbind(v->nb->xce, v->port);
    if ( v->tx_page )
        xengnttab_unmap(v->nb->xgt, v->tx_page, 1);
    if ( v->rx_page )
        xengnttab_unmap(v->nb->xgt, v->rx_page, 1);
    if ( v->fd >= 0 )
        close(v->fd);
    if ( v->state == XenbusStateConnected && v->nb->verbose )
        net_vif_say(v,
                    "tx %lu packets %lu errors, rx %lu packets %lu errors,"
                    " %lu without a switch",
                    v->rings.n.tx_packets, v->rings.n.tx_errors,
                    v->rings.n.rx_packets, v->rings.n.rx_errors, v->dropped);
    v->port = -1;
    v->tx_page = v->rx_page = NULL;
    v->fd = -1;
    v->tx_blocked = v->rx_starved = v->more = v->unplugged = false;
}

static int map_rings(struct net_vif *v)
{
    uint64_t tx_ref, rx_ref, port, copy;
    int r;

    if ( node_number(v, v->frontend, "tx-ring-ref", UINT32_MAX, &tx_ref) ||
         node_number(v, v->frontend, "rx-ring-ref", UINT32_MAX, &rx_ref) ||
         node_number(v, v->frontend, "event-channel", UINT32_MAX, &port) )
    {
        net_vif_say(v, "the frontend named no rings or no event channel");
        return -EPROTO;
    }
    if ( node_number(v, v->frontend, "request-rx-copy", 1, &copy) || !copy )
    {
        net_vif_say(v, "the frontend wants page flipping, which nobody has");
        return -EOPNOTSUPP;
    }
    v->tx_page = xengnttab_map_grant_ref(v->nb->xgt, v->domid, tx_ref,
                                         PROT_READ | PROT_WRITE);
    if ( v->tx_page )
        v->rx_page = xengnttab_map_grant_ref(v->nb->xgt, v->domid, rx_ref,
                                             PROT_READ | PROT_WRITE);
    if ( !v->rx_page )
    {
        int rc = -errno;

        net_vif_say(v, "cannot map rings %lu and %lu: %s", tx_ref, rx_ref,
                    strerror(-rc));
        return rc;
    }
    r = xenevtchn_bind_interdomain(v->nb->xce, v->domid, port);
    if ( r < 0 )
    {
        int rc = -errno;

        net_vif_say(v, "cannot bind event channel %lu: %s", port,
                    strerror(-rc));
        return rc;
    }
    v->port = r;
    return 0;
}

void net_vif_broken(struct net_vif *v, const char *why)
{
    net_vif_say(v, "%s; closing it", why);
    v->failures++;
    disconnect(v);
    set_state(v, XenbusStateClosed);
}

/*
 * Say Connected, unless a toolstack still has a script to run for the
 * interface.  Packets flow all the same, but libxl takes it amiss when the
 * state goes on before its script has written hotplug-status.
 */
static void say_connected(struct net_vif *v)
{
    char *script = node_read(v, v->backend, "script");
    char *status = script ? node_read(v, v->backend, "hotplug-status") : NULL;

    v->unplugged = script && (!status || strcmp(status, "connected"));
    if ( !v->unplugged )
        set_state(v, XenbusStateConnected);
    free(script);
    free(status);
}

static void connect_rings(struct net_vif *v)
{
    int rc = map_rings(v);

    if ( rc )
    {
        net_vif_broken(v, "cannot connect");
        return;
    }
    rc = net_rings_attach(&v->rings, v->domid, v->tx_page, v->rx_page,
                          &net_vif_ring_ops, v);
    if ( rc )
    {
        net_vif_broken(v, "the rings' indices make no sense");
        return;
    }
    v->dropped = 0;
    v->reconnect_us = 0;
    rc = net_port_connect(v->nb->switch_path, &v->fd);
    if ( rc )
        net_vif_say(v, "no switch at %s: %s; will try again",
                    v->nb->switch_path, strerror(-rc));
    /* Requests have been waiting for us, since long before a guest that comes
     * from another host; xenstore can wait a little longer. */
    v->state = XenbusStateConnected;
    net_vif_announce(v);
    net_vif_work(v);
    if ( v->state == XenbusStateConnected )
        say_connected(v);
}

static void unwatch(struct net_vif *v)
{
    char path[PATH_BYTES];

    if ( !v->watching )
        return;
    snprintf(path, sizeof(path), "%s/state", v->frontend);
    xs_unwatch(v->nb->xs, path, v->token);
    v->watching = false;
}

/* The toolstack made this interface, or we found it at our start. */
static void probe(struct net_vif *v)
{
    static const char *const offer[][2] = {
        { "feature-rx-copy", "1" },
        { "feature-rx-notify", "1" },
        { "state", "2" },
    };
    char path[PATH_BYTES];
    char *mac = node_read(v, v->backend, "mac");
    int rc;

    disconnect(v);
    unwatch(v);
    free(v->frontend);
    v->frontend = node_read(v, v->backend, "frontend");
    v->state = XenbusStateInitialising;
    v->failures = 0;
    if ( !v->frontend || !mac || net_mac_parse(mac, v->mac) )
    {
        net_vif_say(v, "its backend directory is not complete");
        free(mac);
        return;
    }
    free(mac);

    rc = backend_write(v, offer, sizeof(offer) / sizeof(offer[0]));
    if ( rc )
    {
        if ( rc == -ENOENT )
            v->forgotten = true;
        else
            net_vif_say(v, "cannot write its backend directory: %s",
                        strerror(-rc));
        return;
    }
    v->state = XenbusStateInitWait;
    snprintf(path, sizeof(path), "%s/state", v->frontend);
    v->watching = xs_watch(v->nb->xs, path, v->token);
    if ( !v->watching )
        net_vif_say(v, "cannot watch %s: %s", path, strerror(errno));
    if ( v->nb->verbose )
        net_vif_say(v, "offered");
}

/* Make an offer again, unless the toolstack has taken the interface away or
 * it never comes to work. */
static void offer_again(struct net_vif *v)
{
    uint64_t online = 1;

    disconnect(v);
    node_number(v, v->backend, "online", 1, &online);
    if ( online && v->failures < MAX_FAILURES )
        set_state(v, XenbusStateInitWait);
    else if ( v->state != XenbusStateClosed )
        set_state(v, XenbusStateClosed);
}

static void frontend_says(struct net_vif *v, enum xenbus_state fe)
{
    switch ( fe )
    {
    case XenbusStateInitialising:
        if ( v->state == XenbusStateClosed ||
             v->state == XenbusStateConnected )
            offer_again(v);
        break;

    case XenbusStateInitialised:
    case XenbusStateConnected:
        if ( v->state == XenbusStateInitWait && v->introduced )
            connect_rings(v);
        break;

    case XenbusStateClosing:
        if ( v->state == XenbusStateConnected ||
             v->state == XenbusStateInitWait )
        {
            disconnect(v);
            set_state(v, XenbusStateClosing);
        }
        break;

    case XenbusStateClosed:
    case XenbusStateUnknown: /* the frontend directory is gone */
        if ( v->state != XenbusStateClosed )
        {
            disconnect(v);
            set_state(v, XenbusStateClosed);
        }
        break;

    default:
        break;
    }
}

/* An interface that we find in some state: is it in use? */
static bool is_wanted(const struct net_vif *v, enum xenbus_state be)
{
    uint64_t online = 0;

    if ( be == XenbusStateClosing )
        return false;
    node_number(v, v->backend, "online", 1, &online);
    return online || be != XenbusStateClosed;
}

/* False: the domain was there and is gone.  A toolstack may well write the
 * nodes before it introduces the domain. */
static bool domain_lives(struct net_vif *v)
{
    if ( !v->ask_domain && v->introduced )
        return true;
    v->ask_domain = false;
    if ( !xs_is_domain_introduced(v->nb->xs, v->domid) )
        return !v->introduced;
    v->introduced = true;
    return true;
}

void net_vif_check_domain(struct net_vif *v)
{
    v->ask_domain = true;
    net_vif_check(v);
}

void net_vif_check(struct net_vif *v)
{
    enum xenbus_state be = node_state(v, v->backend);

    if ( be == XenbusStateUnknown )
    {
        disconnect(v);
        v->forgotten = true;
        return;
    }
    if ( !domain_lives(v) )
    {
        disconnect(v);
        if ( be != XenbusStateClosed && v->state != XenbusStateUnknown )
            set_state(v, XenbusStateClosed);
        v->state = XenbusStateClosed;
        v->introduced = false;
        return;
    }
    /* New, or left by the backend that was here before us. */
    if ( be == XenbusStateInitialising ||
         (v->state == XenbusStateUnknown && is_wanted(v, be)) )
        probe(v);
    if ( v->forgotten || v->state <= XenbusStateInitialising )
        return;
    /* The toolstack asks for the end. */
    if ( be == XenbusStateClosing && v->state != XenbusStateClosing &&
         v->state != XenbusStateClosed )
    {
        disconnect(v);
        set_state(v, XenbusStateClosed);
        return;
    }
    if ( v->unplugged )
        say_connected(v);
    frontend_says(v, node_state(v, v->frontend));
}

/* ---- life --------------------------------------------------------------- */

struct net_vif *net_vif_new(struct netback *nb, uint32_t domid,
                            uint32_t handle)
{
    struct net_vif *v = calloc(1, sizeof(*v));

    if ( !v )
        return NULL;
    v->nb = nb;
    v->domid = domid;
    v->handle = handle;
    v->port = v->fd = -1;
    snprintf(v->backend, sizeof(v->backend), "backend/vif/%u/%u", domid,
             handle);
    snprintf(v->token, sizeof(v->token), "front %u %u", domid, handle);
    return v;
}

void net_vif_close(struct net_vif *v)
{
    if ( v->state == XenbusStateConnected || v->state == XenbusStateInitWait )
    {
        disconnect(v);
        set_state(v, XenbusStateClosed);
    }
}

void net_vif_free(struct net_vif *v)
{
    disconnect(v);
    unwatch(v);
    free(v->frontend);
    free(v);
}
