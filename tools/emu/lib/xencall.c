/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * libxencall over an emulated host.
 *
 * Hypercall buffers are pages of the connection's arena, which the host maps
 * too; the bitmap in its first pages says which of them are allocated.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xencall.h>
#include <xentoollog.h>

#include "emu_conn.h"

#define HEADER_BYTES 16u         /* before a buffer that is not whole pages */
#define MAGIC        0x58454d42u

struct xencall_handle
{
    struct emu_conn conn;
    pthread_mutex_t lock;
    uint8_t *arena;
    /* under lock */
    uint32_t next;               /* where to look for free pages first */
};

/* In front of what xencall_alloc_buffer() returns. */
struct buffer_header
{
    uint32_t magic;
    uint32_t nr_pages;
    uint64_t pad;
};

static int attached(xencall_handle *x);

/* ---- arena -------------------------------------------------------------- */

static int page_used(const xencall_handle *x, uint32_t page)
{
    return x->arena[page / 8] >> (page % 8) & 1;
}

static void mark(xencall_handle *x, uint32_t page, uint32_t nr, int used)
{
    for ( ; nr; nr--, page++ )
    {
        uint8_t bit = (uint8_t)(1u << (page % 8));

        if ( used )
            __atomic_fetch_or(&x->arena[page / 8], bit, __ATOMIC_RELEASE);
        else
            __atomic_fetch_and(&x->arena[page / 8], (uint8_t)~bit,
                               __ATOMIC_RELEASE);
    }
}

/* First of nr free pages in a row from `from` on, or 0. */
static uint32_t find_free(const xencall_handle *x, uint32_t from, uint32_t nr)
{
    uint32_t page, got = 0;

    for ( page = from; page < EMU_ARENA_PAGES; page++ )
    {
        got = page_used(x, page) ? 0 : got + 1;
        if ( got == nr )
            return page + 1 - nr;
    }
    return 0;
}

static void *alloc_pages(xencall_handle *x, size_t nr)
{
    uint32_t page = 0;
    void *p;
    int rc;

    if ( !nr || nr > EMU_ARENA_PAGES )
    {
        errno = nr ? ENOMEM : EINVAL;
        return NULL;
    }
    rc = attached(x);
    if ( rc )
    {
        errno = -rc;
        return NULL;
    }
    pthread_mutex_lock(&x->lock);
    page = find_free(x, x->next, (uint32_t)nr);
    if ( !page )
        page = find_free(x, EMU_ARENA_HEADER, (uint32_t)nr);
    if ( page )
    {
        mark(x, page, (uint32_t)nr, 1);
        x->next = page + (uint32_t)nr;
    }
    pthread_mutex_unlock(&x->lock);
    if ( !page )
    {
        errno = ENOMEM;
        return NULL;
    }
    p = x->arena + (size_t)page * EMU_PAGE_SIZE;
    memset(p, 0, nr * EMU_PAGE_SIZE);
    return p;
}

static void free_pages(xencall_handle *x, void *p, size_t nr)
{
    size_t off = (size_t)((uint8_t *)p - x->arena);
    uint32_t page = (uint32_t)(off / EMU_PAGE_SIZE);
    int saved = errno;

    if ( emu_inherited(&x->conn) || off >= EMU_ARENA_BYTES )
        return;

    /* Large buffers give their memory back. */
    if ( nr > 16 )
        madvise(p, nr * EMU_PAGE_SIZE, MADV_REMOVE);
    pthread_mutex_lock(&x->lock);
    mark(x, page, (uint32_t)nr, 0);
    if ( page < x->next )
        x->next = page;
    pthread_mutex_unlock(&x->lock);
    errno = saved;
}

void *xencall_alloc_buffer_pages(xencall_handle *xcall, size_t nr_pages)
{
    return alloc_pages(xcall, nr_pages);
}

void xencall_free_buffer_pages(xencall_handle *xcall, void *p,
                               size_t nr_pages)
{
    if ( p )
        free_pages(xcall, p, nr_pages);
}

void *xencall_alloc_buffer(xencall_handle *xcall, size_t size)
{
    size_t nr = (size + HEADER_BYTES + EMU_PAGE_SIZE - 1) / EMU_PAGE_SIZE;
    struct buffer_header *h;

    if ( size > EMU_ARENA_BYTES )
    {
        errno = ENOMEM;
        return NULL;
    }
    h = alloc_pages(xcall, nr);
    if ( !h )
        return NULL;
    h->magic = MAGIC;
    h->nr_pages = (uint32_t)nr;
    return (uint8_t *)h + HEADER_BYTES;
}

void xencall_free_buffer(xencall_handle *xcall, void *p)
{
    struct buffer_header *h;

    /* A child does not have its parent's buffers, nor their headers. */
    if ( !p || emu_inherited(&xcall->conn) )
        return;
    h = (struct buffer_header *)((uint8_t *)p - HEADER_BYTES);
    if ( h->magic != MAGIC )
        abort();
    h->magic = 0;
    free_pages(xcall, h, h->nr_pages);
}

int xencall_buffers_never_fault(xencall_handle *xcall)
{
    (void)xcall;
    return 1;
}

/* ---- handle ------------------------------------------------------------- */

/* Connect, and map the arena at a place of its own. */
static int attach(xencall_handle *x)
{
    void *p;
    int rc;

    p = mmap(NULL, EMU_ARENA_BYTES, PROT_NONE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if ( p == MAP_FAILED )
        return -errno;
    rc = emu_connect(&x->conn, EMU_KIND_CALL, (uintptr_t)p);
    if ( rc )
        goto fail_map;
    rc = -EPROTO;
    if ( x->conn.nr_fds < 1 )
        goto fail_conn;
    rc = mmap(p, EMU_ARENA_BYTES, PROT_READ | PROT_WRITE,
              MAP_SHARED | MAP_FIXED | MAP_NORESERVE, x->conn.fds[0],
              0) == MAP_FAILED ? -errno : 0;
    close(x->conn.fds[0]);
    if ( rc )
        goto fail_conn;
    /* As hypercall buffers are: a child has none of its parent's. */
    madvise(p, EMU_ARENA_BYTES, MADV_DONTFORK);
    x->arena = p;
    x->next = EMU_ARENA_HEADER;
    return 0;

 fail_conn:
    emu_disconnect(&x->conn);
 fail_map:
    munmap(p, EMU_ARENA_BYTES);
    return rc;
}

/* A forked child may go on with the handle, but not with its buffers. */
static int attached(xencall_handle *x)
{
    if ( !emu_inherited(&x->conn) )
        return 0;
    emu_disconnect(&x->conn);
    pthread_mutex_init(&x->lock, NULL);
    return attach(x);
}

xencall_handle *xencall_open(xentoollog_logger *logger, unsigned open_flags)
{
    xencall_handle *x;
    int rc;

    (void)open_flags;
    x = calloc(1, sizeof(*x));
    if ( !x )
        return NULL;
    rc = attach(x);
    if ( rc )
    {
        free(x);
        if ( logger )
            xtl_log(logger, XTL_ERROR, -rc, "xencall", "no connection to "
                    "the emulated host that XMIG_EMU names");
        errno = -rc;
        return NULL;
    }
    pthread_mutex_init(&x->lock, NULL);
    return x;
}

int xencall_close(xencall_handle *xcall)
{
    if ( !xcall )
        return 0;
    if ( !emu_inherited(&xcall->conn) )
    {
        munmap(xcall->arena, EMU_ARENA_BYTES);
        pthread_mutex_destroy(&xcall->lock);
    }
    emu_disconnect(&xcall->conn);
    free(xcall);
    return 0;
}

int xencall_fd(xencall_handle *xcall)
{
    return xcall->conn.fd;
}

/* ---- calls -------------------------------------------------------------- */

static long call(xencall_handle *x, unsigned int op, uint64_t a1, uint64_t a2,
                 uint64_t a3, uint64_t a4, uint64_t a5)
{
    struct emu_call req = { .nr = op, .arg = { a1, a2, a3, a4, a5 } };
    int64_t r;

    emu_trace("hypercall", op << 16 | (a1 & 0xffff));
    r = attached(x);
    if ( !r )
        r = emu_call1(&x->conn, EMU_CALL, &req, sizeof(req), NULL, 0);
    if ( r < 0 )
    {
        errno = (int)-r;
        return -1;
    }
    return (long)r;
}

int xencall0(xencall_handle *xcall, unsigned int op)
{
    return (int)call(xcall, op, 0, 0, 0, 0, 0);
}

int xencall1(xencall_handle *xcall, unsigned int op, uint64_t arg1)
{
    return (int)call(xcall, op, arg1, 0, 0, 0, 0);
}

int xencall2(xencall_handle *xcall, unsigned int op, uint64_t arg1,
             uint64_t arg2)
{
    return (int)call(xcall, op, arg1, arg2, 0, 0, 0);
}

long xencall2L(xencall_handle *xcall, unsigned int op, uint64_t arg1,
               uint64_t arg2)
{
    return call(xcall, op, arg1, arg2, 0, 0, 0);
}

int xencall3(xencall_handle *xcall, unsigned int op, uint64_t arg1,
             uint64_t arg2, uint64_t arg3)
{
    return (int)call(xcall, op, arg1, arg2, arg3, 0, 0);
}

int xencall4(xencall_handle *xcall, unsigned int op, uint64_t arg1,
             uint64_t arg2, uint64_t arg3, uint64_t arg4)
{
    return (int)call(xcall, op, arg1, arg2, arg3, arg4, 0);
}

int xencall5(xencall_handle *xcall, unsigned int op, uint64_t arg1,
             uint64_t arg2, uint64_t arg3, uint64_t arg4, uint64_t arg5)
{
    return (int)call(xcall, op, arg1, arg2, arg3, arg4, arg5);
}
