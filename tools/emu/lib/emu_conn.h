/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * A replaced library's connection to the emulated host.
 */
#ifndef XMIG_EMU_CONN_H
#define XMIG_EMU_CONN_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto.h"

struct emu_conn
{
    int fd;
    pthread_mutex_t lock;        /* one request at a time */
    unsigned int forks;          /* emu_forks() when it was opened */
    uint64_t machine_pages;
    int fds[EMU_MAX_FDS];        /* that came with the welcome; caller's */
    unsigned int nr_fds;
};

struct emu_part
{
    const void *data;
    size_t len;
};

/*
 * Connect to the host that XMIG_EMU names and say hello.  0 or -errno
 * (-ENOENT: XMIG_EMU not set, or no host there).  Descriptors are
 * close-on-exec.
 */
int emu_connect(struct emu_conn *c, enum emu_kind kind, uint64_t arena_va);
void emu_disconnect(struct emu_conn *c);

/*
 * A connection belongs to the process that opened it: in a forked child
 * emu_inherited() is true and emu_call() fails with -EBADF.  The child may
 * emu_disconnect(), which leaves the parent's connection alone, and connect
 * anew.
 */
bool emu_inherited(const struct emu_conn *c);

/*
 * One request and its reply.  The request's payload is nr_parts pieces.
 * The reply's payload goes to ret_data (at most size bytes, the rest is
 * discarded), its length to *ret_len (may be NULL), its descriptors to ret_fds
 * (max_fds; further ones are closed; count in *ret_nr_fds).  Returns the
 * reply's result, or -EPIPE/-EIO when the host is gone.  Thread-safe.
 */
int64_t emu_call(struct emu_conn *c, uint32_t op,
                 const struct emu_part *parts, unsigned int nr_parts,
                 void *ret_data, size_t size, size_t *ret_len,
                 int *ret_fds, unsigned int max_fds,
                 unsigned int *ret_nr_fds);

/* Simple form: one piece in, fixed size out, no descriptors. */
int64_t emu_call1(struct emu_conn *c, uint32_t op, const void *req,
                  size_t req_len, void *ret_data, size_t ret_size);

/* Count a call in the trace file (XMIG_EMU_TRACE), if there is one. */
void emu_trace(const char *what, uint64_t sub);

#endif
