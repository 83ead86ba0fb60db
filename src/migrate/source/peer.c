/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Reaching the other host: see peer.h.
 */
#include "peer.h"

#include <ctype.h>
#include <endian.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hello.h"

/* A command whose connection has ended may take so long to end itself. */
#define FAREWELL_US (5 * US_PER_S)
/* The same where only its status is of interest. */
#define STATUS_US   (2 * US_PER_S)
/* The rest of a line that is no answer. */
#define BANNER_US   (200 * US_PER_MS)

/* ---- Who it is ---------------------------------------------------------- */

int peer_set_tcp(struct peer *p, const char *host, uint16_t port,
                 struct err *e)
{
    memset(p, 0, sizeof(*p));
    if ( !*host || strlen(host) >= sizeof(p->host) )
        return err_set(e, -EINVAL, "a host's name has 1 to %zu bytes",
                       sizeof(p->host) - 1);
    snprintf(p->host, sizeof(p->host), "%s", host);
    p->port = port;
    snprintf(p->text, sizeof(p->text), "%s:%u", host, port);
    snprintf(p->label, sizeof(p->label), "%s", host);

    return 0;
}

int peer_set_command(struct peer *p, const char *command, struct err *e)
{
    memset(p, 0, sizeof(*p));
    if ( !*command || strlen(command) + 1 >= sizeof(p->text) ||
         command[err_control_at(command, strlen(command))] )
        return err_set(e, -EINVAL, "a transport command has 1 to %zu bytes, "
                       "and no control characters", sizeof(p->text) - 2);
    snprintf(p->text, sizeof(p->text), "|%s", command);
    /* What the shell is told about itself helps nobody. */
    snprintf(p->label, sizeof(p->label), "\"%s\"",
             strncmp(command, "exec ", 5) ? command : command + 5);
    if ( p->label[strlen(p->label) - 1] != '"' )
        memcpy(p->label + sizeof(p->label) - 5, "...\"", 5);

    return 0;
}

int peer_parse(struct peer *p, const char *text)
{
    const char *colon = strrchr(text, ':');
    char host[PEER_HOST_MAX], *end;
    unsigned long port;

    if ( text[0] == '|' )
        return peer_set_command(p, text + 1, NULL);
    if ( !colon || colon == text ||
         (size_t)(colon - text) >= sizeof(host) ||
         !isdigit((unsigned char)colon[1]) )
        return -EINVAL;
    port = strtoul(colon + 1, &end, 10);
    if ( *end || !port || port > UINT16_MAX )
        return -EINVAL;
    snprintf(host, sizeof(host), "%.*s", (int)(colon - text), text);

    return peer_set_tcp(p, host, (uint16_t)port, NULL);
}

/* ---- Opening ------------------------------------------------------------ */

void peer_links_init(struct peer_links *l, const struct session *s,
                     const struct peer *p, const struct cancel *cancel)
{
    memset(l, 0, sizeof(*l));
    l->s = s;
    l->peer = p;
    l->cancel = cancel;
    l->patience_us = opt_u64(s->opts, NULL, "ssh-timeout");
}

static int open_tcp(const struct peer_links *l, enum wire_role role,
                    struct err *e, int *ret_fd, char *ret_name)
{
    const struct optset *opts = l->s->opts;
    struct chan_tuning tuning = {
        .nodelay = true,
        .dead_after_ms = opt_u64(opts, NULL, "io-timeout") / US_PER_MS,
        .congestion = CHAN_CONGESTION_FEW,
    };
    int rc = chan_connect(l->peer->host, l->peer->port,
                          deadline_in(opt_u64(opts, NULL,
                                              "connect-timeout")),
                          l->cancel, e, ret_fd, ret_name);

    if ( !rc )
    {
        if ( role == WIRE_BULK )
        {
            tuning.sndbuf_start_bytes = l->plan.buffer_bytes;
            tuning.lowat_bytes = l->plan.unsent_bytes;
            tuning.congestion = l->plan.congestion;
        }
        chan_tune(*ret_fd, &tuning);
    }

    return rc;
}

static void link_name(char *name, size_t room, enum wire_role role,
                      unsigned int lane, const char *how, const char *peer)
{
    switch ( role )
    {
    case WIRE_BULK:
        snprintf(name, room, "lane %u %s %s", lane, how, peer);
        break;
    case WIRE_FAULT:
        snprintf(name, room, "fault connection %s %s", how, peer);
        break;
    case WIRE_QUERY:
        snprintf(name, room, "query %s %s", how, peer);
        break;
    default:
        snprintf(name, room, "connection %s %s", how, peer);
        break;
    }
}

/* fd, and its command if there is one, become a connection. */
static int add_link(struct peer_links *l, enum wire_role role,
                    unsigned int lane, int fd, struct chan_command *command,
                    const char *peer, struct err *e, struct conn **ret)
{
    struct chan *chan = NULL;
    char name[160];
    int rc;

    l->list[l->nr].conn = NULL;
    l->list[l->nr++].command = command;

    link_name(name, sizeof(name), role, lane, command ? "by" : "to",
              command ? l->peer->label : peer);
    rc = chan_open(fd, false, name, l->cancel, e, &chan);
    if ( rc )
    {
        close(fd);
        return rc;
    }
    chan_set_io_timeout(chan, opt_u64(l->s->opts, NULL, "io-timeout"));
    rc = conn_open(chan, role, lane, e, ret);
    if ( rc )
        chan_close(chan);
    else
        l->list[l->nr - 1].conn = *ret;

    return rc;
}

static int has_room(const struct peer_links *l, unsigned int nr,
                    struct err *e)
{
    if ( l->nr + nr <= sizeof(l->list) / sizeof(l->list[0]) )
        return 0;

    return err_set(e, -EMFILE, "internal error: too many connections");
}

int peer_open(struct peer_links *l, enum wire_role role, unsigned int lane,
              struct err *e, struct conn **ret)
{
    struct chan_command *command = NULL;
    char peer[CHAN_PEER_TEXT] = "";
    int fd = -1, rc;

    rc = has_room(l, 1, e);
    if ( rc )
        return rc;
    if ( peer_is_command(l->peer) )
        rc = chan_command_start(l->peer->text + 1, l->s->x->on_remote,
                                l->s->x->remote_data, e, &command, &fd);
    else
        rc = open_tcp(l, role, e, &fd, peer);

    return rc ? rc : add_link(l, role, lane, fd, command, peer, e, ret);
}

/* One of several connects. */
struct connecting
{
    const struct peer_links *l;
    pthread_t thread;
    struct err err;
    int fd, rc;
    char peer[CHAN_PEER_TEXT];
};

static void *connecting_main(void *arg)
{
    struct connecting *c = arg;

    c->rc = open_tcp(c->l, WIRE_BULK, &c->err, &c->fd, c->peer);

    return NULL;
}

int peer_open_lanes(struct peer_links *l, unsigned int nr, struct err *e,
                    struct conn **lanes)
{
    struct connecting c[WIRE_LANES_MAX] = { 0 };
    unsigned int i, made;
    int rc = has_room(l, nr, e);

    if ( rc || nr == 1 || peer_is_command(l->peer) )
    {
        for ( i = 0; !rc && i < nr; i++ )
            rc = peer_open(l, WIRE_BULK, i, e, &lanes[i]);
        return rc;
    }

    for ( made = 0; !rc && made < nr; made++ )
    {
        c[made].l = l;
        c[made].fd = -1;
        err_init(&c[made].err);
        rc = -pthread_create(&c[made].thread, NULL, connecting_main,
                             &c[made]);
        if ( rc )
        {
            err_done(&c[made].err);
            err_set(e, rc, "make a thread to connect: %s", err_text(rc));
            break;
        }
    }
    for ( i = 0; i < made; i++ )
    {
        pthread_join(c[i].thread, NULL);
        if ( c[i].rc && !rc )
        {
            rc = c[i].rc;
            err_take(e, &c[i].err);
        }
        err_done(&c[i].err);
        if ( !c[i].rc && rc )
            close(c[i].fd);
        else if ( !c[i].rc )
            rc = add_link(l, WIRE_BULK, i, c[i].fd, NULL, c[i].peer, e,
                          &lanes[i]);
    }

    return rc;
}

/* ---- HELLO -------------------------------------------------------------- */

static struct chan_command *command_of(struct peer_links *l,
                                       const struct conn *c)
{
    unsigned int i;

    for ( i = 0; i < l->nr; i++ )
        if ( l->list[i].conn == c )
            return l->list[i].command;

    return NULL;
}

static bool is_answer(const char first[4])
{
    uint32_t type;

    memcpy(&type, first, sizeof(type));
    type = le32toh(type);

    return type == WIRE_HELLO || type == WIRE_ERROR;
}

/*
 * A shell may print a greeting into what was to be a connection.  Tell that
 * from a peer that speaks the protocol badly.
 */
static int look_at_answer(struct peer_links *l, struct conn *c, struct err *e)
{
    char line[80];
    size_t used = 4, got, at;
    int rc;

    rc = chan_read(c->chan, line, 4);
    if ( rc )
        return rc;
    if ( is_answer(line) )
    {
        chan_unread(c->chan, line, 4);
        return 0;
    }
    chan_set_err(c->chan, NULL);
    chan_set_deadline(c->chan, deadline_in(BANNER_US));
    while ( used < sizeof(line) - 1 && !memchr(line, '\n', used) &&
            !chan_read_some(c->chan, line + used, sizeof(line) - 1 - used,
                            &got) && got )
        used += got;
    line[used] = '\0';
    line[strcspn(line, "\r\n")] = '\0';
    while ( line[at = err_control_at(line, strlen(line))] )
        line[at] = '?';

    return err_set(e, -EPROTO, "%s wrote \"%s\" where \"xmig receive "
                   "--stdio\" was to answer: nothing but that may write to "
                   "its standard output, no shell's start-up file either",
                   l->peer->label, line);
}

static bool is_loss(int rc)
{
    return rc == -ENODATA || rc == -EPIPE || rc == -ECONNRESET;
}

/* It gave no answer.  Why? */
static int no_answer(struct peer_links *l, struct chan_command *command,
                     int rc, struct err *e)
{
    char text[CHAN_COMMAND_TEXT];
    int status;

    if ( is_loss(rc) )
        chan_command_wait(command, deadline_in(STATUS_US));
    chan_command_describe(command, text, &status);
    if ( is_loss(rc) && status == 127 )
        return err_set(e, -ENOPKG, "%s %s", l->peer->label, text);
    if ( is_loss(rc) )
        return err_set(e, -ENOTCONN, "%s %s, and gave no answer",
                       l->peer->label, text);
    if ( rc == -ETIMEDOUT )
        return err_set(e, rc, "%s gave no answer within %lu ms and %s",
                       l->peer->label,
                       (unsigned long)(l->patience_us / US_PER_MS), text);

    return rc;
}

int peer_hello_send(struct peer_links *l, struct conn *c, const uint8_t *id,
                    const uint8_t *token, struct err *e)
{
    c->err = e;
    chan_set_err(c->chan, e);

    return hello_send(c, l->s, c->role, c->lane, id, token);
}

int peer_hello(struct peer_links *l, struct conn *c, const uint8_t *id,
               const uint8_t *token, struct err *e,
               struct wire_hello *ret_theirs, uint64_t *ret_caps)
{
    struct chan_command *command = command_of(l, c);
    uint64_t io_us = opt_u64(l->s->opts, NULL, "io-timeout");
    struct err mine;
    int rc = 0;

    err_init(&mine);
    c->err = &mine;
    chan_set_err(c->chan, &mine);
    if ( command )
    {
        /* Somebody may have to type a password first. */
        chan_set_io_timeout(c->chan, 0);
        chan_set_deadline(c->chan, deadline_in(l->patience_us));
    }
    if ( !c->tx_seq )            /* else it has been sent */
        rc = hello_send(c, l->s, c->role, c->lane, id, token);
    if ( !rc && command )
        rc = look_at_answer(l, c, &mine);
    if ( !rc )
        rc = hello_recv(c, l->s, ret_theirs, ret_caps);
    if ( command && (is_loss(rc) || rc == -ETIMEDOUT) )
        rc = no_answer(l, command, rc, e);
    l->no_farewell |= rc;
    if ( rc && err_code(&mine) )
        err_take(e, &mine);
    c->err = e;
    chan_set_err(c->chan, e);
    chan_set_io_timeout(c->chan, io_us);
    chan_set_deadline(c->chan, DEADLINE_NEVER);
    err_done(&mine);

    return rc;
}

/* ---- The end ------------------------------------------------------------ */

void peer_explain(struct peer_links *l, struct err *e)
{
    char text[CHAN_COMMAND_TEXT];
    unsigned int i;
    int status;

    if ( !is_loss(err_code(e)) )
        return;
    for ( i = 0; i < l->nr; i++ )
    {
        if ( !l->list[i].command ||
             !chan_command_wait(l->list[i].command, deadline_in(BANNER_US)) )
            continue;
        chan_command_describe(l->list[i].command, text, &status);
        if ( status )
        {
            err_wrap(e, err_code(e), "%s %s", l->peer->label, text);
            return;
        }
    }
}

void peer_links_done(struct peer_links *l)
{
    uint64_t until_us = deadline_in(l->no_farewell ? 0 : FAREWELL_US);
    unsigned int i;

    for ( i = 0; i < l->nr; i++ )
        chan_command_end(l->list[i].command, until_us);
    l->nr = 0;
}
