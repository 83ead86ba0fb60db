/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * xmig_serve_fds(): one connection that is there already, as ssh gives it to
 * the command that it runs.
 *
 * Each connection of a migration comes to a process of its own.  That of the
 * control connection is the receiver; the others hand theirs over to it
 * (attach.h), and stay only as ssh would end the connection with them.
 */
#include <endian.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "attach.h"
#include "recover.h"
#include "serve.h"

struct stdio
{
    struct server sv;
    struct attach_listener listener;
    char peer[CHAN_PEER_TEXT];
};

struct attached
{
    struct stdio *io;
    int fd;                      /* to the process that hands over */
};

/* ---- Who it is ---------------------------------------------------------- */

/* sshd says from where. */
static void find_peer(char peer[CHAN_PEER_TEXT])
{
    const char *from = getenv("SSH_CONNECTION");
    size_t len = from ? strcspn(from, " ") : 0;

    if ( len && len < CHAN_PEER_TEXT - 8 && err_control_at(from, len) == len )
        snprintf(peer, CHAN_PEER_TEXT, "%.*s by ssh", (int)len, from);
    else
        snprintf(peer, CHAN_PEER_TEXT, "the standard input");
}

/*
 * Look at HELLO, and put it back.  What is none has role WIRE_CONTROL: who
 * serves it finds out what is wrong with it.
 */
static int look(struct chan *chan, uint8_t *raw, size_t *ret_nr,
                struct wire_hello *ret)
{
    uint32_t type, len;
    int rc;

    memset(ret, 0, sizeof(*ret));
    ret->role = WIRE_CONTROL;
    rc = chan_read(chan, raw, WIRE_HDR_BYTES);
    if ( rc )
        return rc;
    *ret_nr = WIRE_HDR_BYTES;
    memcpy(&type, raw, 4);
    memcpy(&len, raw + 4, 4);
    len = le32toh(len);
    if ( le32toh(type) == WIRE_HELLO &&
         len <= CHAN_UNREAD_MAX - WIRE_HDR_BYTES )
    {
        rc = chan_read(chan, raw + WIRE_HDR_BYTES, len);
        if ( rc )
            return rc;
        *ret_nr += len;
        if ( wire_hello_decode(raw + WIRE_HDR_BYTES, len, NULL, ret) )
            ret->role = WIRE_CONTROL;
    }
    chan_unread(chan, raw, *ret_nr);

    return 0;
}

/* ---- The other connections ---------------------------------------------- */

static void *attached_main(void *arg)
{
    struct attached *a = arg;
    struct server *sv = &a->io->sv;
    uint8_t raw[CHAN_UNREAD_MAX];
    struct chan *chan = NULL;
    struct xmig_error rec;
    struct err e;
    int fds[2], rc;
    size_t nr;

    err_init(&e);
    rc = attach_take(a->fd, deadline_in(serve_hello_us(sv)), sv->s.stop, &e,
                     fds, raw, &nr);
    if ( !rc )
    {
        rc = chan_open_pair(fds[0], fds[1], "connection of a lane",
                            sv->s.stop, &e, &chan);
        if ( rc )
        {
            close(fds[0]);
            close(fds[1]);
        }
    }
    if ( !rc )
    {
        chan_unread(chan, raw, nr);
        serve_chan(sv, chan, a->io->peer);
    }
    err_copy(&e, &rec);
    if ( rc && rec.code )
        LOG_WARN(sv->s.logger, "%s", rec.text);
    err_done(&e);
    close(a->fd);
    free(a);
    serve_thread_ends(sv);

    return NULL;
}

/* Until the server is stopped; a stop ends the migration, too. */
static void *listen_main(void *arg)
{
    struct stdio *io = arg;
    struct server *sv = &io->sv;
    struct attached *a;
    int fd, rc;

    for ( ; ; )
    {
        rc = attach_accept(&io->listener, sv->s.stop, NULL, &fd);
        if ( rc == -EACCES )
            continue;
        if ( rc )
            break;
        a = malloc(sizeof(*a));
        if ( a )
        {
            a->io = io;
            a->fd = fd;
            if ( !serve_thread(sv, attached_main, a, io->peer) )
                continue;
        }
        free(a);
        close(fd);
    }
    serve_stop(sv);

    return NULL;
}

/* ---- The receiver ------------------------------------------------------- */

static void refuse(struct session *s, struct chan *chan)
{
    struct xmig_error rec;
    struct conn *c;

    err_copy(s->err, &rec);
    if ( conn_open(chan, WIRE_CONTROL, 0, NULL, &c) )
    {
        chan_close(chan);
        return;
    }
    conn_send_error(c, rec.code, XMIG_GUEST_AT_SOURCE, rec.text);
    conn_close(c);
}

static int receive(struct stdio *io, struct chan *chan, const uint8_t *id)
{
    struct session *s = &io->sv.s;
    pthread_t thread;
    int rc;

    attach_tidy(s->state_dir);
    recover_destinations(s);
    rc = attach_listen(&io->listener, s->state_dir, id, s->err);
    if ( !rc )
        rc = -pthread_create(&thread, NULL, listen_main, io);
    if ( rc )
    {
        err_set(s->err, rc, "receive a migration: %s", err_text(rc));
        refuse(s, chan);
        return rc;
    }
    rc = serve_chan(&io->sv, chan, io->peer);
    serve_end(&io->sv);
    pthread_join(thread, NULL);

    return rc ? rc : io->sv.rc;
}

/* Not the receiver: it is another process, or there is none (any more). */
static int hand_over(struct stdio *io, struct chan *chan, const uint8_t *raw,
                     size_t nr, const struct wire_hello *h)
{
    int fds[2] = { chan_fd(chan), chan_out_fd(chan) }, fd;

    if ( attach_give(io->sv.s.state_dir, h->id, fds, raw, nr, NULL, &fd) )
    {
        attach_tidy(io->sv.s.state_dir);
        return serve_chan(&io->sv, chan, io->peer);
    }
    chan_close(chan);
    cancel_poll(io->sv.s.stop, fd, POLLIN, DEADLINE_NEVER);
    close(fd);

    return 0;
}

int xmig_serve_fds(struct xmig *x, int in_fd, int out_fd,
                   xmig_served_fn *on_end, void *data)
{
    struct stdio io = { .listener = { .fd = -1, .dir_fd = -1 } };
    uint8_t raw[CHAN_UNREAD_MAX];
    struct chan *chan = NULL;
    struct wire_hello h;
    size_t nr;
    int rc;

    rc = session_begin(x);
    if ( rc )
        return rc;
    serve_init(&io.sv, x, true, on_end, data);
    find_peer(io.peer);
    rc = session_host(&io.sv.s);
    if ( !rc )
        rc = chan_open_pair(in_fd, out_fd, io.peer, io.sv.s.stop,
                            io.sv.s.err, &chan);
    if ( rc )
    {
        close(in_fd);
        close(out_fd);
        goto out;
    }
    chan_set_deadline(chan, deadline_in(serve_hello_us(&io.sv)));
    rc = look(chan, raw, &nr, &h);
    if ( rc )
        chan_close(chan);
    else if ( h.role == WIRE_CONTROL )
        rc = receive(&io, chan, h.id);
    else
        rc = hand_over(&io, chan, raw, nr, &h);

out:
    attach_close(&io.listener);
    serve_done(&io.sv);
    cancel_lower(&x->stop);

    return session_end(x, rc);
}
