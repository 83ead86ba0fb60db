/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * libxenforeignmemory over an emulated host.
 *
 * The host translates and pins; the mapping itself is an mmap of machine
 * memory, one for each run of consecutive frames, populated at once as
 * privcmd does.  A caller may also let go of a mapping by plain munmap(); its
 * pins go when the address is used again, or with the handle.
 *
 * XMIG_EMU_MAP=direct is an aid for measuring: batches of consecutive frames
 * are places in one long-lived mapping, others are copied to a buffer and,
 * when writable, copied back at unmap.  Single pages stay real mappings.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include <xenforeignmemory.h>
#include <xentoollog.h>

#include "emu_conn.h"
#include "emu_maps.h"

struct xenforeignmemory_handle
{
    struct emu_conn conn;
    int mem_fd;
    struct emu_maps maps;
    uint8_t *direct;             /* XMIG_EMU_MAP=direct, else NULL */
    /* under maps.lock: a buffer kept for the next scattered batch */
    void *spare;
    size_t spare_pages;
};

struct xenforeignmemory_resource_handle
{
    void *addr;
    size_t pages;
    uint64_t id;
};

/* ---- handle ------------------------------------------------------------- */

static int open_direct(xenforeignmemory_handle *f)
{
    const char *how = getenv(EMU_ENV_MAP);
    void *p;

    if ( !how || strcmp(how, "direct") )
        return 0;
    p = mmap(NULL, f->conn.machine_pages * EMU_PAGE_SIZE,
             PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, f->mem_fd, 0);
    if ( p == MAP_FAILED )
        return -errno;
    madvise(p, f->conn.machine_pages * EMU_PAGE_SIZE, MADV_DONTFORK);
    f->direct = p;
    return 0;
}

static int attach(xenforeignmemory_handle *f)
{
    int rc;

    f->mem_fd = -1;
    f->direct = NULL;
    rc = emu_connect(&f->conn, EMU_KIND_FMEM, 0);
    if ( rc )
        return rc;
    rc = f->conn.nr_fds ? 0 : -EPROTO;
    if ( !rc )
    {
        f->mem_fd = f->conn.fds[0];
        rc = open_direct(f);
    }
    if ( !rc )
        return 0;
    if ( f->mem_fd >= 0 )
        close(f->mem_fd);
    emu_disconnect(&f->conn);
    return rc;
}

static void forget_mappings(xenforeignmemory_handle *f)
{
    struct emu_mapping *map;

    while ( (map = f->maps.first) )
    {
        f->maps.first = map->next;
        if ( map->kind == EMU_MAP_BOUNCE )
            free(map->addr);
        emu_mapping_free(map);
    }
    free(f->spare);
    f->spare = NULL;
    if ( f->direct )
        munmap(f->direct, f->conn.machine_pages * EMU_PAGE_SIZE);
    if ( f->mem_fd >= 0 )
        close(f->mem_fd);
}

/* A forked child may go on with the handle, but has none of its mappings. */
static int attached(xenforeignmemory_handle *f)
{
    if ( !emu_inherited(&f->conn) )
        return 0;
    forget_mappings(f);
    emu_disconnect(&f->conn);
    emu_maps_init(&f->maps);
    return attach(f);
}

xenforeignmemory_handle *xenforeignmemory_open(xentoollog_logger *logger,
                                               unsigned open_flags)
{
    xenforeignmemory_handle *f;
    int rc;

    (void)open_flags;
    f = calloc(1, sizeof(*f));
    if ( !f )
        return NULL;
    emu_maps_init(&f->maps);
    rc = attach(f);
    if ( !rc )
        return f;
    free(f);
    if ( logger )
        xtl_log(logger, XTL_ERROR, -rc, "xenforeignmemory",
                "no connection to the emulated host that XMIG_EMU names");
    errno = -rc;
    return NULL;
}

int xenforeignmemory_close(xenforeignmemory_handle *fmem)
{
    if ( !fmem )
        return 0;
    forget_mappings(fmem);
    emu_disconnect(&fmem->conn);
    free(fmem);
    return 0;
}

int xenforeignmemory_restrict(xenforeignmemory_handle *fmem, domid_t domid)
{
    uint32_t d = domid;
    int64_t r = attached(fmem);

    if ( !r )
        r = emu_call1(&fmem->conn, EMU_RESTRICT, &d, sizeof(d), NULL, 0);
    if ( r < 0 )
    {
        errno = (int)-r;
        return -1;
    }
    return 0;
}

/* ---- mapping ------------------------------------------------------------ */

static int64_t give_back(xenforeignmemory_handle *f, uint64_t id)
{
    return emu_call1(&f->conn, EMU_UNMAP, &id, sizeof(id), NULL, 0);
}

/* Ask the host: *ret_runs is malloc'ed. */
static int64_t ask(xenforeignmemory_handle *f, uint32_t dom, int prot,
                   size_t pages, const xen_pfn_t *arr,
                   struct emu_run **ret_runs, uint32_t *ret_nr)
{
    struct emu_map req = {
        .domid = dom, .flags = prot & PROT_WRITE ? EMU_MAP_WRITE : 0,
        .num = (uint32_t)pages,
    };
    struct emu_part part[2] = {
        { &req, sizeof(req) }, { arr, pages * sizeof(*arr) },
    };
    struct emu_run *runs;
    size_t len = 0;
    int64_t id;

    if ( !pages || pages > EMU_MAX_MAP )
        return -EINVAL;
    id = attached(f);
    if ( id )
        return id;
    runs = malloc(pages * sizeof(*runs));
    if ( !runs )
        return -ENOMEM;
    id = emu_call(&f->conn, EMU_MAP, part, 2, runs, pages * sizeof(*runs),
                  &len, NULL, 0, NULL);
    if ( id < 0 )
    {
        free(runs);
        return id;
    }
    *ret_runs = runs;
    *ret_nr = (uint32_t)(len / sizeof(*runs));
    return id;
}

/*
 * The same, but as long as a page is absent (-ENOENT) ask again, every 100 us
 * as Xen's library does: it returns when the pager has placed them all.
 */
static int64_t ask_present(xenforeignmemory_handle *f, uint32_t dom, int prot,
                           size_t pages, const xen_pfn_t *arr,
                           struct emu_run **ret_runs, uint32_t *ret_nr)
{
    const struct timespec pause = { .tv_nsec = 100000 };
    int64_t id;
    uint32_t i;

    for ( ; ; )
    {
        id = ask(f, dom, prot, pages, arr, ret_runs, ret_nr);
        for ( i = 0; id >= 0 && i < *ret_nr; i++ )
            if ( (*ret_runs)[i].err == -ENOENT )
                break;
        if ( id < 0 || i == *ret_nr )
            return id;
        give_back(f, (uint64_t)id);
        free(*ret_runs);
        *ret_runs = NULL;
        nanosleep(&pause, NULL);
    }
}

/* First failure, or 0; fills err[] if given. */
static int errors(const struct emu_run *runs, uint32_t nr, int *err)
{
    int first = 0;
    uint32_t i, j;

    for ( i = 0; i < nr; i++ )
    {
        if ( runs[i].err && !first )
            first = runs[i].err;
        for ( j = 0; err && j < runs[i].nr; j++ )
            *err++ = runs[i].err;
    }
    return first;
}

/* One run of frames, its page-table entries made at once, as privcmd makes
 * them. */
static void *map_run(int fd, void *addr, int prot, int flags,
                     const struct emu_run *run)
{
    return mmap(addr, (size_t)run->nr * EMU_PAGE_SIZE, prot,
                flags | MAP_POPULATE, fd,
                (off_t)(run->mfn * EMU_PAGE_SIZE));
}

static void *map_runs(int fd, void *addr, int prot, int flags, size_t pages,
                      const struct emu_run *runs, uint32_t nr)
{
    uint8_t *base, *at;
    uint32_t i;

    flags = (flags & ~MAP_PRIVATE) | MAP_SHARED;
    if ( nr == 1 && !runs[0].err )
        return map_run(fd, addr, prot, flags, &runs[0]);

    /* All of it first, so that nobody else gets a part of it. */
    base = mmap(addr, pages * EMU_PAGE_SIZE, PROT_NONE,
                (flags & ~MAP_SHARED) | MAP_PRIVATE | MAP_ANONYMOUS |
                MAP_NORESERVE, -1, 0);
    if ( base == MAP_FAILED )
        return base;
    for ( i = 0, at = base; i < nr; i++ )
    {
        size_t len = (size_t)runs[i].nr * EMU_PAGE_SIZE;

        if ( !runs[i].err &&
             map_run(fd, at, prot, MAP_SHARED | MAP_FIXED, &runs[i])
             == MAP_FAILED )
        {
            int e = errno;

            munmap(base, pages * EMU_PAGE_SIZE);
            errno = e;
            return MAP_FAILED;
        }
        at += len;
    }
    return base;
}

static void *get_buffer(xenforeignmemory_handle *f, size_t pages)
{
    void *p = NULL;

    pthread_mutex_lock(&f->maps.lock);
    if ( f->spare && f->spare_pages >= pages )
    {
        p = f->spare;
        f->spare = NULL;
    }
    pthread_mutex_unlock(&f->maps.lock);
    if ( !p && posix_memalign(&p, EMU_PAGE_SIZE, pages * EMU_PAGE_SIZE) )
        p = NULL;
    return p;
}

static void copy_runs(xenforeignmemory_handle *f, uint8_t *buf,
                      const struct emu_run *runs, uint32_t nr, bool out)
{
    uint32_t i;

    for ( i = 0; i < nr; i++ )
    {
        size_t len = (size_t)runs[i].nr * EMU_PAGE_SIZE;
        uint8_t *mem = f->direct + runs[i].mfn * EMU_PAGE_SIZE;

        if ( runs[i].err )
            memset(buf, 0, out ? 0 : len);
        else
            memcpy(out ? mem : buf, out ? buf : mem, len);
        buf += len;
    }
}

/* Where the caller finds the pages; map->kind says how. */
static void *place(xenforeignmemory_handle *f, struct emu_mapping *map,
                   void *addr, int prot, int flags, struct emu_run *runs,
                   uint32_t nr)
{
    void *p;

    if ( !f->direct || map->pages == 1 || addr )
    {
        p = map_runs(f->mem_fd, addr, prot, flags, map->pages, runs, nr);
        if ( p == MAP_FAILED )
            return NULL;
        /* As privcmd's mappings are. */
        madvise(p, map->pages * EMU_PAGE_SIZE, MADV_DONTFORK);
        return p;
    }
    if ( nr == 1 && !runs[0].err )
    {
        map->kind = EMU_MAP_DIRECT;
        return f->direct + runs[0].mfn * EMU_PAGE_SIZE;
    }
    p = get_buffer(f, map->pages);
    if ( !p )
    {
        errno = ENOMEM;
        return NULL;
    }
    map->kind = EMU_MAP_BOUNCE;
    map->write_back = prot & PROT_WRITE;
    map->runs = runs;
    map->nr_runs = nr;
    copy_runs(f, p, runs, nr, false);
    return p;
}

void *xenforeignmemory_map2(xenforeignmemory_handle *fmem, uint32_t dom,
                            void *addr, int prot, int flags, size_t pages,
                            const xen_pfn_t arr[], int err[])
{
    struct emu_mapping *map = NULL, *gone;
    struct emu_run *runs = NULL;
    uint32_t nr = 0;
    int64_t id;
    int e;

    emu_trace("map", pages);
    id = ask_present(fmem, dom, prot, pages, arr, &runs, &nr);
    if ( id < 0 )
    {
        errno = (int)-id;
        return NULL;
    }
    e = -errors(runs, nr, err);
    if ( e && !err )
        goto fail;
    map = calloc(1, sizeof(*map));
    e = ENOMEM;
    if ( !map )
        goto fail;
    map->pages = map->left = pages;
    map->id = (uint64_t)id;
    map->addr = place(fmem, map, addr, prot, flags, runs, nr);
    e = errno;
    if ( !map->addr )
        goto fail;
    if ( map->runs != runs )
        free(runs);

    emu_maps_add(&fmem->maps, map, &gone);
    addr = map->addr;
    while ( gone )
    {
        map = gone;
        gone = map->next;
        give_back(fmem, map->id);
        emu_mapping_free(map);
    }
    return addr;

 fail:
    give_back(fmem, (uint64_t)id);
    free(runs);
    free(map);
    errno = e;
    return NULL;
}

void *xenforeignmemory_map(xenforeignmemory_handle *fmem, uint32_t dom,
                           int prot, size_t pages, const xen_pfn_t arr[],
                           int err[])
{
    return xenforeignmemory_map2(fmem, dom, NULL, prot, 0, pages, arr, err);
}

int xenforeignmemory_unmap(xenforeignmemory_handle *fmem, void *addr,
                           size_t pages)
{
    struct emu_mapping *map, *found;
    void *drop = NULL;
    int r = 0, e = 0;

    emu_trace("unmap", pages);
    /* A child does not have what its parent mapped. */
    if ( emu_inherited(&fmem->conn) )
        return munmap(addr, pages * EMU_PAGE_SIZE);
    pthread_mutex_lock(&fmem->maps.lock);
    map = emu_maps_take(&fmem->maps, addr, pages, &found);
    if ( !found || found->kind == EMU_MAP_REAL )
    {
        /* Under the lock: the address must not be used again before the
         * mapping is forgotten. */
        r = munmap(addr, pages * EMU_PAGE_SIZE);
        e = errno;
    }
    else if ( found->kind == EMU_MAP_BOUNCE )
    {
        if ( found->write_back )
            copy_runs(fmem, found->addr, found->runs, found->nr_runs, true);
        drop = fmem->spare;
        fmem->spare = found->addr;
        fmem->spare_pages = found->pages;
    }
    pthread_mutex_unlock(&fmem->maps.lock);

    free(drop);
    if ( map )
        give_back(fmem, map->id);
    emu_mapping_free(map);
    errno = e;
    return r;
}

/* ---- resources ---------------------------------------------------------- */

xenforeignmemory_resource_handle *xenforeignmemory_map_resource(
    xenforeignmemory_handle *fmem, domid_t domid, unsigned int type,
    unsigned int id, unsigned long frame, unsigned long nr_frames,
    void **paddr, int prot, int flags)
{
    struct emu_resource req = {
        .domid = domid, .type = type, .id = id, .frame = frame,
        .nr = nr_frames,
    };
    xenforeignmemory_resource_handle *h;
    struct emu_run *runs;
    size_t len = 0;
    struct emu_part part = { &req, sizeof(req) };
    int64_t map_id;
    int e = ENOMEM;
    void *p;

    emu_trace("resource", nr_frames);
    if ( !nr_frames || nr_frames > EMU_MAX_MAP )
    {
        errno = EINVAL;
        return NULL;
    }
    h = calloc(1, sizeof(*h));
    runs = calloc(nr_frames, sizeof(*runs));
    if ( !h || !runs )
        goto fail;
    e = -attached(fmem);
    if ( e )
        goto fail;
    e = ENOMEM;
    map_id = emu_call(&fmem->conn, EMU_RESOURCE, &part, 1, runs,
                      nr_frames * sizeof(*runs), &len, NULL, 0, NULL);
    if ( map_id < 0 )
    {
        e = (int)-map_id;
        goto fail;
    }
    p = map_runs(fmem->mem_fd, *paddr, prot, flags, nr_frames, runs,
                 (uint32_t)(len / sizeof(*runs)));
    if ( p == MAP_FAILED )
    {
        e = errno;
        give_back(fmem, (uint64_t)map_id);
        goto fail;
    }
    free(runs);
    h->addr = *paddr = p;
    h->pages = nr_frames;
    h->id = (uint64_t)map_id;
    return h;

 fail:
    free(runs);
    free(h);
    errno = e;
    return NULL;
}

int xenforeignmemory_unmap_resource(xenforeignmemory_handle *fmem,
                                    xenforeignmemory_resource_handle *fres)
{
    int r = munmap(fres->addr, fres->pages * EMU_PAGE_SIZE), e = errno;

    give_back(fmem, fres->id);
    free(fres);
    errno = e;
    return r;
}

int xenforeignmemory_resource_size(xenforeignmemory_handle *fmem,
                                   domid_t domid, unsigned int type,
                                   unsigned int id, size_t *size)
{
    struct emu_resource req = { .domid = domid, .type = type, .id = id };
    int64_t r = attached(fmem);

    if ( !r )
        r = emu_call1(&fmem->conn, EMU_RESOURCE_SIZE, &req, sizeof(req),
                      NULL, 0);
    if ( r < 0 )
    {
        errno = (int)-r;
        return -1;
    }
    *size = (size_t)r * EMU_PAGE_SIZE;
    return 0;
}
