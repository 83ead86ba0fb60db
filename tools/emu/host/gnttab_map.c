/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The grants that a libxengnttab handle has mapped, and the messages of the
 * handle.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <xenctrl.h>
#include <xen/grant_table.h>

#include "evtchn_ports.h"
#include "gnttab_priv.h"
#include "proto_gnttab.h"

#define DEFAULT_MAX_GRANTS (1u << 20)

struct gnt_page
{
    struct domain *d;            /* a reference */
    uint32_t ref;
    uint64_t mfn;
};

struct gnt_mapping
{
    struct gnt_mapping *next;
    uint64_t id;
    bool write;
    uint32_t notify_offset, notify_port;
    uint32_t num;
    struct gnt_page page[];
};

/* conn.gnttab; connection thread only */
struct gnt_conn
{
    struct gnt_mapping *mappings;
    uint64_t next_id;
    uint32_t nr_mapped, max;
};

static struct gnt_conn *state_of(struct conn *c)
{
    struct gnt_conn *s = c->gnttab;

    if ( !s )
    {
        s = calloc(1, sizeof(*s));
        if ( s )
            s->max = DEFAULT_MAX_GRANTS;
        c->gnttab = s;
    }

    return s;
}

/* Gives back the first num pages. */
static void drop(struct gnt_mapping *map, uint32_t num)
{
    uint32_t i;

    pthread_mutex_lock(&gnttab_lock);
    for ( i = 0; i < num; i++ )
        gnttab_unuse(map->page[i].d, map->page[i].ref, map->write,
                     map->page[i].mfn);
    pthread_mutex_unlock(&gnttab_lock);
    for ( i = 0; i < num; i++ )
        domain_put(map->page[i].d);
    free(map);
}

static void unmap(struct conn *c, struct gnt_mapping *map)
{
    uint8_t *page = machine_ptr(&c->host->machine, map->page[0].mfn);
    uint32_t port = map->notify_port;

    if ( map->notify_offset != EMU_GNT_NO_NOTIFY )
        __atomic_store_n(page + map->notify_offset, 0, __ATOMIC_RELEASE);
    drop(map, map->num);
    if ( port != EMU_GNT_NO_NOTIFY )
        evtchn_send(0, port);
}

static int map_one(struct conn *c, struct gnt_mapping *map, uint32_t i,
                   const struct emu_gnt_ref *r)
{
    struct domain *d = domain_find(c->host, r->domid);
    unsigned int delay_ms = 1;
    int16_t st;

    if ( !d || !d->hvm )
    {
        domain_put(d);
        return -EINVAL;
    }
    do {
        pthread_mutex_lock(&gnttab_lock);
        st = gnttab_use(d, r->ref, map->write, &map->page[i].mfn);
        pthread_mutex_unlock(&gnttab_lock);
    } while ( st == GNTST_eagain &&
              gnttab_wait_absent(c, r->domid, &delay_ms) );
    if ( st != GNTST_okay )
    {
        log_line("dom%u's grant %u can't be mapped %s: GNTST %d", r->domid,
                 r->ref, map->write ? "writable" : "read-only", st);
        domain_put(d);
        return -EINVAL;              /* whatever it was, says gntdev */
    }
    map->page[i].d = d;
    map->page[i].ref = r->ref;

    return 0;
}

static int reply_error(struct conn *c, uint32_t op, int rc)
{
    return conn_reply(c, op, rc, NULL, 0, NULL, 0);
}

static int map_msg(struct conn *c, struct gnt_conn *s, uint32_t len)
{
    const struct emu_gnt_ref *refs;
    struct gnt_mapping *map = NULL;
    struct emu_gnt_map req;
    uint64_t *mfns = NULL;
    uint32_t i = 0;
    int rc = -EINVAL;

    if ( len < sizeof(req) )
        return reply_error(c, EMU_GNTTAB_MAP, rc);
    memcpy(&req, c->buf, sizeof(req));
    refs = (const void *)(c->buf + sizeof(req));
    if ( !req.num || req.num > EMU_GNT_MAX_MAP ||
         len != sizeof(req) + req.num * sizeof(*refs) ||
         (req.notify_offset != EMU_GNT_NO_NOTIFY &&
          (req.notify_offset >= PAGE_SIZE ||
           !(req.flags & EMU_GNT_MAP_WRITE))) )
        return reply_error(c, EMU_GNTTAB_MAP, rc);
    rc = -ENOSPC;
    if ( req.num > s->max - s->nr_mapped )
        return reply_error(c, EMU_GNTTAB_MAP, rc);

    rc = -ENOMEM;
    map = calloc(1, sizeof(*map) + req.num * sizeof(map->page[0]));
    mfns = calloc(req.num, sizeof(*mfns));
    if ( !map || !mfns )
        goto out;
    map->write = req.flags & EMU_GNT_MAP_WRITE;
    map->num = req.num;
    map->notify_offset = req.notify_offset;
    map->notify_port = req.notify_port;
    for ( ; i < req.num; i++ )
    {
        rc = map_one(c, map, i, &refs[i]);
        if ( rc )
            goto out;
        mfns[i] = map->page[i].mfn;
    }
    map->id = ++s->next_id;
    map->next = s->mappings;
    s->mappings = map;
    s->nr_mapped += map->num;
    rc = conn_reply(c, EMU_GNTTAB_MAP, map->id, mfns,
                    req.num * sizeof(*mfns), NULL, 0);
    free(mfns);

    return rc;

 out:
    free(mfns);
    if ( map )
        drop(map, i);

    return reply_error(c, EMU_GNTTAB_MAP, rc);
}

static int unmap_msg(struct conn *c, struct gnt_conn *s, uint32_t len)
{
    struct gnt_mapping **p, *map = NULL;
    uint64_t id;

    if ( len != sizeof(id) )
        return reply_error(c, EMU_GNTTAB_UNMAP, -EINVAL);
    memcpy(&id, c->buf, sizeof(id));
    for ( p = &s->mappings; *p; p = &(*p)->next )
        if ( (*p)->id == id )
        {
            map = *p;
            *p = map->next;
            break;
        }
    if ( !map )
        return reply_error(c, EMU_GNTTAB_UNMAP, -ENOENT);
    s->nr_mapped -= map->num;
    unmap(c, map);

    return reply_error(c, EMU_GNTTAB_UNMAP, 0);
}

int gnttab_msg(struct conn *c, uint32_t op, uint32_t len)
{
    struct gnt_conn *s = state_of(c);

    if ( !s )
        return reply_error(c, op, -ENOMEM);
    switch ( op )
    {
    case EMU_GNTTAB_MAP:
        return map_msg(c, s, len);

    case EMU_GNTTAB_UNMAP:
        return unmap_msg(c, s, len);

    case EMU_GNTTAB_SET_MAX:
        if ( len != sizeof(s->max) )
            return reply_error(c, op, -EINVAL);
        if ( s->nr_mapped )
            return reply_error(c, op, -EBUSY);
        memcpy(&s->max, c->buf, sizeof(s->max));
        return reply_error(c, op, 0);

    case EMU_GNTTAB_COPY:
        return gnttab_copy_msg(c, len);

    default:
        log_line("libxengnttab message 0x%x is not known", op);
        return reply_error(c, op, -ENOSYS);
    }
}

void gnttab_conn_close(struct conn *c)
{
    struct gnt_conn *s = c->gnttab;
    struct gnt_mapping *map;

    while ( s && (map = s->mappings) )
    {
        s->mappings = map->next;
        unmap(c, map);
    }
    free(s);
    c->gnttab = NULL;
}
