/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * xmig-emu start: the hypervisor process, the real xenstored and
 * xenconsoled, and the network backend, each waited for.  If one does not
 * come up, the others are stopped again.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <xenctrl.h>
#include <xenstore.h>

#include "cmd.h"

#define XEN_BIN "/usr/lib/xen-4.17/bin"
#define DEFAULT_MEMORY "512"
#define MAX_MEMORY_MIB (1u << 18)
/* Touching and poisoning memory costs up to seconds per GiB. */
#define HOST_READY_US(mib) (20000000ull + (mib) * 20000ull)
#define DAEMON_READY_US    10000000ull

struct start
{
    struct host h;
    const char *memory;      /* MiB, decimal */
    const char *dirty_log;   /* NULL: the host chooses */
    const char *switch_sock; /* NULL: no network backend */
    bool untouched;
    bool no_vmx;
    uint64_t memory_mib;
};

static int make_dir(const struct host *h, const char *name)
{
    char path[HOST_PATH_MAX];

    if ( mkdir(host_path(h, name, path), 0755) && errno != EEXIST )
    {
        int e = errno;

        err("cannot make %s: %s", path, strerror(e));
        return -e;
    }

    return 0;
}

static int connect_unix(const char *path)
{
    struct sockaddr_un sa = { .sun_family = AF_UNIX };
    int fd, rc = 0;

    snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if ( fd < 0 )
        return -errno;
    if ( connect(fd, (struct sockaddr *)&sa, sizeof(sa)) )
        rc = errno == ENOENT || errno == ECONNREFUSED || errno == EAGAIN
             ? -EAGAIN : -errno;
    close(fd);

    return rc;
}

static int host_ready(void *arg)
{
    const struct start *s = arg;
    char path[HOST_PATH_MAX];

    return connect_unix(host_path(&s->h, "host.sock", path));
}

static int xenstored_ready(void *arg)
{
    struct xs_handle *xs;
    char *v;

    (void)arg;
    xs = xs_open(0);
    if ( !xs )
        return -EAGAIN;
    /* Answered only once the daemon is in its main loop. */
    v = node_get(xs, "/tool/xenstored");
    xs_close(xs);
    free(v);

    return 0;
}

static int spawn_and_wait(struct start *s, const char *name,
                          char *const argv[], const char *preload,
                          int (*ready)(void *arg), uint64_t timeout_us)
{
    struct proc p;
    int rc;

    rc = proc_spawn(&s->h, name, argv, preload, &p);
    if ( rc )
    {
        err("cannot start %s: %s", name, strerror(-rc));
        return rc;
    }
    rc = proc_wait_ready(&p, ready, s, timeout_us);
    if ( rc )
    {
        if ( rc == -ECHILD )
            err("%s ended while starting", name);
        else
            err("%s does not become ready: %s", name, strerror(-rc));
        proc_show_log(&s->h, name);
    }
    proc_close(&p);

    return rc;
}

static int start_host(struct start *s)
{
    char prog[HOST_PATH_MAX], *argv[10];
    unsigned int n = 0;

    snprintf(prog, sizeof(prog), "%s/xmig-emu-host", s->h.base);
    argv[n++] = prog;
    argv[n++] = "--memory";
    argv[n++] = (char *)s->memory;
    if ( s->untouched )
        argv[n++] = "--untouched";
    if ( s->no_vmx )
        argv[n++] = "--no-vmx";
    if ( s->dirty_log )
    {
        argv[n++] = "--dirty-log";
        argv[n++] = (char *)s->dirty_log;
    }
    argv[n++] = s->h.dir;
    argv[n] = NULL;

    return spawn_and_wait(s, "host", argv, NULL, host_ready,
                          HOST_READY_US(s->memory_mib));
}

static int write_file(const struct host *h, const char *name,
                      const char *data, size_t size)
{
    char path[HOST_PATH_MAX];
    int fd, rc = 0;

    fd = open(host_path(h, name, path),
              O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if ( fd < 0 )
        return -errno;
    if ( ftruncate(fd, size) || write(fd, data, strlen(data)) < 0 )
        rc = -errno;
    if ( close(fd) && !rc )
        rc = -errno;

    return rc;
}

/* What dom0's kernel would show under /proc/xen: port and ring page. */
static int make_dom0_ring(struct start *s)
{
    xc_interface *xch;
    char port[24];
    int r, rc;

    xch = xc_interface_open(NULL, NULL, 0);
    if ( !xch )
    {
        err("the host does not answer: %s", strerror(errno));
        return -EIO;
    }
    r = xc_evtchn_alloc_unbound(xch, 0, 0);
    rc = r < 0 ? -errno : 0;
    xc_interface_close(xch);
    if ( rc )
    {
        err("cannot make dom0's xenstore event channel: %s", strerror(-rc));
        return rc;
    }
    snprintf(port, sizeof(port), "%d", r);
    rc = write_file(&s->h, "xenstored/xsd_port", port, strlen(port));
    if ( !rc )
        rc = write_file(&s->h, "xenstored/xsd_kva", "", XC_PAGE_SIZE);
    if ( rc )
        err("cannot write dom0's xenstore page: %s", strerror(-rc));

    return rc;
}

static void fill_dom0(struct node_tx *tx, void *arg)
{
    static const char *const nodes[][2] = {
        { "/local/domain/0/name", "Domain-0" },
        { "/local/domain/0/domid", "0" },
        { "/local/pool/0/name", "Pool-0" },
        { "/local/pool/0/uuid", "00000000-0000-0000-0000-000000000000" },
        { "/vm/00000000-0000-0000-0000-000000000000/name", "Domain-0" },
        { "/local/domain/0/vm", "/vm/00000000-0000-0000-0000-000000000000" },
    };
    size_t i;

    (void)arg;
    for ( i = 0; i < sizeof(nodes) / sizeof(nodes[0]); i++ )
        node_put(tx, NODE_DOM0, nodes[i][1], "%s", nodes[i][0]);
    node_put(tx, NODE_DOM0, NULL, "/local/domain/0/backend");
    node_put(tx, NODE_DOM0, NULL, "/libxl");
}

static int start_xenstored(struct start *s)
{
    char preload[HOST_PATH_MAX];
    char *argv[] = { XEN_BIN "/xenstored", "-N", NULL };
    struct xs_handle *xs;
    int rc;

    rc = make_dom0_ring(s);
    if ( rc )
        return rc;
    snprintf(preload, sizeof(preload), "%s/procxen.so", s->h.libdir);
    rc = spawn_and_wait(s, "xenstored", argv, preload, xenstored_ready,
                        DAEMON_READY_US);
    if ( rc )
        return rc;
    xs = xs_open(0);
    if ( !xs )
    {
        err("xenstored does not answer: %s", strerror(errno));
        return -EIO;
    }
    rc = node_transaction(xs, 0, fill_dom0, NULL);
    xs_close(xs);

    return rc;
}

/* Runs from its first poll on; it looks for domains on its own. */
static int running(void *arg)
{
    (void)arg;

    return 0;
}

static int start_xenconsoled(struct start *s)
{
    char dir[HOST_PATH_MAX];
    char *argv[] = { XEN_BIN "/xenconsoled", "-i", "--log=guest",
                     "--log-dir", dir, NULL };

    if ( access(argv[0], X_OK) || geteuid() )
    {
        err("no xenconsoled here (it needs root and xen-utils-4.17): "
            "domains have no console/tty");
        return 0;
    }
    host_path(&s->h, "console", dir);

    return spawn_and_wait(s, "xenconsoled", argv, NULL, running,
                          DAEMON_READY_US);
}

static int start_netback(struct start *s)
{
    char prog[HOST_PATH_MAX];
    char *argv[] = { prog, "--switch", (char *)s->switch_sock,
                     "--ready-fd", "3", NULL };

    if ( !s->switch_sock )
        return 0;
    snprintf(prog, sizeof(prog), "%s/xmig-emu-netback", s->h.base);

    return spawn_and_wait(s, "netback", argv, NULL, NULL,
                          DAEMON_READY_US);
}

static int check_not_running(const struct host *h)
{
    struct proc p;
    unsigned int i;

    for ( i = 0; i < nr_host_daemons; i++ )
        if ( !proc_find(h, host_daemons[i], &p) )
        {
            err("host %s runs already: %s is process %d", h->dir,
                host_daemons[i], (int)p.pid);
            proc_close(&p);
            return -EEXIST;
        }

    return 0;
}

static int start(struct start *s)
{
    static const char *const dirs[] = { "xenstored", "console", "var" };
    char path[HOST_PATH_MAX];
    unsigned int i;
    int rc;

    rc = check_not_running(&s->h);
    for ( i = 0; !rc && i < sizeof(dirs) / sizeof(dirs[0]); i++ )
        rc = make_dir(&s->h, dirs[i]);
    if ( rc )
        return rc;
    rc = host_setenv(&s->h, true);
    if ( rc )
        return rc;
    /* Nobody runs, so these are left over and would only mislead. */
    unlink(host_path(&s->h, "host.sock", path));
    unlink(host_path(&s->h, "xenstored.sock", path));

    rc = start_host(s);
    if ( !rc )
        rc = start_xenstored(s);
    if ( !rc )
        rc = start_xenconsoled(s);
    if ( !rc )
        rc = start_netback(s);
    if ( rc )
        host_stop(&s->h);

    return rc;
}

/* 0, or what to exit with. */
static int parse_options(int argc, char **argv, struct start *s)
{
    static const struct option opts[] = {
        { "memory", required_argument, NULL, 'm' },
        { "untouched", no_argument, NULL, 'u' },
        { "no-vmx", no_argument, NULL, 'v' },
        { "dirty-log", required_argument, NULL, 'd' },
        { "switch", required_argument, NULL, 's' },
        { NULL, 0, NULL, 0 },
    };
    int c;

    while ( (c = getopt_long(argc, argv, "m:uvd:s:", opts, NULL)) != -1 )
        switch ( c )
        {
        case 'm':
            s->memory = optarg;
            break;
        case 'u':
            s->untouched = true;
            break;
        case 'v':
            s->no_vmx = true;
            break;
        case 'd':
            s->dirty_log = optarg;
            break;
        case 's':
            s->switch_sock = optarg;
            break;
        default:
            return usage(argv[0]);
        }
    if ( parse_u64(s->memory, MAX_MEMORY_MIB, &s->memory_mib) ||
         !s->memory_mib )
    {
        err("--memory takes MiB, up to %u", MAX_MEMORY_MIB);
        return usage(argv[0]);
    }
    return optind + 1 == argc ? 0 : usage(argv[0]);
}

int verb_start(int argc, char **argv)
{
    struct start s = { .memory = DEFAULT_MEMORY };
    int rc = parse_options(argc, argv, &s);
    char sock[PATH_MAX];
    const char *dir;

    if ( rc )
        return rc;
    dir = argv[optind];
    if ( mkdir(dir, 0755) && errno != EEXIST )
    {
        err("cannot make host directory %s: %s", dir, strerror(errno));
        return EXIT_FAILED;
    }
    if ( s.switch_sock )
    {
        /* The daemon has another working directory some day. */
        if ( !realpath(s.switch_sock, sock) )
        {
            err("no switch at %s: %s", s.switch_sock, strerror(errno));
            return EXIT_FAILED;
        }
        s.switch_sock = sock;
    }
    if ( host_from_dir(&s.h, dir) )
        return EXIT_FAILED;

    return start(&s) ? EXIT_FAILED : EXIT_OK;
}
