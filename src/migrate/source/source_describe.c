/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What the destination needs to build the domain, from the source's
 * description of it, on the control connection.
 */
#include "source.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ranges.h"

static int send_body(struct source *src, uint32_t type, void *body,
                     size_t len)
{
    int rc = conn_send(src->ctl, type, body, len);

    free(body);

    return rc;
}

int source_send_state(struct source *src, enum wire_state_kind kind,
                      const void *data, size_t bytes)
{
    struct wire_state st = { .kind = kind, .bytes = bytes, .data = data };
    size_t room = 16 + bytes, len;
    void *body = malloc(room);
    int rc;

    if ( !body )
        return err_set(src->s.err, -ENOMEM, "send the state: %s",
                       err_text(-ENOMEM));
    rc = wire_state_encode(&st, body, room, &len);
    if ( rc )
        err_set(src->s.err, rc, "%zu bytes of state are too much for a "
                "record", bytes);
    else
        rc = conn_send(src->state_conn, WIRE_STATE, body, len);
    free(body);

    return rc;
}

/* What a toolstack says of its domain. */
static int send_config(struct source *src)
{
    struct wire_toolstack t = {
        .name = src->s.toolstack->hooks->name,
        .config = src->desc.config,
        .config_bytes = strlen(src->desc.config),
    };
    size_t room = WIRE_TOOLSTACK_NAME_MAX + t.config_bytes, len;
    void *data = malloc(room);
    int rc = data ? wire_toolstack_encode(&t, data, room, &len) : -ENOMEM;

    if ( rc )
        err_set(src->s.err, rc, "send the configuration of the domain: %s",
                err_text(rc));
    else
        rc = source_send_state(src, WIRE_STATE_TOOLSTACK, data, len);
    free(data);

    return rc;
}

static int send_policy(struct source *src)
{
    const struct hv_policy *p = &src->desc.policy;
    struct wire_policy pol = {
        .nr_leaves = p->nr_leaves, .nr_msrs = p->nr_msrs,
        .leaves = p->leaves, .msrs = p->msrs,
    };
    size_t room = 16 + (size_t)pol.nr_leaves * WIRE_LEAF_BYTES +
                  (size_t)pol.nr_msrs * WIRE_MSR_BYTES, len;
    void *body = malloc(room);
    int rc;

    if ( !body )
        return err_set(src->s.err, -ENOMEM, "send the CPU policy: %s",
                       err_text(-ENOMEM));
    rc = wire_policy_encode(&pol, body, room, &len);
    if ( rc )
    {
        free(body);
        return err_set(src->s.err, rc, "the CPU policy of domain %u (%u "
                       "leaves, %u MSRs) is too large", src->s.domid,
                       pol.nr_leaves, pol.nr_msrs);
    }

    return send_body(src, WIRE_POLICY, body, len);
}

static int send_params(struct source *src)
{
    const struct description *d = &src->desc;
    struct wire_param params[WIRE_PARAMS_MAX];
    uint8_t list[sizeof(params)];
    unsigned int i;
    size_t len;
    int rc;

    for ( i = 0; i < d->nr_params; i++ )
    {
        params[i].index = d->params[i].index;
        params[i].value = d->params[i].value;
    }
    rc = wire_params_encode(params, d->nr_params, list, sizeof(list), &len);
    if ( rc )
        return err_set(src->s.err, rc, "send the HVM parameters: %s",
                       err_text(rc));

    return source_send_state(src, WIRE_STATE_PARAMS, list, len);
}

int source_send_description(struct source *src)
{
    void *body;
    size_t len;
    int rc;

    src->desc.domain.nr_lanes = src->s.nr_lanes;
    rc = describe_domain_body(&src->desc, src->s.err, &body, &len);
    if ( !rc )
        rc = send_body(src, WIRE_DOMAIN, body, len);
    if ( !rc && src->desc.config )
        rc = send_config(src);
    if ( !rc )
        rc = send_policy(src);

    return rc ? rc : send_params(src);
}

int source_send_memory(struct source *src)
{
    return ranges_send(src->ctl, WIRE_MEMORY, &src->rounds.set.present);
}
