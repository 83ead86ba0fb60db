/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Control of the host itself: fault rules for all clients, and what the host
 * can say about itself.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"
#include "ctl.h"

#define MAX_TEXT (256u << 10)

static int do_add(struct conn *c, uint32_t op, uint32_t len)
{
    int rc = len <= EMU_MAX_FAULT ?
             fault_add(&c->host->faults, (char *)c->buf, len) : -E2BIG;

    return conn_reply(c, op, rc, NULL, 0, NULL, 0);
}

static int do_list(struct conn *c, uint32_t op)
{
    char *text = malloc(MAX_TEXT);
    size_t len;
    int rc;

    if ( !text )
        return conn_reply(c, op, -ENOMEM, NULL, 0, NULL, 0);
    len = fault_print(&c->host->faults, "all", text, MAX_TEXT);
    if ( len < MAX_TEXT )
        len += clients_print(c->host, text + len, MAX_TEXT - len);
    if ( len >= MAX_TEXT )
        len = MAX_TEXT - 1;
    rc = conn_reply(c, op, 0, text, len, NULL, 0);
    free(text);
    return rc;
}

static int do_status(struct conn *c, uint32_t op)
{
    struct host *h = c->host;
    unsigned int domains = 0, i;
    char text[512];
    int len;

    pthread_mutex_lock(&h->dom_lock);
    for ( i = 1; i < MAX_DOMID; i++ )
        domains += h->domains[i] != NULL;
    pthread_mutex_unlock(&h->dom_lock);
    len = snprintf(text, sizeof(text),
                   "machine-pages %llu\nfree-pages %llu\ndomains %u\n"
                   "dirty-log %s\nuntouched %d\nuptime-us %llu\n",
                   (unsigned long long)h->machine.nr_frames,
                   (unsigned long long)machine_free_pages(&h->machine),
                   domains, h->dirty_mode == DIRTY_ASYNC ? "async" : "sync",
                   h->machine.untouched,
                   (unsigned long long)((now_ns() - h->boot_ns) / 1000));
    return conn_reply(c, op, 0, text, (size_t)len, NULL, 0);
}

int ctl_msg(struct conn *c, uint32_t op, uint32_t len)
{
    switch ( op )
    {
    case EMU_FAULT_ADD:
        return do_add(c, op, len);

    case EMU_FAULT_CLEAR:
        fault_clear(&c->host->faults);
        return conn_reply(c, op, 0, NULL, 0, NULL, 0);

    case EMU_FAULT_LIST:
        return do_list(c, op);

    case EMU_STATUS:
        return do_status(c, op);
    }
    return conn_reply(c, op, -ENOSYS, NULL, 0, NULL, 0);
}
