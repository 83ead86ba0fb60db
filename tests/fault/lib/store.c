/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * A xenstored that refuses the Nth request: a process between one client and
 * the real one, which passes whole messages on.  What it refuses does not
 * reach xenstored.  It ends with the client that it was made for.
 */
#include "sweep.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <xenstore.h>
#include <xen/io/xs_wire.h>

#define LINKS_MAX 16

struct link
{
    int client, daemon;          /* -1: unused */
};

/* One page for all, made by the controller. */
static uint64_t *shared_calls;

uint64_t store_calls(void)
{
    return shared_calls ? *shared_calls : 0;
}

void store_reset(void)
{
    if ( !shared_calls )
    {
        shared_calls = mmap(NULL, sizeof(*shared_calls),
                            PROT_READ | PROT_WRITE,
                            MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if ( shared_calls == MAP_FAILED )
            abort();
    }
    *shared_calls = 0;
}

static int unix_socket(const char *path, bool serve)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
    if ( fd < 0 ||
         (serve ? bind(fd, (struct sockaddr *)&a, sizeof(a)) || listen(fd, 4)
                : connect(fd, (struct sockaddr *)&a, sizeof(a))) )
        _exit(3);

    return fd;
}

static bool move(int fd, void *buf, size_t len, bool out)
{
    size_t done = 0;
    ssize_t r;

    while ( done < len )
    {
        r = out ? send(fd, (char *)buf + done, len - done, MSG_NOSIGNAL)
                : read(fd, (char *)buf + done, len - done);
        if ( r <= 0 )
            return false;
        done += (size_t)r;
    }

    return true;
}

static bool receive(int fd, struct xsd_sockmsg *msg, char *body)
{
    return move(fd, msg, sizeof(*msg), false) &&
           msg->len <= XENSTORE_PAYLOAD_MAX &&
           move(fd, body, msg->len, false);
}

static bool pass(int fd, struct xsd_sockmsg *msg, char *body)
{
    return move(fd, msg, sizeof(*msg), true) &&
           move(fd, body, msg->len, true);
}

static bool from_client(struct link *l, const struct fault *f)
{
    char body[XENSTORE_PAYLOAD_MAX];
    struct xsd_sockmsg msg;

    if ( !receive(l->client, &msg, body) )
        return false;
    if ( ++*shared_calls != f->nth )
        return pass(l->daemon, &msg, body);
    msg.type = XS_ERROR;
    msg.len = (uint32_t)strlen(f->errno_name) + 1;
    memcpy(body, f->errno_name, msg.len);

    return pass(l->client, &msg, body);
}

static bool from_daemon(struct link *l)
{
    char body[XENSTORE_PAYLOAD_MAX];
    struct xsd_sockmsg msg;

    return receive(l->daemon, &msg, body) && pass(l->client, &msg, body);
}

static void end_link(struct link *l)
{
    close(l->client);
    close(l->daemon);
    l->client = l->daemon = -1;
}

static void add_link(struct link *links, int listen_fd, const char *real)
{
    int fd = accept(listen_fd, NULL, NULL), i;

    for ( i = 0; fd >= 0 && i < LINKS_MAX; i++ )
        if ( links[i].client < 0 )
        {
            links[i].client = fd;
            links[i].daemon = unix_socket(real, false);
            return;
        }
    close(fd);
}

static void proxy(int listen_fd, const char *real, const struct fault *f)
{
    struct pollfd p[1 + 2 * LINKS_MAX];
    struct link links[LINKS_MAX];
    int i;

    memset(links, -1, sizeof(links));
    for ( ; ; )
    {
        p[0] = (struct pollfd){ .fd = listen_fd, .events = POLLIN };
        for ( i = 0; i < LINKS_MAX; i++ )
        {
            p[1 + 2 * i] = (struct pollfd){ links[i].client, POLLIN, 0 };
            p[2 + 2 * i] = (struct pollfd){ links[i].daemon, POLLIN, 0 };
        }
        if ( poll(p, 1 + 2 * LINKS_MAX, -1) < 0 )
            _exit(3);
        for ( i = 0; i < LINKS_MAX; i++ )
            if ( (p[1 + 2 * i].revents && !from_client(&links[i], f)) ||
                 (p[2 + 2 * i].revents && !from_daemon(&links[i])) )
                end_link(&links[i]);
        if ( p[0].revents )
            add_link(links, listen_fd, real);
    }
}

void store_interpose(const struct host *h, const struct fault *f)
{
    char path[160], real[160];
    int fd;

    snprintf(real, sizeof(real), "%s/xenstored.sock", h->dir);
    snprintf(path, sizeof(path), "%s/store.%d", h->dir, (int)getpid());
    fd = unix_socket(path, true);
    switch ( fork() )
    {
    case -1:
        _exit(3);

    case 0:
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        proxy(fd, real, f);
    }
    close(fd);
    setenv("XENSTORED_PATH", path, 1);
}

void store_interposed(const struct host *h, pid_t pid)
{
    char path[160];

    snprintf(path, sizeof(path), "%s/store.%d", h->dir, (int)pid);
    unlink(path);
}
