/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Listing and finding domains.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "session.h"

/* xl's letters, in its order. */
static void state_letters(const struct hv_domain *d, char ret[8])
{
    bool dead = d->dying;

    memset(ret, 0, 8);
    ret[0] = d->running ? 'r' : '-';
    ret[1] = d->blocked ? 'b' : '-';
    ret[2] = d->paused ? 'p' : '-';
    ret[3] = d->shut_down ? 's' : '-';
    ret[4] = d->shut_down && d->shutdown_reason == HV_SHUTDOWN_CRASH ? 'c'
                                                                     : '-';
    ret[5] = dead ? 'd' : '-';
}

int xmig_domain_list(struct xmig *s, struct xmig_domain **ret_list,
                     size_t *ret_count)
{
    struct xmig_domain *list = NULL;
    struct hv_domain *doms = NULL;
    size_t nr, i;
    char *name;
    int rc;

    err_reset(&s->err);
    rc = hv_domain_list(s->hv, &s->err, &doms, &nr);
    if ( rc )
        return rc;
    list = calloc(nr + 1, sizeof(*list));
    if ( !list )
    {
        free(doms);
        return err_set(&s->err, -ENOMEM, "list domains: %s",
                       err_text(-ENOMEM));
    }
    for ( i = 0; i < nr; i++ )
    {
        list[i].domid = doms[i].domid;
        if ( !store_name(s->store, NULL, doms[i].domid, &name) )
        {
            snprintf(list[i].name, sizeof(list[i].name), "%s", name);
            free(name);
        }
        memcpy(list[i].uuid, doms[i].uuid, sizeof(list[i].uuid));
        list[i].memory_kib = doms[i].tot_pages * 4;
        list[i].vcpus = doms[i].vcpus;
        list[i].cpu_seconds = (double)doms[i].cpu_ns / 1e9;
        state_letters(&doms[i], list[i].state);
    }
    free(doms);
    *ret_list = list;
    *ret_count = nr;

    return 0;
}

int xmig_domain_find(struct xmig *s, const char *name_or_id,
                     uint32_t *ret_domid)
{
    struct hv_domain info;
    unsigned long domid;
    char *end;
    int rc;

    err_reset(&s->err);
    errno = 0;
    domid = strtoul(name_or_id, &end, 10);
    if ( isdigit((unsigned char)*name_or_id) && !*end && !errno &&
         domid < 0x7ff0 )
    {
        rc = hv_domain_info(s->hv, NULL, domid, &info);
        if ( !rc )
            *ret_domid = domid;
        if ( rc != -ENOENT )
            return rc ? err_set(&s->err, rc, "look at domain %lu: %s", domid,
                                err_text(rc)) : 0;
    }
    rc = store_find(s->store, NULL, name_or_id, ret_domid);
    if ( rc == -ENOENT )
        return err_set(&s->err, rc, "there is no domain \"%s\"", name_or_id);
    if ( rc == -ENOTUNIQ )
        return err_set(&s->err, rc, "several domains are named \"%s\": use "
                       "the domid", name_or_id);
    if ( rc )
        return err_set(&s->err, rc, "look for domain \"%s\": %s", name_or_id,
                       err_text(rc));

    return 0;
}
