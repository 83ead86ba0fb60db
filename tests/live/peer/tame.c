/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * A destination that says what it should, without a domain behind it: pages
 * are thrown away.  One thread looks at all connections.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "peer.h"

static int say(struct peer *p, unsigned int link, const char *text)
{
    struct word *w = malloc(sizeof(*w));
    unsigned int cur = p->cur;
    int rc;

    word_parse(w, text);
    p->cur = link;
    rc = record_send(p, w);
    p->cur = cur;
    free(w);

    return rc;
}

static int throw_away(struct conn *c, uint64_t left)
{
    static uint8_t sink[1 << 20];
    struct iovec iov;
    int rc = 0;

    while ( !rc && left )
    {
        iov.iov_base = sink;
        iov.iov_len = left < sizeof(sink) ? left : sizeof(sink);
        left -= iov.iov_len;
        rc = conn_read_pages(c, &iov, 1);
    }

    return rc;
}

static int maybe_ready(struct peer *p)
{
    unsigned int i;

    if ( !p->state_end || !p->last_known )
        return 0;
    for ( i = 0; i < p->nr_lanes; i++ )
        if ( p->links[LINK_LANE(i)].rounds <= p->last_round )
            return 0;

    return say(p, LINK_CONTROL, "ready");
}

static int round_end(struct peer *p, unsigned int link)
{
    uint32_t ended = ++p->links[link].rounds;
    char text[64];
    unsigned int i;

    for ( i = 0; i < p->nr_lanes; i++ )
        if ( p->links[LINK_LANE(i)].rounds < ended )
            return 0;
    if ( p->last_known && ended == p->last_round + 1 )
        return maybe_ready(p);
    snprintf(text, sizeof(text), "roundack:round=%u", ended - 1);

    return say(p, LINK_CONTROL, text);
}

static int on_hello(struct peer *p, unsigned int link,
                    const struct wire_record *rec)
{
    struct wire_hello h;
    int rc = wire_hello_decode(rec->body, rec->length, &p->err, &h);

    if ( rc )
        return rc;
    rc = say(p, link, "hello");
    if ( !rc && h.role == WIRE_BULK )
        rc = say(p, link, "joined");

    return rc;
}

static int on_control(struct peer *p, const struct wire_record *rec)
{
    struct wire_domain d;
    struct wire_round r;
    uint32_t flags;

    switch ( rec->type )
    {
    case WIRE_DOMAIN:
        if ( wire_domain_decode(rec->body, rec->length, &p->err, &d) )
            return -EPROTO;
        p->nr_lanes = d.nr_lanes;
        return 0;

    case WIRE_MEMORY:
        memcpy(&flags, (const uint8_t *)rec->body + 4, 4);
        return flags & WIRE_MEMORY_MORE ? 0
                                        : say(p, LINK_CONTROL, "prepared");

    case WIRE_ROUND:
        if ( wire_round_decode(rec->body, rec->length, &p->err, &r) )
            return -EPROTO;
        if ( r.flags & WIRE_ROUND_LAST )
        {
            p->last_known = true;
            p->last_round = r.round;
        }
        return 0;

    case WIRE_ARM:
        return say(p, LINK_CONTROL, "armed");

    case WIRE_STATE_END:
        p->state_end = true;
        return maybe_ready(p);

    case WIRE_GO:
        return say(p, LINK_CONTROL, "running");
    }

    return 0;
}

static int answer(struct peer *p, unsigned int link,
                  const struct wire_record *rec)
{
    struct conn *c = p->links[link].conn;
    char text[96];

    if ( link_says(p, rec) )
        return -ECANCELED;
    switch ( rec->type )
    {
    case WIRE_HELLO:
        return on_hello(p, link, rec);
    case WIRE_PAGES:
        return throw_away(c, c->rx_pages_left);
    case WIRE_ROUND_END:
        return round_end(p, link);
    case WIRE_QUERY_REC:
        snprintf(text, sizeof(text), "outcome:%s", p->answer);
        return say(p, link, text);
    }

    return on_control(p, rec);
}

/* A connection's role is in its HELLO: look at that before it is read. */
static int accept_one(struct peer *p, unsigned int *ret_link)
{
    uint8_t peek[WIRE_HDR_BYTES + 16];
    struct pollfd pfd = { .events = POLLIN };
    unsigned int link = LINK_CONTROL;
    uint16_t role, lane;
    ssize_t n;
    int fd, rc;

    rc = chan_accept(p->listen_fd, deadline_in(PATIENCE_US), NULL, &p->err,
                     &fd, NULL);
    if ( rc )
        return rc;
    pfd.fd = fd;
    do {
        if ( poll(&pfd, 1, 10000) <= 0 )
            return -ETIMEDOUT;
        n = recv(fd, peek, sizeof(peek), MSG_PEEK);
    } while ( n > 0 && n < (ssize_t)sizeof(peek) );
    if ( n <= 0 )
        return -ENODATA;
    memcpy(&role, peek + WIRE_HDR_BYTES + 12, 2);
    memcpy(&lane, peek + WIRE_HDR_BYTES + 14, 2);
    if ( role == WIRE_BULK && lane < WIRE_LANES_MAX )
        link = LINK_LANE(lane);
    if ( role == WIRE_QUERY )
        link = LINK_QUERY;
    link_close(p, link);
    *ret_link = link;

    return link_open(p, fd, link, role, lane);
}

/* "BULK" and "ASKING" are the HELLOs of such connections. */
static bool is_it(unsigned int link, const struct wire_record *rec,
                  const char *name)
{
    if ( rec->type == WIRE_HELLO && link != LINK_CONTROL )
        return !strcmp(name, link == LINK_QUERY ? "ASKING" : "BULK");

    return wire_name(rec->type) && !strcmp(wire_name(rec->type), name);
}

/* The migration's id, for all that is said later. */
static void take_id(struct peer *p, const struct wire_record *rec)
{
    struct wire_hello h;

    if ( !wire_hello_decode(rec->body, rec->length, NULL, &h) )
        memcpy(p->id, h.id, sizeof(p->id));
}

int tame_until(struct peer *p, const char *name, unsigned int nth)
{
    struct pollfd pfd[NR_LINKS + 1];
    unsigned int i, link, nr;
    struct wire_record rec;
    int rc;

    for ( ; ; )
    {
        for ( i = 0; i < NR_LINKS; i++ )
        {
            pfd[i].fd = p->links[i].conn ? chan_fd(p->links[i].conn->chan)
                                         : -1;
            pfd[i].events = POLLIN;
        }
        pfd[NR_LINKS].fd = p->listen_fd;
        pfd[NR_LINKS].events = POLLIN;
        nr = NR_LINKS + 1;
        if ( poll(pfd, nr, PATIENCE_US / 1000) <= 0 )
            return -ETIMEDOUT;
        for ( i = 0; i < nr && !pfd[i].revents; i++ )
            ;
        link = i;
        rc = link < NR_LINKS ? 0 : accept_one(p, &link);
        if ( !rc )
            rc = conn_recv(p->links[link].conn, &rec);
        if ( rc && link != LINK_CONTROL && rc != -ETIMEDOUT )
        {
            link_close(p, link);
            continue;
        }
        if ( rc )
            return rc;
        if ( rec.type == WIRE_HELLO && link == LINK_CONTROL )
            take_id(p, &rec);
        if ( is_it(link, &rec, name) && !--nth )
        {
            p->cur = link;
            if ( rec.type == WIRE_PAGES )
                p->links[link].conn->rx_pages_left = 0;
            return 0;
        }
        rc = answer(p, link, &rec);
        if ( rc )
            return rc;
    }
}
