/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Client connections: a thread each, one request at a time.
 *
 * What a client sends is not trusted: lengths are bounded, handles must lie
 * in its arena, and whatever it does ends in an error for itself only.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "client.h"
#include "ctl.h"
#include "evtchn.h"
#include "fmem.h"
#include "gnttab.h"
#include "host.h"
#include "hypercall.h"

#define CONN_STACK  (1u << 20)
#define MAX_CONNS   2048u
#define FIRST_BUF   (64u << 10)
#define END_WAIT_S  5

/* ---- replies ------------------------------------------------------------ */

int conn_reply(struct conn *c, uint32_t op, int64_t result,
               const void *data, size_t len, const int *fds,
               unsigned int nfds)
{
    struct emu_reply reply = {
        .op = op, .len = (uint32_t)len, .result = result,
    };
    union
    {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(EMU_MAX_FDS * sizeof(int))];
    } ctl;
    struct iovec iov[2] = {
        { &reply, sizeof(reply) }, { (void *)data, len },
    };
    struct msghdr msg = { .msg_iov = iov, .msg_iovlen = len ? 2 : 1 };
    ssize_t r;

    if ( nfds )
    {
        struct cmsghdr *cm;

        memset(&ctl, 0, sizeof(ctl));
        msg.msg_control = ctl.bytes;
        msg.msg_controllen = CMSG_SPACE(nfds * sizeof(int));
        cm = CMSG_FIRSTHDR(&msg);
        cm->cmsg_level = SOL_SOCKET;
        cm->cmsg_type = SCM_RIGHTS;
        cm->cmsg_len = CMSG_LEN(nfds * sizeof(int));
        memcpy(CMSG_DATA(cm), fds, nfds * sizeof(int));
    }
    while ( msg.msg_iovlen )
    {
        r = sendmsg(c->fd, &msg, MSG_NOSIGNAL);
        if ( r < 0 )
        {
            if ( errno == EINTR )
                continue;
            return -errno;
        }
        msg.msg_control = NULL;
        msg.msg_controllen = 0;
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

/* ---- hypercall buffers -------------------------------------------------- */

static bool page_allocated(const struct conn *c, uint64_t page)
{
    uint8_t byte = __atomic_load_n(&c->arena[page / 8], __ATOMIC_ACQUIRE);

    return byte >> (page % 8) & 1;
}

void *client_ptr(struct conn *c, uint64_t va, size_t len)
{
    uint64_t off = va - c->arena_va, page, last;

    if ( !c->arena || va < c->arena_va || off >= EMU_ARENA_BYTES ||
         len > EMU_ARENA_BYTES - off )
        goto bad;
    last = len ? (off + len - 1) / PAGE_SIZE : off / PAGE_SIZE;
    for ( page = off / PAGE_SIZE; page <= last; page++ )
        if ( page < EMU_ARENA_HEADER || !page_allocated(c, page) )
            goto bad;
    return c->arena + off;

 bad:
    log_line("pid %d: %zu bytes at 0x%llx are not hypercall-safe memory",
             c->pid, len, (unsigned long long)va);
    return NULL;
}

int copy_from_client(struct conn *c, void *dst, uint64_t va, size_t len)
{
    const void *p = client_ptr(c, va, len);

    if ( !p )
        return -EFAULT;
    memcpy(dst, p, len);
    return 0;
}

int copy_to_client(struct conn *c, uint64_t va, const void *src, size_t len)
{
    void *p = client_ptr(c, va, len);

    if ( !p )
        return -EFAULT;
    memcpy(p, src, len);
    return 0;
}

static int make_arena(struct conn *c, uint64_t va, int *ret_fd)
{
    int fd, rc;

    if ( va % PAGE_SIZE || va + EMU_ARENA_BYTES < va )
        return -EINVAL;
    fd = memfd_create("xmig-emu-arena", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if ( fd < 0 )
        return -errno;
    c->arena = MAP_FAILED;
    if ( !ftruncate(fd, EMU_ARENA_BYTES) &&
         !fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) )
        c->arena = mmap(NULL, EMU_ARENA_BYTES, PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_NORESERVE, fd, 0);
    if ( c->arena == MAP_FAILED )
    {
        rc = -errno;
        c->arena = NULL;
        close(fd);
        return rc;
    }
    c->arena_va = va;
    *ret_fd = fd;
    return 0;
}

/* ---- requests ----------------------------------------------------------- */

static int do_hello(struct conn *c, uint32_t op, uint32_t len)
{
    struct emu_welcome w = {
        .machine_pages = c->host->machine.nr_frames,
        .arena_bytes = EMU_ARENA_BYTES,
    };
    struct emu_hello hello;
    unsigned int nfds = 0;
    int fds[1], arena = -1;
    int rc = -EPROTO;

    if ( op != EMU_HELLO || len < sizeof(hello) )
        goto out;
    memcpy(&hello, c->buf, sizeof(hello));
    if ( hello.magic != EMU_HELLO_MAGIC ||
         hello.fault_len > EMU_MAX_FAULT ||
         len != sizeof(hello) + hello.fault_len ||
         hello.kind < EMU_KIND_CALL || hello.kind > EMU_KIND_CTL )
        goto out;
    rc = -EPROTONOSUPPORT;
    if ( hello.version != EMU_PROTO_VERSION )
        goto out;
    if ( hello.fault_len )
    {
        rc = client_get(c->host, c->pid, (char *)c->buf + sizeof(hello),
                        hello.fault_len, &c->client);
        if ( rc )
        {
            log_line("pid %d: fault rules not understood", c->pid);
            goto out;
        }
    }
    rc = 0;
    if ( hello.kind == EMU_KIND_CALL )
    {
        rc = make_arena(c, hello.arena_va, &arena);
        fds[nfds++] = arena;
    }
    else if ( hello.kind == EMU_KIND_FMEM || hello.kind == EMU_KIND_GNTTAB )
        fds[nfds++] = c->host->machine.memfd;
    c->kind = hello.kind;

 out:
    if ( rc )
    {
        conn_reply(c, op, rc, NULL, 0, NULL, 0);
        return rc;
    }
    rc = conn_reply(c, op, 0, &w, sizeof(w), fds, nfds);
    if ( arena >= 0 )
        close(arena);
    return rc;
}

static int do_call(struct conn *c, uint32_t op, uint32_t len)
{
    struct emu_call call;

    if ( len != sizeof(call) )
        return conn_reply(c, op, -EINVAL, NULL, 0, NULL, 0);
    memcpy(&call, c->buf, sizeof(call));
    return conn_reply(c, op, hypercall(c, &call), NULL, 0, NULL, 0);
}

static int do_event(struct conn *c, uint32_t op, uint32_t len)
{
    int rc = fault_check(c->host, c, "evtchn", NULL);

    return rc ? conn_reply(c, op, rc, NULL, 0, NULL, 0) :
                evtchn_msg(c, op, len);
}

static int do_grant(struct conn *c, uint32_t op, uint32_t len)
{
    int rc = fault_check(c->host, c, "gnttab", NULL);

    return rc ? conn_reply(c, op, rc, NULL, 0, NULL, 0) :
                gnttab_msg(c, op, len);
}

static int dispatch(struct conn *c, uint32_t op, uint32_t len)
{
    switch ( c->kind )
    {
    case EMU_KIND_CALL:
        if ( op == EMU_CALL )
            return do_call(c, op, len);
        break;

    case EMU_KIND_FMEM:
        return fmem_msg(c, op, len);

    case EMU_KIND_EVTCHN:
        if ( op >= EMU_EVTCHN_FIRST && op <= EMU_EVTCHN_LAST )
            return do_event(c, op, len);
        break;

    case EMU_KIND_GNTTAB:
        if ( op >= EMU_GNTTAB_FIRST && op <= EMU_GNTTAB_LAST )
            return do_grant(c, op, len);
        break;

    case EMU_KIND_CTL:
        return ctl_msg(c, op, len);
    }
    return conn_reply(c, op, -ENOSYS, NULL, 0, NULL, 0);
}

/* ---- the thread --------------------------------------------------------- */

/* Have at least want bytes of the request; *got of them are there. */
static int fill(struct conn *c, size_t want, size_t *got)
{
    ssize_t r;

    while ( *got < want )
    {
        r = recv(c->fd, c->raw + *got, c->raw_size - *got, 0);
        if ( r < 0 && errno == EINTR )
            continue;
        if ( r <= 0 )
            return r ? -errno : -ENODATA;
        *got += (size_t)r;
    }
    return 0;
}

static int reserve(struct conn *c, size_t size)
{
    void *p;

    if ( size <= c->raw_size )
        return 0;
    p = realloc(c->raw, size);
    if ( !p )
        return -ENOMEM;
    c->raw = p;
    c->raw_size = size;
    c->buf = c->raw + sizeof(struct emu_msg);
    return 0;
}

/* One request into c->raw, and no more than one. */
static int get_request(struct conn *c, struct emu_msg *ret_msg)
{
    size_t got = 0;
    int rc;

    rc = fill(c, sizeof(*ret_msg), &got);
    if ( rc )
        return rc;
    memcpy(ret_msg, c->raw, sizeof(*ret_msg));
    if ( ret_msg->len > EMU_MAX_MSG )
        return -EMSGSIZE;
    rc = reserve(c, sizeof(*ret_msg) + ret_msg->len);
    if ( !rc )
        rc = fill(c, sizeof(*ret_msg) + ret_msg->len, &got);
    if ( !rc && got != sizeof(*ret_msg) + ret_msg->len )
        rc = -EPROTO;
    return rc;
}

static void conn_free(struct conn *c)
{
    struct host *h = c->host;

    evtchn_conn_close(c);
    gnttab_conn_close(c);
    fmem_conn_close(c);
    if ( c->arena )
        munmap(c->arena, EMU_ARENA_BYTES);
    client_put(h, c->client);
    free(c->raw);
    free(c->batch);

    pthread_mutex_lock(&h->conn_lock);
    *c->link = c->next;
    if ( c->next )
        c->next->link = c->link;
    close(c->fd);
    h->nr_conns--;
    pthread_cond_signal(&h->conns_gone);
    pthread_mutex_unlock(&h->conn_lock);
    free(c);
}

static void *conn_main(void *arg)
{
    struct conn *c = arg;
    struct emu_msg msg;
    int rc;

    rc = reserve(c, FIRST_BUF);
    if ( !rc )
        rc = get_request(c, &msg);
    if ( !rc )
        rc = do_hello(c, msg.op, msg.len);
    while ( !rc )
    {
        rc = get_request(c, &msg);
        if ( !rc )
            rc = dispatch(c, msg.op, msg.len);
    }
    if ( rc != -ENODATA && rc != -EPIPE && rc != -ECONNRESET )
        log_line("pid %d: connection ends: %s", c->pid, strerror(-rc));
    conn_free(c);
    return NULL;
}

static int peer_pid(int fd)
{
    struct ucred cred = { .pid = 0 };
    socklen_t len = sizeof(cred);

    getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len);
    return cred.pid;
}

int conn_start(struct host *h, int fd)
{
    pthread_attr_t attr;
    struct conn *c;
    pthread_t t;
    int rc = 0;

    c = calloc(1, sizeof(*c));
    if ( !c )
    {
        close(fd);
        return -ENOMEM;
    }
    c->host = h;
    c->fd = fd;
    c->pid = peer_pid(fd);
    c->only_domid = ~0u;

    pthread_mutex_lock(&h->conn_lock);
    if ( h->nr_conns >= MAX_CONNS )
        rc = -EMFILE;
    else
    {
        c->next = h->conns;
        c->link = &h->conns;
        if ( c->next )
            c->next->link = &c->next;
        h->conns = c;
        h->nr_conns++;
    }
    pthread_mutex_unlock(&h->conn_lock);
    if ( rc )
    {
        close(fd);
        free(c);
        return rc;
    }

    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, CONN_STACK);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    rc = -pthread_create(&t, &attr, conn_main, c);
    pthread_attr_destroy(&attr);
    if ( rc )
        conn_free(c);
    return rc;
}

void conns_end(struct host *h)
{
    struct timespec until;
    struct conn *c;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += END_WAIT_S;
    pthread_mutex_lock(&h->conn_lock);
    for ( c = h->conns; c; c = c->next )
        shutdown(c->fd, SHUT_RDWR);
    while ( h->nr_conns )
        if ( pthread_cond_timedwait(&h->conns_gone, &h->conn_lock, &until) )
            break;
    if ( h->nr_conns )
    {
        log_line("%u connections do not end; leaving at once", h->nr_conns);
        _exit(0);
    }
    pthread_mutex_unlock(&h->conn_lock);
}
