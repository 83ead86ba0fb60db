/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * hostile source PORT DOMID WORD...: a fake source against a receiver.
 * hostile dest WORD...: a fake destination; its port is printed first.
 *
 * Words:
 *   RECORD[:how]     send it on the current connection (records.c)
 *   RECORD?          read until it comes
 *   connect ctl lane:N query    make a connection, or go back to it
 *   zeros[:lanes=N]  all of the domain's memory as zeros
 *   next             another round
 *   until:NAME[,N]   destination: behave until the Nth such record comes
 *   answer:how       destination: what it will answer to QUERY
 *   garbage:N        N bytes of nothing
 *   flood:RECORD     send it until nobody takes it any more, reading nothing
 *   deaf             read nothing until the other end has gone
 *   hang             do nothing more; wait for what the other end does
 *   halfclose        say that no more will come
 *   drop, droplanes, close      close connections; close: and the listener
 * After the last word the other end is heard until it has closed all
 * connections.  Exit status 0; 2 the script is wrong; 4 the other end went
 * on waiting.
 */
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "peer/peer.h"

/* ---- Words -------------------------------------------------------------- */

void bad_script(const char *fmt, ...)
{
    va_list ap;

    fputs("script: ", stdout);
    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
    putchar('\n');
    exit(2);
}

void word_parse(struct word *w, const char *text)
{
    char *p, *save = NULL, *arg;

    if ( snprintf(w->text, sizeof(w->text), "%s", text) >=
         (int)sizeof(w->text) )
        bad_script("too long a word");
    w->name = w->text;
    w->nr = 0;
    p = strchr(w->text, ':');
    if ( !p )
        return;
    *p++ = '\0';
    for ( arg = strtok_r(p, ",", &save); arg;
          arg = strtok_r(NULL, ",", &save) )
    {
        if ( w->nr == ARGS_MAX )
            bad_script("too many arguments");
        p = strchr(arg, '=');
        if ( p )
            *p++ = '\0';
        w->arg[w->nr].key = arg;
        w->arg[w->nr].value = p ? p : "";
        w->arg[w->nr++].used = false;
    }
}

const char *word_get(struct word *w, const char *key)
{
    unsigned int i;

    for ( i = 0; i < w->nr; i++ )
        if ( !strcmp(w->arg[i].key, key) )
        {
            w->arg[i].used = true;
            return w->arg[i].value;
        }

    return NULL;
}

uint64_t word_num(struct word *w, const char *key, uint64_t otherwise)
{
    const char *v = word_get(w, key);

    return v ? strtoull(v, NULL, 0) : otherwise;
}

/* ---- Connections -------------------------------------------------------- */

int link_open(struct peer *p, int fd, unsigned int n, enum wire_role role,
              unsigned int lane)
{
    struct chan_tuning tuning = { .nodelay = true };
    char name[16];
    struct chan *chan;
    int rc;

    snprintf(name, sizeof(name), "link %u", n);
    chan_tune(fd, &tuning);
    rc = chan_open(fd, false, name, NULL, NULL, &chan);
    if ( !rc )
        rc = conn_open(chan, role, lane, &p->err, &p->links[n].conn);
    if ( rc )
        bad_script("out of memory");
    chan_set_io_timeout(chan, PATIENCE_US);

    return 0;
}

void link_close(struct peer *p, unsigned int n)
{
    conn_close(p->links[n].conn);
    p->links[n].conn = NULL;
}

static int dial(struct peer *p, unsigned int n, enum wire_role role,
                unsigned int lane)
{
    int fd, rc;

    p->cur = n;
    if ( p->links[n].conn )
        return 0;
    rc = chan_connect(p->host, p->port, deadline_in(PATIENCE_US), NULL,
                      &p->err, &fd, NULL);
    if ( rc )
        bad_script("%s", p->err.rec.text);

    return link_open(p, fd, n, role, lane);
}

bool link_says(struct peer *p, const struct wire_record *rec)
{
    struct wire_error r;
    int rc;

    if ( rec->type != WIRE_ERROR && rec->type != WIRE_REFUSED )
        return false;
    rc = rec->type == WIRE_ERROR
         ? wire_error_decode(rec->body, rec->length, &p->err, &r)
         : wire_refused_decode(rec->body, rec->length, &p->err, &r);
    printf("says: %s\n", rc ? p->err.rec.text : r.text);

    return true;
}

/* ---- Hearing ------------------------------------------------------------ */

static int expect(struct peer *p, const char *name)
{
    struct conn *c = p->links[p->cur].conn;
    struct wire_outcome o;
    struct wire_record rec;
    struct wire_hello h;
    char plain[32];
    uint32_t type;
    int rc;

    snprintf(plain, sizeof(plain), "%.*s", (int)strlen(name) - 1, name);
    if ( !record_known(plain, &type) )
        bad_script("no record \"%s\"", plain);
    if ( !c )
        return -ENOTCONN;
    do {
        rc = conn_recv(c, &rec);
        if ( rc )
            return rc;
        if ( rec.type == type )
        {
            if ( type == WIRE_HELLO && p->cur == LINK_CONTROL && !p->dest &&
                 !wire_hello_decode(rec.body, rec.length, &p->err, &h) )
                memcpy(p->token, h.token, sizeof(p->token));
            if ( type == WIRE_OUTCOME &&
                 !wire_outcome_decode(rec.body, rec.length, &p->err, &o) )
                printf("outcome: %u %s\n", o.outcome, o.text);
            return 0;
        }
        if ( link_says(p, &rec) )
            return -ECANCELED;
    } while ( rec.type == WIRE_ALIVE || rec.type == WIRE_ROUND_ACK );
    printf("got: %s where %s was due\n",
           wire_name(rec.type) ? wire_name(rec.type) : "?", plain);

    return -EPROTO;
}

/* Until every connection has been closed by the other end. */
static int hear_out(struct peer *p)
{
    uint64_t until_us = deadline_in(PATIENCE_US);
    static uint8_t sink[1 << 16];
    struct pollfd pfd[NR_LINKS];
    struct wire_record rec;
    unsigned int i, open;
    int rc;

    for ( ; ; )
    {
        for ( i = open = 0; i < NR_LINKS; i++ )
        {
            open += !!p->links[i].conn;
            pfd[i].fd = p->links[i].conn ? chan_fd(p->links[i].conn->chan)
                                         : -1;
            pfd[i].events = POLLIN;
        }
        if ( !open )
            return 0;
        if ( deadline_passed(until_us) || poll(pfd, NR_LINKS, 1000) < 0 )
            return -ETIMEDOUT;
        for ( i = 0; i < NR_LINKS; i++ )
        {
            if ( !pfd[i].revents )
                continue;
            if ( p->links[i].conn->rx_pages_left )
                rc = read(pfd[i].fd, sink, sizeof(sink)) > 0 ? 0 : -ENODATA;
            else
                rc = conn_recv(p->links[i].conn, &rec);
            if ( rc )
                link_close(p, i);
            else if ( !p->links[i].conn->rx_pages_left )
                link_says(p, &rec);
        }
    }
}

/* Until the other end has gone; nothing is read. */
static int deaf(struct peer *p)
{
    struct pollfd pfd = { .events = POLLRDHUP };

    if ( !p->links[p->cur].conn )
        return -ENOTCONN;
    pfd.fd = chan_fd(p->links[p->cur].conn->chan);

    return poll(&pfd, 1, PATIENCE_US / 1000) > 0 ? 0 : -ETIMEDOUT;
}

/* Send the record again and again, until the socket takes no more for a
 * while or the other end has gone. */
static int flood(struct peer *p, const struct word *how)
{
    struct conn *c = p->links[p->cur].conn;
    struct word *w = malloc(sizeof(*w));
    int rc = 0;

    if ( !c )
        return -ENOTCONN;
    chan_set_io_timeout(c->chan, US_PER_S);
    while ( !rc )
    {
        word_parse(w, how->nr ? how->arg[0].key : "alive");
        rc = record_send(p, w);
        if ( w->name[0] == 'r' && !strcmp(w->name, "roundend") )
            p->round++;
    }
    free(w);

    return rc;
}

/* ---- The script --------------------------------------------------------- */

static void drop(struct peer *p, unsigned int from)
{
    unsigned int i;

    for ( i = from; i < NR_LINKS; i++ )
        link_close(p, i);
}

static int garbage(struct peer *p, const struct word *w)
{
    static uint8_t buf[1 << 16];
    size_t len = w->nr ? strtoul(w->arg[0].key, NULL, 0) : 64, i;

    for ( i = 0; i < sizeof(buf); i++ )
        buf[i] = (uint8_t)(i * 131 + 7);

    return chan_write(p->links[p->cur].conn->chan, buf,
                      len < sizeof(buf) ? len : sizeof(buf));
}

static int step(struct peer *p, const char *text)
{
    struct word *w = malloc(sizeof(*w));
    unsigned int n;
    uint32_t type;
    int rc = 0;

    word_parse(w, text);
    n = w->nr ? (unsigned int)strtoul(w->arg[0].key, NULL, 0) : 0;
    if ( strchr(w->name, '?') )
        rc = expect(p, w->name);
    else if ( record_known(w->name, &type) )
        rc = record_send(p, w);
    else if ( !strcmp(w->name, "connect") || !strcmp(w->name, "ctl") )
        rc = p->dest ? (int)(p->cur = 0) : dial(p, 0, WIRE_CONTROL, 0);
    else if ( !strcmp(w->name, "lane") )
        rc = p->dest ? (p->cur = LINK_LANE(n), 0)
                     : dial(p, LINK_LANE(n), WIRE_BULK, n);
    else if ( !strcmp(w->name, "query") || !strcmp(w->name, "ask") )
        rc = dial(p, LINK_QUERY, WIRE_QUERY, 0);
    else if ( !strcmp(w->name, "zeros") )
        rc = records_zeros(p, w);
    else if ( !strcmp(w->name, "next") )
        p->round++;
    else if ( !strcmp(w->name, "until") )
        rc = tame_until(p, w->arg[0].key, w->nr > 1 ? (unsigned int)
                        strtoul(w->arg[1].key, NULL, 0) : 1);
    else if ( !strcmp(w->name, "answer") )
        snprintf(p->answer, sizeof(p->answer), "%s", strchr(text, ':') + 1);
    else if ( !strcmp(w->name, "garbage") )
        rc = garbage(p, w);
    else if ( !strcmp(w->name, "flood") )
        rc = flood(p, w);
    else if ( !strcmp(w->name, "deaf") )
        rc = deaf(p);
    else if ( !strcmp(w->name, "hang") )
        poll(NULL, 0, PATIENCE_US / 1000);
    else if ( !strcmp(w->name, "halfclose") )
        chan_shut_write(p->links[p->cur].conn->chan);
    else if ( !strcmp(w->name, "droplanes") )
        drop(p, LINK_LANE(0));
    else if ( !strcmp(w->name, "drop") || !strcmp(w->name, "close") )
    {
        drop(p, 0);
        if ( w->name[0] == 'c' && p->listen_fd >= 0 )
        {
            close(p->listen_fd);
            p->listen_fd = -1;
        }
    }
    else
        bad_script("no word \"%s\"", w->name);
    free(w);

    return rc;
}

int main(int argc, char **argv)
{
    struct peer p = { .host = "127.0.0.1", .listen_fd = -1 };
    int i, rc = 0;

    setvbuf(stdout, NULL, _IOLBF, 0);
    err_init(&p.err);
    ident_random(p.id);
    ident_random(p.boot);
    if ( argc > 3 && !strcmp(argv[1], "source") )
    {
        p.port = (uint16_t)strtoul(argv[2], NULL, 10);
        p.domid = (uint32_t)strtoul(argv[3], NULL, 10);
        subject_init(&p);
        dial(&p, 0, WIRE_CONTROL, 0);
        i = 4;
    }
    else if ( argc > 1 && !strcmp(argv[1], "dest") )
    {
        p.dest = true;
        ident_random(p.token);
        if ( chan_listen("127.0.0.1", 0, &p.err, &p.listen_fd) ||
             chan_local_port(p.listen_fd, &p.port) )
            bad_script("%s", p.err.rec.text);
        printf("port: %u\n", p.port);
        i = 2;
    }
    else
        bad_script("what?");

    for ( ; i < argc && !rc; i++ )
        rc = step(&p, argv[i]);
    if ( rc )
        printf("stopped at %s: %s\n", argv[i - 1], strerror(-rc));
    rc = hear_out(&p);
    if ( rc )
        printf("still there: %s\n", strerror(-rc));

    drop(&p, 0);
    if ( p.listen_fd >= 0 )
        close(p.listen_fd);
    subject_done(&p);
    err_done(&p.err);

    return rc ? 4 : 0;
}
