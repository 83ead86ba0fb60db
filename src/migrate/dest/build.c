/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Building a domain from a description, and taking it down: see build.h.
 * Knows neither where the description comes from nor how memory gets there.
 */
#include "build.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "describe.h"
#include "hotplug.h"

/* What a domain takes beside its memory and its paging pool: structures of
 * the hypervisor, the boot-time allowance for each vCPU. */
#define OVERHEAD_PAGES   256u
#define VCPU_PAGES       64u

/* Accounts are kept of all gfns, populated or not: room for holes beyond what
 * the memory of this host may need. */
#define HOLE_GFNS        (1u << 24)

/* How long xenconsoled may take to write the console's tty. */
#define CONSOLE_US       (200 * US_PER_MS)

/* The name under which it is built. */
static void incoming_name(const struct build *b, char buf[160])
{
    snprintf(buf, 160, "%.128s%s", b->name, BUILD_INCOMING);
}

static int check_name(struct build *b, const char *name)
{
    uint32_t other;
    int rc = store_find(b->store, NULL, name, &other);

    if ( !rc || rc == -ENOTUNIQ )
        return err_set(b->err, -EEXIST,
                       "a domain named \"%s\" is here already", name);
    if ( rc == -ENOENT )
        return 0;

    return err_set(b->err, rc, "look for a domain named \"%s\": %s", name,
                   err_text(rc));
}

static uint64_t pages_needed(const struct wire_domain *d)
{
    return d->populated_pages + d->paging_bytes / PAGE_BYTES +
           OVERHEAD_PAGES + d->vcpus * VCPU_PAGES;
}

int build_check(struct build *b)
{
    const struct wire_domain *d = b->domain;
    struct hv_host host;
    char incoming[160];
    const char *p;
    int rc;

    for ( p = b->name; *p; p++ )
        if ( (unsigned char)*p <= ' ' || *p == '/' || *p == 0x7f )
            break;
    if ( *p || p == b->name )
        return err_set(b->err, -EINVAL,
                       "\"%s\" can't be the name of a domain", b->name);

    rc = check_name(b, b->name);
    if ( rc )
        return rc;
    incoming_name(b, incoming);
    rc = check_name(b, incoming);
    if ( rc )
        return rc;

    rc = hv_host_info(b->hv, b->err, &host);
    if ( rc )
        return rc;
    if ( (d->flags & WIRE_DOMAIN_HAP) && !host.hap )
        return err_set(b->err, -EOPNOTSUPP, "the domain uses hardware "
                       "assisted paging, which this host lacks");
    if ( d->nr_gfns > host.total_pages * 4 + HOLE_GFNS )
        return err_set(b->err, -ENOMEM, "the domain's gfns end at %#lx, "
                       "account can be kept here up to %#lx",
                       (unsigned long)d->nr_gfns,
                       (unsigned long)(host.total_pages * 4 + HOLE_GFNS));
    if ( pages_needed(d) > host.free_pages )
        return err_set(b->err, -ENOMEM, "not enough memory: the domain needs "
                       "%lu MiB, %lu MiB are free here",
                       (unsigned long)((pages_needed(d) + 255) / 256),
                       (unsigned long)(host.free_pages / 256));

    return 0;
}

static int create_managed(struct build *b)
{
    struct hv_domain info;
    char name[160];
    int rc;

    incoming_name(b, name);
    rc = toolstack_create(b->toolstack, b->err, b->config, name, &b->wait,
                          &b->made);
    if ( rc )
        return rc;
    b->domid = b->made.domid;
    rc = hv_domain_info(b->hv, b->err, b->domid, &info);
    if ( !rc && !ident_equal(info.uuid, b->domain->uuid) )
        rc = err_set(b->err, -EPROTO, "the toolstack's configuration is of "
                     "another domain (of another uuid)");
    if ( rc )
        return rc;

    /* It may hold more than its configuration gives it by now. */
    return hv_set_max_mem(b->hv, b->err, b->domid, b->domain->max_mem_kib);
}

static int create_bare(struct build *b)
{
    const struct wire_domain *d = b->domain;
    struct hv_create c = {
        .hap = d->flags & WIRE_DOMAIN_HAP,
        .ssidref = d->ssidref,
        .vcpus = d->vcpus,
        .emulation_flags = d->emulation_flags,
        .evtchn_limit = d->evtchn_limit,
        .grant_frames = d->grant_frames,
        .maptrack_frames = d->maptrack_frames,
        .max_mem_kib = d->max_mem_kib,
        .paging_bytes = d->paging_bytes,
    };

    memcpy(c.uuid, d->uuid, sizeof(c.uuid));

    return hv_create(b->hv, b->err, &c, &b->domid);
}

int build_create(struct build *b, const struct wire_policy *policy)
{
    int rc = b->config ? create_managed(b) : create_bare(b);

    b->created = !rc || b->made.handle;
    if ( rc )
        return rc;

    rc = hv_claim(b->hv, b->err, b->domid, b->domain->populated_pages);
    if ( !rc )
        b->claimed = true;
    else if ( rc == -EOPNOTSUPP )
        err_reset(b->err);
    else
        return rc;

    if ( !policy->nr_leaves && !policy->nr_msrs )
        return 0;

    return hv_policy_set(b->hv, b->err, b->domid, policy->leaves,
                         policy->nr_leaves, policy->msrs, policy->nr_msrs);
}

int build_params(struct build *b, const struct hv_param *params,
                 unsigned int nr)
{
    int rc;

    describe_rings(params, nr, &b->rings.store_gfn, &b->rings.console_gfn);
    rc = hv_params_set(b->hv, b->err, b->domid, params, nr);
    if ( !rc && b->config )
        rc = hv_rings_set_ports(b->hv, b->err, b->domid, b->made.store_port,
                                b->made.console_port);
    if ( !rc )
        rc = hv_rings_ports(b->hv, b->err, b->domid, &b->rings.store_port,
                            &b->rings.console_port);
    if ( !rc )
        rc = hv_rings_seed(b->hv, b->err, b->domid, &b->rings);

    return rc;
}

/* The pairs of a DOMAIN record as xenstore's module takes them. */
static int unpack_pairs(struct build *b, struct store_pairs *ret)
{
    const struct wire_pairs *pairs = &b->domain->pairs;
    const char *key, *value;
    size_t pos = 0;
    int rc = 0;

    while ( !rc && wire_pairs_next(pairs, &pos, &key, &value) )
        rc = store_pairs_add(ret, key, value);
    if ( rc )
        err_set(b->err, rc, "take the domain's xenstore nodes: %s",
                err_text(rc));

    return rc;
}

static int store_bare(struct build *b, bool incoming)
{
    const struct wire_domain *d = b->domain;
    struct store_pairs pairs = { 0 };
    const char *target;
    char name[160];
    struct store_domain sd = {
        .domid = b->domid,
        .name = incoming ? name : b->name,
        .max_mem_kib = d->max_mem_kib,
        .target_kib = d->populated_pages * 4,
        .vcpus = d->vcpus,
        .store_gfn = b->rings.store_gfn,
        .console_gfn = b->rings.console_gfn,
        .store_port = b->rings.store_port,
        .console_port = b->rings.console_port,
        .pairs = &pairs,
    };
    int rc;

    incoming_name(b, name);
    memcpy(sd.uuid, d->uuid, sizeof(sd.uuid));
    rc = unpack_pairs(b, &pairs);
    if ( rc )
        goto out;
    target = store_pairs_get(&pairs, "memory/target");
    if ( target )
        sd.target_kib = strtoull(target, NULL, 10);
    target = store_pairs_get(&pairs, "memory/static-max");
    if ( target )
        sd.max_mem_kib = strtoull(target, NULL, 10);

    rc = store_build(b->store, b->err, &sd);
    b->introduced = !rc;
    if ( !rc )
        rc = store_connect(b->store, b->err, &sd);
    if ( !rc )
        rc = hotplug_vifs(b->store, b->err, b->domid);

out:
    store_pairs_done(&pairs);

    return rc;
}

static int attach(struct build *b)
{
    int rc = toolstack_attach(b->toolstack, b->err, b->made.handle,
                              b->rings.store_gfn, b->rings.console_gfn,
                              &b->wait);

    b->made.handle = NULL;
    b->attached = b->created = !rc;

    return rc;
}

int build_store(struct build *b, bool incoming)
{
    if ( !b->config )
        return store_bare(b, incoming);

    return b->made.late ? 0 : attach(b);
}

int build_complete(struct build *b)
{
    return b->config && !b->attached ? attach(b) : 0;
}

void build_unclaim(struct build *b)
{
    if ( b->claimed )
        hv_claim(b->hv, NULL, b->domid, 0);
    b->claimed = false;
}

int build_claim_again(struct build *b)
{
    int rc;

    if ( !b->claimed )
        return 0;
    build_unclaim(b);
    rc = hv_claim(b->hv, b->err, b->domid, b->domain->populated_pages);
    b->claimed = !rc;

    return rc;
}

int build_rename(struct build *b)
{
    /* At once: the source's user may already look for it. */
    if ( !b->config )
        return store_rename(b->store, b->err, b->domid, b->name);

    return toolstack_rename(b->toolstack, b->err, b->domid, b->name);
}

/*
 * xenconsoled is about to write a node of a domain that was introduced: it
 * must not do so behind the removal.  Without a xenconsoled the time runs out.
 */
static void await_console(struct build *b)
{
    uint64_t until_us = deadline_in(CONSOLE_US);
    struct store_watch *w = NULL;
    bool written = false;
    char *tty;
    int rc;

    rc = store_watch_open(NULL, &w);
    if ( !rc )
        rc = store_watch_add(w, NULL, "/local/domain/%u/console/tty",
                             b->domid);
    while ( !rc && !written )
    {
        rc = store_watch_wait(w, until_us, NULL, NULL);
        if ( !rc )
            rc = store_read(b->store, NULL, &tty,
                            "/local/domain/%u/console/tty", b->domid);
        if ( rc )
            break;
        written = *tty;
        free(tty);
    }
    store_watch_close(w);
}

int build_explain(struct build *b, int rc)
{
    void *handle = b->made.handle;
    struct err cause;

    if ( rc != -ESRCH || !handle )
        return rc;
    b->made.handle = NULL;
    b->created = false;
    err_init(&cause);
    if ( toolstack_discard(b->toolstack, &cause, handle) )
    {
        err_reset(b->err);
        err_take(b->err, &cause);
        rc = err_code(b->err);
    }
    err_done(&cause);

    return rc;
}

void build_undo(struct build *b)
{
    build_unclaim(b);
    if ( b->introduced )
        await_console(b);
    if ( b->made.handle )
        toolstack_discard(b->toolstack, NULL, b->made.handle);
    else if ( b->created )
        toolstack_destroy(b->toolstack, NULL, b->domid);
    b->made.handle = NULL;
    b->created = b->introduced = b->attached = false;
}
