/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * QUERY, at the source: see settle.h.
 */
#include "settle.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "hello.h"

#define BACKOFF_MIN_US (50 * US_PER_MS)
#define BACKOFF_MAX_US (2 * US_PER_S)

static int dial(const struct session *s, const char *host, uint16_t port,
                struct err *e, struct conn **ret)
{
    uint64_t io_us = opt_u64(s->opts, NULL, "io-timeout");
    struct chan_tuning tuning = {
        .nodelay = true,
        .dead_after_ms = io_us / US_PER_MS,
    };
    char name[96], peer[CHAN_PEER_TEXT];
    struct chan *chan;
    int fd, rc;

    rc = chan_connect(host, port,
                      deadline_in(opt_u64(s->opts, NULL, "connect-timeout")),
                      NULL, e, &fd, peer);
    if ( rc )
        return rc;
    chan_tune(fd, &tuning);
    snprintf(name, sizeof(name), "query to %s", peer);
    rc = chan_open(fd, false, name, NULL, e, &chan);
    if ( rc )
    {
        close(fd);
        return rc;
    }
    chan_set_io_timeout(chan, io_us);
    rc = conn_open(chan, WIRE_QUERY, 0, e, ret);
    if ( rc )
        chan_close(chan);

    return rc;
}

int settle_ask(const struct session *s, const char *host, uint16_t port,
               const uint8_t id[IDENT_BYTES], bool abandon, struct err *e,
               struct wire_outcome *ret, struct conn **ret_conn)
{
    struct wire_query q = { .flags = abandon ? WIRE_QUERY_ABANDON : 0 };
    struct conn *c = NULL;
    struct wire_hello theirs;
    struct wire_record rec;
    uint8_t buf[32];
    uint64_t caps;
    size_t len;
    int rc;

    rc = dial(s, host, port, e, &c);
    if ( !rc )
        rc = hello_send(c, s, WIRE_QUERY, 0, id, NULL);
    if ( !rc )
        rc = hello_recv(c, s, &theirs, &caps);
    if ( rc )
        goto out;
    memcpy(q.id, id, sizeof(q.id));
    rc = wire_query_encode(&q, buf, sizeof(buf), &len);
    if ( !rc )
        rc = conn_send(c, WIRE_QUERY_REC, buf, len);
    if ( !rc )
        rc = conn_expect(c, WIRE_OUTCOME, &rec);
    if ( !rc )
        rc = wire_outcome_decode(rec.body, rec.length, e, ret);
    if ( rc )
        goto out;
    if ( !ident_equal(ret->boot, theirs.boot) )
        rc = err_set(e, -EPROTO, "the destination gave two boot ids");
    if ( !rc && ret_conn )
    {
        *ret_conn = c;
        c = NULL;
    }

out:
    conn_close(c);

    return rc;
}

int settle_until(const struct session *s, const char *host, uint16_t port,
                 const uint8_t id[IDENT_BYTES], bool abandon,
                 uint64_t deadline_us, struct err *e,
                 struct wire_outcome *ret)
{
    uint64_t backoff_us = BACKOFF_MIN_US, until;
    int rc;

    for ( ; ; )
    {
        err_reset(e);
        rc = settle_ask(s, host, port, id, abandon, e, ret, NULL);
        if ( !rc && (ret->outcome == WIRE_OUTCOME_STARTED ||
                     ret->outcome == WIRE_OUTCOME_ABANDONED) )
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

int settle_bye(const struct session *s, const char *host, uint16_t port,
               const uint8_t id[IDENT_BYTES])
{
    struct wire_outcome outcome;
    struct conn *c = NULL;
    int rc = settle_ask(s, host, port, id, false, NULL, &outcome, &c);

    if ( rc )
        return rc;
    if ( outcome.outcome == WIRE_OUTCOME_STARTED )
        rc = conn_send_empty(c, WIRE_BYE);
    conn_close(c);

    return rc;
}
