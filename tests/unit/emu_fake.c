/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * A host and a domain for tests; see emu_fake.h.  What domain.c does for a
 * whole host is done here without event channels, grants and consoles.
 */
#include <stdlib.h>

#include "dirty.h"
#include "emu_fake.h"

struct domain *fake_sibling(struct domain *first)
{
    struct domain *d = calloc(1, sizeof(*d));

    if ( !d )
        abort();
    d->host = first->host;
    d->domid = first->domid + 1;
    d->hvm = true;
    d->console_fd = -1;
    d->acct.max_pages = ~0ull;
    atomic_store(&d->refs, 1);
    pthread_mutex_init(&d->lock, NULL);
    pthread_rwlock_init(&d->p2m_lock, NULL);
    pthread_mutex_init(&d->sched_lock, NULL);
    pthread_cond_init(&d->stopped, NULL);
    dirty_init(d);
    if ( p2m_init(d) )
        abort();
    return d;
}

void fake_sibling_free(struct domain *d)
{
    p2m_free_all(d);
    dirty_done(d);
    p2m_done(d);
    pthread_cond_destroy(&d->stopped);
    pthread_mutex_destroy(&d->sched_lock);
    pthread_rwlock_destroy(&d->p2m_lock);
    pthread_mutex_destroy(&d->lock);
    free(d);
}

struct domain *fake_domain(uint64_t machine_mib, enum dirty_mode mode)
{
    struct host *h = calloc(1, sizeof(*h));
    struct domain first = { .host = h };

    if ( !h || machine_init(&h->machine, machine_mib << 20, false) )
        abort();
    h->max_gfns = 1u << 20;
    h->dirty_mode = mode;
    h->nr_cpus = 2;
    pthread_mutex_init(&h->dom_lock, NULL);
    return fake_sibling(&first);
}

void fake_domain_free(struct domain *d)
{
    struct host *h = d->host;

    fake_sibling_free(d);
    machine_done(&h->machine);
    pthread_mutex_destroy(&h->dom_lock);
    free(h);
}
