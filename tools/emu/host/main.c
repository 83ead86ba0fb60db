/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * xmig-emu-host: one emulated Xen host.
 *
 * It prints nothing once it runs: see DIR/host.log.  It is ready when
 * DIR/host.sock appears (and when a byte comes on --ready-fd), and ends on
 * SIGTERM or SIGINT.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "client.h"
#include "dirty.h"
#include "domctl.h"
#include "evtchn.h"
#include "host.h"

#define DOM0_VCPUS     2u
#define DOM0_PAGES     (512ull << 8)     /* 512 MiB */
#define DEFAULT_MIB    512u
#define MAX_MIB        (1u << 18)        /* P2M entries have room for it */
#define HIGH_GFN       0x100000ull

struct args
{
    const char *dir;
    const char *log;
    uint64_t mib;
    bool untouched;
    bool no_vmx;
    enum dirty_mode dirty_mode;
    int ready_fd;
};

static void usage(FILE *f)
{
    fprintf(f, "Usage: xmig-emu-host [OPTIONS] DIR\n"
            "  --dir DIR           the same as DIR\n"
            "  --memory MIB        machine memory (%u)\n"
            "  --untouched         leave machine memory sparse\n"
            "  --no-vmx            processors without VMX: no mem_access\n"
            "  --dirty-log MODE    async, sync or auto (auto)\n"
            "  --log FILE          instead of DIR/host.log\n"
            "  --ready-fd FD       write a byte there when ready\n",
            DEFAULT_MIB);
}

static int parse_mode(const char *s, enum dirty_mode *ret_mode)
{
    static const char *const name[] = { "auto", "async", "sync" };
    unsigned int i;

    for ( i = 0; i < sizeof(name) / sizeof(name[0]); i++ )
        if ( !strcmp(s, name[i]) )
        {
            *ret_mode = (enum dirty_mode)i;
            return 0;
        }
    return -EINVAL;
}

static int parse_u64(const char *s, uint64_t max, uint64_t *ret_n)
{
    unsigned long long n;
    char *end;

    errno = 0;
    n = strtoull(s, &end, 10);
    if ( errno || *end || end == s || *s == '-' || n > max )
        return -EINVAL;
    *ret_n = n;
    return 0;
}

static int parse_args(int argc, char **argv, struct args *a)
{
    static const struct option opts[] = {
        { "dir", required_argument, NULL, 'd' },
        { "memory", required_argument, NULL, 'm' },
        { "untouched", no_argument, NULL, 'u' },
        { "no-vmx", no_argument, NULL, 'v' },
        { "dirty-log", required_argument, NULL, 'y' },
        { "log", required_argument, NULL, 'l' },
        { "ready-fd", required_argument, NULL, 'r' },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    uint64_t n;
    int o, rc = 0;

    while ( !rc && (o = getopt_long(argc, argv, "h", opts, NULL)) != -1 )
    {
        switch ( o )
        {
        case 'd':
            a->dir = optarg;
            break;
        case 'm':
            rc = parse_u64(optarg, MAX_MIB, &a->mib);
            break;
        case 'u':
            a->untouched = true;
            break;
        case 'v':
            a->no_vmx = true;
            break;
        case 'y':
            rc = parse_mode(optarg, &a->dirty_mode);
            break;
        case 'l':
            a->log = optarg;
            break;
        case 'r':
            rc = parse_u64(optarg, 1u << 20, &n);
            a->ready_fd = (int)n;
            break;
        case 'h':
            usage(stdout);
            exit(0);
        default:
            rc = -EINVAL;
        }
    }
    if ( !rc && optind < argc && !a->dir )
        a->dir = argv[optind++];
    return rc || optind < argc || !a->dir || a->mib < 2 ? -EINVAL : 0;
}

/* ---- socket ------------------------------------------------------------- */

/* Bound under another name and then renamed, so that whoever sees it can
 * connect. */
static int listen_at(const char *dir, int *ret_fd)
{
    struct sockaddr_un tmp = { .sun_family = AF_UNIX };
    char path[sizeof(tmp.sun_path) + 32];
    int fd = -1, rc, n;

    n = snprintf(tmp.sun_path, sizeof(tmp.sun_path), "%s/.%s.%d", dir,
                 EMU_SOCK_NAME, (int)getpid());
    if ( n >= (int)sizeof(tmp.sun_path) )
        return -ENAMETOOLONG;
    snprintf(path, sizeof(path), "%s/%s", dir, EMU_SOCK_NAME);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if ( fd < 0 )
        return -errno;
    unlink(tmp.sun_path);
    if ( bind(fd, (struct sockaddr *)&tmp, sizeof(tmp)) ||
         listen(fd, 128) || rename(tmp.sun_path, path) )
    {
        rc = -errno;
        unlink(tmp.sun_path);
        close(fd);
        return rc;
    }
    *ret_fd = fd;
    return 0;
}

static void accept_all(struct host *h)
{
    int fd, rc;

    while ( (fd = accept4(h->listen_fd, NULL, NULL, SOCK_CLOEXEC)) >= 0 )
    {
        rc = conn_start(h, fd);
        if ( rc )
            log_line("a client was turned away: %s", strerror(-rc));
    }
}

static int block_signals(int *ret_fd)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    if ( pthread_sigmask(SIG_BLOCK, &set, NULL) )
        return -EINVAL;
    signal(SIGPIPE, SIG_IGN);
    *ret_fd = signalfd(-1, &set, SFD_CLOEXEC);
    return *ret_fd < 0 ? -errno : 0;
}

static void serve(struct host *h, int sig_fd)
{
    struct pollfd p[2] = {
        { .fd = h->listen_fd, .events = POLLIN },
        { .fd = sig_fd, .events = POLLIN },
    };

    for ( ; ; )
    {
        if ( poll(p, 2, -1) < 0 && errno != EINTR )
            break;
        if ( p[1].revents )
            break;
        if ( p[0].revents )
            accept_all(h);
    }
}

/* ---- host --------------------------------------------------------------- */

static uint64_t gfn_space(const struct host *h)
{
    uint64_t want = HIGH_GFN + 2 * h->machine.nr_frames, n = HIGH_GFN;

    while ( n < want && n < P2M_MAX_GFNS )
        n *= 2;
    return n;
}

static int make_dom0(struct host *h)
{
    struct domctl_state *ctl = domctl_state_new();
    struct domain *d = NULL;
    unsigned int i;
    int rc;

    if ( !ctl )
        return -ENOMEM;
    ctl->max_vcpus = DOM0_VCPUS;
    rc = domain_create(h, 0, false, ctl, &d);
    if ( rc )
        return rc;
    for ( i = 0; !rc && i < DOM0_VCPUS; i++ )
    {
        rc = vcpu_create(d, i);
        if ( !rc )
            d->vcpus[i]->initialised = d->vcpus[i]->online = true;
    }
    domain_put(d);
    return rc;
}

static void end_domains(struct host *h)
{
    struct domain *d;

    while ( (d = domain_find_from(h, 0)) )
    {
        pthread_mutex_lock(&d->lock);
        domain_destroy(d);
        pthread_mutex_unlock(&d->lock);
        domain_put(d);
    }
}

static int host_init(struct host *h, const struct args *a)
{
    struct rlimit files;
    char path[4096];
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    int rc;

    h->dir = a->dir;
    h->no_vmx = a->no_vmx;
    h->boot_ns = now_ns();
    h->nr_cpus = cpus > 0 ? (unsigned int)cpus : 1;
    h->dom0_pages = DOM0_PAGES;
    pthread_mutex_init(&h->dom_lock, NULL);
    pthread_mutex_init(&h->conn_lock, NULL);
    pthread_cond_init(&h->conns_gone, NULL);
    fault_init(&h->faults);

    if ( !getrlimit(RLIMIT_NOFILE, &files) )
    {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    snprintf(path, sizeof(path), "%s/console", a->dir);
    if ( mkdir(path, 0755) && errno != EEXIST )
        return -errno;
    rc = dirty_probe(a->dirty_mode);
    if ( rc < 0 )
    {
        log_line("no dirty logging: userfaultfd write protection is not to "
                 "be had here");
        return rc;
    }
    h->dirty_mode = (enum dirty_mode)rc;
    rc = sched_init();
    if ( !rc )
        rc = machine_init(&h->machine, a->mib << 20, a->untouched);
    if ( rc )
        return rc;
    h->max_gfns = gfn_space(h);
    return make_dom0(h);
}

int main(int argc, char **argv)
{
    struct args a = { .mib = DEFAULT_MIB, .ready_fd = -1 };
    static struct host h;
    char log[4096];
    int sig_fd, rc;

    if ( parse_args(argc, argv, &a) )
    {
        usage(stderr);
        return 2;
    }
    if ( mkdir(a.dir, 0755) && errno != EEXIST )
    {
        rc = -errno;
        goto fail;
    }
    snprintf(log, sizeof(log), "%s/host.log", a.dir);
    rc = log_open(a.log ? a.log : log);
    if ( !rc )
        rc = block_signals(&sig_fd);
    if ( !rc )
        rc = host_init(&h, &a);
    if ( !rc )
        rc = listen_at(a.dir, &h.listen_fd);
    if ( rc )
        goto fail;
    log_line("host ready: %llu MiB, dirty log %s%s",
             (unsigned long long)(h.machine.nr_frames >> 8),
             h.dirty_mode == DIRTY_ASYNC ? "async" : "sync",
             a.untouched ? ", untouched" : "");
    if ( a.ready_fd >= 0 )
    {
        if ( write(a.ready_fd, "\n", 1) < 0 )
            log_line("nobody waits on --ready-fd");
        close(a.ready_fd);
    }

    serve(&h, sig_fd);

    snprintf(log, sizeof(log), "%s/%s", a.dir, EMU_SOCK_NAME);
    unlink(log);
    close(h.listen_fd);
    conns_end(&h);
    end_domains(&h);
    clients_end(&h);
    machine_done(&h.machine);
    log_line("host ends");
    return 0;

 fail:
    fprintf(stderr, "xmig-emu-host: %s: %s\n", a.dir, strerror(-rc));
    log_line("host can't start: %s", strerror(-rc));
    return 1;
}
