/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Foreign mappings.  The client does the mmap; the host translates gfns,
 * pins the frames and remembers them until the client unmaps or goes.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <xenctrl.h>
#include <xen/memory.h>

#include "fmem.h"
#include "gnttab.h"

#define BUCKETS       256u
#define MAX_RESOURCE  1024u

struct mapping
{
    struct mapping *next;
    uint64_t id;
    struct domain *d;            /* does not quite go while this is here */
    struct emu_run *runs;
    uint32_t nr;
};

struct fmem
{
    uint64_t last_id;
    struct mapping *bucket[BUCKETS];
};

static void unpin_runs(struct machine *m, const struct emu_run *runs,
                       uint32_t nr)
{
    uint32_t i, j;

    for ( i = 0; i < nr; i++ )
        for ( j = 0; !runs[i].err && j < runs[i].nr; j++ )
            machine_unpin(m, runs[i].mfn + j);
}

/* Takes runs over.  Returns the id, or -errno with everything unpinned. */
static int64_t remember(struct conn *c, struct domain *d,
                        struct emu_run *runs, uint32_t nr)
{
    struct mapping *map = calloc(1, sizeof(*map));
    struct mapping **head;

    if ( !c->fmem )
        c->fmem = calloc(1, sizeof(*c->fmem));
    if ( !map || !c->fmem )
    {
        unpin_runs(&c->host->machine, runs, nr);
        free(runs);
        free(map);
        return -ENOMEM;
    }
    map->id = ++c->fmem->last_id;
    map->d = domain_get(d);
    map->runs = runs;
    map->nr = nr;
    head = &c->fmem->bucket[map->id % BUCKETS];
    map->next = *head;
    *head = map;
    return (int64_t)map->id;
}

static void drop(struct machine *m, struct mapping *map)
{
    unpin_runs(m, map->runs, map->nr);
    domain_put(map->d);
    free(map->runs);
    free(map);
}

static int forget(struct conn *c, uint64_t id)
{
    struct mapping **p, *map;

    if ( !c->fmem )
        return -EINVAL;
    for ( p = &c->fmem->bucket[id % BUCKETS]; (map = *p); p = &map->next )
        if ( map->id == id )
        {
            *p = map->next;
            drop(&c->host->machine, map);
            return 0;
        }
    return -EINVAL;
}

static bool allowed(const struct conn *c, uint32_t domid)
{
    return c->only_domid == ~0u || c->only_domid == domid;
}

static int do_map(struct conn *c, uint32_t op, uint32_t len)
{
    struct emu_run *runs = NULL;
    struct domain *d = NULL;
    struct emu_map req;
    uint32_t nr = 0;
    int64_t rc = -EINVAL;
    int r;

    if ( len < sizeof(req) )
        goto out;
    memcpy(&req, c->buf, sizeof(req));
    if ( !req.num || req.num > EMU_MAX_MAP ||
         len != sizeof(req) + req.num * sizeof(uint64_t) )
        goto out;
    rc = fault_check(c->host, c, "map", NULL);
    if ( rc )
        goto out;
    rc = -EPERM;
    if ( !allowed(c, req.domid) )
        goto out;
    rc = -ESRCH;
    d = domain_find(c->host, req.domid);
    if ( !d || !d->hvm )
        goto out;
    rc = p2m_pin_runs(d, (uint64_t *)(c->buf + sizeof(req)), req.num, &runs,
                      &nr);
    if ( !rc )
        rc = remember(c, d, runs, nr);

 out:
    domain_put(d);
    r = conn_reply(c, op, rc, runs, rc > 0 ? nr * sizeof(*runs) : 0, NULL, 0);
    return r;
}

static int do_unmap(struct conn *c, uint32_t op, uint32_t len)
{
    uint64_t id;
    int rc = -EINVAL;

    if ( len == sizeof(id) )
    {
        memcpy(&id, c->buf, sizeof(id));
        rc = forget(c, id);
    }
    return conn_reply(c, op, rc, NULL, 0, NULL, 0);
}

static int64_t pin_resource(struct conn *c, const struct emu_resource *req,
                            struct emu_run **ret_runs)
{
    uint64_t mfns[MAX_RESOURCE];
    struct emu_run *runs;
    struct domain *d;
    uint64_t i;
    int64_t rc;

    if ( !allowed(c, req->domid) )
        return -EPERM;
    if ( !req->nr || req->nr > MAX_RESOURCE )
        return -EINVAL;
    if ( req->type != XENMEM_resource_grant_table )
    {
        log_line("pid %d: resource type %u of dom%u is not modelled", c->pid,
                 req->type, req->domid);
        return -EOPNOTSUPP;
    }
    d = domain_find(c->host, req->domid);
    if ( !d )
        return -ESRCH;
    runs = calloc(req->nr, sizeof(*runs));
    rc = runs ? gnttab_pin_frames(d, req->id, req->frame, req->nr, mfns) :
                -ENOMEM;
    if ( rc )
    {
        free(runs);
        goto out;
    }
    for ( i = 0; i < req->nr; i++ )
        runs[i] = (struct emu_run){ .mfn = mfns[i], .nr = 1 };
    rc = remember(c, d, runs, (uint32_t)req->nr);
    if ( rc > 0 )
        *ret_runs = runs;

 out:
    domain_put(d);
    return rc;
}

static int do_resource(struct conn *c, uint32_t op, uint32_t len)
{
    struct emu_run *runs = NULL;
    struct emu_resource req;
    int64_t rc = -EINVAL;

    memset(&req, 0, sizeof(req));
    if ( len == sizeof(req) )
    {
        memcpy(&req, c->buf, sizeof(req));
        rc = fault_check(c->host, c, "resource", NULL);
        if ( !rc )
            rc = pin_resource(c, &req, &runs);
    }
    return conn_reply(c, op, rc, runs, rc > 0 ? req.nr * sizeof(*runs) : 0,
                      NULL, 0);
}

static int do_resource_size(struct conn *c, uint32_t op, uint32_t len)
{
    struct emu_resource req;
    struct domain *d;
    int64_t rc = -EINVAL;

    if ( len == sizeof(req) )
    {
        memcpy(&req, c->buf, sizeof(req));
        rc = -EOPNOTSUPP;
        if ( req.type == XENMEM_resource_grant_table &&
             req.id == XENMEM_resource_grant_table_id_shared )
        {
            d = domain_find(c->host, req.domid);
            rc = d ? (d->hvm ? (int64_t)GNTTAB_FRAMES : -EINVAL) : -ESRCH;
            domain_put(d);
        }
    }
    return conn_reply(c, op, rc, NULL, 0, NULL, 0);
}

static int do_restrict(struct conn *c, uint32_t op, uint32_t len)
{
    uint32_t domid;
    int rc = -EINVAL;

    if ( len == sizeof(domid) )
    {
        memcpy(&domid, c->buf, sizeof(domid));
        rc = allowed(c, domid) ? 0 : -EPERM;
        if ( !rc )
            c->only_domid = domid;
    }
    return conn_reply(c, op, rc, NULL, 0, NULL, 0);
}

int fmem_msg(struct conn *c, uint32_t op, uint32_t len)
{
    switch ( op )
    {
    case EMU_MAP:
        return do_map(c, op, len);

    case EMU_UNMAP:
        return do_unmap(c, op, len);

    case EMU_RESOURCE:
        return do_resource(c, op, len);

    case EMU_RESOURCE_SIZE:
        return do_resource_size(c, op, len);

    case EMU_RESTRICT:
        return do_restrict(c, op, len);
    }
    return conn_reply(c, op, -ENOSYS, NULL, 0, NULL, 0);
}

void fmem_conn_close(struct conn *c)
{
    struct mapping *map, *next;
    unsigned int i;

    if ( !c->fmem )
        return;
    for ( i = 0; i < BUCKETS; i++ )
        for ( map = c->fmem->bucket[i]; map; map = next )
        {
            next = map->next;
            drop(&c->host->machine, map);
        }
    free(c->fmem);
    c->fmem = NULL;
}
