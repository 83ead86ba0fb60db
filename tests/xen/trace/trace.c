/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * LD_PRELOAD=.../xmig-trace.so XMIG_TRACE=FILE: a line for each thing that a
 * program asks the hypervisor for, at the ABI of libxencall,
 * libxenforeignmemory and libxenevtchn.  The program (ours, or one of Xen's)
 * and what is below (real Xen, or the emulated host) do not notice, so what
 * the two do for the same program can be compared: compare.py.
 *
 *   <program> <handle> <what> <arguments> = <result> <what came back>
 *
 * Handles are numbered as they are first used: c of libxencall, f of
 * libxenforeignmemory, e of libxenevtchn.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <xencall.h>
#include <xenevtchn.h>
#include <xenforeignmemory.h>

#include "trace.h"

#define EXPORT __attribute__((visibility("default")))
#define HANDLES 64u

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int fd = -2;                  /* -2: not opened yet */
static struct { char kind; const void *handle; } handles[HANDLES];

/* The function behind us. */
#define NEXT(name)                                                      \
    ({                                                                  \
        static __typeof__(&name) next_;                                 \
                                                                        \
        if ( !next_ )                                                   \
            next_ = (__typeof__(&name))dlsym(RTLD_NEXT, #name);         \
        next_;                                                          \
    })

void trace_add(struct trace_line *l, const char *fmt, ...)
{
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(l->text + l->used, sizeof(l->text) - l->used, fmt, ap);
    va_end(ap);
    l->used += n < 0 ? 0 : (unsigned int)n;
    if ( l->used > sizeof(l->text) - 2 )
        l->used = sizeof(l->text) - 2;
}

/* Under the lock. */
static unsigned int handle_nr(char kind, const void *handle)
{
    unsigned int i, nr = 0;

    for ( i = 0; i < HANDLES && handles[i].kind; i++ )
    {
        nr += handles[i].kind == kind;
        if ( handles[i].kind == kind && handles[i].handle == handle )
            return nr;
    }
    if ( i < HANDLES )
    {
        handles[i].kind = kind;
        handles[i].handle = handle;
    }

    return nr + 1;
}

/* A handle that is closed: its address may come back as another. */
static void handle_gone(char kind, const void *handle)
{
    unsigned int i;

    pthread_mutex_lock(&lock);
    for ( i = 0; i < HANDLES && handles[i].kind; i++ )
        if ( handles[i].kind == kind && handles[i].handle == handle )
            handles[i].handle = NULL;
    pthread_mutex_unlock(&lock);
}

static void begin(struct trace_line *l, char kind, const void *handle)
{
    l->used = 0;
    pthread_mutex_lock(&lock);
    trace_add(l, "%s %c%u ", program_invocation_short_name, kind,
              handle_nr(kind, handle));
    pthread_mutex_unlock(&lock);
}

static void end(struct trace_line *l)
{
    const char *path = getenv("XMIG_TRACE");
    int saved = errno;

    pthread_mutex_lock(&lock);
    if ( fd == -2 )
        fd = path ? open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC,
                         0644) : -1;
    l->text[l->used++] = '\n';
    if ( fd >= 0 && write(fd, l->text, l->used) < 0 )
        fd = -1;
    pthread_mutex_unlock(&lock);
    errno = saved;
}

/* ---- libxencall --------------------------------------------------------- */

static void ask(struct trace_line *l, xencall_handle *h, unsigned int op,
                const uint64_t args[5])
{
    begin(l, 'c', h);
    trace_ask(l, op, args);
}

static void answer(struct trace_line *l, unsigned int op,
                   const uint64_t args[5], long r)
{
    int saved = errno;

    trace_answer(l, op, args, r < 0 ? -errno : r);
    end(l);
    errno = saved;
}

EXPORT int xencall1(xencall_handle *h, unsigned int op, uint64_t a)
{
    uint64_t args[5] = { a };
    struct trace_line l;
    int r;

    ask(&l, h, op, args);
    r = NEXT(xencall1)(h, op, a);
    answer(&l, op, args, r);

    return r;
}

EXPORT int xencall2(xencall_handle *h, unsigned int op, uint64_t a,
                    uint64_t b)
{
    uint64_t args[5] = { a, b };
    struct trace_line l;
    int r;

    ask(&l, h, op, args);
    r = NEXT(xencall2)(h, op, a, b);
    answer(&l, op, args, r);

    return r;
}

EXPORT long xencall2L(xencall_handle *h, unsigned int op, uint64_t a,
                      uint64_t b)
{
    uint64_t args[5] = { a, b };
    struct trace_line l;
    long r;

    ask(&l, h, op, args);
    r = NEXT(xencall2L)(h, op, a, b);
    answer(&l, op, args, r);

    return r;
}

EXPORT int xencall3(xencall_handle *h, unsigned int op, uint64_t a,
                    uint64_t b, uint64_t c)
{
    uint64_t args[5] = { a, b, c };
    struct trace_line l;
    int r;

    ask(&l, h, op, args);
    r = NEXT(xencall3)(h, op, a, b, c);
    answer(&l, op, args, r);

    return r;
}

EXPORT int xencall_close(xencall_handle *h)
{
    handle_gone('c', h);

    return NEXT(xencall_close)(h);
}

/* ---- libxenforeignmemory ------------------------------------------------ */

static void mapped(struct trace_line *l, const void *addr, size_t n,
                   const int *errs)
{
    size_t i, bad = 0;
    int first = 0, saved = errno;

    for ( i = 0; addr && errs && i < n; i++ )
        if ( errs[i] && !bad++ )
            first = errs[i];
    trace_add(l, " = %d", addr ? 0 : -errno);
    if ( bad )
        trace_add(l, " bad=%zu first=%d", bad, first);
    end(l);
    errno = saved;
}

EXPORT void *xenforeignmemory_map(xenforeignmemory_handle *h, uint32_t dom,
                                  int prot, size_t n,
                                  const xen_pfn_t gfns[], int errs[])
{
    struct trace_line l;
    void *addr;

    begin(&l, 'f', h);
    trace_add(&l, "map dom=%u prot=%d n=%zu%s", dom, prot, n,
              errs ? " errs" : "");
    addr = NEXT(xenforeignmemory_map)(h, dom, prot, n, gfns, errs);
    mapped(&l, addr, n, errs);

    return addr;
}

EXPORT int xenforeignmemory_unmap(xenforeignmemory_handle *h, void *addr,
                                  size_t n)
{
    struct trace_line l;
    int r;

    begin(&l, 'f', h);
    r = NEXT(xenforeignmemory_unmap)(h, addr, n);
    trace_add(&l, "unmap n=%zu = %d", n, r < 0 ? -errno : r);
    end(&l);

    return r;
}

EXPORT xenforeignmemory_resource_handle *xenforeignmemory_map_resource(
    xenforeignmemory_handle *h, domid_t dom, unsigned int type,
    unsigned int id, unsigned long frame, unsigned long n, void **paddr,
    int prot, int flags)
{
    xenforeignmemory_resource_handle *r;
    struct trace_line l;

    begin(&l, 'f', h);
    r = NEXT(xenforeignmemory_map_resource)(h, dom, type, id, frame, n,
                                            paddr, prot, flags);
    trace_add(&l, "map_resource dom=%u type=%u id=%u frame=%lu n=%lu = %d",
              dom, type, id, frame, n, r ? 0 : -errno);
    end(&l);

    return r;
}

EXPORT int xenforeignmemory_close(xenforeignmemory_handle *h)
{
    handle_gone('f', h);

    return NEXT(xenforeignmemory_close)(h);
}

/* ---- libxenevtchn ------------------------------------------------------- */

EXPORT xenevtchn_port_or_error_t xenevtchn_bind_interdomain(
    xenevtchn_handle *h, uint32_t dom, evtchn_port_t port)
{
    struct trace_line l;
    int r;

    begin(&l, 'e', h);
    r = NEXT(xenevtchn_bind_interdomain)(h, dom, port);
    trace_add(&l, "bind_interdomain dom=%u = %d", dom, r < 0 ? -errno : 0);
    end(&l);

    return r;
}

EXPORT int xenevtchn_notify(xenevtchn_handle *h, evtchn_port_t port)
{
    struct trace_line l;
    int r;

    begin(&l, 'e', h);
    r = NEXT(xenevtchn_notify)(h, port);
    trace_add(&l, "notify = %d", r < 0 ? -errno : 0);
    end(&l);

    return r;
}

EXPORT xenevtchn_port_or_error_t xenevtchn_pending(xenevtchn_handle *h)
{
    struct trace_line l;
    int r;

    begin(&l, 'e', h);
    r = NEXT(xenevtchn_pending)(h);
    trace_add(&l, "pending = %d", r < 0 ? -errno : 0);
    end(&l);

    return r;
}

EXPORT int xenevtchn_unbind(xenevtchn_handle *h, evtchn_port_t port)
{
    struct trace_line l;
    int r;

    begin(&l, 'e', h);
    r = NEXT(xenevtchn_unbind)(h, port);
    trace_add(&l, "unbind = %d", r < 0 ? -errno : 0);
    end(&l);

    return r;
}

EXPORT int xenevtchn_close(xenevtchn_handle *h)
{
    handle_gone('e', h);

    return NEXT(xenevtchn_close)(h);
}
