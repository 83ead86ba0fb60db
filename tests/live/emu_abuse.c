/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * A client from hell: speaks to an emulated host's socket in every wrong way
 * it can think of, from a seed.  The host must survive, and must have all its
 * memory back when the client is gone and the domains it made are destroyed.
 *
 *   emu_abuse HOST-DIR [SEED [ROUNDS [together]]]
 *
 * Exit status 0: the host still answers and no frame is lost; with "together"
 * only that it answers, for several at a time.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
#include <xenctrl.h>
#include <xen/hvm/hvm_op.h>
#include <xen/hvm/save.h>
#include <xen/memory.h>
#include <xen/sched.h>

#include "proto.h"

#define SETTLE_US 10000000ull

static const char *host_dir;
static uint64_t rng;

static uint64_t rnd(void)
{
    rng ^= rng << 13;
    rng ^= rng >> 7;
    rng ^= rng << 17;
    return rng;
}

static uint64_t below(uint64_t n)
{
    return rnd() % n;
}

static void fill(void *p, size_t len)
{
    uint8_t *b = p;

    while ( len-- )
        *b++ = (uint8_t)rnd();
}

static void fail(const char *what)
{
    fprintf(stderr, "emu_abuse: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* ---- the socket --------------------------------------------------------- */

static int dial(void)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(a.sun_path, sizeof(a.sun_path), "%s/%s", host_dir,
             EMU_SOCK_NAME);
    if ( fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof(a)) )
        fail("the host is gone");
    return fd;
}

static void put(int fd, const void *p, size_t len)
{
    while ( len )
    {
        ssize_t r = send(fd, p, len, MSG_NOSIGNAL);

        if ( r <= 0 )
            return;
        p = (const char *)p + r;
        len -= (size_t)r;
    }
}

/* A reply with its payload thrown away; its result, or INT64_MIN. */
static int64_t get(int fd, int *ret_fd)
{
    char ctl[CMSG_SPACE(EMU_MAX_FDS * sizeof(int))], sink[4096];
    struct emu_reply r;
    struct iovec iov = { &r, sizeof(r) };
    struct msghdr msg = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = ctl,
        .msg_controllen = sizeof(ctl),
    };
    struct cmsghdr *cm;
    size_t left;

    if ( recvmsg(fd, &msg, MSG_WAITALL | MSG_CMSG_CLOEXEC) != sizeof(r) )
        return INT64_MIN;
    for ( cm = CMSG_FIRSTHDR(&msg); cm; cm = CMSG_NXTHDR(&msg, cm) )
    {
        int got;

        memcpy(&got, CMSG_DATA(cm), sizeof(got));
        if ( ret_fd )
            *ret_fd = got;
        else
            close(got);
    }
    for ( left = r.len; left; )
    {
        ssize_t n = recv(fd, sink, left < sizeof(sink) ? left : sizeof(sink),
                         0);

        if ( n <= 0 )
            return INT64_MIN;
        left -= (size_t)n;
    }
    return r.result;
}

static int64_t ask(int fd, uint32_t op, const void *p, uint32_t len,
                   int *ret_fd)
{
    struct emu_msg m = { op, len };

    put(fd, &m, sizeof(m));
    put(fd, p, len);
    return get(fd, ret_fd);
}

static int hello(enum emu_kind kind, uint64_t va, int *ret_fd)
{
    struct emu_hello h = {
        .magic = EMU_HELLO_MAGIC, .version = EMU_PROTO_VERSION,
        .kind = kind, .arena_va = va,
    };
    int fd = dial();

    if ( ask(fd, EMU_HELLO, &h, sizeof(h), ret_fd) )
        fail("hello");
    return fd;
}

/* ---- ways to be wrong --------------------------------------------------- */

static void noise(void)
{
    uint8_t junk[512];
    int fd = dial();

    fill(junk, sizeof(junk));
    put(fd, junk, below(sizeof(junk)));
    close(fd);
}

static void bad_hello(void)
{
    struct emu_hello h = {
        .magic = EMU_HELLO_MAGIC, .version = EMU_PROTO_VERSION,
        .kind = EMU_KIND_CALL,
    };
    uint8_t junk[256];
    struct
    {
        struct emu_hello h;
        char faults[64];
    } f = { h, "map nth=" };
    int fd = dial();

    switch ( below(7) )
    {
    case 0: h.version = (uint32_t)rnd() | 2; break;
    case 1: h.magic++; break;
    case 2: h.kind = (uint32_t)(below(2) ? 0 : 6 + below(100)); break;
    case 3: h.arena_va = rnd() | 1; break;
    case 4: h.arena_va = ~0xfffull; break;
    case 5: h.fault_len = (uint32_t)rnd() | 1; break;
    case 6:
        f.h.fault_len = sizeof(f.faults);
        fill(f.faults, below(sizeof(f.faults)));
        f.faults[0] = 0;
        if ( ask(fd, EMU_HELLO, &f, sizeof(f), NULL) >= 0 )
            fail("a bad hello was accepted");
        close(fd);
        fd = dial();
        fill(junk, sizeof(junk));
        ask(fd, EMU_HELLO + 1, junk, sizeof(junk), NULL);
        close(fd);
        return;
    }
    if ( ask(fd, EMU_HELLO, &h, sizeof(h), NULL) >= 0 )
        fail("a bad hello was accepted");
    close(fd);
}

static void odd_messages(void)
{
    enum emu_kind kind = (enum emu_kind)(EMU_KIND_FMEM + below(4));
    static const uint32_t first[] = {
        EMU_MAP, EMU_EVTCHN_FIRST, EMU_GNTTAB_FIRST, EMU_FAULT_CLEAR,
    };
    uint8_t junk[600];
    struct emu_msg m;
    int fd = hello(kind, 0, NULL), i;

    for ( i = 0; i < 20; i++ )
    {
        uint32_t op = first[kind - EMU_KIND_FMEM] + (uint32_t)below(10);

        fill(junk, sizeof(junk));
        /* Small numbers get further than large ones. */
        if ( below(2) )
            memset(junk + 4, 0, 20);
        junk[0] = (uint8_t)below(8);
        junk[1] = junk[2] = junk[3] = 0;
        if ( ask(fd, op, junk, (uint32_t)below(sizeof(junk)), NULL) ==
             INT64_MIN )
            break;
    }
    switch ( below(3) )
    {
    case 0:
        m = (struct emu_msg){ EMU_MAP, 0xffffffffu };
        put(fd, &m, sizeof(m));
        break;
    case 1:
        m = (struct emu_msg){ EMU_MAP, 1000 };
        put(fd, &m, sizeof(m));
        put(fd, junk, below(600));
        break;
    }
    close(fd);
}

/* Map a lot, forget half of it, go. */
static void maps(uint32_t domid)
{
    struct
    {
        struct emu_map m;
        uint64_t gfn[1024];
    } *q = calloc(1, sizeof(*q));
    uint64_t id;
    int fd, mem = -1, i;
    unsigned int n;

    if ( !q )
        fail("malloc");
    fd = hello(EMU_KIND_FMEM, 0, &mem);
    if ( mem < 0 || !ftruncate(mem, 0) )
        fail("machine memory could be truncated");
    for ( i = 0; i < 10; i++ )
    {
        int64_t r;

        q->m = (struct emu_map){ .domid = domid,
                                 .num = (uint32_t)(1 + below(1024)) };
        for ( n = 0; n < 1024; n++ )
            q->gfn[n] = below(10) ? below(0x4000) : rnd();
        r = ask(fd, EMU_MAP, q, (uint32_t)(sizeof(q->m) +
                                           q->m.num * sizeof(*q->gfn)), NULL);
        id = (uint64_t)r;
        if ( r > 0 && below(2) )
            ask(fd, EMU_UNMAP, &id, sizeof(id), NULL);
        id = rnd();
        if ( ask(fd, EMU_UNMAP, &id, sizeof(id), NULL) != -EINVAL )
            fail("an unknown mapping could be unmapped");
    }
    close(mem);
    close(fd);
    free(q);
}

/* ---- hypercalls --------------------------------------------------------- */

struct caller
{
    int fd;
    uint8_t *arena;
    atomic_bool stop;
};

#define BUFFER_PAGES 64u
#define BUFFER(c) ((c)->arena + EMU_ARENA_HEADER * EMU_PAGE_SIZE)

/* Meanwhile somebody changes the arguments: a race, and meant to be one. */
__attribute__((no_sanitize("thread")))
static void *meddler(void *arg)
{
    struct caller *c = arg;
    uint64_t x = 88172645463325252ull;

    while ( !atomic_load(&c->stop) )
    {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        __atomic_store_n((uint32_t *)(BUFFER(c) + EMU_PAGE_SIZE +
                                      (x >> 20) % (40 * EMU_PAGE_SIZE) / 4 *
                                      4), (uint32_t)x & 0xfff,
                         __ATOMIC_RELAXED);
    }
    return NULL;
}

static void caller_open(struct caller *c)
{
    unsigned int i;
    int fd = -1;

    c->arena = mmap(NULL, EMU_ARENA_BYTES, PROT_NONE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    c->fd = hello(EMU_KIND_CALL, (uintptr_t)c->arena, &fd);
    if ( fd < 0 || !ftruncate(fd, 0) ||
         mmap(c->arena, EMU_ARENA_BYTES, PROT_READ | PROT_WRITE,
              MAP_SHARED | MAP_FIXED | MAP_NORESERVE, fd, 0) == MAP_FAILED )
        fail("arena");
    close(fd);
    for ( i = 0; i < BUFFER_PAGES; i++ )
        c->arena[(EMU_ARENA_HEADER + i) / 8] |=
            (uint8_t)(1u << ((EMU_ARENA_HEADER + i) % 8));
    atomic_store(&c->stop, false);
}

static void caller_close(struct caller *c)
{
    close(c->fd);
    munmap(c->arena, EMU_ARENA_BYTES);
}

/* Often good, sometimes outside. */
static uint64_t pointer(struct caller *c)
{
    if ( !below(8) )
        return rnd();
    if ( !below(8) )
        return (uintptr_t)c->arena + below(EMU_ARENA_BYTES);
    return (uintptr_t)BUFFER(c) + EMU_PAGE_SIZE +
           below(BUFFER_PAGES - 4) * EMU_PAGE_SIZE;
}

static int64_t call(struct caller *c, uint64_t nr, uint64_t a, uint64_t b)
{
    struct emu_call q = { .nr = nr, .arg = { a, b, rnd() } };

    return ask(c->fd, EMU_CALL, &q, sizeof(q), NULL);
}

static void some_domctl(struct caller *c)
{
    struct xen_domctl *d = (void *)BUFFER(c);
    unsigned int i;

    fill(d, sizeof(*d));
    /* Those that make domains more often than the others. */
    d->cmd = below(3) ? (uint32_t)(1 + below(90)) :
             below(3) == 0 ? XEN_DOMCTL_createdomain :
             below(2) ? XEN_DOMCTL_max_vcpus : XEN_DOMCTL_max_mem;
    d->interface_version = XEN_DOMCTL_INTERFACE_VERSION;
    d->domain = (domid_t)(1 + below(5));
    /* Whole domains, as small as can be, so that others have a target. */
    if ( d->cmd == XEN_DOMCTL_createdomain )
    {
        memset(&d->u, 0, sizeof(d->u));
        d->u.createdomain.flags = XEN_DOMCTL_CDF_hvm | XEN_DOMCTL_CDF_hap;
        d->u.createdomain.max_vcpus = (uint32_t)below(4);
        d->u.createdomain.grant_opts = 1;
    }
    else if ( d->cmd == XEN_DOMCTL_max_vcpus )
        d->u.max_vcpus.max = (uint32_t)below(4);
    else if ( d->cmd == XEN_DOMCTL_max_mem )
        d->u.max_mem.max_memkb = below(40) << 10;
    else
        for ( i = 0; i < sizeof(d->u.pad) / 8; i++ )
        {
            uint64_t v = below(3) ? below(64) :
                         below(2) ? pointer(c) : rnd();

            memcpy(d->u.pad + i * 8, &v, sizeof(v));
        }
    if ( d->cmd == XEN_DOMCTL_shadow_op )
        d->u.shadow_op.op = (uint32_t)below(34);
    call(c, __HYPERVISOR_domctl, (uintptr_t)d, 0);
}

static void some_sysctl(struct caller *c)
{
    struct xen_sysctl *s = (void *)BUFFER(c);
    unsigned int i;

    fill(s, sizeof(*s));
    s->cmd = (uint32_t)(1 + below(32));
    s->interface_version = XEN_SYSCTL_INTERFACE_VERSION;
    for ( i = 0; i < sizeof(s->u.pad) / 8; i++ )
    {
        uint64_t v = below(2) ? below(64) : pointer(c);

        memcpy(s->u.pad + i * 8, &v, sizeof(v));
    }
    call(c, __HYPERVISOR_sysctl, (uintptr_t)s, 0);
}

static void some_memory_op(struct caller *c)
{
    struct multicall_entry *e = (void *)BUFFER(c);
    struct xen_memory_reservation *r = (void *)(e + 1);
    uint64_t *gfns = (void *)(BUFFER(c) + EMU_PAGE_SIZE);
    unsigned int i;

    for ( i = 0; i < 2048; i++ )
        gfns[i] = below(20) ? below(0x4000) : rnd();
    memset(e, 0, sizeof(*e));
    fill(r, sizeof(*r));
    e->op = below(16) ? __HYPERVISOR_memory_op : below(60);
    e->args[0] = below(3) ? XENMEM_populate_physmap : below(30);
    e->args[1] = below(8) ? (uintptr_t)r : pointer(c);
    r->domid = (domid_t)(1 + below(5));
    r->nr_extents = below(2048);
    r->extent_order = below(4) ? 0 : (unsigned int)below(20);
    r->extent_start.p = below(8) ? (void *)gfns : (void *)pointer(c);
    call(c, __HYPERVISOR_multicall, (uintptr_t)e, below(8) ? 1 : rnd());
}

static void some_context(struct caller *c)
{
    struct xen_domctl *d = (void *)BUFFER(c);
    uint8_t *blob = BUFFER(c) + EMU_PAGE_SIZE;
    uint32_t at = 0;
    struct hvm_save_descriptor desc;
    HVM_SAVE_TYPE(HEADER) h = { .magic = HVM_FILE_MAGIC,
                                .version = HVM_FILE_VERSION };

    fill(blob, 8 * EMU_PAGE_SIZE);
    desc = (struct hvm_save_descriptor){ 1, 0, sizeof(h) };
    memcpy(blob, &desc, sizeof(desc));
    memcpy(blob + sizeof(desc), &h, sizeof(h));
    at = sizeof(desc) + sizeof(h);
    while ( below(6) && at < 6 * EMU_PAGE_SIZE )
    {
        desc.typecode = (uint16_t)below(24);
        desc.instance = (uint16_t)below(3);
        desc.length = desc.typecode == 2 && below(3) ?
                      sizeof(HVM_SAVE_TYPE(CPU)) : (uint32_t)below(600);
        if ( !below(10) )
            desc.length = (uint32_t)rnd();
        memcpy(blob + at, &desc, sizeof(desc));
        at += sizeof(desc) + (desc.length & 0xfff);
    }
    memset(blob + at, 0, sizeof(desc));
    memset(d, 0, sizeof(*d));
    d->cmd = below(2) ? XEN_DOMCTL_sethvmcontext : XEN_DOMCTL_gethvmcontext;
    d->interface_version = XEN_DOMCTL_INTERFACE_VERSION;
    d->domain = (domid_t)(1 + below(5));
    d->u.hvmcontext.size = below(3) ? at + (uint32_t)sizeof(desc) :
                                      (uint32_t)below(40000);
    d->u.hvmcontext.buffer.p = blob;
    call(c, __HYPERVISOR_domctl, (uintptr_t)d, 0);
}

static void some_other(struct caller *c)
{
    static const uint64_t nr[] = {
        __HYPERVISOR_xen_version, __HYPERVISOR_grant_table_op,
        __HYPERVISOR_sched_op, __HYPERVISOR_event_channel_op,
        __HYPERVISOR_hvm_op, __HYPERVISOR_mmuext_op, __HYPERVISOR_dm_op,
    };
    uint16_t *arg = (void *)BUFFER(c);
    unsigned int i;

    for ( i = 0; i < 64; i++ )
        arg[i] = (uint16_t)(below(3) ? below(8) : rnd());
    call(c, below(8) ? nr[below(sizeof(nr) / sizeof(nr[0]))] : rnd(),
         below(30), below(8) ? (uintptr_t)arg : pointer(c));
}

static void hypercalls(void)
{
    struct caller c;
    pthread_t t;
    bool meddle = below(2);
    int i;

    caller_open(&c);
    if ( meddle && pthread_create(&t, NULL, meddler, &c) )
        fail("thread");
    for ( i = 0; i < 300; i++ )
        switch ( below(8) )
        {
        case 0: case 1: case 2: some_domctl(&c); break;
        case 3: some_sysctl(&c); break;
        case 4: case 5: some_memory_op(&c); break;
        case 6: some_context(&c); break;
        case 7: some_other(&c); break;
        }
    atomic_store(&c.stop, true);
    if ( meddle )
        pthread_join(t, NULL);
    caller_close(&c);
}

/* ---- the verdict -------------------------------------------------------- */

static unsigned long free_pages(xc_interface *xch)
{
    xc_physinfo_t info = { 0 };

    if ( xc_physinfo(xch, &info) )
        fail("physinfo");
    return info.free_pages + info.outstanding_pages;
}

/* Waits for the host to notice that connections are gone. */
static bool settles_at(xc_interface *xch, unsigned long want)
{
    struct timespec ts;
    uint64_t waited;

    for ( waited = 0; waited < SETTLE_US; waited += 1000 )
    {
        if ( free_pages(xch) == want )
            return true;
        ts = (struct timespec){ .tv_nsec = 1000000 };
        nanosleep(&ts, NULL);
    }
    fprintf(stderr, "emu_abuse: %lu pages are free, %lu were\n",
            free_pages(xch), want);
    return false;
}

static void destroy_all(xc_interface *xch)
{
    xc_dominfo_t info[64];
    int n, i;

    while ( (n = xc_domain_getinfo(xch, 1, 64, info)) > 0 )
        for ( i = 0; i < n; i++ )
            if ( xc_domain_destroy(xch, info[i].domid) )
                fail("destroy");
}

int main(int argc, char **argv)
{
    unsigned long rounds, i, before;
    bool together = argc > 4;
    xc_interface *xch;
    xentoollog_logger *log;

    if ( argc < 2 )
        return 2;
    host_dir = argv[1];
    rng = (argc > 2 ? strtoull(argv[2], NULL, 0) : 1) * 2 + 1;
    rounds = argc > 3 ? strtoul(argv[3], NULL, 0) : 100;
    for ( i = 0; i < 20; i++ )
        rnd();

    setenv("XMIG_EMU", host_dir, 1);
    log = (xentoollog_logger *)xtl_createlogger_stdiostream(stderr, XTL_ERROR,
                                                            0);
    xch = xc_interface_open(log, log, 0);
    if ( !xch )
        fail("open");
    if ( !together )
        destroy_all(xch);
    before = free_pages(xch);
    for ( i = 0; i < rounds; i++ )
        switch ( below(8) )
        {
        case 0: noise(); break;
        case 1: bad_hello(); break;
        case 2: case 3: odd_messages(); break;
        case 4: case 5: maps((uint32_t)(1 + below(5))); break;
        default: hypercalls(); break;
        }
    if ( !together )
    {
        destroy_all(xch);
        if ( !settles_at(xch, before) )
            return 1;
    }
    xc_interface_close(xch);
    xtl_logger_destroy(log);
    return 0;
}
