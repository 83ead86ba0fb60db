/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Event channels.  See evtchn_ports.h for what is promised; this file knows
 * neither the client protocol nor the guests, only ports.
 *
 * A port owned by a handle works as under Linux's event channel device: it
 * fires once, then keeps quiet until the program unmasks it, and remembers
 * what came meanwhile.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xenctrl.h>
#include <xen/event_channel.h>

#include "evtchn_ports.h"

#define NR_DOMIDS DOMID_FIRST_RESERVED
#define MAX_VIRQ  24

struct port
{
    uint32_t status;             /* EVTCHNSTAT_* */
    uint32_t remote_domid;
    uint32_t remote_port;
    uint32_t virq;
    struct evtchn_handle *owner; /* NULL: the domain itself */
    bool masked;                 /* owner != NULL: fired, not unmasked */
    bool pending;
    void (*consume)(void *arg);  /* the host itself has this end */
    void *arg;
};

struct table
{
    unsigned int nr_ports;
    void (*kick)(void *arg);
    void *arg;
    struct port ports[];
};

struct evtchn_handle
{
    int wfd;
    uint32_t only_domid;         /* restricted to it, or DOMID_INVALID */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
/* Under lock, all of it. */
static struct table *tables[NR_DOMIDS];

static struct table *table_of(uint32_t domid)
{
    return domid < NR_DOMIDS ? tables[domid] : NULL;
}

static struct port *port_of(uint32_t domid, uint32_t port)
{
    struct table *t = table_of(domid);

    return t && port && port < t->nr_ports ? &t->ports[port] : NULL;
}

/* The port has an event for whoever owns it. */
static void fire(struct table *t, uint32_t nr)
{
    struct port *p = &t->ports[nr];

    if ( p->consume )
    {
        p->consume(p->arg);
        return;
    }
    if ( !p->owner )
    {
        p->pending = true;
        if ( t->kick )
            t->kick(t->arg);
        return;
    }
    if ( p->masked )
    {
        p->pending = true;
        return;
    }
    p->masked = true;
    p->pending = false;
    /*
     * Each unmasked port is in the pipe at most once, so it has room.  A
     * program that died does not read any more: nobody misses the event.
     */
    while ( write(p->owner->wfd, &nr, sizeof(nr)) < 0 && errno == EINTR )
        ;
}

static int find_free(const struct table *t, uint32_t *ret_port)
{
    unsigned int i;

    for ( i = 1; i < t->nr_ports; i++ )
        if ( t->ports[i].status == EVTCHNSTAT_closed )
        {
            *ret_port = i;
            return 0;
        }

    return -ENOSPC;
}

static void close_port(struct table *t, uint32_t nr, uint32_t domid)
{
    struct port *p = &t->ports[nr], *peer;

    if ( p->status == EVTCHNSTAT_interdomain )
    {
        peer = port_of(p->remote_domid, p->remote_port);
        if ( peer )
        {
            peer->status = EVTCHNSTAT_unbound;
            peer->remote_domid = domid;
            peer->remote_port = 0;
        }
    }
    memset(p, 0, sizeof(*p));
}

static void close_all(struct table *t, uint32_t domid,
                      const struct evtchn_handle *owner)
{
    unsigned int i;

    for ( i = 1; i < t->nr_ports; i++ )
        if ( t->ports[i].status != EVTCHNSTAT_closed &&
             (!owner || t->ports[i].owner == owner) )
            close_port(t, i, domid);
}

struct evtchn_handle *evtchn_handle_new(int wfd)
{
    struct evtchn_handle *h = malloc(sizeof(*h));
    int flags;

    if ( !h )
        return NULL;
    flags = fcntl(wfd, F_GETFL);
    if ( flags < 0 || fcntl(wfd, F_SETFL, flags | O_NONBLOCK) )
    {
        free(h);
        return NULL;
    }
    h->wfd = wfd;
    h->only_domid = DOMID_INVALID;

    return h;
}

void evtchn_handle_free(struct evtchn_handle *h)
{
    unsigned int i;

    if ( !h )
        return;
    pthread_mutex_lock(&lock);
    for ( i = 0; i < NR_DOMIDS; i++ )
        if ( tables[i] )
            close_all(tables[i], i, h);
    pthread_mutex_unlock(&lock);
    close(h->wfd);
    free(h);
}

int evtchn_handle_restrict(struct evtchn_handle *h, uint32_t domid)
{
    int rc = 0;

    pthread_mutex_lock(&lock);
    if ( h->only_domid != DOMID_INVALID )
        rc = -EACCES;
    else if ( domid >= NR_DOMIDS )
        rc = -EINVAL;
    else
        h->only_domid = domid;
    pthread_mutex_unlock(&lock);

    return rc;
}

/* A port of dom0 that this handle owns; under lock. */
static struct port *owned(const struct evtchn_handle *h, uint32_t port)
{
    struct port *p = port_of(0, port);

    return p && p->status != EVTCHNSTAT_closed && p->owner == h ? p : NULL;
}

static int send_locked(uint32_t domid, uint32_t port)
{
    struct port *p = port_of(domid, port);

    if ( !p )
        return -EINVAL;
    switch ( p->status )
    {
    case EVTCHNSTAT_interdomain:
        fire(tables[p->remote_domid], p->remote_port);
        return 0;
    case EVTCHNSTAT_unbound:
        return 0;                    /* into the void, silently */
    default:
        return -EINVAL;
    }
}

int evtchn_handle_notify(struct evtchn_handle *h, uint32_t port)
{
    int rc;

    pthread_mutex_lock(&lock);
    rc = owned(h, port) ? send_locked(0, port) : -ENOTCONN;
    pthread_mutex_unlock(&lock);

    return rc;
}

int evtchn_handle_unmask(struct evtchn_handle *h, uint32_t port)
{
    struct port *p;

    pthread_mutex_lock(&lock);
    p = owned(h, port);
    if ( p )
    {
        p->masked = false;
        if ( p->pending )
            fire(tables[0], port);
    }
    pthread_mutex_unlock(&lock);

    /* Linux takes no offence at others. */
    return 0;
}

int evtchn_handle_unbind(struct evtchn_handle *h, uint32_t port)
{
    int rc = -ENOTCONN;

    pthread_mutex_lock(&lock);
    if ( owned(h, port) )
    {
        close_port(tables[0], port, 0);
        rc = 0;
    }
    pthread_mutex_unlock(&lock);

    return rc;
}

int evtchn_domain_init(uint32_t domid, unsigned int nr_ports,
                       void (*kick)(void *arg), void *arg)
{
    struct table *t;
    int rc = 0;

    if ( domid >= NR_DOMIDS || nr_ports < 2 || nr_ports > EVTCHN_DOM0_PORTS )
        return -EINVAL;
    t = calloc(1, sizeof(*t) + nr_ports * sizeof(t->ports[0]));
    if ( !t )
        return -ENOMEM;
    t->nr_ports = nr_ports;
    t->kick = kick;
    t->arg = arg;
    pthread_mutex_lock(&lock);
    if ( tables[domid] )
        rc = -EEXIST;
    else
        tables[domid] = t;
    pthread_mutex_unlock(&lock);
    if ( rc )
        free(t);

    return rc;
}

void evtchn_domain_destroy(uint32_t domid)
{
    struct table *t;

    pthread_mutex_lock(&lock);
    t = table_of(domid);
    if ( t )
    {
        close_all(t, domid, NULL);
        tables[domid] = NULL;
    }
    pthread_mutex_unlock(&lock);
    free(t);
}

static bool may_bind(const struct evtchn_handle *h, uint32_t remote_domid)
{
    return !h || h->only_domid == DOMID_INVALID ||
           h->only_domid == remote_domid;
}

int evtchn_alloc_unbound(uint32_t domid, uint32_t remote_domid,
                         struct evtchn_handle *h, uint32_t *ret_port)
{
    struct table *t;
    uint32_t port;
    int rc;

    pthread_mutex_lock(&lock);
    t = table_of(domid);
    if ( !t )
        rc = -ESRCH;
    else if ( !may_bind(h, remote_domid) )
        rc = -EACCES;
    else
        rc = find_free(t, &port);
    if ( !rc )
    {
        t->ports[port].status = EVTCHNSTAT_unbound;
        t->ports[port].remote_domid = remote_domid;
        t->ports[port].owner = h;
        *ret_port = port;
    }
    pthread_mutex_unlock(&lock);

    return rc;
}

int evtchn_alloc_consumed(uint32_t domid, uint32_t remote_domid,
                          void (*consume)(void *arg), void *arg,
                          uint32_t *ret_port)
{
    struct table *t;
    uint32_t port;
    int rc;

    pthread_mutex_lock(&lock);
    t = table_of(domid);
    rc = t ? find_free(t, &port) : -ESRCH;
    if ( !rc )
    {
        t->ports[port].status = EVTCHNSTAT_unbound;
        t->ports[port].remote_domid = remote_domid;
        t->ports[port].consume = consume;
        t->ports[port].arg = arg;
        *ret_port = port;
    }
    pthread_mutex_unlock(&lock);

    return rc;
}

int evtchn_bind_interdomain(uint32_t domid, uint32_t remote_domid,
                            uint32_t remote_port, struct evtchn_handle *h,
                            uint32_t *ret_port)
{
    struct port *peer, *p;
    struct table *t;
    uint32_t port;
    int rc;

    pthread_mutex_lock(&lock);
    t = table_of(domid);
    rc = -ESRCH;
    if ( !t || !table_of(remote_domid) )
        goto out;
    rc = -EACCES;
    if ( !may_bind(h, remote_domid) )
        goto out;
    peer = port_of(remote_domid, remote_port);
    rc = -EINVAL;
    if ( !peer || peer->status != EVTCHNSTAT_unbound ||
         peer->remote_domid != domid )
        goto out;
    rc = find_free(t, &port);
    if ( rc )
        goto out;

    p = &t->ports[port];
    p->status = EVTCHNSTAT_interdomain;
    p->remote_domid = remote_domid;
    p->remote_port = remote_port;
    p->owner = h;
    peer->status = EVTCHNSTAT_interdomain;
    peer->remote_domid = domid;
    peer->remote_port = port;
    *ret_port = port;
    /* Events sent while it was unbound are lost: so assume that one was. */
    fire(t, port);

 out:
    pthread_mutex_unlock(&lock);

    return rc;
}

int evtchn_bind_virq(uint32_t domid, unsigned int virq,
                     struct evtchn_handle *h, uint32_t *ret_port)
{
    struct table *t;
    uint32_t port;
    unsigned int i;
    int rc;

    if ( virq >= MAX_VIRQ )
        return -EINVAL;
    pthread_mutex_lock(&lock);
    t = table_of(domid);
    rc = t ? 0 : -ESRCH;
    for ( i = 1; !rc && i < t->nr_ports; i++ )
        if ( t->ports[i].status == EVTCHNSTAT_virq &&
             t->ports[i].virq == virq )
            rc = -EEXIST;
    if ( !rc )
        rc = find_free(t, &port);
    if ( !rc )
    {
        t->ports[port].status = EVTCHNSTAT_virq;
        t->ports[port].virq = virq;
        t->ports[port].owner = h;
        *ret_port = port;
    }
    pthread_mutex_unlock(&lock);

    return rc;
}

static int close_one(uint32_t domid, uint32_t port, bool consumed)
{
    struct port *p;
    int rc = -EINVAL;

    pthread_mutex_lock(&lock);
    p = port_of(domid, port);
    if ( p && p->status != EVTCHNSTAT_closed && !p->consume == !consumed )
    {
        close_port(tables[domid], port, domid);
        rc = 0;
    }
    pthread_mutex_unlock(&lock);

    return rc;
}

int evtchn_close(uint32_t domid, uint32_t port)
{
    return close_one(domid, port, false);
}

void evtchn_close_consumed(uint32_t domid, uint32_t port)
{
    close_one(domid, port, true);
}

int evtchn_send(uint32_t domid, uint32_t port)
{
    int rc;

    pthread_mutex_lock(&lock);
    rc = send_locked(domid, port);
    pthread_mutex_unlock(&lock);

    return rc;
}

int evtchn_reset(uint32_t domid)
{
    struct table *t;

    pthread_mutex_lock(&lock);
    t = table_of(domid);
    if ( t )
        close_all(t, domid, NULL);
    pthread_mutex_unlock(&lock);

    return t ? 0 : -ESRCH;
}

int evtchn_status(uint32_t domid, uint32_t port,
                  struct evtchn_state *ret_state)
{
    const struct port *p;
    int rc;

    pthread_mutex_lock(&lock);
    p = port_of(domid, port);
    rc = p ? 0 : table_of(domid) ? -EINVAL : -ESRCH;
    if ( p )
        *ret_state = (struct evtchn_state) {
            .status = p->status,
            .remote_domid = p->remote_domid,
            .remote_port = p->remote_port,
            .virq = p->virq,
        };
    pthread_mutex_unlock(&lock);

    return rc;
}

int evtchn_test_pending(uint32_t domid, uint32_t port)
{
    struct port *p;
    int rc = -EINVAL;

    pthread_mutex_lock(&lock);
    p = port_of(domid, port);
    if ( p )
    {
        rc = p->pending;
        p->pending = false;
    }
    pthread_mutex_unlock(&lock);

    return rc;
}

void evtchn_raise_virq(unsigned int virq)
{
    unsigned int i;

    pthread_mutex_lock(&lock);
    for ( i = 1; tables[0] && i < tables[0]->nr_ports; i++ )
        if ( tables[0]->ports[i].status == EVTCHNSTAT_virq &&
             tables[0]->ports[i].virq == virq )
            fire(tables[0], i);
    pthread_mutex_unlock(&lock);
}
