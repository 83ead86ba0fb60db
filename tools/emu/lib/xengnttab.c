/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * libxengnttab over the emulated host, consumer side.  Dom0 of an emulated
 * host has no memory of its own to grant and no dma-buf support, so those
 * calls fail as on a kernel without the drivers.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xengnttab.h>

#include "emu_conn.h"
#include "proto_gnttab.h"

struct mapping
{
    struct mapping *next;
    uint8_t *addr;
    uint32_t num;
    uint64_t id;
};

struct xengntdev_handle
{
    struct emu_conn conn;
    int memfd;                   /* machine memory */
    pthread_mutex_t lock;
    struct mapping *mappings;    /* under lock */
};

static int fail(int64_t rc)
{
    errno = -rc;

    return -1;
}

xengnttab_handle *xengnttab_open(struct xentoollog_logger *logger,
                                 unsigned int open_flags)
{
    xengnttab_handle *xgt;
    int rc;

    (void)logger;
    (void)open_flags;
    xgt = calloc(1, sizeof(*xgt));
    if ( !xgt )
        return NULL;
    rc = emu_connect(&xgt->conn, EMU_KIND_GNTTAB, 0);
    if ( !rc && xgt->conn.nr_fds != 1 )
    {
        emu_disconnect(&xgt->conn);
        rc = -EIO;
    }
    if ( rc )
    {
        free(xgt);
        errno = -rc;
        return NULL;
    }
    xgt->memfd = xgt->conn.fds[0];
    pthread_mutex_init(&xgt->lock, NULL);

    return xgt;
}

int xengnttab_close(xengnttab_handle *xgt)
{
    struct mapping *m;

    if ( !xgt )
        return 0;
    /* The host ends the uses when the connection goes. */
    while ( (m = xgt->mappings) )
    {
        xgt->mappings = m->next;
        munmap(m->addr, (size_t)m->num << EMU_PAGE_SHIFT);
        free(m);
    }
    close(xgt->memfd);
    emu_disconnect(&xgt->conn);
    pthread_mutex_destroy(&xgt->lock);
    free(xgt);

    return 0;
}

int xengnttab_fd(xengnttab_handle *xgt)
{
    return xgt->conn.fd;
}

int xengnttab_set_max_grants(xengnttab_handle *xgt, uint32_t nr_grants)
{
    int64_t r;

    r = emu_call1(&xgt->conn, EMU_GNTTAB_SET_MAX, &nr_grants,
                  sizeof(nr_grants), NULL, 0);

    return r < 0 ? fail(r) : 0;
}

/* Consecutive frames in one mmap. */
static int map_frames(xengnttab_handle *xgt, uint8_t *addr, uint32_t num,
                      const uint64_t *mfns, int prot)
{
    uint32_t i, n;

    for ( i = 0; i < num; i += n )
    {
        for ( n = 1; i + n < num && mfns[i + n] == mfns[i] + n; n++ )
            ;
        if ( mmap(addr + ((size_t)i << EMU_PAGE_SHIFT),
                  (size_t)n << EMU_PAGE_SHIFT, prot,
                  MAP_SHARED | MAP_FIXED | MAP_POPULATE, xgt->memfd,
                  mfns[i] << EMU_PAGE_SHIFT) == MAP_FAILED )
            return -errno;
    }

    return 0;
}

static void *map_refs(xengnttab_handle *xgt, uint32_t num,
                      const struct emu_gnt_ref *refs, int prot,
                      uint32_t notify_offset, uint32_t notify_port)
{
    struct emu_gnt_map req = {
        .num = num,
        .flags = prot & PROT_WRITE ? EMU_GNT_MAP_WRITE : 0,
        .notify_offset = notify_offset,
        .notify_port = notify_port,
    };
    const struct emu_part parts[] = {
        { &req, sizeof(req) }, { refs, num * sizeof(*refs) },
    };
    size_t bytes = (size_t)num << EMU_PAGE_SHIFT, len = 0;
    void *addr = MAP_FAILED;
    struct mapping *m = NULL;
    uint64_t *mfns = NULL, id = 0;
    int64_t rc = -ENOMEM;

    m = malloc(sizeof(*m));
    mfns = malloc(num * sizeof(*mfns));
    if ( !m || !mfns )
        goto out;
    addr = mmap(NULL, bytes, PROT_NONE,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if ( addr == MAP_FAILED )
        goto out;
    rc = emu_call(&xgt->conn, EMU_GNTTAB_MAP, parts, 2, mfns,
                  num * sizeof(*mfns), &len, NULL, 0, NULL);
    if ( rc < 0 )
        goto out;
    id = rc;
    rc = len == num * sizeof(*mfns) ? map_frames(xgt, addr, num, mfns, prot)
                                    : -EIO;
    if ( rc )
        goto out;
    *m = (struct mapping) { .addr = addr, .num = num, .id = id };
    pthread_mutex_lock(&xgt->lock);
    m->next = xgt->mappings;
    xgt->mappings = m;
    pthread_mutex_unlock(&xgt->lock);
    free(mfns);

    return addr;

 out:
    if ( addr != MAP_FAILED )
        munmap(addr, bytes);
    if ( id )
        emu_call1(&xgt->conn, EMU_GNTTAB_UNMAP, &id, sizeof(id), NULL, 0);
    free(mfns);
    free(m);
    errno = -rc;

    return NULL;
}

void *xengnttab_map_grant_refs(xengnttab_handle *xgt, uint32_t count,
                               uint32_t *domids, uint32_t *refs, int prot)
{
    struct emu_gnt_ref *list;
    void *addr;
    uint32_t i;
    int e;

    if ( !count || count > EMU_GNT_MAX_MAP )
    {
        errno = count ? ENOSPC : EINVAL;
        return NULL;
    }
    list = malloc(count * sizeof(*list));
    if ( !list )
        return NULL;
    for ( i = 0; i < count; i++ )
        list[i] = (struct emu_gnt_ref) { domids[i], refs[i] };
    addr = map_refs(xgt, count, list, prot, EMU_GNT_NO_NOTIFY,
                    EMU_GNT_NO_NOTIFY);
    e = errno;
    free(list);
    errno = e;

    return addr;
}

void *xengnttab_map_domain_grant_refs(xengnttab_handle *xgt, uint32_t count,
                                      uint32_t domid, uint32_t *refs,
                                      int prot)
{
    uint32_t *domids, i;
    void *addr;
    int e;

    if ( !count || count > EMU_GNT_MAX_MAP )
    {
        errno = count ? ENOSPC : EINVAL;
        return NULL;
    }
    domids = malloc(count * sizeof(*domids));
    if ( !domids )
        return NULL;
    for ( i = 0; i < count; i++ )
        domids[i] = domid;
    addr = xengnttab_map_grant_refs(xgt, count, domids, refs, prot);
    e = errno;
    free(domids);
    errno = e;

    return addr;
}

void *xengnttab_map_grant_ref(xengnttab_handle *xgt, uint32_t domid,
                              uint32_t ref, int prot)
{
    return xengnttab_map_grant_refs(xgt, 1, &domid, &ref, prot);
}

void *xengnttab_map_grant_ref_notify(xengnttab_handle *xgt, uint32_t domid,
                                     uint32_t ref, int prot,
                                     uint32_t notify_offset,
                                     evtchn_port_t notify_port)
{
    struct emu_gnt_ref r = { domid, ref };

    /* -1 is none for both; the host's word for that is the same. */
    return map_refs(xgt, 1, &r, prot, notify_offset, notify_port);
}

int xengnttab_unmap(xengnttab_handle *xgt, void *start_address,
                    uint32_t count)
{
    struct mapping **p, *m = NULL;
    int64_t r;

    pthread_mutex_lock(&xgt->lock);
    for ( p = &xgt->mappings; *p; p = &(*p)->next )
        if ( (*p)->addr == start_address )
        {
            m = *p;
            if ( m->num == count )
                *p = m->next;
            break;
        }
    pthread_mutex_unlock(&xgt->lock);
    if ( !m || m->num != count )
        return fail(m ? -EINVAL : -ENOENT);

    /* First the pages: what was written until now is what gets logged. */
    munmap(m->addr, (size_t)m->num << EMU_PAGE_SHIFT);
    r = emu_call1(&xgt->conn, EMU_GNTTAB_UNMAP, &m->id, sizeof(m->id), NULL,
                  0);
    free(m);

    return r < 0 ? fail(r) : 0;
}

/* Describe the copies; what goes out is put together behind each other. */
static uint8_t *copy_describe(uint32_t count,
                              const xengnttab_grant_copy_segment_t *segs,
                              struct emu_gnt_copy *req, size_t *ret_in_size,
                              size_t *ret_out_size)
{
    size_t in_size = 0, out_size = 0;
    uint8_t *in, *p;
    uint32_t i;

    for ( i = 0; i < count; i++ )
    {
        req[i].len = segs[i].len;
        if ( segs[i].flags & GNTCOPY_source_gref )
        {
            req[i].flags |= EMU_GNT_COPY_SRC_REF;
            req[i].src.domid = segs[i].source.foreign.domid;
            req[i].src.ref = segs[i].source.foreign.ref;
            req[i].src_offset = segs[i].source.foreign.offset;
        }
        else
            in_size += segs[i].len;
        if ( segs[i].flags & GNTCOPY_dest_gref )
        {
            req[i].flags |= EMU_GNT_COPY_DST_REF;
            req[i].dst.domid = segs[i].dest.foreign.domid;
            req[i].dst.ref = segs[i].dest.foreign.ref;
            req[i].dst_offset = segs[i].dest.foreign.offset;
        }
        else
            out_size += segs[i].len;
    }
    in = p = malloc(in_size + 1);
    for ( i = 0; in && i < count; i++ )
        if ( !(segs[i].flags & GNTCOPY_source_gref) )
        {
            memcpy(p, segs[i].source.virt, segs[i].len);
            p += segs[i].len;
        }
    *ret_in_size = in_size;
    *ret_out_size = out_size;

    return in;
}

static int copy_batch(xengnttab_handle *xgt, uint32_t count,
                      xengnttab_grant_copy_segment_t *segs)
{
    size_t head = (count * sizeof(int16_t) + 7) & ~(size_t)7;
    size_t in_size, out_size, len = 0;
    struct emu_part parts[3];
    struct emu_gnt_copy *req;
    uint8_t *in = NULL, *reply = NULL, *p;
    uint64_t num = count;
    int64_t rc = -ENOMEM;
    uint32_t i;

    req = calloc(count, sizeof(*req));
    if ( req )
        in = copy_describe(count, segs, req, &in_size, &out_size);
    if ( in )
        reply = malloc(head + out_size);
    if ( !reply )
        goto out;
    parts[0] = (struct emu_part) { &num, sizeof(num) };
    parts[1] = (struct emu_part) { req, count * sizeof(*req) };
    parts[2] = (struct emu_part) { in, in_size };
    rc = emu_call(&xgt->conn, EMU_GNTTAB_COPY, parts, 3, reply,
                  head + out_size, &len, NULL, 0, NULL);
    if ( !rc && len != head + out_size )
        rc = -EIO;
    if ( rc )
        goto out;
    p = reply + head;
    for ( i = 0; i < count; i++ )
    {
        memcpy(&segs[i].status, reply + i * sizeof(int16_t),
               sizeof(int16_t));
        if ( segs[i].flags & GNTCOPY_dest_gref )
            continue;
        if ( segs[i].status == GNTST_okay )
            memcpy(segs[i].dest.virt, p, segs[i].len);
        p += segs[i].len;
    }

 out:
    free(reply);
    free(in);
    free(req);

    return rc ? fail(rc) : 0;
}

int xengnttab_grant_copy(xengnttab_handle *xgt, uint32_t count,
                         xengnttab_grant_copy_segment_t *segs)
{
    uint32_t done, n;

    for ( done = 0; done < count; done += n )
    {
        n = count - done < EMU_GNT_MAX_COPY ? count - done : EMU_GNT_MAX_COPY;
        if ( copy_batch(xgt, n, segs + done) )
            return -1;
    }

    return 0;
}

/* ---- what this dom0's kernel does not offer ----------------------------- */

static int no_dmabuf(void)
{
    errno = ENOTTY;

    return -1;
}

int xengnttab_dmabuf_exp_from_refs(xengnttab_handle *xgt, uint32_t domid,
                                   uint32_t flags, uint32_t count,
                                   const uint32_t *refs, uint32_t *fd)
{
    (void)xgt; (void)domid; (void)flags; (void)count; (void)refs; (void)fd;

    return no_dmabuf();
}

int xengnttab_dmabuf_exp_wait_released(xengnttab_handle *xgt, uint32_t fd,
                                       uint32_t wait_to_ms)
{
    (void)xgt; (void)fd; (void)wait_to_ms;

    return no_dmabuf();
}

int xengnttab_dmabuf_imp_to_refs(xengnttab_handle *xgt, uint32_t domid,
                                 uint32_t fd, uint32_t count, uint32_t *refs)
{
    (void)xgt; (void)domid; (void)fd; (void)count; (void)refs;

    return no_dmabuf();
}

int xengnttab_dmabuf_imp_release(xengnttab_handle *xgt, uint32_t fd)
{
    (void)xgt; (void)fd;

    return no_dmabuf();
}

xengntshr_handle *xengntshr_open(struct xentoollog_logger *logger,
                                 unsigned int open_flags)
{
    (void)logger; (void)open_flags;
    errno = ENOENT;

    return NULL;
}

/* No handle ever exists, so nothing below can be reached with one. */
int xengntshr_close(xengntshr_handle *xgs)
{
    (void)xgs;

    return 0;
}

int xengntshr_fd(xengntshr_handle *xgs)
{
    (void)xgs;
    errno = EBADF;

    return -1;
}

void *xengntshr_share_pages(xengntshr_handle *xgs, uint32_t domid, int count,
                            uint32_t *refs, int writable)
{
    (void)xgs; (void)domid; (void)count; (void)refs; (void)writable;
    errno = EBADF;

    return NULL;
}

void *xengntshr_share_page_notify(xengntshr_handle *xgs, uint32_t domid,
                                  uint32_t *ref, int writable,
                                  uint32_t notify_offset,
                                  evtchn_port_t notify_port)
{
    (void)xgs; (void)domid; (void)ref; (void)writable; (void)notify_offset;
    (void)notify_port;
    errno = EBADF;

    return NULL;
}

int xengntshr_unshare(xengntshr_handle *xgs, void *start_address,
                      uint32_t count)
{
    (void)xgs; (void)start_address; (void)count;
    errno = EBADF;

    return -1;
}
