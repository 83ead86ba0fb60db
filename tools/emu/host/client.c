/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Clients with fault plans.  One that has no connection any more is kept
 * for a while, so that a process may close its handles and open others, and
 * the counts can be read afterwards.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"
#include "host.h"

#define KEEP_IDLE 64u

struct client
{
    struct client *next;
    int pid;
    unsigned int refs;
    size_t len;
    char *rules;
    struct fault_plan faults;
};

struct fault_plan *client_faults(struct client *cl)
{
    return &cl->faults;
}

static void client_free(struct client *cl)
{
    if ( !cl )
        return;
    pthread_mutex_destroy(&cl->faults.lock);
    free(cl->rules);
    free(cl);
}

/* The list is in order of age, youngest first; conn_lock held. */
static void forget_old(struct host *h)
{
    struct client **p = &h->clients, *cl;
    unsigned int idle = 0;

    while ( (cl = *p) )
    {
        if ( cl->refs || ++idle <= KEEP_IDLE )
        {
            p = &cl->next;
            continue;
        }
        *p = cl->next;
        client_free(cl);
    }
}

int client_get(struct host *h, int pid, const char *rules, size_t len,
               struct client **ret_client)
{
    struct client *cl;
    int rc = 0;

    pthread_mutex_lock(&h->conn_lock);
    for ( cl = h->clients; cl; cl = cl->next )
        if ( cl->pid == pid && cl->len == len &&
             !memcmp(cl->rules, rules, len) )
            goto found;

    rc = -ENOMEM;
    cl = calloc(1, sizeof(*cl));
    if ( !cl )
        goto out;
    fault_init(&cl->faults);
    cl->pid = pid;
    cl->len = len;
    cl->rules = malloc(len + 1);
    if ( cl->rules )
    {
        memcpy(cl->rules, rules, len);
        rc = fault_add(&cl->faults, rules, len);
    }
    if ( rc )
    {
        client_free(cl);
        goto out;
    }
    cl->next = h->clients;
    h->clients = cl;
    forget_old(h);
 found:
    cl->refs++;
    *ret_client = cl;
    rc = 0;

 out:
    pthread_mutex_unlock(&h->conn_lock);
    return rc;
}

void client_put(struct host *h, struct client *cl)
{
    if ( !cl )
        return;
    pthread_mutex_lock(&h->conn_lock);
    cl->refs--;
    pthread_mutex_unlock(&h->conn_lock);
}

size_t clients_print(struct host *h, char *buf, size_t size)
{
    struct client *cl;
    char who[24];
    size_t len = 0;

    pthread_mutex_lock(&h->conn_lock);
    for ( cl = h->clients; cl; cl = cl->next )
    {
        snprintf(who, sizeof(who), "pid%d", cl->pid);
        len += fault_print(&cl->faults, who, buf + (len < size ? len : size),
                           len < size ? size - len : 0);
    }
    pthread_mutex_unlock(&h->conn_lock);
    return len;
}

void clients_end(struct host *h)
{
    struct client *cl;

    pthread_mutex_lock(&h->conn_lock);
    while ( (cl = h->clients) )
    {
        h->clients = cl->next;
        client_free(cl);
    }
    pthread_mutex_unlock(&h->conn_lock);
}
