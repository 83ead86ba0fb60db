/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Xenstore client over the shared ring page (xen/io/xs_wire.h).
 *
 * A step can't wait for an answer, so every request names a function (an
 * enum guest_fn_id, tables.h) that is called with the reply, in a later step
 * of vCPU 0.  Replies come in the order of the requests.  Everything here is
 * for vCPU 0 only.
 *
 * Suspend: requests may be in flight.  After a cancelled suspend their
 * replies simply arrive.  On a new host watches are registered again (so each
 * fires once), unanswered requests are sent again, and those that belong to a
 * transaction fail with -EAGAIN, as does every later use of its id: start
 * over.  Paths are relative to the domain's own unless they begin with '/'.
 */
#ifndef XMIG_EMU_GUEST_XENBUS_H
#define XMIG_EMU_GUEST_XENBUS_H

#include <stdbool.h>
#include <stdint.h>

#include "guest.h"
#include "tables.h"

#define XENBUS_SLOTS    64u     /* requests at a time */
#define XENBUS_PAYLOAD  512u    /* path + value of a request, bytes */
#define XENBUS_WATCHES  24u
#define XENBUS_PATH     160u    /* watched path with its NUL */

struct xenbus_msg
{
    int error;                  /* 0 or -errno of the reply */
    uint32_t tx;                /* reply: the transaction it was asked in; to
                                 * xenbus_tx_start(): the new id */
    const char *data;           /* reply payload, with a NUL put behind it.
                                 * XS_DIRECTORY: names, each NUL-terminated */
    uint32_t len;               /* without that NUL */
    const char *path;           /* watch event: what changed; else NULL */
};

/*
 * Submit.  tx 0: none.  Return 0 when queued, -ENOBUFS when all slots are
 * taken (nothing queued; call again later), -E2BIG for more than
 * XENBUS_PAYLOAD bytes.  fn may be FN_none: errors are logged.
 */
int xenbus_read(struct guest_env *env, uint32_t tx, const char *path,
                enum guest_fn_id fn, uint32_t arg);
int xenbus_directory(struct guest_env *env, uint32_t tx, const char *path,
                     enum guest_fn_id fn, uint32_t arg);
int xenbus_write(struct guest_env *env, uint32_t tx, const char *path,
                 const char *value, enum guest_fn_id fn, uint32_t arg);
int xenbus_writef(struct guest_env *env, uint32_t tx, const char *path,
                  enum guest_fn_id fn, uint32_t arg, const char *fmt, ...)
    __attribute__((format(printf, 6, 7)));
int xenbus_mkdir(struct guest_env *env, uint32_t tx, const char *path,
                 enum guest_fn_id fn, uint32_t arg);
int xenbus_rm(struct guest_env *env, uint32_t tx, const char *path,
              enum guest_fn_id fn, uint32_t arg);
int xenbus_tx_start(struct guest_env *env, enum guest_fn_id fn, uint32_t arg);
/* The reply's error is -EAGAIN when the commit lost a race. */
int xenbus_tx_end(struct guest_env *env, uint32_t tx, bool commit,
                  enum guest_fn_id fn, uint32_t arg);

/*
 * Watch a path: fn(env, arg, msg with msg->path) at once and at every change
 * below it, for good: it is renewed on a new host.  -ENOSPC, -ENOBUFS,
 * -E2BIG as above.  Unwatch by the same (path, fn, arg).
 */
int xenbus_watch(struct guest_env *env, const char *path,
                 enum guest_fn_id fn, uint32_t arg);
int xenbus_unwatch(struct guest_env *env, const char *path,
                   enum guest_fn_id fn, uint32_t arg);

/* Free request slots: a caller with a sequence to submit can look first. */
unsigned int xenbus_free_slots(const struct guest_env *env);

/* ---- for the kernel ---------------------------------------------------- */

/* Find ring and port, start; 0 or -errno. */
int xenbus_init(struct guest_env *env);
/* Move bytes both ways, call back.  True: more to do at once. */
bool xenbus_poll(struct guest_env *env);
/* No transaction is open and nothing is unanswered. */
bool xenbus_idle(const struct guest_env *env);
/* After a suspend, before anybody else's resume. */
void xenbus_resume(struct guest_env *env, bool new_host);

#endif
