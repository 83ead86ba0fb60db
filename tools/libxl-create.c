/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * A domain of libxl that comes in: libxl_domain_create_restore() in a thread
 * of its own, reading from a socket whose other end is here.
 *
 * libxl reads the beginning of its stream from it, makes the domain, and
 * starts the helper for the part that is the domain's memory; that is this
 * program again (libxl-helper.c), which says on the same socket what libxl
 * has made.  When the helper has been answered, libxl reads the end of its
 * stream, connects the rings and attaches the devices.  A domain without a
 * device model has nothing but a beginning and an end in that stream, the
 * same for all of them (Xen's docs/specs/libxl-migration-stream).
 */
#include <endian.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "libxl-hooks.h"

#define TICK_MS 200

struct incoming
{
    struct call call;
    libxl_domain_config cfg;     /* the thread's while that runs */
    bool late;
    int ours, theirs;            /* the socket */
    int ended;                   /* readable when libxl has returned */
    pthread_t thread;
    /* the thread's until it has been joined */
    uint32_t domid;
    int rc;
};

struct stream_head
{
    uint64_t ident;              /* "LibxlFmt", big-endian as what follows */
    uint32_t version, options;
    uint32_t type, length;       /* of the record LIBXC_CONTEXT, native */
};

static void *restore(void *arg)
{
    struct incoming *in = arg;
    libxl_domain_restore_params params;
    uint64_t one = 1;

    libxl_domain_restore_params_init(&params);
    params.stream_version = 2;
    libxl_defbool_set(&params.userspace_colo_proxy, false);
    in->rc = libxl_domain_create_restore(in->call.ctx, &in->cfg, &in->domid,
                                         in->theirs, -1, &params, NULL, NULL);
    libxl_domain_restore_params_dispose(&params);
    while ( write(in->ended, &one, sizeof(one)) < 0 && errno == EINTR )
        ;

    return NULL;
}

static void free_incoming(struct incoming *in)
{
    if ( in->ours >= 0 )
        close(in->ours);
    if ( in->theirs >= 0 )
        close(in->theirs);
    if ( in->ended >= 0 )
        close(in->ended);
    libxl_domain_config_dispose(&in->cfg);
    call_close(&in->call);
    free(in);
}

/* 1: something came on the socket (if that is asked for); 0: libxl has
 * returned; -errno: tick wants to give up. */
static int await(struct incoming *in, bool socket_too,
                 const struct xmig_wait *wait)
{
    struct pollfd p[] = {
        { .fd = in->ended, .events = POLLIN },
        { .fd = socket_too ? in->ours : -1, .events = POLLIN },
    };
    int rc;

    for ( ; ; )
    {
        if ( poll(p, 2, TICK_MS) < 0 && errno != EINTR )
            return -errno;
        if ( p[0].revents )
            return 0;
        if ( p[1].revents )
            return 1;
        rc = wait ? wait->tick(wait->data) : 0;
        if ( rc )
            return rc;
    }
}

/* Have libxl give up, whatever it is at, and wait for that; the domain goes
 * with it, or after it. */
static void give_up(struct incoming *in)
{
    shutdown(in->ours, SHUT_RDWR);
    pthread_join(in->thread, NULL);
    if ( !in->rc )
        libxl_domain_destroy(in->call.ctx, in->domid, NULL);
}

/* What the helper says of the domain. */
static int take_hello(struct incoming *in, struct xmig_made *ret, char *why,
                      size_t room)
{
    struct helper_hello h;

    if ( recv(in->ours, &h, sizeof(h), MSG_WAITALL) != sizeof(h) ||
         h.magic != HELPER_MAGIC )
    {
        snprintf(why, room, "its helper did not answer");
        return -EPIPE;
    }
    if ( h.store_domid || h.console_domid )
    {
        snprintf(why, room, "xenstore or console of the domain are not "
                 "dom0's (but of domains %u and %u)", h.store_domid,
                 h.console_domid);
        return -EOPNOTSUPP;
    }
    ret->domid = h.domid;
    ret->store_port = h.store_port;
    ret->console_port = h.console_port;
    ret->late = in->late;
    ret->handle = in;

    return 0;
}

static int parse(struct incoming *in, const struct create_opts *o,
                 const char *config, const char *name, char *why, size_t room)
{
    libxl_domain_config *cfg = &in->cfg;
    int rc;

    rc = call_result(&in->call, libxl_domain_config_from_json(
                         in->call.ctx, cfg, config), why, room);
    if ( !rc )
        rc = config_carried(cfg, why, room);
    if ( !rc && !o->trust )
        rc = config_harmless(cfg, why, room);
    if ( rc )
        return rc;
    free(cfg->c_info.name);
    cfg->c_info.name = strdup(name);
    in->late = config_is_late(cfg);
    cfg->c_info.domid = 0;       /* any */

    return cfg->c_info.name ? 0 : -ENOMEM;
}

static int start(struct incoming *in)
{
    struct stream_head head = {
        .ident = htobe64(0x4c6962786c466d74), .version = htobe32(2),
        .type = 1,
    };
    int fds[2], rc;

    in->ended = eventfd(0, EFD_CLOEXEC);
    if ( in->ended < 0 ||
         socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0 )
        return -errno;
    in->ours = fds[0];
    in->theirs = fds[1];
    if ( send(in->ours, &head, sizeof(head), MSG_NOSIGNAL) != sizeof(head) )
        return -EIO;
    rc = pthread_create(&in->thread, NULL, restore, in);

    return -rc;
}

int libxl_create(const struct create_opts *o, const char *config,
                 const char *name, const struct xmig_wait *wait,
                 struct xmig_made *ret, char *why, size_t room)
{
    struct incoming *in = calloc(1, sizeof(*in));
    int rc;

    if ( !in )
        return -ENOMEM;
    in->ours = in->theirs = in->ended = -1;
    rc = call_open(&in->call, o->logger);
    if ( rc )
    {
        free(in);
        return rc;
    }
    libxl_domain_config_init(&in->cfg);
    rc = parse(in, o, config, name, why, room);
    if ( !rc )
        rc = start(in);
    if ( rc )
    {
        free_incoming(in);
        return rc;
    }

    rc = await(in, true, wait);
    if ( rc > 0 )
        rc = take_hello(in, ret, why, room);
    else if ( !rc )
        rc = -EIO;               /* libxl says why */
    if ( !rc )
        return 0;
    give_up(in);
    if ( in->rc && rc == -EIO )
        rc = call_result(&in->call, in->rc, why, room);
    free_incoming(in);

    return rc;
}

int libxl_attach(void *handle, uint64_t store_gfn, uint64_t console_gfn,
                 const struct xmig_wait *wait, char *why, size_t room)
{
    static const uint32_t end[2];        /* type 0, length 0 */
    struct incoming *in = handle;
    struct helper_results res = {
        .magic = HELPER_MAGIC,
        .store_gfn = store_gfn, .console_gfn = console_gfn,
    };
    int rc = 0;

    /* What does not arrive is the helper's end, and libxl will tell. */
    send(in->ours, &res, sizeof(res), MSG_NOSIGNAL);
    send(in->ours, end, sizeof(end), MSG_NOSIGNAL);
    rc = await(in, false, wait);
    if ( rc )
        give_up(in);
    else
    {
        pthread_join(in->thread, NULL);
        rc = call_result(&in->call, in->rc, why, room);
    }
    free_incoming(in);

    return rc;
}

int libxl_discard(void *handle, char *why, size_t room)
{
    struct incoming *in = handle;
    struct pollfd p = { .fd = in->ended, .events = POLLIN };
    bool had_ended = poll(&p, 1, 0) > 0;
    int rc;

    give_up(in);
    rc = had_ended ? call_result(&in->call, in->rc, why, room) : 0;
    free_incoming(in);

    return rc;
}
