/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Private to chan.c and chan_io.c: what a channel is made of.
 */
#ifndef XMIG_CHAN_IMPL_H
#define XMIG_CHAN_IMPL_H

#include "chan.h"

#define CHAN_NAME_BYTES 128

enum chan_kind
{
    CHAN_SOCKET,
    CHAN_PIPE,                   /* own open file, O_NONBLOCK */
    CHAN_SHARED_PIPE,            /* could not be opened again: small writes */
    CHAN_FILE,
};

/* One direction. */
struct chan_end
{
    int fd;                      /* -1: shut */
    bool owned;
    enum chan_kind kind;
};

struct chan
{
    /* set at open, then read-only */
    struct chan_end in, out;     /* in.fd == out.fd unless it is a pair */
    char name[CHAN_NAME_BYTES];
    const struct cancel *cancel;
    struct cancel broken;        /* of a pair that has no shutdown(); else
                                    its fd is -1 */
    /* set between transfers */
    struct err *err;
    struct bucket *bucket;
    uint64_t io_timeout_us;      /* 0 = none */
    uint64_t deadline_us;
    int lowat;                   /* SO_RCVLOWAT as set; 0 = never was */
    uint8_t unread[CHAN_UNREAD_MAX];
    size_t nr_unread;            /* bytes at its end that are read first */
    /* any thread */
    _Atomic uint64_t bytes_read, bytes_written;
};

#endif
