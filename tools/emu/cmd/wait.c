/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * xmig-emu wait: until a node under the domain's xenstore directory has a
 * value or another value, the domain has shut down, or it is gone.  Ends
 * early, as a failure, when the awaited thing can't come any more.
 */
#include <errno.h>
#include <fnmatch.h>
#include <getopt.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xenctrl.h>
#include <xenstore.h>

#include "cmd.h"

#define DEFAULT_TIMEOUT_S 30
#define MAX_TIMEOUT_S     86400

enum wait_for { WAIT_NODE, WAIT_CHANGE, WAIT_SHUTDOWN, WAIT_GONE };

struct wait
{
    struct tools t;
    uint32_t domid;
    enum wait_for what;
    char path[256];          /* WAIT_NODE, WAIT_CHANGE */
    const char *value;       /* a shell pattern; NULL: any but none and "" */
    char *first;             /* WAIT_CHANGE: what it held at the start */
    char *last;              /* what the node held when last seen */
};

/* The domain's state: 0 lives, 1 shut down, 2 gone. */
static int life(struct wait *w, unsigned int *ret_reason)
{
    xc_dominfo_t info;

    if ( xc_domain_getinfo(w->t.xch, w->domid, 1, &info) != 1 ||
         info.domid != w->domid || info.dying )
        return 2;
    *ret_reason = info.shutdown_reason;

    return info.shutdown || info.crashed;
}

/* The node is there: is it as awaited? */
static bool is_so(const struct wait *w)
{
    if ( w->what == WAIT_CHANGE )
        return w->first && strcmp(w->first, w->last);

    return w->value ? !fnmatch(w->value, w->last, 0) : *w->last;
}

/* 0 it is so, -EAGAIN not yet, else it can't be any more. */
static int look(struct wait *w)
{
    unsigned int reason = 0;
    int state;

    /* The state first: a node written before the end is still seen. */
    state = life(w, &reason);
    if ( w->what == WAIT_GONE )
        return state == 2 ? 0 : -EAGAIN;
    if ( w->what == WAIT_SHUTDOWN )
    {
        if ( state == 1 )
            printf("%u\n", reason);
        else if ( state == 2 )
            err("domain %u is gone", w->domid);
        return state == 1 ? 0 : state ? -ESRCH : -EAGAIN;
    }

    free(w->last);
    w->last = node_get(w->t.xs, "%s", w->path);
    if ( w->last && is_so(w) )
    {
        printf("%s\n", w->last);
        return 0;
    }
    if ( state == 2 )
        err("domain %u is gone; %s was \"%s\"", w->domid, w->path,
            w->last ?: "");
    else if ( state == 1 && reason == SHUTDOWN_crash )
        err("domain %u has crashed; %s is \"%s\"", w->domid, w->path,
            w->last ?: "");
    else
        return -EAGAIN;

    return -ESRCH;
}

static int watch_loop(struct wait *w, int host_fd, uint64_t timeout_s)
{
    uint64_t end = now_us() + timeout_s * 1000000, now;
    struct pollfd pfds[2] = {
        { .fd = xs_fileno(w->t.xs), .events = POLLIN },
        { .fd = host_fd, .events = POLLIN },
    };
    int rc, r;

    for ( ; ; )
    {
        char **ev;

        rc = look(w);
        if ( rc != -EAGAIN )
            return rc;
        now = now_us();
        if ( now >= end )
            break;
        r = poll(pfds, 2, (end - now + 999) / 1000);
        if ( r < 0 && errno != EINTR )
            return -errno;
        if ( r > 0 && (pfds[1].revents || (pfds[0].revents & ~POLLIN)) )
        {
            err("%s went away", pfds[1].revents ? "the host" : "xenstored");
            return -EPIPE;
        }
        while ( r > 0 && (ev = xs_check_watch(w->t.xs)) )
            free(ev);
    }
    if ( w->what == WAIT_NODE || w->what == WAIT_CHANGE )
        err("%s is still \"%s\" after %lu s%s%s", w->path, w->last ?: "",
            (unsigned long)timeout_s, w->value ? ", awaited: " : "",
            w->value ?: "");
    else
        err("domain %u is still there after %lu s", w->domid,
            (unsigned long)timeout_s);

    return -ETIMEDOUT;
}

static int wait_dom(const struct host *h, const char *dom, char *node,
                    struct wait *w, uint64_t timeout_s)
{
    struct proc host = { .pidfd = -1, .ready_fd = -1 };
    char *eq;
    int rc;

    rc = tools_open(h, &w->t);
    if ( rc )
        return rc;
    rc = tools_domid(&w->t, dom, &w->domid);
    if ( rc )
    {
        if ( w->what == WAIT_GONE && rc == -ESRCH )
            rc = 0;
        goto out;
    }
    if ( node )
    {
        eq = strchr(node, '=');
        if ( eq )
        {
            *eq = '\0';
            w->value = eq + 1;
        }
        snprintf(w->path, sizeof(w->path), "/local/domain/%u/%.180s",
                 w->domid, node);
        if ( w->what == WAIT_CHANGE )
            w->first = node_get(w->t.xs, "%s", w->path) ?: strdup("");
    }
    if ( (node && !xs_watch(w->t.xs, w->path, "node")) ||
         !xs_watch(w->t.xs, "@releaseDomain", "release") )
    {
        rc = -errno;
        err("cannot watch xenstore: %s", strerror(errno));
        goto out;
    }
    /* A host that someone else keeps has no pid file; then this waits. */
    proc_find(h, "host", &host);
    rc = watch_loop(w, host.pidfd, timeout_s);

 out:
    proc_close(&host);
    free(w->first);
    free(w->last);
    tools_close(&w->t);

    return rc;
}

int verb_wait(int argc, char **argv)
{
    static const struct option opts[] = {
        { "node", required_argument, NULL, 'n' },
        { "change", no_argument, NULL, 'c' },
        { "shutdown", no_argument, NULL, 's' },
        { "gone", no_argument, NULL, 'g' },
        { "timeout", required_argument, NULL, 't' },
        { NULL, 0, NULL, 0 },
    };
    uint64_t timeout_s = DEFAULT_TIMEOUT_S;
    struct wait w = { .what = WAIT_NODE };
    char *node = NULL;
    struct host h;
    int c, rc;

    while ( (c = getopt_long(argc, argv, "n:csgt:", opts, NULL)) != -1 )
        switch ( c )
        {
        case 'n':
            node = optarg;
            break;
        case 'c':
            w.what = WAIT_CHANGE;
            break;
        case 's':
            w.what = WAIT_SHUTDOWN;
            break;
        case 'g':
            w.what = WAIT_GONE;
            break;
        case 't':
            if ( !parse_u64(optarg, MAX_TIMEOUT_S, &timeout_s) )
                break;
            err("--timeout takes seconds, up to %d", MAX_TIMEOUT_S);
            /* fall through */
        default:
            return usage(argv[0]);
        }
    if ( (w.what == WAIT_NODE || w.what == WAIT_CHANGE) != !!node )
        return usage(argv[0]);
    rc = host_from_args(&h, argc, argv, &optind, 1, false);
    if ( rc )
        return rc;

    return wait_dom(&h, argv[optind], node, &w, timeout_s) ? EXIT_FAILED
                                                            : EXIT_OK;
}
