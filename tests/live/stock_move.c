/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Debian's own xc_domain_save() and xc_domain_restore() move a domain live
 * between two emulated hosts over TCP, with nothing of ours in between but
 * the hosts themselves.
 *
 *   stock_move [--compare] [--store] [--keep-paused] [--debug]
 *              SOURCE-DIR SOURCE-DOMID DESTINATION-DIR
 *
 *   --compare      before the guest runs on: every page of the destination
 *                  must equal the source's (which stays, suspended)
 *   --store        suspend by xenstore control/shutdown, not by the
 *                  toolstack's remote shutdown
 *   --keep-paused  do not let the guest run at the destination
 *   --debug        XCFLAGS_DEBUG: libxenguest sends everything a second time
 *                  and verifies it
 *
 * The guest's xenstore connection is not made anew: this judges memory, vCPU
 * context and the hypercalls, see stock_tools.t for whole domains.
 * Prints "domid=N rounds=N sent=N us=N down_us=N"; exit status 0 if all went
 * well.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <xenctrl.h>
#include <xenforeignmemory.h>
#include <xenguest.h>
#include <xenstore.h>
#include <xen/hvm/params.h>

#define SUSPEND_LIMIT_US 10000000ull
#define COMPARE_BATCH    1024u

struct options
{
    bool compare, store, keep_paused, debug;
    const char *src_dir, *dst_dir;
    uint32_t domid;
};

struct saver
{
    xc_interface *xch;
    const struct options *o;
    unsigned int rounds;
    uint64_t sent, suspend_us;
};

/* What a child tells the parent. */
struct outcome
{
    int rc;
    uint32_t domid;
    unsigned int rounds;
    uint64_t sent, suspend_us, done_us;
};

static uint64_t now_us(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static xc_interface *open_host(const char *dir)
{
    /* One for the process: a handle does not own its logger. */
    static xentoollog_logger *log;
    xc_interface *xch;

    if ( !log )
        log = (xentoollog_logger *)
            xtl_createlogger_stdiostream(stderr, XTL_ERROR, 0);
    setenv("XMIG_EMU", dir, 1);
    xch = xc_interface_open(log, log, 0);
    if ( !xch )
        fprintf(stderr, "stock_move: no host at %s: %s\n", dir,
                strerror(errno));
    return xch;
}

/* ---- source ------------------------------------------------------------- */

static bool is_suspended(xc_interface *xch, uint32_t domid)
{
    xc_dominfo_t info;

    return xc_domain_getinfo(xch, domid, 1, &info) == 1 &&
           info.domid == domid && info.shutdown &&
           info.shutdown_reason == SHUTDOWN_suspend;
}

static int suspend_by_store(struct saver *s)
{
    uint64_t until = now_us() + SUSPEND_LIMIT_US;
    char path[256], node[64];
    struct xs_handle *xs;
    bool ok;

    snprintf(path, sizeof(path), "%s/xenstored.sock", s->o->src_dir);
    setenv("XENSTORED_PATH", path, 1);
    xs = xs_open(0);
    if ( !xs )
        return -1;
    snprintf(node, sizeof(node), "/local/domain/%u/control/shutdown",
             s->o->domid);
    ok = xs_write(xs, XBT_NULL, node, "suspend", 7);
    while ( ok && !is_suspended(s->xch, s->o->domid) )
    {
        if ( now_us() > until )
            ok = false;
        poll(NULL, 0, 1);
    }
    xs_close(xs);
    return ok ? 0 : -1;
}

static int on_suspend(void *data)
{
    struct saver *s = data;
    int r;

    s->suspend_us = now_us();
    r = s->o->store ? suspend_by_store(s) :
        xc_domain_shutdown(s->xch, s->o->domid, SHUTDOWN_suspend);
    return r ? 0 : 1;
}

/* libxenguest's own rule, with the figures kept. */
static int on_policy(struct precopy_stats st, void *data)
{
    struct saver *s = data;

    s->rounds = st.iteration;
    s->sent = st.total_written;
    return st.dirty_count >= 0 &&
           (st.dirty_count < 50 || st.iteration >= 5) ?
           XGS_POLICY_STOP_AND_COPY : XGS_POLICY_CONTINUE_PRECOPY;
}

static int on_qemu(uint32_t domid, unsigned int enable, void *data)
{
    (void)domid;
    (void)enable;
    (void)data;
    return 0;
}

static int save(const struct options *o, int fd, struct outcome *out)
{
    struct saver s = { .o = o };
    struct save_callbacks cb = {
        .suspend = on_suspend,
        .precopy_policy = on_policy,
        .switch_qemu_logdirty = on_qemu,
        .data = &s,
    };

    s.xch = open_host(o->src_dir);
    if ( !s.xch )
        return -1;
    out->rc = xc_domain_save(s.xch, fd, o->domid,
                             XCFLAGS_LIVE | (o->debug ? XCFLAGS_DEBUG : 0),
                             &cb, XC_STREAM_PLAIN, -1);
    out->done_us = now_us();
    out->rounds = s.rounds;
    out->sent = s.sent;
    out->suspend_us = s.suspend_us;
    if ( !out->rc && !is_suspended(s.xch, o->domid) )
    {
        fprintf(stderr, "stock_move: the source is not suspended\n");
        out->rc = -1;
    }
    xc_interface_close(s.xch);
    return out->rc;
}

/* ---- destination -------------------------------------------------------- */

static int make_domain(xc_interface *xch, const xc_dominfo_t *src,
                       uint32_t *ret_domid)
{
    struct xen_domctl_createdomain create = {
        .flags = XEN_DOMCTL_CDF_hvm | XEN_DOMCTL_CDF_hap,
        .max_vcpus = src->max_vcpu_id + 1,
        .max_evtchn_port = 1023,
        .max_grant_frames = 64,
        .max_maptrack_frames = 1024,
        .grant_opts = XEN_DOMCTL_GRANT_version(1),
        .arch.emulation_flags = XEN_X86_EMU_LAPIC,
    };

    memcpy(create.handle, src->handle, sizeof(create.handle));
    if ( xc_domain_create(xch, ret_domid, &create) ||
         xc_domain_max_vcpus(xch, *ret_domid, create.max_vcpus) ||
         xc_domain_setmaxmem(xch, *ret_domid, src->max_memkb) )
    {
        fprintf(stderr, "stock_move: create: %s\n", strerror(errno));
        return -1;
    }
    return 0;
}

static int restore(const struct options *o, const xc_dominfo_t *src, int fd,
                   struct outcome *out)
{
    struct restore_callbacks cb = { .data = NULL };
    unsigned long store_mfn = 0, console_mfn = 0;
    int store_port, console_port;
    xc_interface *xch;

    out->rc = -1;
    xch = open_host(o->dst_dir);
    if ( !xch || make_domain(xch, src, &out->domid) )
        return -1;
    store_port = xc_evtchn_alloc_unbound(xch, out->domid, 0);
    console_port = xc_evtchn_alloc_unbound(xch, out->domid, 0);
    if ( store_port < 0 || console_port < 0 )
        return -1;
    out->rc = xc_domain_restore(xch, fd, out->domid,
                                (unsigned int)store_port, &store_mfn, 0,
                                (unsigned int)console_port, &console_mfn, 0,
                                XC_STREAM_PLAIN, &cb, -1);
    if ( !out->rc && !o->compare && !o->keep_paused )
        out->rc = xc_domain_unpause(xch, out->domid);
    out->done_us = now_us();
    if ( out->rc )
        xc_domain_destroy(xch, out->domid);
    xc_interface_close(xch);
    return out->rc;
}

/* ---- comparing ---------------------------------------------------------- */

struct view
{
    xc_interface *xch;
    xenforeignmemory_handle *fmem;
    uint32_t domid;
    uint64_t clear[4];           /* pages that a restore clears */
};

static int view_open(struct view *v, const char *dir, uint32_t domid)
{
    static const int param[] = {
        HVM_PARAM_STORE_PFN, HVM_PARAM_CONSOLE_PFN, HVM_PARAM_IOREQ_PFN,
        HVM_PARAM_BUFIOREQ_PFN,
    };
    unsigned int i;

    v->domid = domid;
    v->xch = open_host(dir);
    v->fmem = v->xch ? xenforeignmemory_open(NULL, 0) : NULL;
    if ( !v->fmem )
        return -1;
    for ( i = 0; i < 4; i++ )
        if ( xc_hvm_param_get(v->xch, domid, (uint32_t)param[i],
                              &v->clear[i]) )
            return -1;
    return 0;
}

static void view_close(struct view *v)
{
    if ( v->fmem )
        xenforeignmemory_close(v->fmem);
    if ( v->xch )
        xc_interface_close(v->xch);
}

static bool is_cleared(const struct view *v, uint64_t gfn)
{
    unsigned int i;

    for ( i = 0; i < 4; i++ )
        if ( gfn == v->clear[i] && gfn )
            return true;
    return false;
}

/* Pages that differ, from gfn on; counts those that are there. */
static long compare_batch(struct view *a, struct view *b, uint64_t gfn,
                          unsigned int n, uint64_t *ret_pages)
{
    int err_a[COMPARE_BATCH], err_b[COMPARE_BATCH];
    xen_pfn_t gfns[COMPARE_BATCH] = { 0 };
    uint8_t *pa, *pb;
    long bad = 0;
    unsigned int i;

    for ( i = 0; i < n; i++ )
        gfns[i] = gfn + i;
    pa = xenforeignmemory_map(a->fmem, a->domid, PROT_READ, n, gfns, err_a);
    pb = xenforeignmemory_map(b->fmem, b->domid, PROT_READ, n, gfns, err_b);
    for ( i = 0; pa && pb && i < n; i++ )
    {
        bool differ = !err_a[i] != !err_b[i];

        if ( !differ && !err_a[i] )
        {
            ++*ret_pages;
            differ = !is_cleared(b, gfns[i]) &&
                     memcmp(pa + i * XC_PAGE_SIZE, pb + i * XC_PAGE_SIZE,
                            XC_PAGE_SIZE);
        }
        if ( differ && !bad++ )
            fprintf(stderr, "stock_move: gfn 0x%llx differs\n",
                    (unsigned long long)gfns[i]);
    }
    if ( !pa || !pb )
        bad = 1;
    if ( pa )
        xenforeignmemory_unmap(a->fmem, pa, n);
    if ( pb )
        xenforeignmemory_unmap(b->fmem, pb, n);
    return bad;
}

static int compare(const struct options *o, uint32_t dst_domid)
{
    struct view a = { .xch = NULL }, b = { .xch = NULL };
    xen_pfn_t max_a, max_b, gfn;
    uint64_t pages = 0;
    long bad = 1;

    if ( view_open(&a, o->src_dir, o->domid) ||
         view_open(&b, o->dst_dir, dst_domid) ||
         xc_domain_maximum_gpfn(a.xch, a.domid, &max_a) ||
         xc_domain_maximum_gpfn(b.xch, b.domid, &max_b) )
        goto out;
    if ( max_a != max_b )
        fprintf(stderr, "stock_move: highest gfn 0x%llx there, 0x%llx here\n",
                (unsigned long long)max_b, (unsigned long long)max_a);
    bad = max_a != max_b;
    for ( gfn = 0; gfn <= max_a; gfn += COMPARE_BATCH )
        bad += compare_batch(&a, &b, gfn, max_a + 1 - gfn < COMPARE_BATCH ?
                             (unsigned int)(max_a + 1 - gfn) : COMPARE_BATCH,
                             &pages);
    fprintf(stderr, "stock_move: %llu pages compared, %ld differences\n",
            (unsigned long long)pages, bad);
    if ( !pages )
        bad++;

 out:
    view_close(&a);
    view_close(&b);
    return bad ? -1 : 0;
}

/* ---- both --------------------------------------------------------------- */

static int connect_pair(int fd[2])
{
    struct sockaddr_in a = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    socklen_t len = sizeof(a);
    int l, one = 1;

    l = socket(AF_INET, SOCK_STREAM, 0);
    fd[0] = socket(AF_INET, SOCK_STREAM, 0);
    if ( l < 0 || fd[0] < 0 || bind(l, (struct sockaddr *)&a, len) ||
         listen(l, 1) || getsockname(l, (struct sockaddr *)&a, &len) ||
         connect(fd[0], (struct sockaddr *)&a, len) )
        return -1;
    fd[1] = accept(l, NULL, NULL);
    close(l);
    setsockopt(fd[0], IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    return fd[1] < 0 ? -1 : 0;
}

static int get_info(const struct options *o, xc_dominfo_t *ret_info)
{
    xc_interface *xch = open_host(o->src_dir);
    int n;

    if ( !xch )
        return -1;
    n = xc_domain_getinfo(xch, o->domid, 1, ret_info);
    xc_interface_close(xch);
    if ( n != 1 || ret_info->domid != o->domid )
    {
        fprintf(stderr, "stock_move: no domain %u\n", o->domid);
        return -1;
    }
    return 0;
}

static pid_t start(const struct options *o, const xc_dominfo_t *info,
                   int fd[2], bool source, int *ret_pipe)
{
    struct outcome out = { .rc = -1 };
    int p[2];
    pid_t pid;

    if ( pipe(p) )
        return -1;
    pid = fork();
    if ( !pid )
    {
        close(fd[source ? 1 : 0]);
        if ( source )
            save(o, fd[0], &out);
        else
            restore(o, info, fd[1], &out);
        if ( write(p[1], &out, sizeof(out)) != sizeof(out) )
            out.rc = -1;
        _exit(out.rc ? 1 : 0);
    }
    close(p[1]);
    *ret_pipe = p[0];
    return pid;
}

static void finish(pid_t pid, int fd, struct outcome *out)
{
    int status;

    if ( read(fd, out, sizeof(*out)) != sizeof(*out) )
        out->rc = -1;
    close(fd);
    if ( waitpid(pid, &status, 0) != pid || status )
        out->rc = -1;
}

static int after(const struct options *o, uint32_t domid)
{
    xc_interface *xch;
    int rc;

    rc = compare(o, domid);
    if ( rc || o->keep_paused )
        return rc;
    xch = open_host(o->dst_dir);
    rc = xch ? xc_domain_unpause(xch, domid) : -1;
    if ( xch )
        xc_interface_close(xch);
    return rc;
}

int main(int argc, char **argv)
{
    static const struct option opts[] = {
        { "compare", no_argument, NULL, 'c' },
        { "store", no_argument, NULL, 's' },
        { "keep-paused", no_argument, NULL, 'k' },
        { "debug", no_argument, NULL, 'd' },
        { NULL, 0, NULL, 0 },
    };
    struct options o = { .compare = false };
    struct outcome src = { .rc = -1 }, dst = { .rc = -1 };
    int fd[2], pipe_src, pipe_dst, c;
    uint64_t start_us;
    xc_dominfo_t info;
    pid_t saver, restorer;

    while ( (c = getopt_long(argc, argv, "", opts, NULL)) != -1 )
    {
        o.compare |= c == 'c';
        o.store |= c == 's';
        o.keep_paused |= c == 'k';
        o.debug |= c == 'd';
        if ( c == '?' )
            return 2;
    }
    if ( argc - optind != 3 )
    {
        fprintf(stderr, "usage: stock_move [OPTIONS] SOURCE-DIR DOMID "
                "DESTINATION-DIR\n");
        return 2;
    }
    o.src_dir = argv[optind];
    o.domid = (uint32_t)strtoul(argv[optind + 1], NULL, 10);
    o.dst_dir = argv[optind + 2];
    if ( get_info(&o, &info) || connect_pair(fd) )
        return 1;

    start_us = now_us();
    restorer = start(&o, &info, fd, false, &pipe_dst);
    saver = start(&o, &info, fd, true, &pipe_src);
    close(fd[0]);
    close(fd[1]);
    finish(saver, pipe_src, &src);
    finish(restorer, pipe_dst, &dst);
    if ( src.rc || dst.rc )
    {
        fprintf(stderr, "stock_move: save %d, restore %d\n", src.rc, dst.rc);
        return 1;
    }
    printf("domid=%u rounds=%u sent=%llu us=%llu down_us=%llu\n", dst.domid,
           src.rounds, (unsigned long long)src.sent,
           (unsigned long long)(dst.done_us - start_us),
           (unsigned long long)(dst.done_us - src.suspend_us));
    return o.compare && after(&o, dst.domid) ? 1 : 0;
}
