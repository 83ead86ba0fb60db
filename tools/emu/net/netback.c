/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * xmig-emu-netback: the network backend in a host's control domain.  Finds
 * the interfaces that a toolstack writes under backend/vif, serves each with
 * a port of its own on the switch, and lets go of what belonged to domains
 * that are gone.
 *
 * Talks to Xen through libxenstore, libxenevtchn and libxengnttab alone; it
 * can't tell an emulated host from a real one.  One thread, one loop.
 */
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "net_port.h"
#include "net_vif.h"

#define MAX_VIFS      64
#define BACKEND_DIR   "backend/vif"
#define BACKEND_TOKEN "back"
#define DOMAINS_TOKEN "domains"

static struct net_vif *find_vif(struct netback *nb, uint32_t domid,
                                uint32_t handle)
{
    struct net_vif *v = nb->vifs;

    while ( v && (v->domid != domid || v->handle != handle) )
        v = v->next;
    return v;
}

static unsigned int count_vifs(const struct netback *nb)
{
    unsigned int n = 0;

    for ( const struct net_vif *v = nb->vifs; v; v = v->next )
        n++;
    return n;
}

static void drop_forgotten(struct netback *nb)
{
    struct net_vif **link = &nb->vifs;

    while ( *link )
    {
        struct net_vif *v = *link;

        if ( !v->forgotten )
        {
            link = &v->next;
            continue;
        }
        *link = v->next;
        net_vif_free(v);
    }
}

static void check_vif(struct netback *nb, uint32_t domid, uint32_t handle)
{
    struct net_vif *v = find_vif(nb, domid, handle);

    if ( !v )
    {
        if ( count_vifs(nb) == MAX_VIFS )
        {
            fprintf(stderr, "vif %u.%u: not served, there are %u already\n",
                    domid, handle, MAX_VIFS);
            return;
        }
        v = net_vif_new(nb, domid, handle);
        if ( !v )
            return;
        v->next = nb->vifs;
        nb->vifs = v;
    }
    net_vif_check(v);
}

/* Everything below backend/vif, as at our start. */
static void check_all(struct netback *nb)
{
    unsigned int nr_domains, nr_handles;
    char **domains = xs_directory(nb->xs, XBT_NULL, BACKEND_DIR, &nr_domains);

    for ( unsigned int d = 0; domains && d < nr_domains; d++ )
    {
        char path[64];
        char **handles;
        uint64_t domid, handle;

        if ( net_number_parse(domains[d], 0, 0x7fef, &domid) )
            continue;
        snprintf(path, sizeof(path), "%s/%lu", BACKEND_DIR, domid);
        handles = xs_directory(nb->xs, XBT_NULL, path, &nr_handles);
        for ( unsigned int h = 0; handles && h < nr_handles; h++ )
            if ( !net_number_parse(handles[h], 0, UINT16_MAX, &handle) )
                check_vif(nb, domid, handle);
        free(handles);
    }
    free(domains);
}

static void one_watch(struct netback *nb, char **watch)
{
    const char *path = watch[XS_WATCH_PATH];
    const char *token = watch[XS_WATCH_TOKEN];
    unsigned int domid, handle;
    struct net_vif *v;

    if ( !strcmp(token, DOMAINS_TOKEN) )
        for ( v = nb->vifs; v; v = v->next )
            net_vif_check_domain(v);
    else if ( sscanf(token, "front %u %u", &domid, &handle) == 2 )
    {
        v = find_vif(nb, domid, handle);
        if ( v )
            net_vif_check(v);
    }
    else if ( sscanf(path, BACKEND_DIR "/%u/%u", &domid, &handle) == 2 )
        check_vif(nb, domid, handle);
    else
    {
        /* The directory itself, or a domain's: made or removed. */
        check_all(nb);
        for ( v = nb->vifs; v; v = v->next )
            net_vif_check(v);
    }
}

static int watches(struct netback *nb)
{
    char **watch;

    while ( (watch = xs_check_watch(nb->xs)) )
    {
        one_watch(nb, watch);
        free(watch);
        drop_forgotten(nb);
    }
    return errno == EAGAIN ? 0 : -errno;
}

static int event(struct netback *nb)
{
    int port = xenevtchn_pending(nb->xce);
    struct net_vif *v = nb->vifs;

    if ( port < 0 )
        return errno == EAGAIN || errno == EINTR ? 0 : -errno;
    /* First unmask: what comes from now on is a new event. */
    if ( xenevtchn_unmask(nb->xce, port) )
        return -errno;
    while ( v && v->port != port )
        v = v->next;
    if ( v )
        net_vif_work(v);
    return 0;
}

/* Milliseconds to sleep at most. */
static int vif_timeout(struct netback *nb)
{
    uint64_t now_us = net_now_us(), next_us = UINT64_MAX;

    for ( struct net_vif *v = nb->vifs; v; v = v->next )
    {
        uint64_t at_us = net_vif_reconnect(v, now_us);

        if ( v->more )
            return 0;
        if ( at_us < next_us )
            next_us = at_us;
    }
    if ( next_us == UINT64_MAX )
        return -1;
    return next_us <= now_us ? 0 : (next_us - now_us) / 1000 + 1;
}

static int loop(struct netback *nb, int signal_fd)
{
    struct pollfd p[3 + MAX_VIFS];
    struct net_vif *polled[MAX_VIFS];

    for ( ;; )
    {
        int timeout_ms = vif_timeout(nb);
        unsigned int n = 0;
        int rc = 0;

        p[0] = (struct pollfd){ .fd = xs_fileno(nb->xs), .events = POLLIN };
        p[1] = (struct pollfd){ .fd = xenevtchn_fd(nb->xce),
                                .events = POLLIN };
        p[2] = (struct pollfd){ .fd = signal_fd, .events = POLLIN };
        for ( struct net_vif *v = nb->vifs; v; v = v->next )
        {
            short events = net_vif_events(v);

            /* A starved port must not wake us for a hang-up either. */
            p[3 + n] = (struct pollfd){ .fd = events ? v->fd : -1,
                                        .events = events };
            polled[n++] = v;
        }
        if ( poll(p, 3 + n, timeout_ms) < 0 )
        {
            if ( errno != EINTR )
                return -errno;
            continue;
        }
        if ( p[2].revents )
            return 0;
        for ( unsigned int i = 0; i < n; i++ )
            if ( p[3 + i].revents || polled[i]->more )
                net_vif_work(polled[i]);
        if ( p[1].revents )
            rc = event(nb);
        if ( !rc && p[0].revents )
            rc = watches(nb);
        if ( rc )
            return rc;
        drop_forgotten(nb);
    }
}

static int netback_open(struct netback *nb)
{
    nb->xs = xs_open(0);
    if ( !nb->xs )
    {
        int rc = -errno;

        fprintf(stderr, "cannot reach xenstored: %s\n", strerror(-rc));
        return rc;
    }
    nb->xce = xenevtchn_open(NULL, 0);
    nb->xgt = nb->xce ? xengnttab_open(NULL, 0) : NULL;
    if ( !nb->xgt )
    {
        int rc = -errno;

        fprintf(stderr, "cannot use %s: %s\n",
                nb->xce ? "grants" : "event channels", strerror(-rc));
        return rc;
    }
    /* The directory tells a toolstack that there is somebody to serve it. */
    if ( !xs_watch(nb->xs, "@introduceDomain", DOMAINS_TOKEN) ||
         !xs_watch(nb->xs, "@releaseDomain", DOMAINS_TOKEN) ||
         !xs_watch(nb->xs, BACKEND_DIR, BACKEND_TOKEN) ||
         !xs_mkdir(nb->xs, XBT_NULL, BACKEND_DIR) )
    {
        int rc = -errno;

        fprintf(stderr, "cannot set up " BACKEND_DIR ": %s\n", strerror(-rc));
        return rc;
    }
    return 0;
}

static void netback_close(struct netback *nb)
{
    struct net_vif *next;

    for ( struct net_vif *v = nb->vifs; v; v = next )
    {
        next = v->next;
        net_vif_close(v);
        net_vif_free(v);
    }
    if ( nb->xgt )
        xengnttab_close(nb->xgt);
    if ( nb->xce )
        xenevtchn_close(nb->xce);
    if ( nb->xs )
        xs_close(nb->xs);
}

static int usage(FILE *out, int status)
{
    fprintf(out,
"usage: xmig-emu-netback --switch PATH [--ready-fd N] [--verbose]\n"
"\n"
"Network backend of the host that XENSTORED_PATH and XMIG_EMU name (or of\n"
"the Xen this runs on).  SIGTERM ends it; its interfaces go to Closed.\n");
    return status;
}

int main(int argc, char **argv)
{
    static const struct option opts[] = {
        { "switch", required_argument, NULL, 's' },
        { "ready-fd", required_argument, NULL, 'r' },
        { "verbose", no_argument, NULL, 'v' },
        { "help", no_argument, NULL, 'h' },
        { 0 },
    };
    struct netback nb = { 0 };
    uint64_t value;
    sigset_t set;
    int ready_fd = -1, signal_fd = -1;
    int opt, rc;

    while ( (opt = getopt_long(argc, argv, "s:r:vh", opts, NULL)) != -1 )
        switch ( opt )
        {
        case 's':
            nb.switch_path = optarg;
            break;
        case 'r':
            if ( net_number_parse(optarg, 0, 1 << 20, &value) )
                return usage(stderr, 2);
            ready_fd = value;
            break;
        case 'v':
            nb.verbose = true;
            break;
        case 'h':
            return usage(stdout, 0);
        default:
            return usage(stderr, 2);
        }
    if ( !nb.switch_path || optind != argc )
        return usage(stderr, 2);

    /* Before the libraries start threads, which inherit the mask. */
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    rc = signal_fd < 0 ? -errno : netback_open(&nb);
    if ( !rc )
    {
        net_ready(ready_fd);
        rc = loop(&nb, signal_fd);
        if ( rc )
            fprintf(stderr, "cannot go on: %s\n", strerror(-rc));
    }
    netback_close(&nb);
    if ( signal_fd >= 0 )
        close(signal_fd);
    return rc ? 1 : 0;
}
