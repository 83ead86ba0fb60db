/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The monitor's thread: a poll loop over the listener and a few clients.
 *
 * A client gets one answer for each line, and is not read from while an
 * answer has not left; what it watches is left out as long.  So the memory
 * for it is bounded, and one that does not read harms itself only.
 */
#include "monitor.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"

#define CLIENTS 8
/* One that neither asks nor watches is sent away. */
#define IDLE_US (60 * US_PER_S)
/* How often a change is looked for when somebody watches. */
#define LOOK_US (50 * US_PER_MS)
/* At the end, for the last words. */
#define LAST_US (500 * US_PER_MS)

struct client
{
    int fd;
    bool closing;                /* once the answer has left */
    uint64_t idle_until_us;
    size_t in_len, out_len, out_at;
    /* watching, if not 0 */
    uint64_t interval_us;
    uint64_t due_us;
    const char *seen_state;
    unsigned int seen_rounds;
    char in[MONITOR_REQUEST_MAX + 1];
    char out[MONITOR_REPLY_MAX];
};

struct monitor
{
    /* set at open, then read-only */
    const struct monitor_ops *ops;
    void *data;
    struct optset *opts;
    bool source;
    char id[IDENT_TEXT], name[MONITOR_NAME];
    int dir, listener, stop_fd;
    pthread_t thread;

    struct client *clients[CLIENTS];     /* the thread's */
    struct monitor_outcome end;  /* set before ended, then read-only */
    _Atomic bool ended;
};

/* ---- One client --------------------------------------------------------- */

static void client_close(struct monitor *m, unsigned int i)
{
    close(m->clients[i]->fd);
    free(m->clients[i]);
    m->clients[i] = NULL;
}

/* False: it has gone. */
static bool client_write(struct client *c)
{
    ssize_t r;

    while ( c->out_at < c->out_len )
    {
        r = send(c->fd, c->out + c->out_at, c->out_len - c->out_at,
                 MSG_NOSIGNAL | MSG_DONTWAIT);
        if ( r < 0 && errno == EINTR )
            continue;
        if ( r < 0 )
            return errno == EAGAIN;
        c->out_at += (size_t)r;
    }
    c->out_at = c->out_len = 0;

    return !c->closing;
}

static void put_status(struct monitor *m, struct client *c,
                       const struct monitor_outcome *end)
{
    struct monitor_status st;

    memset(&st, 0, sizeof(st));
    m->ops->status(m->data, &st);
    c->seen_state = st.state;
    c->seen_rounds = st.stats.rounds;
    c->out_len = monitor_reply_status(c->out, m->id, m->source, &st, m->opts,
                                      end);
}

static int set_options(struct monitor *m, struct err *e,
                       const struct monitor_request *q)
{
    char text[OPT_KEY_MAX + sizeof(q->settings[0].value) + 2];
    unsigned int i;
    int rc = 0;

    if ( !m->opts )
        return err_set(e, -EOPNOTSUPP, "options of a migration are set at "
                       "its source");
    for ( i = 0; !rc && i < q->nr; i++ )
        rc = opt_set_live(m->opts, e, q->settings[i].key,
                          q->settings[i].value, false);
    for ( i = 0; !rc && i < q->nr; i++ )
    {
        rc = opt_set_live(m->opts, e, q->settings[i].key,
                          q->settings[i].value, true);
        snprintf(text, sizeof(text), "%s=%s", q->settings[i].key,
                 q->settings[i].value);
        if ( !rc )
            m->ops->was_set(m->data, text);
    }

    return rc;
}

static void serve_line(struct monitor *m, struct client *c, size_t len)
{
    struct monitor_request q;
    struct xmig_error rec;
    struct err e;
    int rc;

    err_init(&e);
    rc = monitor_request_parse(c->in, len, &e, &q);
    c->closing = rc == -EPROTO;
    if ( !rc && q.verb == MONITOR_CANCEL )
        rc = m->ops->cancel(m->data, &e);
    if ( !rc && q.verb == MONITOR_POSTCOPY )
        rc = m->ops->postcopy ? m->ops->postcopy(m->data, &e)
             : err_set(&e, -EOPNOTSUPP, "it is not a migration that can "
                       "become post-copy");
    if ( !rc && q.verb == MONITOR_FENCED )
        rc = m->ops->fenced ? m->ops->fenced(m->data, &e)
             : err_set(&e, -EOPNOTSUPP, "it is no migration");
    if ( !rc && q.verb == MONITOR_SET )
        rc = set_options(m, &e, &q);
    if ( !rc && q.interval_us )
    {
        c->interval_us = q.interval_us;
        c->due_us = deadline_in(q.interval_us);
    }

    err_copy(&e, &rec);
    if ( rc )
        c->out_len = monitor_reply_error(c->out, rc, rec.text);
    else if ( q.verb == MONITOR_STATUS || q.verb == MONITOR_WATCH )
        put_status(m, c, NULL);
    else
        c->out_len = monitor_reply_done(c->out);
    err_done(&e);
}

/* Serve the lines that are there, as far as answers leave. */
static bool serve_lines(struct monitor *m, struct client *c)
{
    size_t len;
    char *nl;

    while ( !c->out_len )
    {
        nl = memchr(c->in, '\n', c->in_len);
        if ( !nl && c->in_len > MONITOR_REQUEST_MAX )
        {
            c->closing = true;
            c->out_len = monitor_reply_error(c->out, -EMSGSIZE, "a request "
                                             "is 4096 bytes at most");
            return client_write(c);
        }
        if ( !nl )
            return true;
        len = (size_t)(nl - c->in);
        serve_line(m, c, len);
        memmove(c->in, nl + 1, c->in_len - len - 1);
        c->in_len -= len + 1;
        c->idle_until_us = deadline_in(IDLE_US);
        if ( !client_write(c) )
            return false;
    }

    return true;
}

static bool client_read(struct monitor *m, struct client *c)
{
    ssize_t r = recv(c->fd, c->in + c->in_len, sizeof(c->in) - c->in_len,
                     MSG_DONTWAIT);

    if ( r < 0 )
        return errno == EAGAIN || errno == EINTR;
    if ( !r )
        return false;
    c->in_len += (size_t)r;

    return serve_lines(m, c);
}

static bool client_watch(struct monitor *m, struct client *c)
{
    struct monitor_status st;

    if ( !c->interval_us || c->out_len )
        return true;
    memset(&st, 0, sizeof(st));
    m->ops->status(m->data, &st);
    if ( st.state == c->seen_state && st.stats.rounds == c->seen_rounds &&
         !deadline_passed(c->due_us) )
        return true;
    c->due_us = deadline_in(c->interval_us);
    put_status(m, c, NULL);

    return client_write(c);
}

/* ---- The thread --------------------------------------------------------- */

static bool is_friend(int fd)
{
    struct ucred cred;
    socklen_t len = sizeof(cred);

    return !getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) &&
           (cred.uid == 0 || cred.uid == geteuid());
}

static void take_client(struct monitor *m)
{
    int fd = accept4(m->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    struct client *c = NULL;
    unsigned int i;

    if ( fd < 0 )
        return;
    for ( i = 0; i < CLIENTS && m->clients[i]; i++ )
        continue;
    if ( i < CLIENTS && is_friend(fd) )
        c = calloc(1, sizeof(*c));
    if ( !c )
    {
        close(fd);
        return;
    }
    c->fd = fd;
    c->idle_until_us = deadline_in(IDLE_US);
    m->clients[i] = c;
}

/* Fills pfd[0 ... CLIENTS + 1]; returns for how long to wait. */
static uint64_t prepare(const struct monitor *m, struct pollfd *pfd)
{
    uint64_t until = DEADLINE_NEVER;
    const struct client *c;
    unsigned int i;

    pfd[0] = (struct pollfd){ .fd = m->stop_fd, .events = POLLIN };
    pfd[1] = (struct pollfd){ .fd = m->listener, .events = POLLIN };
    for ( i = 0; i < CLIENTS; i++ )
    {
        c = m->clients[i];
        pfd[i + 2] = (struct pollfd){ .fd = c ? c->fd : -1 };
        if ( !c )
            continue;
        pfd[i + 2].events = c->out_len ? POLLOUT : POLLIN;
        if ( c->interval_us && !c->out_len )
            until = deadline_in(LOOK_US);
        else if ( c->idle_until_us < until )
            until = c->idle_until_us;
    }

    return until;
}

static void serve(struct monitor *m, const struct pollfd *pfd)
{
    struct client *c;
    unsigned int i;
    bool ok;

    for ( i = 0; i < CLIENTS; i++ )
    {
        c = m->clients[i];
        if ( !c || pfd[i + 2].fd < 0 )
            continue;
        ok = true;
        if ( pfd[i + 2].revents && c->out_len )
            ok = client_write(c) && serve_lines(m, c);
        else if ( pfd[i + 2].revents )
            ok = client_read(m, c);
        if ( ok )
            ok = client_watch(m, c);
        /* A watcher whose answer does not leave is idle, too. */
        if ( ok && deadline_passed(c->idle_until_us) )
            ok = c->interval_us && !c->out_len;
        if ( ok && c->interval_us && !c->out_len )
            c->idle_until_us = deadline_in(IDLE_US);
        if ( !ok )
            client_close(m, i);
    }
    if ( pfd[1].revents )
        take_client(m);
}

/* Watchers are told what became of it, as long as they read. */
static void last_words(struct monitor *m)
{
    uint64_t until = deadline_in(LAST_US);
    struct pollfd pfd;
    struct client *c;
    unsigned int i;

    for ( i = 0; i < CLIENTS; i++ )
    {
        c = m->clients[i];
        if ( !c )
            continue;
        pfd = (struct pollfd){ .fd = c->fd, .events = POLLOUT };
        while ( c->out_len && client_write(c) && c->out_len &&
                !deadline_passed(until) )
            poll(&pfd, 1, deadline_poll_ms(until));
        if ( c->interval_us && !c->out_len )
        {
            put_status(m, c, &m->end);
            client_write(c);
        }
        client_close(m, i);
    }
}

static void *monitor_main(void *arg)
{
    struct monitor *m = arg;
    struct pollfd pfd[CLIENTS + 2];
    uint64_t until;

    while ( !m->ended )
    {
        until = prepare(m, pfd);
        if ( poll(pfd, CLIENTS + 2, deadline_poll_ms(until)) >= 0 )
            serve(m, pfd);
    }
    last_words(m);

    return NULL;
}

/* ---- Its life ----------------------------------------------------------- */

static void monitor_free(struct monitor *m)
{
    if ( m->listener >= 0 )
    {
        unlinkat(m->dir, m->name, 0);
        close(m->listener);
    }
    if ( m->dir >= 0 )
        close(m->dir);
    if ( m->stop_fd >= 0 )
        close(m->stop_fd);
    free(m);
}

int monitor_open(const char *state_dir, const uint8_t id[IDENT_BYTES],
                 bool source, const struct monitor_ops *ops, void *data,
                 struct optset *opts, struct err *e, struct monitor **ret_m)
{
    struct monitor *m = calloc(1, sizeof(*m));
    int rc;

    if ( !m )
        return err_set(e, -ENOMEM, "monitor: %s", err_text(-ENOMEM));
    m->ops = ops;
    m->data = data;
    m->opts = opts;
    m->source = source;
    m->dir = m->listener = -1;
    ident_text(id, m->id);
    monitor_dir_name(id, source, m->name);

    m->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    rc = m->stop_fd < 0 ? -errno
                        : monitor_dir_open(state_dir, true, &m->dir);
    if ( !rc )
        rc = monitor_dir_listen(m->dir, m->name, &m->listener);
    if ( !rc )
        rc = -pthread_create(&m->thread, NULL, monitor_main, m);
    if ( rc )
    {
        monitor_free(m);
        return err_set(e, rc, "monitor in %s/run: %s", state_dir,
                       err_text(rc));
    }
    *ret_m = m;

    return 0;
}

void monitor_end(struct monitor *m, int code, const char *text)
{
    static const uint64_t one = 1;

    if ( !m )
        return;
    m->end = (struct monitor_outcome){ .code = code, .text = text };
    m->ended = true;
    /* Cannot fail: the counter was 0. */
    while ( write(m->stop_fd, &one, sizeof(one)) < 0 && errno == EINTR )
        continue;
    pthread_join(m->thread, NULL);
    monitor_free(m);
}
