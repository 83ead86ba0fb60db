/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * QUERY, at the source: see settle.h.
 */
#include "settle.h"

#include <errno.h>
#include <string.h>

#define BACKOFF_MIN_US (50 * US_PER_MS)
#define BACKOFF_MAX_US (2 * US_PER_S)

/* Ask on a connection of its own, which stays open; *ret_conn is set as soon
 * as there is one. */
static int ask(const struct settle *st, struct peer_links *l, struct err *e,
               struct wire_outcome *ret, struct conn **ret_conn,
               uint64_t *ret_caps)
{
    struct wire_query q = {
        .flags = (st->abandon ? WIRE_QUERY_ABANDON : 0) |
                 (st->gone ? WIRE_QUERY_GONE : 0),
    };
    struct wire_hello theirs;
    struct wire_record rec;
    uint8_t buf[32];
    size_t len;
    int rc;

    rc = peer_open(l, WIRE_QUERY, 0, e, ret_conn);
    if ( !rc )
        rc = peer_hello(l, *ret_conn, st->id, NULL, e, &theirs, ret_caps);
    if ( rc )
        return rc;
    memcpy(q.id, st->id, sizeof(q.id));
    rc = wire_query_encode(&q, buf, sizeof(buf), &len);
    if ( !rc )
        rc = conn_send(*ret_conn, WIRE_QUERY_REC, buf, len);
    if ( !rc )
        rc = conn_expect(*ret_conn, WIRE_OUTCOME, &rec);
    if ( !rc )
        rc = wire_outcome_decode(rec.body, rec.length, e, ret);
    if ( !rc && !ident_equal(ret->boot, theirs.boot) )
        rc = err_set(e, -EPROTO, "the destination gave two boot ids");

    return rc;
}

int settle_bye_on(struct conn *c, uint64_t caps)
{
    struct wire_record rec;
    int rc = conn_send_empty(c, WIRE_BYE);

    if ( rc || !(caps & WIRE_CAP_BYE) )
        return rc;
    do {
        rc = conn_recv(c, &rec);
    } while ( !rc && rec.type != WIRE_BYE );

    return rc;
}

/* patience_us: with a command, at most. */
static int ask_once(const struct settle *st, uint64_t patience_us, bool bye,
                    struct err *e, struct wire_outcome *ret)
{
    struct peer_links l;
    struct conn *c = NULL;
    uint64_t caps;
    int rc;

    peer_links_init(&l, st->s, st->peer, st->cancel);
    if ( l.patience_us > patience_us )
        l.patience_us = patience_us;
    rc = ask(st, &l, e, ret, &c, &caps);
    if ( !rc && bye && (ret->outcome == WIRE_OUTCOME_STARTED ||
                        ret->outcome == WIRE_OUTCOME_LOST) )
        rc = settle_bye_on(c, caps);
    conn_close(c);
    peer_links_done(&l);

    return rc;
}

int settle_ask(const struct settle *st, struct err *e,
               struct wire_outcome *ret)
{
    return ask_once(st, UINT64_MAX, false, e, ret);
}

int settle_until(const struct settle *st, uint64_t deadline_us,
                 struct err *e, struct wire_outcome *ret)
{
    uint64_t backoff_us = BACKOFF_MIN_US, until, left_us;
    uint64_t least_us = opt_u64(st->s->opts, NULL, "connect-timeout");
    int rc;

    for ( ; ; )
    {
        err_reset(e);
        left_us = deadline_left_us(deadline_us);
        rc = ask_once(st, left_us > least_us ? left_us : least_us, false, e,
                      ret);
        if ( !rc && (ret->outcome == WIRE_OUTCOME_STARTED ||
                     ret->outcome == WIRE_OUTCOME_ABANDONED ||
                     ret->outcome == WIRE_OUTCOME_SPLIT) )
            return 0;
        if ( deadline_passed(deadline_us) )
            return rc;
        until = deadline_in(backoff_us);
        if ( until > deadline_us )
            until = deadline_us;
        cancel_poll(NULL, -1, 0, until);
        backoff_us *= 2;
        if ( backoff_us > BACKOFF_MAX_US )
            backoff_us = BACKOFF_MAX_US;
    }
}

int settle_bye(const struct settle *st)
{
    struct wire_outcome outcome;

    return ask_once(st, UINT64_MAX, true, NULL, &outcome);
}
