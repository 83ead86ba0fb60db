/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * STATE and STATE_END at the destination: what the domain is besides its
 * memory.  It comes behind the last round, in the downtime.
 */
#include "dest.h"

#include <errno.h>

static int take_tsc(struct dest *d, const struct wire_state *st)
{
    struct wire_tsc w;
    struct hv_tsc tsc;
    int rc = wire_tsc_decode(st->data, st->bytes, &d->err, &w);

    if ( rc )
        return rc;
    tsc.mode = w.mode;
    tsc.khz = w.khz;
    tsc.nsec = w.nsec;
    tsc.incarnation = w.incarnation;

    return hv_tsc_set(d->s.hv, &d->err, d->s.domid, &tsc);
}

static int take_pairs(struct dest *d, const struct wire_state *st)
{
    struct store_pairs list = { 0 };
    struct wire_pairs pairs;
    const char *key, *value;
    size_t pos = 0;
    int rc;

    rc = wire_pairs_decode(st->data, st->bytes, &d->err, &pairs);
    while ( !rc && wire_pairs_next(&pairs, &pos, &key, &value) )
        rc = store_pairs_add(&list, key, value);
    if ( !rc )
        rc = store_update(d->s.store, &d->err, d->s.domid, &list);
    store_pairs_done(&list);

    return rc;
}

int dest_take_state(struct dest *d, const struct wire_record *rec)
{
    struct wire_state st;
    int rc = wire_state_decode(rec->body, rec->length, &d->err, &st);

    if ( rc )
        return rc;
    if ( !d->last_known || d->state_complete )
        return err_set(&d->err, -EPROTO, "STATE of kind %u %s", st.kind,
                       d->state_complete ? "after STATE_END"
                                         : "before the last round");
    switch ( st.kind )
    {
    case WIRE_STATE_TSC:
        return take_tsc(d, &st);

    case WIRE_STATE_CONTEXT:
        rc = hv_context_set(d->s.hv, &d->err, d->s.domid, st.data,
                            st.bytes);
        d->context_set |= !rc;
        return rc;

    case WIRE_STATE_PAIRS:
        return take_pairs(d, &st);
    }

    return err_set(&d->err, -EPROTO, "STATE of kind %u came a second time",
                   st.kind);
}

int dest_take_state_end(struct dest *d, const struct wire_record *rec)
{
    struct wire_state_end end;
    int rc = wire_state_end_decode(rec->body, rec->length, &d->err, &end);

    if ( rc )
        return rc;
    if ( d->state_complete || !d->last_known )
        return err_set(&d->err, -EPROTO, "STATE_END out of turn");
    if ( !d->context_set )
        return err_set(&d->err, -EPROTO, "STATE_END without the HVM context");
    rc = build_complete(&d->build);
    if ( rc )
        return rc;
    if ( d->split )
        dest_split_complete(d);
    pthread_mutex_lock(&d->lock);
    d->state_complete = true;
    d->populated = end.populated_pages;
    rc = dest_maybe_ready(d);
    pthread_mutex_unlock(&d->lock);

    return rc;
}
