/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Connections that change the process on their way: see serve_attach.h.
 */
#include "serve_attach.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct attached
{
    struct serve_attach *at;
    int fd;                      /* to the process that hands over */
};

/* ---- Taking ------------------------------------------------------------- */

static void *attached_main(void *arg)
{
    struct attached *a = arg;
    struct server *sv = a->at->sv;
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
        rc = chan_open_pair(fds[0], fds[1], "connection handed over",
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
        chan_set_deadline(chan, deadline_in(serve_hello_us(sv)));
        serve_chan(sv, chan, a->at->peer);
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
    struct serve_attach *at = arg;
    struct server *sv = at->sv;
    struct attached *a;
    int fd, rc;

    for ( ; ; )
    {
        rc = attach_accept(&at->listener, sv->s.stop, NULL, &fd);
        if ( rc == -EACCES || (rc == -ECANCELED && serve_stop(sv)) )
            continue;
        if ( rc )
            break;
        a = malloc(sizeof(*a));
        if ( a )
        {
            a->at = at;
            a->fd = fd;
            if ( !serve_thread(sv, attached_main, a, at->peer) )
                continue;
        }
        free(a);
        close(fd);
    }
    serve_stop(sv);

    return NULL;
}

int serve_attach_begin(struct serve_attach *at, const uint8_t id[IDENT_BYTES],
                       struct err *e)
{
    int rc = attach_listen(&at->listener, at->sv->s.state_dir, id, e);

    if ( rc )
        return rc;
    rc = -pthread_create(&at->thread, NULL, listen_main, at);
    if ( rc )
    {
        attach_close(&at->listener);
        return err_set(e, rc, "take the connections of a migration: %s",
                       err_text(rc));
    }

    return 0;
}

void serve_attach_end(struct serve_attach *at)
{
    pthread_join(at->thread, NULL);
    attach_close(&at->listener);
}

/* ---- Giving ------------------------------------------------------------- */

int serve_look(struct chan *chan, uint8_t raw[CHAN_UNREAD_MAX],
               size_t *ret_nr, struct wire_hello *ret)
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

int serve_give(struct server *sv, struct chan *chan, const uint8_t *raw,
               size_t nr, const struct wire_hello *h, int *ret_fd)
{
    int fds[2] = { chan_fd(chan), chan_out_fd(chan) };

    return attach_give(sv->s.state_dir, h->id, fds, raw, nr, NULL, ret_fd);
}
