/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Domains: the table, references, creation and destruction.
 *
 * A domain that is destroyed is dying for as long as somebody holds a frame
 * of it mapped (each foreign mapping and grant map has a reference), and
 * leaves the table with the last reference but the table's own.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "access.h"
#include "dirty.h"
#include "domctl.h"
#include "evtchn.h"
#include "gnttab.h"
#include "host.h"
#include "paging.h"
#include "vm_event.h"

struct domain *domain_get(struct domain *d)
{
    atomic_fetch_add(&d->refs, 1);
    return d;
}

struct domain *domain_find(struct host *h, uint32_t domid)
{
    struct domain *d = NULL;

    if ( domid >= MAX_DOMID )
        return NULL;
    pthread_mutex_lock(&h->dom_lock);
    if ( h->domains[domid] )
        d = domain_get(h->domains[domid]);
    pthread_mutex_unlock(&h->dom_lock);
    return d;
}

struct domain *domain_find_from(struct host *h, uint32_t domid)
{
    struct domain *d = NULL;

    pthread_mutex_lock(&h->dom_lock);
    for ( ; domid < MAX_DOMID && !d; domid++ )
        if ( h->domains[domid] )
            d = domain_get(h->domains[domid]);
    pthread_mutex_unlock(&h->dom_lock);
    return d;
}

static void domain_free(struct domain *d)
{
    unsigned int i;

    dirty_done(d);
    vm_event_done(d);
    paging_done(d);
    p2m_done(d);
    for ( i = 0; i < d->nr_vcpus; i++ )
    {
        pthread_cond_destroy(&d->vcpus[i]->wake);
        free(d->vcpus[i]->hw);
        free(d->vcpus[i]);
    }
    domctl_state_free(d->ctl);
    if ( d->console_fd >= 0 )
        close(d->console_fd);
    pthread_cond_destroy(&d->stopped);
    pthread_mutex_destroy(&d->cap_lock);
    pthread_mutex_destroy(&d->sched_lock);
    pthread_rwlock_destroy(&d->p2m_lock);
    pthread_mutex_destroy(&d->lock);
    free(d);
}

/* Take a dead domain out of the table, unless somebody has found it there
 * meanwhile: the end of that reference comes here again. */
static void reap(struct host *h, uint32_t domid)
{
    struct domain *d;

    pthread_mutex_lock(&h->dom_lock);
    d = h->domains[domid];
    if ( d && (!d->dead || atomic_load(&d->refs) != 1) )
        d = NULL;
    if ( d )
        h->domains[domid] = NULL;
    pthread_mutex_unlock(&h->dom_lock);
    if ( d )
        domain_free(d);
}

void domain_put(struct domain *d)
{
    struct host *h;
    uint32_t domid, refs;

    if ( !d )
        return;
    h = d->host;
    domid = d->domid;
    refs = atomic_fetch_sub(&d->refs, 1);
    /* It may be gone from here on. */
    if ( refs == 1 )
        domain_free(d);
    else if ( refs == 2 )
        reap(h, domid);
}

/* Event channels of a guest go to its vCPU 0. */
static void domain_event(void *arg)
{
    domain_kick(arg, 0);
}

/* Pick a number: the one asked for, or the next free one. */
static int take_domid(struct host *h, struct domain *d, uint32_t domid)
{
    int rc = -EEXIST;
    uint32_t i;

    pthread_mutex_lock(&h->dom_lock);
    if ( domid != DOMID_ANY )
    {
        if ( h->domains[domid] )
            goto out;
    }
    else
    {
        domid = h->last_domid;
        for ( i = 0; i < MAX_DOMID; i++ )
        {
            domid = domid + 1 < MAX_DOMID ? domid + 1 : 1;
            if ( !h->domains[domid] )
                break;
        }
        rc = -ENOMEM;
        if ( h->domains[domid] )
            goto out;
        h->last_domid = domid;
    }
    d->domid = domid;
    h->domains[domid] = domain_get(d);
    rc = 0;

 out:
    pthread_mutex_unlock(&h->dom_lock);
    return rc;
}

static void drop_domid(struct domain *d)
{
    struct host *h = d->host;

    pthread_mutex_lock(&h->dom_lock);
    h->domains[d->domid] = NULL;
    pthread_mutex_unlock(&h->dom_lock);
    domain_put(d);
}

static void open_console(struct domain *d)
{
    char path[4096];

    snprintf(path, sizeof(path), "%s/console/%u.log", d->host->dir, d->domid);
    d->console_fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC,
                         0644);
    if ( d->console_fd < 0 )
        log_line("dom%u: no console log %s: %s", d->domid, path,
                 strerror(errno));
}

void domain_console(struct domain *d, const char *fmt, ...)
{
    char line[1024];
    va_list ap;
    int len;

    va_start(ap, fmt);
    len = vsnprintf(line, sizeof(line) - 1, fmt, ap);
    va_end(ap);
    if ( len < 0 || d->console_fd < 0 )
        return;
    if ( len > (int)sizeof(line) - 2 )
        len = sizeof(line) - 2;
    line[len++] = '\n';
    /* A full disk must not stop the guest. */
    if ( write(d->console_fd, line, (size_t)len) < 0 )
        return;
}

static void init_locks(struct domain *d)
{
    pthread_mutex_init(&d->lock, NULL);
    pthread_rwlock_init(&d->p2m_lock, NULL);
    pthread_mutex_init(&d->sched_lock, NULL);
    pthread_mutex_init(&d->cap_lock, NULL);
    pthread_cond_init(&d->stopped, NULL);
    dirty_init(d);
}

int domain_create(struct host *h, uint32_t domid, bool hvm,
                  struct domctl_state *ctl, struct domain **ret_d)
{
    struct domain *d;
    int rc;

    d = calloc(1, sizeof(*d));
    if ( !d )
    {
        domctl_state_free(ctl);
        return -ENOMEM;
    }
    d->host = h;
    d->ctl = ctl;
    d->hvm = hvm;
    d->console_fd = -1;
    d->pause_count = d->ctl_pauses = hvm ? 1 : 0;
    d->acct.max_pages = hvm ? 0 : h->dom0_pages;
    d->acct.tot_pages = hvm ? 0 : h->dom0_pages;
    atomic_store(&d->refs, 1);
    init_locks(d);
    /* Nobody else may work on it until it is whole. */
    pthread_mutex_lock(&d->lock);

    rc = hvm ? p2m_init(d) : 0;
    if ( !rc && hvm )
        rc = paging_init(d);
    if ( !rc && hvm )
        rc = vm_event_init(d);
    if ( !rc )
        rc = take_domid(h, d, domid);
    if ( rc )
        goto fail;
    rc = evtchn_domain_init(d->domid,
                            hvm ? EVTCHN_GUEST_PORTS : EVTCHN_DOM0_PORTS,
                            hvm ? domain_event : NULL, d);
    if ( rc )
        goto fail_domid;
    rc = gnttab_init(d);
    if ( rc )
        goto fail_evtchn;
    if ( hvm )
        open_console(d);
    pthread_mutex_unlock(&d->lock);
    *ret_d = d;
    return 0;

 fail_evtchn:
    evtchn_domain_destroy(d->domid);
 fail_domid:
    atomic_store(&d->dying, true);
    drop_domid(d);
 fail:
    pthread_mutex_unlock(&d->lock);
    domain_put(d);
    return rc;
}

void domain_destroy(struct domain *d)
{
    if ( atomic_exchange(&d->dying, true) )
        return;
    vcpus_end(d);
    if ( d->hvm )
    {
        paging_end(d);
        access_end(d);
    }
    evtchn_domain_destroy(d->domid);
    machine_claim(&d->host->machine, &d->acct, 0);
    if ( d->hvm )
        dirty_disable(d);
    p2m_free_all(d);
    gnttab_done(d);
    /* The caller's domain_put() is the first that may take it away. */
    pthread_mutex_lock(&d->host->dom_lock);
    d->dead = true;
    pthread_mutex_unlock(&d->host->dom_lock);
}
