/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * A replaced library's connection to the emulated host: hello, and one
 * request at a time.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include "emu_conn.h"

#define MAX_PARTS 4u

static pthread_once_t fork_once = PTHREAD_ONCE_INIT;
static unsigned int forks;       /* how often this process was forked off */

static void count_fork(void)
{
    forks++;
}

static void watch_forks(void)
{
    pthread_atfork(NULL, NULL, count_fork);
}

bool emu_inherited(const struct emu_conn *c)
{
    return c->forks != forks;
}

static int send_all(int fd, struct iovec *iov, unsigned int n)
{
    struct msghdr msg = { .msg_iov = iov, .msg_iovlen = n };
    ssize_t r;

    while ( msg.msg_iovlen )
    {
        r = sendmsg(fd, &msg, MSG_NOSIGNAL);
        if ( r < 0 )
        {
            if ( errno == EINTR )
                continue;
            return errno == ECONNRESET ? -EPIPE : -errno;
        }
        while ( msg.msg_iovlen && (size_t)r >= msg.msg_iov->iov_len )
        {
            r -= (ssize_t)msg.msg_iov->iov_len;
            msg.msg_iov++;
            msg.msg_iovlen--;
        }
        if ( msg.msg_iovlen )
        {
            msg.msg_iov->iov_base = (char *)msg.msg_iov->iov_base + r;
            msg.msg_iov->iov_len -= (size_t)r;
        }
    }
    return 0;
}

struct fd_list
{
    int fd[EMU_MAX_FDS];
    unsigned int nr;
};

static void take_fds(struct msghdr *msg, struct fd_list *l)
{
    struct cmsghdr *cm;

    for ( cm = CMSG_FIRSTHDR(msg); cm; cm = CMSG_NXTHDR(msg, cm) )
    {
        size_t n, i;

        if ( cm->cmsg_level != SOL_SOCKET || cm->cmsg_type != SCM_RIGHTS )
            continue;
        n = (cm->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for ( i = 0; i < n; i++ )
        {
            int fd;

            memcpy(&fd, CMSG_DATA(cm) + i * sizeof(int), sizeof(fd));
            if ( l->nr < EMU_MAX_FDS )
                l->fd[l->nr++] = fd;
            else
                close(fd);
        }
    }
}

/* Exactly iov, n pieces; descriptors that come along go to l. */
static int recv_all(int fd, struct iovec *iov, unsigned int n,
                    struct fd_list *l)
{
    union
    {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(EMU_MAX_FDS * sizeof(int))];
    } ctl;
    ssize_t r;

    while ( n )
    {
        struct msghdr msg = {
            .msg_iov = iov, .msg_iovlen = n,
            .msg_control = ctl.bytes, .msg_controllen = sizeof(ctl.bytes),
        };

        if ( !iov->iov_len )
        {
            iov++;
            n--;
            continue;
        }
        r = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC);
        if ( r < 0 && errno == EINTR )
            continue;
        if ( r <= 0 )
            return r && errno != ECONNRESET ? -errno : -EPIPE;
        take_fds(&msg, l);
        while ( n && (size_t)r >= iov->iov_len )
        {
            r -= (ssize_t)iov->iov_len;
            iov++;
            n--;
        }
        if ( n )
        {
            iov->iov_base = (char *)iov->iov_base + r;
            iov->iov_len -= (size_t)r;
        }
    }
    return 0;
}

static int discard(int fd, size_t len)
{
    char buf[4096];
    ssize_t r;

    while ( len )
    {
        r = recv(fd, buf, len < sizeof(buf) ? len : sizeof(buf), 0);
        if ( r < 0 && errno == EINTR )
            continue;
        if ( r <= 0 )
            return -EPIPE;
        len -= (size_t)r;
    }
    return 0;
}

/* lock held */
static int transact(struct emu_conn *c, uint32_t op,
                    const struct emu_part *parts, unsigned int nr_parts,
                    void *ret_data, size_t size, struct emu_reply *reply,
                    struct fd_list *l)
{
    struct iovec iov[MAX_PARTS + 1];
    struct emu_msg msg = { .op = op };
    unsigned int i;
    size_t take;
    int rc;

    if ( nr_parts > MAX_PARTS )
        return -EINVAL;
    iov[0] = (struct iovec){ &msg, sizeof(msg) };
    for ( i = 0; i < nr_parts; i++ )
    {
        if ( parts[i].len > EMU_MAX_MSG - msg.len )
            return -E2BIG;
        msg.len += (uint32_t)parts[i].len;
        iov[i + 1] = (struct iovec){ (void *)parts[i].data, parts[i].len };
    }
    rc = send_all(c->fd, iov, nr_parts + 1);
    if ( rc )
        return rc;

    iov[0] = (struct iovec){ reply, sizeof(*reply) };
    rc = recv_all(c->fd, iov, 1, l);
    if ( rc )
        return rc;
    if ( reply->op != op || reply->len > EMU_MAX_MSG )
        return -EIO;
    take = reply->len < size ? reply->len : size;
    iov[0] = (struct iovec){ ret_data, take };
    rc = recv_all(c->fd, iov, 1, l);
    return rc ? rc : discard(c->fd, reply->len - take);
}

int64_t emu_call(struct emu_conn *c, uint32_t op,
                 const struct emu_part *parts, unsigned int nr_parts,
                 void *ret_data, size_t size, size_t *ret_len,
                 int *ret_fds, unsigned int max_fds,
                 unsigned int *ret_nr_fds)
{
    struct fd_list l = { .nr = 0 };
    struct emu_reply reply = { 0 };
    unsigned int i;
    int rc;

    if ( emu_inherited(c) )
        return -EBADF;
    pthread_mutex_lock(&c->lock);
    rc = c->fd < 0 ? -EPIPE : transact(c, op, parts, nr_parts, ret_data, size,
                                       &reply, &l);
    if ( rc && rc != -EINVAL && rc != -E2BIG && c->fd >= 0 )
        /* Out of step: no further request on this connection. */
        shutdown(c->fd, SHUT_RDWR);
    pthread_mutex_unlock(&c->lock);

    for ( i = 0; i < l.nr; i++ )
    {
        if ( !rc && i < max_fds )
            ret_fds[i] = l.fd[i];
        else
            close(l.fd[i]);
    }
    if ( rc )
        return rc;
    if ( ret_nr_fds )
        *ret_nr_fds = l.nr < max_fds ? l.nr : max_fds;
    if ( ret_len )
        *ret_len = reply.len;
    return reply.result;
}

int64_t emu_call1(struct emu_conn *c, uint32_t op, const void *req,
                  size_t req_len, void *ret_data, size_t ret_size)
{
    struct emu_part part = { req, req_len };

    return emu_call(c, op, &part, 1, ret_data, ret_size, NULL, NULL, 0, NULL);
}

/* ---- hello -------------------------------------------------------------- */

static int open_socket(void)
{
    const char *dir = getenv(EMU_ENV_DIR);
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    int fd, n, rc;

    if ( !dir || !*dir )
        return -ENOENT;
    n = snprintf(a.sun_path, sizeof(a.sun_path), "%s/%s", dir, EMU_SOCK_NAME);
    if ( n >= (int)sizeof(a.sun_path) )
        return -ENAMETOOLONG;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if ( fd < 0 )
        return -errno;
    while ( connect(fd, (struct sockaddr *)&a, sizeof(a)) )
    {
        if ( errno == EINTR )
            continue;
        rc = errno == ECONNREFUSED ? -ENOENT : -errno;
        close(fd);
        return rc;
    }
    return fd;
}

int emu_connect(struct emu_conn *c, enum emu_kind kind, uint64_t arena_va)
{
    const char *faults = getenv(EMU_ENV_FAULT);
    struct emu_hello hello = {
        .magic = EMU_HELLO_MAGIC, .version = EMU_PROTO_VERSION,
        .kind = kind, .arena_va = arena_va,
    };
    struct emu_part part[2];
    struct emu_welcome w;
    int64_t r;

    memset(c, 0, sizeof(*c));
    hello.fault_len = faults ? (uint32_t)strlen(faults) : 0;
    part[0] = (struct emu_part){ &hello, sizeof(hello) };
    part[1] = (struct emu_part){ faults, hello.fault_len };
    r = open_socket();
    c->fd = (int)r;
    if ( r < 0 )
        return (int)r;
    pthread_mutex_init(&c->lock, NULL);
    pthread_once(&fork_once, watch_forks);
    c->forks = forks;
    r = emu_call(c, EMU_HELLO, part, 2, &w, sizeof(w), NULL, c->fds,
                 EMU_MAX_FDS, &c->nr_fds);
    if ( r < 0 )
    {
        emu_disconnect(c);
        return (int)r;
    }
    c->machine_pages = w.machine_pages;
    return 0;
}

void emu_disconnect(struct emu_conn *c)
{
    if ( c->fd < 0 )
        return;
    close(c->fd);
    c->fd = -1;
    /* In a child the lock may be held by a thread that is not there. */
    if ( !emu_inherited(c) )
        pthread_mutex_destroy(&c->lock);
}
