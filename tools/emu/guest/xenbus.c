/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Xenstore client: requests and watches.  See xenbus.h for what it promises
 * and docs/misc/xenstore.txt of Xen for the protocol.  Bytes are moved by
 * xenbus_ring.c.
 *
 * Requests live in a circular buffer of slots, numbered by a running count
 * that is also the wire's request id: slots [head, tail) are taken, those
 * before `send` have been given to the ring.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xen/io/xs_wire.h>

#include "kernel.h"
#include "xenbus.h"
#include "xenbus_state.h"

_Static_assert(sizeof(struct xenbus) <=
               KERNEL_XENBUS_PAGES * GUEST_PAGE_SIZE, "xenbus pages");

/* ---- requests ---------------------------------------------------------- */

unsigned int xenbus_free_slots(const struct guest_env *env)
{
    const struct xenbus *xb = xenbus_get(env);

    return XENBUS_SLOTS - (xb->tail - xb->head);
}

/* The wire's id of a transaction, 0 when it is not open (any more). */
static uint32_t tx_wire_id(const struct xenbus *xb, uint32_t handle)
{
    unsigned int i;

    for ( i = 0; i < XENBUS_TXS; i++ )
        if ( xb->tx[i].handle && xb->tx[i].handle == handle )
            return xb->tx[i].wire_id;
    return 0;
}

static int submit(struct guest_env *env, uint32_t type, uint32_t tx,
                  const char *a, size_t alen, const char *b, size_t blen,
                  uint32_t fn, uint32_t arg)
{
    struct xenbus *xb = xenbus_get(env);
    struct xenbus_slot *s;

    if ( alen + blen > XENBUS_PAYLOAD )
        return -E2BIG;
    if ( !xenbus_free_slots(env) )
        return -ENOBUFS;
    s = &xb->slot[xb->tail % XENBUS_SLOTS];
    memset(s, 0, offsetof(struct xenbus_slot, payload));
    s->type = type;
    s->tx = tx;
    s->fn = fn;
    s->arg = arg;
    s->len = alen + blen;
    if ( tx )
    {
        s->wire_tx = tx_wire_id(xb, tx);
        s->lost = !s->wire_tx;
    }
    memcpy(s->payload, a, alen);
    if ( blen )
        memcpy(s->payload + alen, b, blen);
    xb->tail++;
    return 0;
}

int xenbus_read(struct guest_env *env, uint32_t tx, const char *path,
                enum guest_fn_id fn, uint32_t arg)
{
    return submit(env, XS_READ, tx, path, strlen(path) + 1, NULL, 0, fn, arg);
}

int xenbus_directory(struct guest_env *env, uint32_t tx, const char *path,
                     enum guest_fn_id fn, uint32_t arg)
{
    return submit(env, XS_DIRECTORY, tx, path, strlen(path) + 1, NULL, 0, fn,
                  arg);
}

/* A value goes without its NUL. */
int xenbus_write(struct guest_env *env, uint32_t tx, const char *path,
                 const char *value, enum guest_fn_id fn, uint32_t arg)
{
    return submit(env, XS_WRITE, tx, path, strlen(path) + 1, value,
                  strlen(value), fn, arg);
}

int xenbus_writef(struct guest_env *env, uint32_t tx, const char *path,
                  enum guest_fn_id fn, uint32_t arg, const char *fmt, ...)
{
    char value[XENBUS_PAYLOAD];
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(value, sizeof(value), fmt, ap);
    va_end(ap);
    if ( n < 0 || (size_t)n >= sizeof(value) )
        return -E2BIG;
    return xenbus_write(env, tx, path, value, fn, arg);
}

int xenbus_mkdir(struct guest_env *env, uint32_t tx, const char *path,
                 enum guest_fn_id fn, uint32_t arg)
{
    return submit(env, XS_MKDIR, tx, path, strlen(path) + 1, NULL, 0, fn,
                  arg);
}

int xenbus_rm(struct guest_env *env, uint32_t tx, const char *path,
              enum guest_fn_id fn, uint32_t arg)
{
    return submit(env, XS_RM, tx, path, strlen(path) + 1, NULL, 0, fn, arg);
}

int xenbus_tx_start(struct guest_env *env, enum guest_fn_id fn, uint32_t arg)
{
    return submit(env, XS_TRANSACTION_START, 0, "", 1, NULL, 0, fn, arg);
}

int xenbus_tx_end(struct guest_env *env, uint32_t tx, bool commit,
                  enum guest_fn_id fn, uint32_t arg)
{
    struct xenbus *xb = xenbus_get(env);
    unsigned int i;
    int rc = submit(env, XS_TRANSACTION_END, tx, commit ? "T" : "F", 2, NULL,
                    0, fn, arg);

    if ( rc )
        return rc;
    for ( i = 0; i < XENBUS_TXS; i++ )
        if ( xb->tx[i].handle == tx )
            xb->tx[i].handle = 0;
    return 0;
}

/* ---- watches ----------------------------------------------------------- */

int xenbus_watch(struct guest_env *env, const char *path,
                 enum guest_fn_id fn, uint32_t arg)
{
    struct xenbus *xb = xenbus_get(env);
    unsigned int i;

    if ( strlen(path) >= XENBUS_PATH )
        return -E2BIG;
    for ( i = 0; i < XENBUS_WATCHES; i++ )
    {
        struct xenbus_watch *w = &xb->watch[i];

        if ( w->used )
            continue;
        w->used = 1;
        w->registered = 0;
        w->generation++;
        w->fn = fn;
        w->arg = arg;
        memcpy(w->path, path, strlen(path) + 1);
        xb->watches_due = 1;
        return 0;
    }
    return -ENOSPC;
}

static int watch_request(struct guest_env *env, unsigned int i, uint32_t type)
{
    struct xenbus_watch *w = &xenbus_get(env)->watch[i];
    char token[32];
    int n = snprintf(token, sizeof(token), "%u.%u", i, w->generation);

    return submit(env, type, 0, w->path, strlen(w->path) + 1, token, n + 1,
                  FN_xenbus_on_watch_set, i);
}

int xenbus_unwatch(struct guest_env *env, const char *path,
                   enum guest_fn_id fn, uint32_t arg)
{
    struct xenbus *xb = xenbus_get(env);
    unsigned int i;

    for ( i = 0; i < XENBUS_WATCHES; i++ )
    {
        struct xenbus_watch *w = &xb->watch[i];
        int rc;

        if ( !w->used || w->fn != fn || w->arg != arg ||
             strcmp(w->path, path) )
            continue;
        rc = w->registered ? watch_request(env, i, XS_UNWATCH) : 0;
        if ( !rc )
            w->used = 0;
        return rc;
    }
    return -ENOENT;
}

/* Reply to a watch or unwatch request. */
void xenbus_on_watch_set(struct guest_env *env, uint32_t arg,
                         const struct xenbus_msg *msg)
{
    const struct xenbus_watch *w = &xenbus_get(env)->watch[arg];

    if ( msg->error )
        kernel_log(env, "xenstore: watch %s: error %d", w->path, -msg->error);
}

void xenbus_register_watches(struct guest_env *env)
{
    struct xenbus *xb = xenbus_get(env);
    unsigned int i;

    if ( !xb->watches_due )
        return;
    for ( i = 0; i < XENBUS_WATCHES; i++ )
    {
        struct xenbus_watch *w = &xb->watch[i];

        if ( !w->used || w->registered )
            continue;
        if ( watch_request(env, i, XS_WATCH) )
            return;
        w->registered = 1;
    }
    xb->watches_due = 0;
}

/* ---- what came back ---------------------------------------------------- */

static int error_of_name(const char *name)
{
    unsigned int i;

    for ( i = 0; i < sizeof(xsd_errors) / sizeof(xsd_errors[0]); i++ )
        if ( !strcmp(name, xsd_errors[i].errstring) )
            return -xsd_errors[i].errnum;
    return -EIO;
}

static void watch_event(struct guest_env *env, const char *data, uint32_t len)
{
    struct xenbus *xb = xenbus_get(env);
    const char *token = memchr(data, '\0', len);
    struct xenbus_msg msg = { .data = "", .path = data };
    const struct xenbus_watch *w;
    unsigned int i, generation;

    if ( !token || sscanf(token + 1, "%u.%u", &i, &generation) != 2 ||
         i >= XENBUS_WATCHES )
    {
        kernel_log(env, "xenstore: watch event without a token of ours");
        return;
    }
    w = &xb->watch[i];
    if ( w->used && w->generation == generation )
        guest_call(env, w->fn, w->arg, &msg);
}

/* Remember a new transaction; its handle, or 0 if there is no room. */
static uint32_t tx_open(struct xenbus *xb, uint32_t wire_id)
{
    unsigned int i;

    for ( i = 0; i < XENBUS_TXS; i++ )
        if ( !xb->tx[i].handle )
        {
            if ( !++xb->last_tx )
                xb->last_tx++;
            xb->tx[i].handle = xb->last_tx;
            xb->tx[i].wire_id = wire_id;
            return xb->last_tx;
        }
    return 0;
}

void xenbus_finish(struct guest_env *env, uint32_t seq, int error,
                   const char *data, uint32_t len)
{
    struct xenbus *xb = xenbus_get(env);
    struct xenbus_slot *s = &xb->slot[seq % XENBUS_SLOTS];
    struct xenbus_msg msg =
        { .error = error, .tx = s->tx, .data = data, .len = len };
    uint32_t fn = s->fn, arg = s->arg;

    if ( s->type == XS_TRANSACTION_START && !error )
    {
        msg.tx = tx_open(xb, strtoul(data, NULL, 10));
        if ( !msg.tx )
            msg.error = -ENOSPC;
    }
    if ( error && fn == FN_none )
        kernel_log(env, "xenstore: request %u for %.80s: error %d", s->type,
                   s->payload, -error);
    s->answered = 1;
    while ( xb->head != xb->tail &&
            xb->slot[xb->head % XENBUS_SLOTS].answered &&
            xb->head != xb->send )
        xb->head++;
    guest_call(env, fn, arg, &msg);
}

void xenbus_received(struct guest_env *env, const struct xsd_sockmsg *hdr,
                     const char *data)
{
    struct xenbus *xb = xenbus_get(env);

    if ( hdr->type == XS_WATCH_EVENT )
    {
        watch_event(env, data, hdr->len);
        return;
    }
    if ( hdr->req_id - xb->head >= xb->send - xb->head ||
         xb->slot[hdr->req_id % XENBUS_SLOTS].answered )
    {
        kernel_log(env, "xenstore: reply to unknown request %u", hdr->req_id);
        return;
    }
    xenbus_finish(env, hdr->req_id,
                  hdr->type == XS_ERROR ? error_of_name(data) : 0, data,
                  hdr->len);
}

/* ---- life -------------------------------------------------------------- */

bool xenbus_idle(const struct guest_env *env)
{
    const struct xenbus *xb = xenbus_get(env);
    unsigned int i;

    for ( i = 0; i < XENBUS_TXS; i++ )
        if ( xb->tx[i].handle )
            return false;
    return xb->head == xb->tail && !xb->watches_due;
}

int xenbus_init(struct guest_env *env)
{
    memset(xenbus_get(env), 0, KERNEL_XENBUS_PAGES * GUEST_PAGE_SIZE);
    return xenbus_connect(env);
}

/* Forget what only the old host knew; ask again for what it still owes. */
static void start_over(struct guest_env *env)
{
    struct xenbus *xb = xenbus_get(env);
    uint32_t seq;
    unsigned int i;

    memset(xb->tx, 0, sizeof(xb->tx));
    for ( i = 0; i < XENBUS_WATCHES; i++ )
    {
        xb->watch[i].registered = 0;
        xb->watches_due |= xb->watch[i].used;
    }
    for ( seq = xb->head; seq != xb->tail; seq++ )
    {
        struct xenbus_slot *s = &xb->slot[seq % XENBUS_SLOTS];

        if ( s->tx )
            s->lost = 1;
        /* Registered afresh from the table above. */
        if ( s->type == XS_WATCH || s->type == XS_UNWATCH )
            s->answered = 1;
    }
    xb->send = xb->head;
    xb->send_off = 0;
    xb->rx_off = 0;
}

void xenbus_resume(struct guest_env *env, bool new_host)
{
    int rc;

    if ( !new_host )
        return;
    start_over(env);
    rc = xenbus_connect(env);
    if ( rc )
        kernel_log(env, "xenstore: no connection on this host: error %d",
                   -rc);
}
