/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Records over a channel: headers, sequence numbers, checksums, and the
 * buffer that bodies are read into.
 *
 * A body's length has been checked against its limit when the buffer is made
 * as large as that.
 */
#include "conn.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_ROOM 4096u

int conn_open(struct chan *chan, enum wire_role role, unsigned int lane,
              struct err *e, struct conn **ret_conn)
{
    struct conn *c = calloc(1, sizeof(*c));

    if ( c )
        c->buf = malloc(FIRST_ROOM);
    if ( !c || !c->buf )
    {
        free(c);
        return err_set(e, -ENOMEM, "%s: out of memory", chan_name(chan));
    }
    c->room = FIRST_ROOM;
    c->chan = chan;
    c->err = e;
    conn_set_role(c, role, lane);
    *ret_conn = c;

    return 0;
}

void conn_close(struct conn *c)
{
    if ( !c )
        return;
    chan_close(c->chan);
    free(c->buf);
    free(c);
}

void conn_set_role(struct conn *c, enum wire_role role, unsigned int lane)
{
    c->role = role;
    c->lane = lane;
}

/* ---- Sending ------------------------------------------------------------ */

/* One record.  One that was held up before it left, by a cancel, is none:
 * what says why comes in its place. */
static int write_record(struct conn *c, struct iovec *iov, size_t nr)
{
    int rc = chan_writev(c->chan, iov, nr);

    if ( !rc )
        c->tx_seq++;

    return rc;
}

int conn_send(struct conn *c, uint32_t type, const void *body, size_t len)
{
    uint8_t hdr[WIRE_HDR_BYTES];
    struct iovec iov[2] = {
        { .iov_base = hdr, .iov_len = sizeof(hdr) },
        { .iov_base = (void *)body, .iov_len = len },
    };

    wire_hdr_encode(hdr, type, (uint32_t)len, c->tx_seq, body, len);

    return write_record(c, iov, len ? 2 : 1);
}

int conn_send_empty(struct conn *c, uint32_t type)
{
    return conn_send(c, type, NULL, 0);
}

int conn_send_pages(struct conn *c, const void *meta, size_t meta_len,
                    struct iovec *iov, size_t nr_iov, uint32_t nr_data)
{
    uint8_t head[WIRE_HDR_BYTES];
    struct iovec small[2] = {
        { .iov_base = head, .iov_len = sizeof(head) },
        { .iov_base = (void *)meta, .iov_len = meta_len },
    };
    struct iovec *all;
    int rc;

    wire_hdr_encode(head, WIRE_PAGES, (uint32_t)meta_len + nr_data * 4096u,
                    c->tx_seq, meta, meta_len);
    if ( !nr_iov )
        return write_record(c, small, 2);
    /* One system call, and one segment less, for all of it. */
    all = malloc((nr_iov + 2) * sizeof(*all));
    if ( !all )
        return err_set(c->err, -ENOMEM, "%s: out of memory",
                       chan_name(c->chan));
    memcpy(all, small, sizeof(small));
    memcpy(all + 2, iov, nr_iov * sizeof(*iov));
    rc = write_record(c, all, nr_iov + 2);
    free(all);

    return rc;
}

void conn_send_error(struct conn *c, int rc, enum xmig_guest guest,
                     const char *text)
{
    uint8_t body[8 + WIRE_TEXT_MAX];
    struct wire_error r = {
        .code = rc < 0 && rc >= -4095 ? (uint32_t)-rc : EIO,
        .guest = guest,
    };
    struct err *keep = c->err;
    size_t len;

    strncpy(r.text, text, sizeof(r.text) - 1);
    if ( wire_error_encode(&r, body, sizeof(body), &len) )
        return;
    /* That the peer cannot be told is not why we failed. */
    chan_set_err(c->chan, NULL);
    conn_send(c, WIRE_ERROR, body, len);
    chan_set_err(c->chan, keep);
}

/* ---- Receiving ---------------------------------------------------------- */

static int make_room(struct conn *c, size_t want)
{
    void *buf;

    if ( want <= c->room )
        return 0;
    buf = realloc(c->buf, want);
    if ( !buf )
        return err_set(c->err, -ENOMEM, "%s: out of memory for a record of "
                       "%zu bytes", chan_name(c->chan), want);
    c->buf = buf;
    c->room = want;

    return 0;
}

/* What was recorded is about bytes; say of which connection. */
static int broken(struct conn *c, int rc)
{
    if ( rc == -EPROTO )
        err_wrap(c->err, rc, "%s", chan_name(c->chan));

    return rc;
}

/* Head and runs of PAGES; the rest stays in the channel. */
static int recv_pages_meta(struct conn *c, const struct wire_hdr *hdr,
                           size_t *ret_len)
{
    struct wire_pages_head h;
    size_t len;
    int rc;

    rc = chan_read(c->chan, c->buf, WIRE_PAGES_HEAD_BYTES);
    if ( rc )
        return rc;
    rc = wire_pages_head_decode(c->buf, hdr->length, c->err, &h);
    if ( rc )
        return rc;
    len = wire_pages_meta_bytes(h.nr_runs);
    rc = make_room(c, len);
    if ( rc )
        return rc;
    rc = chan_read(c->chan, (char *)c->buf + WIRE_PAGES_HEAD_BYTES,
                   len - WIRE_PAGES_HEAD_BYTES);
    if ( rc )
        return rc;
    c->rx_pages_left = hdr->length - len;
    *ret_len = len;

    return 0;
}

int conn_recv(struct conn *c, struct wire_record *ret_rec)
{
    uint8_t in[WIRE_HDR_BYTES];
    struct wire_hdr hdr;
    size_t covered;
    int rc;

    if ( c->rx_pages_left )
        return err_set(c->err, -EINVAL, "internal error: %s: pages of the "
                       "last batch are still unread", chan_name(c->chan));
    rc = chan_read(c->chan, in, sizeof(in));
    if ( !rc )
        rc = wire_hdr_decode(in, c->role, c->rx_seq, c->err, &hdr);
    if ( rc )
        return broken(c, rc);
    c->rx_seq++;
    covered = hdr.length;
    if ( hdr.type == WIRE_PAGES )
        rc = recv_pages_meta(c, &hdr, &covered);
    else
    {
        rc = make_room(c, hdr.length);
        if ( !rc && hdr.length )
            rc = chan_read(c->chan, c->buf, hdr.length);
    }
    if ( !rc )
        rc = wire_crc_check(&hdr, c->buf, covered, c->err);
    if ( rc )
        return broken(c, rc);
    ret_rec->type = hdr.type;
    ret_rec->length = hdr.length;
    ret_rec->body = c->buf;

    return 0;
}

int conn_read_pages(struct conn *c, struct iovec *iov, size_t nr_iov)
{
    size_t sum = 0, i;
    int rc;

    for ( i = 0; i < nr_iov; i++ )
        sum += iov[i].iov_len;
    if ( sum > c->rx_pages_left )
        return err_set(c->err, -EINVAL, "internal error: %s: more pages asked "
                       "for than the batch has", chan_name(c->chan));
    rc = chan_readv(c->chan, iov, nr_iov);
    if ( !rc )
        c->rx_pages_left -= sum;

    return rc;
}

int conn_peer_error(struct conn *c, const struct wire_record *rec)
{
    struct wire_error r;
    int rc;

    rc = rec->type == WIRE_REFUSED
         ? wire_refused_decode(rec->body, rec->length, c->err, &r)
         : wire_error_decode(rec->body, rec->length, c->err, &r);
    if ( rc )
        return broken(c, rc);

    return err_set(c->err, wire_code_to_rc(r.code), "%s says: %s",
                   chan_name(c->chan), r.text[0] ? r.text : "no reason");
}

int conn_expect(struct conn *c, uint32_t type, struct wire_record *ret_rec)
{
    struct wire_record rec;
    const char *got, *want;
    int rc;

    rc = conn_recv(c, &rec);
    while ( !rc && rec.type == WIRE_ECHO && type != WIRE_ECHO )
    {
        rc = conn_send_empty(c, WIRE_ECHO);
        if ( !rc )
            rc = conn_recv(c, &rec);
    }
    if ( rc )
        return rc;
    if ( rec.type == WIRE_ERROR && type != WIRE_ERROR )
        return conn_peer_error(c, &rec);
    if ( rec.type != type )
    {
        got = wire_name(rec.type);
        want = wire_name(type);
        return err_set(c->err, -EPROTO, "%s: record %s came where %s was due",
                       chan_name(c->chan), got ? got : "of a mechanism",
                       want ? want : "of a mechanism");
    }
    *ret_rec = rec;

    return 0;
}
