/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * PREPARE at the destination: from the source's description to a domain that
 * waits for its memory.  All that takes time is done here, while the guest
 * still runs at the source.
 */
#include "dest.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* How often the source is told of us while a toolstack works. */
#define ALIVE_US US_PER_S

static int begin_journal(struct dest *d)
{
    struct session *s = &d->s;
    struct journal_info info = { .role = JOURNAL_DESTINATION };
    int rc;

    memcpy(info.id, s->id, sizeof(info.id));
    memcpy(info.uuid, d->domain.uuid, sizeof(info.uuid));
    memcpy(info.boot, s->boot, sizeof(info.boot));
    snprintf(info.name, sizeof(info.name), "%s", s->name);
    rc = journal_create(s->state_dir, &info, s->err, &d->journal);
    if ( !rc )
        rc = journal_claim(d->journal, s->err);
    if ( !rc )
        rc = journal_append(d->journal, JOURNAL_PREPARING, false, s->err);

    return rc;
}

/* Two of one uuid would share /vm/<uuid>; and one may be a copy in doubt. */
static int check_uuid(struct dest *d)
{
    struct session *s = &d->s;
    struct hv_domain *list = NULL;
    char text[IDENT_TEXT];
    size_t nr, i;
    int rc = hv_domain_list(s->hv, s->err, &list, &nr);

    for ( i = 0; !rc && i < nr; i++ )
        if ( list[i].domid && !list[i].dying &&
             ident_equal(list[i].uuid, d->domain.uuid) )
            rc = err_set(s->err, -EEXIST, "a domain with the uuid %s is here "
                         "already: domain %u",
                         ident_text(d->domain.uuid, text), list[i].domid);
    free(list);

    return rc;
}

/* A toolstack's hooks may take long: keep the source informed. */
int dest_still_here(void *data)
{
    struct dest *d = data;
    int rc = cancel_check(d->s.stop);

    if ( rc || clock_now_us() - d->alive_us < ALIVE_US )
        return rc;
    d->alive_us = clock_now_us();
    pthread_mutex_lock(&d->lock);
    rc = conn_send_empty(d->ctl, WIRE_ALIVE);
    pthread_mutex_unlock(&d->lock);

    return rc;
}

/* The domain is a toolstack's: it has to be ours, too. */
static int take_config(struct dest *d)
{
    struct session *s = &d->s;
    const struct xmig_toolstack *hooks = s->toolstack->hooks;
    struct wire_record rec;
    struct wire_state st;
    struct wire_toolstack t;
    int rc;

    rc = conn_expect(d->ctl, WIRE_STATE, &rec);
    if ( !rc )
        rc = wire_state_decode(rec.body, rec.length, s->err, &st);
    if ( !rc && st.kind != WIRE_STATE_TOOLSTACK )
        rc = err_set(s->err, -EPROTO, "STATE of kind %u where the "
                     "toolstack's configuration was due", st.kind);
    if ( !rc )
        rc = wire_toolstack_decode(st.data, st.bytes, s->err, &t);
    if ( rc )
        return rc;
    if ( !hooks || strcmp(t.name, hooks->name) )
        return err_set(s->err, -EOPNOTSUPP, "the domain is managed by a "
                       "toolstack that is not here: %s", t.name);
    d->config = strndup(t.config, t.config_bytes);
    if ( !d->config )
        return err_set(s->err, -ENOMEM, "take the toolstack's configuration: "
                       "%s", err_text(-ENOMEM));
    d->build.config = d->config;
    d->build.wait.tick = dest_still_here;
    d->build.wait.data = d;

    return 0;
}

static int take_domain(struct dest *d)
{
    struct session *s = &d->s;
    struct wire_record rec;
    struct wire_domain *dom = &d->domain;
    int rc;

    rc = conn_expect(d->ctl, WIRE_DOMAIN, &rec);
    if ( rc )
        return rc;
    /* Its pairs are needed longer than the connection's buffer lives. */
    d->domain_body = malloc(rec.length);
    if ( !d->domain_body )
        return err_set(s->err, -ENOMEM, "take the description of the "
                       "domain: %s", err_text(-ENOMEM));
    memcpy(d->domain_body, rec.body, rec.length);
    rc = wire_domain_decode(d->domain_body, rec.length, s->err, dom);
    if ( rc )
        return rc;
    if ( dom->nr_lanes > 1 && !(s->caps & WIRE_CAP_LANES) )
        return err_set(s->err, -EPROTO, "%u lanes without the capability",
                       dom->nr_lanes);

    if ( (dom->flags & WIRE_DOMAIN_POSTCOPY) &&
         !(s->caps & WIRE_CAP_POSTCOPY) )
        return err_set(s->err, -EPROTO, "post-copy without the capability");

    s->nr_lanes = dom->nr_lanes;
    if ( (dom->flags & WIRE_DOMAIN_ACCESS) && !(s->caps & WIRE_CAP_ACCESS) )
        return err_set(s->err, -EPROTO, "post-copy by mem_access without the "
                       "capability");

    s->postcopy = dom->flags & WIRE_DOMAIN_POSTCOPY;
    s->faults = dom->flags & WIRE_DOMAIN_ACCESS ? HV_FAULTS_ACCESS
                                                : HV_FAULTS_PAGING;
    s->absent = dom->flags & WIRE_DOMAIN_ABSENT;
    s->nr_gfns = dom->nr_gfns;
    s->total_pages = dom->populated_pages;
    snprintf(s->name, sizeof(s->name), "%s", dom->name);
    steer_domain(s);
    d->build.hv = s->hv;
    d->build.store = s->store;
    d->build.toolstack = s->toolstack;
    d->build.err = s->err;
    d->build.domain = dom;
    d->build.name = s->name;

    rc = build_check(&d->build);
    if ( !rc )
        rc = check_uuid(d);
    if ( !rc && (dom->flags & WIRE_DOMAIN_MANAGED) )
        rc = take_config(d);

    return rc;
}

static int take_policy(struct dest *d)
{
    struct session *s = &d->s;
    struct wire_policy policy;
    struct wire_record rec;
    int rc;

    rc = conn_expect(d->ctl, WIRE_POLICY, &rec);
    if ( !rc )
        rc = wire_policy_decode(rec.body, rec.length, s->err, &policy);
    if ( !rc )
        rc = hv_policy_check(s->hv, s->err, policy.leaves, policy.nr_leaves,
                             policy.msrs, policy.nr_msrs);
    if ( !rc )
        rc = begin_journal(d);
    if ( !rc )
        rc = build_create(&d->build, &policy);
    if ( rc )
        return rc;
    s->domid = d->build.domid;
    steer_domain(s);

    return journal_set_domid(d->journal, s->domid, s->err);
}

static int take_params(struct dest *d)
{
    struct session *s = &d->s;
    struct wire_param params[WIRE_PARAMS_MAX];
    struct hv_param list[HV_PARAMS_MAX];
    struct wire_record rec;
    struct wire_state st;
    unsigned int nr, i;
    int rc;

    rc = conn_expect(d->ctl, WIRE_STATE, &rec);
    if ( !rc )
        rc = wire_state_decode(rec.body, rec.length, s->err, &st);
    if ( !rc && st.kind != WIRE_STATE_PARAMS )
        rc = err_set(s->err, -EPROTO, "STATE of kind %u where the HVM "
                     "parameters were due", st.kind);
    if ( !rc )
        rc = wire_params_decode(st.data, st.bytes, s->err, params, &nr);
    if ( rc )
        return rc;
    for ( i = 0; i < nr; i++ )
        list[i] = (struct hv_param){ params[i].index, params[i].value };

    rc = place_new(s, s->domid, s->nr_gfns, &d->place);
    if ( rc )
        return rc;
    for ( i = 0; !rc && i < nr; i++ )
        if ( list[i].value && (hv_param_is_ring(list[i].index) ||
             (s->postcopy && hv_param_is_pager_ring(list[i].index))) )
            rc = place_own(d->place, list[i].value,
                           hv_param_is_ring(list[i].index));
    if ( !rc )
        rc = build_params(&d->build, list, nr);

    return rc || !s->postcopy ? rc : dest_split_open(d);
}

static int take_memory(struct dest *d)
{
    struct session *s = &d->s;
    struct wire_record rec;
    struct wire_memory m;
    uint64_t from = 0;
    uint32_t i;
    int rc;

    rc = pageset_init(&d->present, s->nr_gfns);
    if ( rc )
        return err_set(s->err, rc, "keep account of %lu gfns: %s",
                       (unsigned long)s->nr_gfns, err_text(rc));
    do {
        rc = conn_expect(d->ctl, WIRE_MEMORY, &rec);
        if ( !rc )
            rc = wire_memory_decode(rec.body, rec.length, s->nr_gfns, from,
                                    s->err, &m);
        if ( rc )
            return rc;
        for ( i = 0; i < m.nr_ranges; i++ )
        {
            pageset_set_run(&d->present, m.ranges[i].first,
                            m.ranges[i].count);
            from = m.ranges[i].first + m.ranges[i].count;
        }
    } while ( m.flags & WIRE_MEMORY_MORE );
    stats_edit(s->stats)->total_bytes = d->present.count * PAGE_BYTES;
    stats_edited(s->stats);

    /* The domain's limit is Xen's to hold; this one is against a source
     * that says one thing and wants another. */
    if ( d->present.count > d->domain.max_mem_kib / 4 + CHUNK_GFNS )
        return err_set(s->err, -EPROTO, "%lu pages are said to be populated, "
                       "the domain's limit is %lu KiB",
                       (unsigned long)d->present.count,
                       (unsigned long)d->domain.max_mem_kib);

    return s->absent ? dest_split_absent(d, &d->present)
                     : place_ahead(d->place, &d->present);
}

int dest_prepare(struct dest *d)
{
    static const char *const mechs[] = { "postcopy", "precopy" };
    struct session *s = &d->s;
    int rc;

    rc = state_set(&s->state, s->err, STATE_SETUP);
    if ( !rc )
        rc = take_domain(d);
    if ( !rc )
        rc = plan_build_names(mechs + !s->postcopy, 1 + s->postcopy, s->caps,
                              s->err, &s->plan);
    if ( !rc )
        rc = engine_setup(s);
    if ( !rc )
        rc = take_policy(d);
    if ( !rc )
        rc = take_params(d);
    /* Milliseconds, while the source walks its memory; a toolstack takes
     * longer than that: while the helper populates. */
    if ( !rc && !d->config )
        rc = build_store(&d->build, true);
    if ( !rc )
        rc = take_memory(d);
    if ( !rc && d->config )
        rc = build_store(&d->build, true);
    if ( rc )
        return rc;

    pthread_mutex_lock(&d->lock);
    d->open = true;
    rc = conn_send_empty(d->ctl, WIRE_PREPARED);
    pthread_mutex_unlock(&d->lock);
    if ( !rc && s->absent )
        rc = dest_split_ack(d);

    return rc;
}
