/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Moves a domain between two emulated hosts with Debian's own libxenguest:
 * a process that calls xc_domain_save() on one end of a TCP connection, a
 * process that calls xc_domain_restore() on the other.  What a toolstack
 * adds is done as cheaply as it can be: the destination's domain and its
 * xenstore subtree are made outside the clock, the guest is introduced to
 * xenstored as soon as it is restored, and unpaused on one message from the
 * source, which sends it as soon as it hears of that.
 *
 *   stock SOURCE-DIR DESTINATION-DIR DOMID    (run by xmig-emu run)
 *
 * Prints "bytes=N us=N cpu_us=N domid=N": from before xc_domain_save() until
 * the source knows that the guest runs there; CPU of both ends in that time.
 */
#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <xenctrl.h>
#include <xenguest.h>

#include "clock.h"
#include "err.h"
#include "hv.h"
#include "store.h"

#define SUSPEND_LIMIT_US 10000000ull

/* What the destination has to know before the stream comes. */
struct plan
{
    uint32_t domid;              /* there */
    uint32_t store_port, console_port;
    char name[128];
};

struct result
{
    uint64_t us, cpu_us, bytes;
};

/* One end: a process with its own handles. */
struct end
{
    struct err err;
    struct hv *hv;
    struct store *st;
    uint32_t domid;
    struct hv_port *port;        /* the guest's suspend channel */
};

static void die(const char *what, struct end *end)
{
    struct xmig_error rec = { .text = "" };

    if ( end )
        err_copy(&end->err, &rec);
    fprintf(stderr, "stock: %s: %s\n", what,
            rec.text[0] ? rec.text : strerror(errno));
    exit(1);
}

static void put(int fd, const void *data, size_t len)
{
    if ( write(fd, data, len) != (ssize_t)len )
        die("write to the other process", NULL);
}

static void get(int fd, void *data, size_t len)
{
    size_t have;
    ssize_t r;

    for ( have = 0; have < len; have += r )
    {
        r = read(fd, (char *)data + have, len - have);
        if ( r <= 0 )
            die("the other process is gone", NULL);
    }
}

/* Whose host this process talks to: before any handle is opened. */
static void enter_host(struct end *end, const char *dir)
{
    char path[512];

    memset(end, 0, sizeof(*end));
    err_init(&end->err);
    snprintf(path, sizeof(path), "%s/xenstored.sock", dir);
    if ( setenv("XMIG_EMU", dir, 1) || setenv("XENSTORED_PATH", path, 1) )
        die("environment", NULL);
    snprintf(path, sizeof(path), "%s/xenstored", dir);
    if ( setenv("XENSTORED_RUNDIR", path, 1) )
        die("environment", NULL);
    if ( hv_open(NULL, &end->err, &end->hv) ||
         store_open(&end->err, &end->st) )
        die(dir, end);
}

/* The interface does not own its logger. */
static xc_interface *stock_open(xentoollog_logger **ret_lg)
{
    xentoollog_logger *lg = (xentoollog_logger *)
        xtl_createlogger_stdiostream(stderr, XTL_ERROR, 0);
    xc_interface *xch = lg ? xc_interface_open(lg, lg, 0) : NULL;

    if ( !xch )
        die("xc_interface_open", NULL);
    *ret_lg = lg;

    return xch;
}

/* ---- source --------------------------------------------------------- */

static int qemu_logdirty(uint32_t domid, unsigned int enable, void *data)
{
    (void)domid;
    (void)enable;
    (void)data;

    return 0;
}

/* By the guest's event channel, as xmig does it. */
static int suspend(void *data)
{
    struct end *end = data;
    uint64_t deadline_us = clock_now_us() + SUSPEND_LIMIT_US;
    struct pollfd pfd = { .fd = hv_port_fd(end->port), .events = POLLIN };
    struct hv_domain info;

    if ( hv_port_notify(end->port, &end->err) )
        die("suspend", end);
    while ( clock_now_us() < deadline_us )
    {
        if ( hv_domain_info(end->hv, &end->err, end->domid, &info) )
            die("suspend", end);
        if ( info.shut_down )
            return info.shutdown_reason == HV_SHUTDOWN_SUSPEND;
        if ( poll(&pfd, 1, 100) > 0 )
            hv_port_take(end->port, NULL);
    }
    fprintf(stderr, "stock: the guest does not suspend\n");

    return 0;
}

static void describe(struct end *end, struct hv_create *ret_c,
                     struct hv_rings *ret_rings,
                     struct store_pairs *ret_pairs, char name[128])
{
    struct hv_domain d;
    char *s;

    if ( hv_domain_info(end->hv, &end->err, end->domid, &d) ||
         store_name(end->st, &end->err, end->domid, &s) ||
         hv_paging_pool_get(end->hv, &end->err, end->domid,
                            &ret_c->paging_bytes) ||
         hv_rings_get(end->hv, &end->err, end->domid, ret_rings) ||
         store_export(end->st, &end->err, end->domid, ret_pairs) )
        die("describe the domain", end);
    memcpy(ret_c->uuid, d.uuid, sizeof(d.uuid));
    ret_c->hap = d.hap;
    ret_c->vcpus = d.vcpus;
    ret_c->emulation_flags = d.emulation_flags;
    ret_c->misc_flags = d.misc_flags;
    ret_c->max_mem_kib = d.max_pages * 4;
    snprintf(name, 128, "%s", s);
    free(s);
}

static uint64_t bytes_sent(int fd)
{
    struct tcp_info ti;
    socklen_t len = sizeof(ti);

    if ( getsockopt(fd, IPPROTO_TCP, TCP_INFO, &ti, &len) )
        die("TCP_INFO", NULL);

    return ti.tcpi_bytes_acked;
}

struct answer
{
    int fd;
    uint64_t running_us;
};

/*
 * The one message: "go" as soon as the other end has restored the guest, not
 * when xc_domain_save() has switched the dirty log off again and returned.
 */
static void *answer_main(void *arg)
{
    struct answer *a = arg;
    char c;

    get(a->fd, &c, 1);
    put(a->fd, "g", 1);
    get(a->fd, &c, 1);
    a->running_us = clock_now_us();

    return NULL;
}

static void source_process(const char *dir, uint32_t domid, int fd, int sync)
{
    struct save_callbacks cb = {
        .suspend = suspend, .switch_qemu_logdirty = qemu_logdirty,
    };
    struct answer answer = { 0 };
    struct result res;
    struct end end;
    xentoollog_logger *lg;
    xc_interface *xch;
    pthread_t thread;
    uint32_t port;
    uint64_t cpu;
    char c = 0;

    enter_host(&end, dir);
    end.domid = domid;
    cb.data = &end;
    if ( store_suspend_port(end.st, &end.err, domid, &port) ||
         hv_port_bind(end.hv, &end.err, domid, port, &end.port) ||
         hv_port_on_suspend(end.hv, &end.err, domid, port) )
        die("suspend channel", &end);
    xch = stock_open(&lg);
    put(sync, &c, 1);
    get(sync, &c, 1);

    answer.fd = fd;
    if ( pthread_create(&thread, NULL, answer_main, &answer) )
        die("thread", NULL);
    cpu = clock_process_cpu_us();
    res.us = clock_now_us();
    if ( xc_domain_save(xch, fd, domid, XCFLAGS_LIVE, &cb, XC_STREAM_PLAIN,
                        -1) )
        die("xc_domain_save", NULL);
    pthread_join(thread, NULL);
    res.us = answer.running_us - res.us;
    res.cpu_us = clock_process_cpu_us() - cpu;
    res.bytes = bytes_sent(fd);

    hv_port_close(end.port);
    xc_interface_close(xch);
    xtl_logger_destroy(lg);
    if ( hv_destroy(end.hv, &end.err, domid) ||
         store_remove(end.st, &end.err, domid) )
        die("remove the domain", &end);
    put(sync, &res, sizeof(res));
    store_close(end.st);
    hv_close(end.hv);
    exit(0);
}

/* ---- destination ---------------------------------------------------- */

static void prepare(struct end *end, const struct hv_create *c,
                    const struct hv_rings *rings,
                    const struct store_pairs *pairs, struct plan *p)
{
    struct store_domain sd = { .name = p->name, .pairs = pairs };

    if ( hv_create(end->hv, &end->err, c, &p->domid) ||
         hv_rings_ports(end->hv, &end->err, p->domid, &p->store_port,
                        &p->console_port) )
        die("create the domain", end);
    sd.domid = p->domid;
    memcpy(sd.uuid, c->uuid, sizeof(sd.uuid));
    sd.max_mem_kib = sd.target_kib = c->max_mem_kib;
    sd.vcpus = c->vcpus;
    sd.store_gfn = rings->store_gfn;
    sd.console_gfn = rings->console_gfn;
    sd.store_port = p->store_port;
    sd.console_port = p->console_port;
    if ( store_build(end->st, &end->err, &sd) )
        die("xenstore subtree", end);
}

static void destination_process(const char *dir, const struct hv_create *c,
                                const struct hv_rings *rings,
                                const struct store_pairs *pairs,
                                const char *name, int fd, int sync)
{
    struct restore_callbacks cb = { 0 };
    unsigned long store_gfn, console_gfn;
    struct plan p = { 0 };
    struct result res;
    struct end end;
    xentoollog_logger *lg;
    xc_interface *xch;
    uint64_t cpu;
    char go = 0;

    enter_host(&end, dir);
    snprintf(p.name, sizeof(p.name), "%s", name);
    prepare(&end, c, rings, pairs, &p);
    xch = stock_open(&lg);
    put(sync, &p.domid, sizeof(p.domid));
    get(sync, &go, 1);

    cpu = clock_process_cpu_us();
    if ( xc_domain_restore(xch, fd, p.domid, p.store_port, &store_gfn, 0,
                           p.console_port, &console_gfn, 0, XC_STREAM_PLAIN,
                           &cb, -1) )
        die("xc_domain_restore", NULL);
    if ( store_introduce(end.st, &end.err, p.domid, store_gfn,
                         p.store_port) )
        die("introduce the domain", &end);
    put(fd, "d", 1);
    get(fd, &go, 1);
    if ( go != 'g' || hv_unpause(end.hv, &end.err, p.domid) )
        die("unpause", &end);
    put(fd, "r", 1);
    res.cpu_us = clock_process_cpu_us() - cpu;
    res.us = res.bytes = 0;
    put(sync, &res, sizeof(res));
    xc_interface_close(xch);
    xtl_logger_destroy(lg);
    store_close(end.st);
    hv_close(end.hv);
    exit(0);
}

/* ---- both ----------------------------------------------------------- */

static void tcp_pair(int ret_fd[2])
{
    struct sockaddr_in sa = { .sin_family = AF_INET };
    socklen_t len = sizeof(sa);
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if ( fd < 0 || bind(fd, (struct sockaddr *)&sa, sizeof(sa)) ||
         listen(fd, 1) || getsockname(fd, (struct sockaddr *)&sa, &len) )
        die("listen", NULL);
    ret_fd[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if ( ret_fd[0] < 0 ||
         connect(ret_fd[0], (struct sockaddr *)&sa, sizeof(sa)) )
        die("connect", NULL);
    ret_fd[1] = accept(fd, NULL, NULL);
    if ( ret_fd[1] < 0 ||
         setsockopt(ret_fd[0], IPPROTO_TCP, TCP_NODELAY, &one,
                    sizeof(one)) )
        die("accept", NULL);
    close(fd);
}

static pid_t fork_end(int ret_sync[2])
{
    pid_t pid;

    if ( socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ret_sync) )
        die("socketpair", NULL);
    pid = fork();
    if ( pid < 0 )
        die("fork", NULL);

    return pid;
}

int main(int argc, char **argv)
{
    struct store_pairs pairs = { 0 };
    struct hv_create create = { 0 };
    struct hv_rings rings;
    struct result from, to;
    int fd[2], sync[2][2], i, status, rc = 0;
    uint32_t domid, there;
    char name[128], c = 0;
    struct end end;
    pid_t pid[2];

    if ( argc != 4 )
    {
        fprintf(stderr, "usage: stock SOURCE-DIR DESTINATION-DIR DOMID\n");
        return 2;
    }
    domid = strtoul(argv[3], NULL, 10);
    enter_host(&end, argv[1]);
    end.domid = domid;
    describe(&end, &create, &rings, &pairs, name);
    store_close(end.st);
    hv_close(end.hv);
    tcp_pair(fd);

    pid[0] = fork_end(sync[0]);
    if ( !pid[0] )
    {
        close(fd[1]);
        source_process(argv[1], domid, fd[0], sync[0][1]);
    }
    pid[1] = fork_end(sync[1]);
    if ( !pid[1] )
    {
        close(fd[0]);
        close(sync[0][0]);
        destination_process(argv[2], &create, &rings, &pairs, name, fd[1],
                            sync[1][1]);
    }
    for ( i = 0; i < 2; i++ )
    {
        close(fd[i]);
        close(sync[i][1]);
    }
    get(sync[0][0], &c, 1);
    get(sync[1][0], &there, sizeof(there));
    put(sync[1][0], &c, 1);
    put(sync[0][0], &c, 1);
    get(sync[0][0], &from, sizeof(from));
    get(sync[1][0], &to, sizeof(to));
    for ( i = 0; i < 2; i++ )
        if ( waitpid(pid[i], &status, 0) != pid[i] || status )
            rc = 1;
    store_pairs_done(&pairs);
    if ( !rc )
        printf("bytes=%lu us=%lu cpu_us=%lu domid=%u\n",
               (unsigned long)from.bytes, (unsigned long)from.us,
               (unsigned long)(from.cpu_us + to.cpu_us), there);

    return rc;
}
