/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * A connection of the session: records over a channel, with their sequence
 * numbers and checksums.
 *
 * PAGES records are read in parts, so that the pages go straight to where
 * they belong: conn_recv() returns after the head and the runs, and the
 * caller reads the pages from the channel before the next record.
 *
 * Thread: as the channel: one sender and one receiver at a time.
 */
#ifndef XMIG_CONN_H
#define XMIG_CONN_H

#include "chan.h"
#include "wire.h"

struct conn
{
    struct chan *chan;           /* owned */
    enum wire_role role;
    unsigned int lane;
    struct err *err;
    /* sender */
    uint32_t tx_seq;
    /* receiver */
    uint32_t rx_seq;
    uint64_t rx_pages_left;      /* bytes of pages not read yet */
    void *buf;                   /* grows as needed, bounded by the limits */
    size_t room;
};

/* chan is the connection's from success on. */
int conn_open(struct chan *chan, enum wire_role role, unsigned int lane,
              struct err *e, struct conn **ret_conn);
void conn_close(struct conn *c);
/* The role is known only after HELLO, at the accepting end. */
void conn_set_role(struct conn *c, enum wire_role role, unsigned int lane);

/* Send a record; body and length as the encode functions made them. */
int conn_send(struct conn *c, uint32_t type, const void *body, size_t len);
/* A record without a body. */
int conn_send_empty(struct conn *c, uint32_t type);
/*
 * Send PAGES: meta (from wire_pages_encode()), then nr_data pages which iov
 * holds in order (iov is used up).
 */
int conn_send_pages(struct conn *c, const void *meta, size_t meta_len,
                    struct iovec *iov, size_t nr_iov, uint32_t nr_data);

/*
 * Receive the next record; the body lives until the next call.  Of PAGES
 * only head and runs are there (rec->length still is the whole): read the
 * pages with conn_read_pages().
 *   -EPROTO, and all of chan_read()
 */
int conn_recv(struct conn *c, struct wire_record *ret_rec);
/* Read from the pages of the batch just received, all of iov (used up). */
int conn_read_pages(struct conn *c, struct iovec *iov, size_t nr_iov);
/*
 * Receive a record that must be of this type.  An ERROR record instead is
 * recorded as the peer's words ("the destination says: ...") and its code
 * returned; an ECHO is answered, and the next record looked at; another type
 * is -EPROTO.
 */
int conn_expect(struct conn *c, uint32_t type, struct wire_record *ret_rec);
/* Record an ERROR record's content in the connection's err; returns the
 * code, never 0. */
int conn_peer_error(struct conn *c, const struct wire_record *rec);
/* Tell the peer of a failure, best effort: no error of its own. */
void conn_send_error(struct conn *c, int rc, enum xmig_guest guest,
                     const char *text);

#endif
