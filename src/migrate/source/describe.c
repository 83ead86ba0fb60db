/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Gathering what describes a domain: see describe.h.
 */
#include "describe.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <xen/hvm/params.h>

/* DOMAIN with as many pairs as there may be is cut to what a record holds. */
#define BODY_MAX WIRE_CONTROL_MAX

static int gather_pairs(struct store *st, struct err *e, uint32_t domid,
                        struct description *d)
{
    struct store_pairs pairs = { 0 };
    size_t i, len = 0, room = BODY_MAX - WIRE_DOMAIN_BYTES;
    int rc;

    d->pairs_buf = malloc(room);
    if ( !d->pairs_buf )
        return err_set(e, -ENOMEM, "describe domain %u: %s", domid,
                       err_text(-ENOMEM));
    rc = store_export(st, e, domid, &pairs);
    for ( i = 0; !rc && i < pairs.nr; i++ )
    {
        rc = wire_pairs_add(d->pairs_buf, room, &len, pairs.pairs[i].key,
                            pairs.pairs[i].value);
        if ( rc )
            err_set(e, rc, "xenstore node \"%s\" of domain %u is too long "
                    "to travel", pairs.pairs[i].key, domid);
    }
    d->domain.pairs.data = d->pairs_buf;
    d->domain.pairs.bytes = len;
    d->domain.pairs.nr = pairs.nr;
    store_pairs_done(&pairs);

    return rc;
}

static int gather_name(struct store *st, struct err *e, uint32_t domid,
                       struct description *d)
{
    char *name = NULL;
    int rc = store_name(st, e, domid, &name);

    if ( rc )
        return rc;
    if ( strlen(name) >= sizeof(d->domain.name) )
        rc = err_set(e, -EINVAL, "the name of domain %u is longer than %zu "
                     "characters", domid, sizeof(d->domain.name) - 1);
    else
        memcpy(d->domain.name, name, strlen(name) + 1);
    free(name);

    return rc;
}

int describe(const struct toolstack *t, struct err *e, uint32_t domid,
             struct description *ret)
{
    struct description d = { 0 };
    struct hv *hv = t->hv;
    struct hv_domain info;
    int rc;

    rc = hv_domain_info(hv, e, domid, &info);
    if ( rc )
        return rc;
    if ( info.dying )
        return err_set(e, -EINVAL, "domain %u is being destroyed", domid);
    rc = hv_carried(hv, e, domid);
    if ( !rc )
        rc = toolstack_describe(t, e, domid, &d.config);
    if ( rc )
        return rc;

    d.domain.vcpus = info.vcpus;
    d.domain.flags = (info.hap ? WIRE_DOMAIN_HAP : 0) |
                     (d.config ? WIRE_DOMAIN_MANAGED : 0);
    d.domain.max_mem_kib = info.max_pages == UINT64_MAX
                           ? info.tot_pages * 4 : info.max_pages * 4;
    d.domain.populated_pages = info.tot_pages;
    d.domain.nr_lanes = 1;
    d.domain.ssidref = info.ssidref;
    memcpy(d.domain.uuid, info.uuid, sizeof(d.domain.uuid));
    d.domain.emulation_flags = info.emulation_flags;

    rc = hv_paging_pool_get(hv, NULL, domid, &d.domain.paging_bytes);
    if ( rc && rc != -EOPNOTSUPP )
        rc = err_set(e, rc, "get the paging pool's size of domain %u: %s",
                     domid, err_text(rc));
    else
        rc = 0;
    if ( !rc )
        rc = hv_nr_gfns(hv, e, domid, &d.domain.nr_gfns);
    if ( !rc )
        rc = gather_name(t->store, e, domid, &d);
    if ( !rc )
        rc = gather_pairs(t->store, e, domid, &d);
    if ( !rc )
        rc = hv_policy_get(hv, e, domid, &d.policy);
    if ( !rc )
        rc = hv_params_get(hv, e, domid, d.params, &d.nr_params);

    if ( rc )
        describe_done(&d);
    else
        *ret = d;

    return rc;
}

void describe_done(struct description *desc)
{
    free(desc->pairs_buf);
    free(desc->config);
    hv_policy_done(&desc->policy);
    memset(desc, 0, sizeof(*desc));
}

int describe_domain_body(const struct description *desc, struct err *e,
                         void **ret_body, size_t *ret_len)
{
    void *body = malloc(BODY_MAX);
    int rc;

    if ( !body )
        return err_set(e, -ENOMEM, "describe the domain: %s",
                       err_text(-ENOMEM));
    rc = wire_domain_encode(&desc->domain, body, BODY_MAX, ret_len);
    if ( rc )
    {
        free(body);
        return err_set(e, rc, "domain \"%s\" can't be described in a DOMAIN "
                       "record: %s", desc->domain.name, err_text(rc));
    }
    *ret_body = body;

    return 0;
}

void describe_rings(const struct hv_param *params, unsigned int nr,
                    uint64_t *ret_store_gfn, uint64_t *ret_console_gfn)
{
    unsigned int i;

    *ret_store_gfn = *ret_console_gfn = 0;
    for ( i = 0; i < nr; i++ )
    {
        if ( params[i].index == HVM_PARAM_STORE_PFN )
            *ret_store_gfn = params[i].value;
        if ( params[i].index == HVM_PARAM_CONSOLE_PFN )
            *ret_console_gfn = params[i].value;
    }
}
