/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Writing xenstore: nodes with their permissions, in a transaction that is
 * tried again when somebody else's write got in between.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xenstore.h>

#include "cmd.h"

#define MAX_TRIES 100

void node_put(struct node_tx *tx, enum node_perm perm, const char *value,
              const char *path_fmt, ...)
{
    struct xs_permissions perms[2] = { { .id = 0, .perms = XS_PERM_NONE } };
    unsigned int nr_perms = 1;
    char path[256];
    va_list ap;
    bool ok;

    if ( tx->failed )
        return;
    va_start(ap, path_fmt);
    vsnprintf(path, sizeof(path), path_fmt, ap);
    va_end(ap);

    if ( perm == NODE_RO )
    {
        perms[1].id = tx->domid;
        perms[1].perms = XS_PERM_READ;
        nr_perms = 2;
    }
    else if ( perm == NODE_RW )
        perms[0].id = tx->domid;

    ok = value ? xs_write(tx->xs, tx->t, path, value, strlen(value))
               : xs_mkdir(tx->xs, tx->t, path);
    if ( !ok || !xs_set_permissions(tx->xs, tx->t, path, perms, nr_perms) )
    {
        tx->failed = true;
        tx->error = errno;
        snprintf(tx->what, sizeof(tx->what), "%s", path);
    }
}

int node_transaction(struct xs_handle *xs, uint32_t domid,
                     void (*fill)(struct node_tx *tx, void *arg), void *arg)
{
    unsigned int try;

    for ( try = 0; try < MAX_TRIES; try++ )
    {
        struct node_tx tx = { .xs = xs, .domid = domid };

        tx.t = xs_transaction_start(xs);
        if ( tx.t == XBT_NULL )
        {
            int e = errno;

            err("cannot start a xenstore transaction: %s", strerror(e));
            return -e;
        }
        fill(&tx, arg);
        if ( tx.failed )
        {
            xs_transaction_end(xs, tx.t, true);
            err("cannot write xenstore node %s: %s", tx.what,
                strerror(tx.error));
            return -tx.error;
        }
        if ( xs_transaction_end(xs, tx.t, false) )
            return 0;
        if ( errno != EAGAIN )
        {
            int e = errno;

            err("xenstore refused a transaction: %s", strerror(e));
            return -e;
        }
    }
    err("a xenstore transaction collided %u times", MAX_TRIES);

    return -EAGAIN;
}

char *node_get(struct xs_handle *xs, const char *path_fmt, ...)
{
    char path[256];
    unsigned int len;
    va_list ap;

    va_start(ap, path_fmt);
    vsnprintf(path, sizeof(path), path_fmt, ap);
    va_end(ap);

    return xs_read(xs, XBT_NULL, path, &len);
}
