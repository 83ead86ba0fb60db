/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * xmig_serve_fds(): one connection that is there already, as ssh gives it to
 * the command that it runs.
 *
 * Each connection of a migration comes to a process of its own.  That of the
 * control connection is the receiver; the others, and a post-copy's later one
 * of control, hand theirs over to it (attach.h), and stay only as ssh would
 * end the connection with them.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "recover.h"
#include "serve_attach.h"

struct stdio
{
    struct server sv;
    struct serve_attach attach;
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
    int rc;

    attach_tidy(s->state_dir);
    recover_destinations(s);
    /* Its connections are not ours to take. */
    rc = serve_check_new(&io->sv, id, s->err);
    if ( !rc )
        rc = serve_attach_begin(&io->attach, id, s->err);
    if ( rc )
    {
        refuse(s, chan);
        return rc;
    }
    /* It has been looked at, and recovering takes its time. */
    chan_set_deadline(chan, deadline_in(serve_hello_us(&io->sv)));
    rc = serve_chan(&io->sv, chan, io->attach.peer);
    serve_end(&io->sv);
    serve_attach_end(&io->attach);

    return rc ? rc : io->sv.rc;
}

/*
 * The receiver is another process, or there is none.  A new control connection
 * of a migration that is here is a post-copy's that has lost the one before.
 */
static int hand_over(struct stdio *io, struct chan *chan, const uint8_t *raw,
                     size_t nr, const struct wire_hello *h)
{
    int fd;

    if ( serve_give(&io->sv, chan, raw, nr, h, &fd) )
    {
        if ( h->role == WIRE_CONTROL )
            return receive(io, chan, h->id);
        attach_tidy(io->sv.s.state_dir);
        return serve_chan(&io->sv, chan, io->attach.peer);
    }
    chan_close(chan);
    cancel_poll(io->sv.s.stop, fd, POLLIN, DEADLINE_NEVER);
    close(fd);

    return 0;
}

int xmig_serve_fds(struct xmig *x, int in_fd, int out_fd,
                   xmig_served_fn *on_end, void *data)
{
    struct stdio io = { .attach = { .sv = &io.sv } };
    uint8_t raw[CHAN_UNREAD_MAX];
    struct chan *chan = NULL;
    struct wire_hello h;
    size_t nr;
    int rc;

    rc = session_begin(x);
    if ( rc )
        return rc;
    serve_init(&io.sv, x, true, on_end, data);
    find_peer(io.attach.peer);
    rc = session_host(&io.sv.s);
    if ( !rc )
        rc = chan_open_pair(in_fd, out_fd, io.attach.peer, io.sv.s.stop,
                            io.sv.s.err, &chan);
    if ( rc )
    {
        close(in_fd);
        close(out_fd);
        goto out;
    }
    chan_set_deadline(chan, deadline_in(serve_hello_us(&io.sv)));
    rc = serve_look(chan, raw, &nr, &h);
    if ( rc )
        chan_close(chan);
    else
        rc = hand_over(&io, chan, raw, nr, &h);

out:
    serve_done(&io.sv);
    cancel_lower(&x->stop);

    return session_end(x, rc);
}
