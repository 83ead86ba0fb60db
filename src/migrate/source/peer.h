/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The other host, as a source reaches it: an address of TCP, or a command
 * (ssh) that is run once for each connection.  What the connection is for is
 * in its HELLO, so the command is the same for all of them.
 */
#ifndef XMIG_PEER_H
#define XMIG_PEER_H

#include "chan_command.h"
#include "conn.h"
#include "journal.h"
#include "longlink.h"
#include "session.h"

#define PEER_HOST_MAX 256

struct peer
{
    /* As in the journal: "host:port", or "|" and the command. */
    char text[JOURNAL_PEER_MAX];
    char host[PEER_HOST_MAX];    /* TCP; "" = a command */
    uint16_t port;
    char label[96];              /* for messages */
};

/* -EINVAL: too long, or malformed; e says so.  Thread: any. */
int peer_set_tcp(struct peer *p, const char *host, uint16_t port,
                 struct err *e);
int peer_set_command(struct peer *p, const char *command, struct err *e);
/* A journal's text. */
int peer_parse(struct peer *p, const char *text);

static inline bool peer_is_command(const struct peer *p)
{
    return p->text[0] == '|';
}

/* The connections to a peer, with the commands that carry them. */
struct peer_links
{
    /* set at the start, then read-only */
    const struct session *s;
    const struct peer *peer;
    const struct cancel *cancel; /* of what is opened; may be NULL */
    uint64_t patience_us;        /* with a command's answer */
    /* one thread */
    struct longlink plan;        /* for bulk connections over TCP */
    bool no_farewell;            /* the peer is not there: don't wait for the
                                    commands to end by themselves */
    unsigned int nr;
    struct peer_link
    {
        const struct conn *conn; /* not owned */
        struct chan_command *command;
    } list[WIRE_LANES_MAX + 3];
};

void peer_links_init(struct peer_links *l, const struct session *s,
                     const struct peer *p, const struct cancel *cancel);
/* Connect, or start the command. */
int peer_open(struct peer_links *l, enum wire_role role, unsigned int lane,
              struct err *e, struct conn **ret);
/* All bulk connections, side by side: one after the other would take a round
 * trip each.  What could be opened is in lanes[] also on failure. */
int peer_open_lanes(struct peer_links *l, unsigned int nr, struct err *e,
                    struct conn **lanes);
/*
 * Exchange HELLO on what peer_open() opened.  A command that ends instead, or
 * says something else, is told with its last words.
 * peer_hello_send() before it sends ours without waiting for theirs.
 */
int peer_hello_send(struct peer_links *l, struct conn *c, const uint8_t *id,
                    const uint8_t *token, struct err *e);
int peer_hello(struct peer_links *l, struct conn *c, const uint8_t *id,
               const uint8_t *token, struct err *e,
               struct wire_hello *ret_theirs, uint64_t *ret_caps);
/* A connection broke: say how its command ended, if one did. */
void peer_explain(struct peer_links *l, struct err *e);
/* The connections are closed: see the commands off. */
void peer_links_done(struct peer_links *l);

#endif
