/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The grant table of each domain, and the uses of its entries by dom0.  The
 * frames are the host's, so they are neither in the P2M nor in the dirty log
 * nor do they move with the guest.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <xenctrl.h>
#include <xen/grant_table.h>
#include <xen/memory.h>
#include <time.h>

#include "gnttab_priv.h"
#include "vm_event.h"

#define ENTRIES_PER_FRAME (PAGE_SIZE / sizeof(grant_entry_v1_t))

pthread_mutex_t gnttab_lock = PTHREAD_MUTEX_INITIALIZER;

int gnttab_init(struct domain *d)
{
    struct machine *m = &d->host->machine;
    struct gnttab_domain *g;
    int rc;

    if ( !d->hvm )
        return 0;
    g = calloc(1, sizeof(*g));
    if ( !g )
        return -ENOMEM;
    g->table.nr = GNTTAB_FRAMES * ENTRIES_PER_FRAME;
    g->table.active = calloc(g->table.nr, sizeof(*g->table.active));
    rc = g->table.active ? machine_alloc_host(m, GNTTAB_FRAMES, &g->mfn)
                         : -ENOMEM;
    if ( rc )
    {
        free(g->table.active);
        free(g);
        return rc;
    }
    g->table.entries = machine_ptr(m, g->mfn);
    memset(g->table.entries, 0, GNTTAB_FRAMES * PAGE_SIZE);
    pthread_mutex_lock(&gnttab_lock);
    d->gnttab = g;
    pthread_mutex_unlock(&gnttab_lock);

    return 0;
}

void gnttab_done(struct domain *d)
{
    struct gnttab_domain *g;
    unsigned int i;

    /* From now on uses that are left only give back their pins. */
    pthread_mutex_lock(&gnttab_lock);
    g = d->gnttab;
    d->gnttab = NULL;
    pthread_mutex_unlock(&gnttab_lock);
    if ( !g )
        return;
    for ( i = 0; i < GNTTAB_FRAMES; i++ )
        machine_unpin(&d->host->machine, g->mfn + i);
    free(g->table.active);
    free(g);
}

void *gnttab_table(struct domain *d, unsigned int *ret_nr_entries)
{
    /* The guest runs, so its table is there. */
    if ( !d->gnttab )
        return NULL;
    *ret_nr_entries = d->gnttab->table.nr;

    return d->gnttab->table.entries;
}

int gnttab_pin_frames(struct domain *d, uint32_t id, uint64_t frame,
                      uint64_t nr, uint64_t *ret_mfns)
{
    uint64_t i;
    int rc = 0;

    if ( id != XENMEM_resource_grant_table_id_shared )
        return -EOPNOTSUPP;          /* a version 1 table has no status */
    if ( frame >= GNTTAB_FRAMES || nr > GNTTAB_FRAMES - frame )
        return -EINVAL;
    pthread_mutex_lock(&gnttab_lock);
    if ( !d->gnttab )
        rc = -EINVAL;
    for ( i = 0; !rc && i < nr; i++ )
    {
        ret_mfns[i] = d->gnttab->mfn + frame + i;
        machine_pin(&d->host->machine, ret_mfns[i]);
    }
    pthread_mutex_unlock(&gnttab_lock);

    return rc;
}

int16_t gnttab_use(struct domain *d, uint32_t ref, bool write,
                   uint64_t *ret_mfn)
{
    struct gnttab_domain *g = d->gnttab;
    struct grant_active *a;
    bool first;
    int16_t st;

    if ( !g )
        return GNTST_bad_domain;
    st = gnttab_entry_begin(&g->table, ref, 0, write, &first);
    if ( st != GNTST_okay )
        return st;
    a = &g->table.active[ref];
    if ( !first )
        machine_pin(&d->host->machine, a->mfn);
    else
    {
        int rc = p2m_pin(d, a->gfn, &a->mfn);

        if ( rc )
        {
            gnttab_entry_end(&g->table, ref, write);
            return rc == -EAGAIN ? GNTST_eagain : GNTST_bad_page;
        }
    }
    *ret_mfn = a->mfn;

    return GNTST_okay;
}

void gnttab_unuse(struct domain *d, uint32_t ref, bool write, uint64_t mfn)
{
    if ( d->gnttab )
    {
        if ( write )
            p2m_mark_dirty(d, d->gnttab->table.active[ref].gfn);
        gnttab_entry_end(&d->gnttab->table, ref, write);
    }
    machine_unpin(&d->host->machine, mfn);
}

bool gnttab_wait_absent(struct conn *c, uint32_t domid,
                        unsigned int *delay_ms)
{
    struct timespec ts = { .tv_nsec = *delay_ms * 1000000l };
    struct domain *d = domain_find(c->host, domid);
    bool go_on = d && !atomic_load(&d->dying) && *delay_ms < 256;

    if ( go_on )
    {
        vm_event_notify(d);
        nanosleep(&ts, NULL);
        ++*delay_ms;
    }
    domain_put(d);
    return go_on;
}

static int query_size(struct conn *c, uint64_t arg_va)
{
    struct gnttab_query_size q;
    struct domain *d;
    int rc;

    rc = copy_from_client(c, &q, arg_va, sizeof(q));
    if ( rc )
        return rc;
    d = domain_find(c->host, q.dom == DOMID_SELF ? 0 : q.dom);
    if ( d )
    {
        q.nr_frames = q.max_nr_frames = d->hvm ? GNTTAB_FRAMES : 0;
        q.status = GNTST_okay;
    }
    else
        q.status = GNTST_bad_domain;
    domain_put(d);

    return copy_to_client(c, arg_va, &q, sizeof(q));
}

static int get_version(struct conn *c, uint64_t arg_va)
{
    struct gnttab_get_version v;
    struct domain *d;
    int rc;

    rc = copy_from_client(c, &v, arg_va, sizeof(v));
    if ( rc )
        return rc;
    d = domain_find(c->host, v.dom == DOMID_SELF ? 0 : v.dom);
    if ( !d )
        return -ESRCH;
    domain_put(d);
    v.version = 1;

    return copy_to_client(c, arg_va, &v, sizeof(v));
}

int64_t gnttab_hypercall(struct conn *c, uint64_t op, uint64_t arg_va,
                         uint64_t count)
{
    if ( count == 1 && op == GNTTABOP_query_size )
        return query_size(c, arg_va);
    if ( count == 1 && op == GNTTABOP_get_version )
        return get_version(c, arg_va);
    log_line("grant_table_op %lu (count %lu) is not modelled",
             (unsigned long)op, (unsigned long)count);

    return -ENOSYS;
}
