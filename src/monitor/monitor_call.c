/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * xmig_monitor(): asking the monitors of this host's migrations, whatever
 * process runs them.
 */
#include "monitor.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"

/* A monitor answers at once; one that does not is stuck or stopped. */
#define ANSWER_US (5 * US_PER_S)
#define WATCH_US  (60 * US_PER_S + ANSWER_US)

struct call
{
    int fd;
    size_t len, used;            /* of buf; used: the line handed out */
    char buf[MONITOR_REPLY_MAX + 1];
};

static int send_line(struct call *c, const char *line)
{
    struct pollfd pfd = { .fd = c->fd, .events = POLLOUT };
    uint64_t until = deadline_in(ANSWER_US);
    size_t at = 0, len = strlen(line);
    ssize_t r;

    while ( at <= len )
    {
        /* The end of the line goes last, by itself. */
        r = send(c->fd, at < len ? line + at : "\n", at < len ? len - at : 1,
                 MSG_NOSIGNAL | MSG_DONTWAIT);
        if ( r > 0 )
            at += (size_t)r;
        else if ( errno != EAGAIN && errno != EINTR )
            return -errno;
        else if ( deadline_passed(until) )
            return -ETIMEDOUT;
        else
            poll(&pfd, 1, deadline_poll_ms(until));
    }

    return 0;
}

/* The next line, NUL-terminated without its end; -ENODATA: it has closed. */
static int read_line(struct call *c, uint64_t patience_us, char **ret_line)
{
    struct pollfd pfd = { .fd = c->fd, .events = POLLIN };
    uint64_t until = deadline_in(patience_us);
    char *nl;
    ssize_t r;

    memmove(c->buf, c->buf + c->used, c->len - c->used);
    c->len -= c->used;
    c->used = 0;
    for ( ; ; )
    {
        nl = memchr(c->buf, '\n', c->len);
        if ( nl )
            break;
        if ( c->len == sizeof(c->buf) )
            return -EMSGSIZE;
        r = recv(c->fd, c->buf + c->len, sizeof(c->buf) - c->len,
                 MSG_DONTWAIT);
        if ( r > 0 )
            c->len += (size_t)r;
        else if ( !r )
            return -ENODATA;
        else if ( errno != EAGAIN && errno != EINTR )
            return errno == ECONNRESET ? -ENODATA : -errno;
        else if ( deadline_passed(until) )
            return -ETIMEDOUT;
        else
            poll(&pfd, 1, deadline_poll_ms(until));
    }
    *nl = '\0';
    c->used = (size_t)(nl + 1 - c->buf);
    *ret_line = c->buf;

    return 0;
}

/* Is it the migration that which means?  line is its status. */
static bool is_meant(const char *line, const char *which)
{
    struct json_object *obj = json_tokener_parse(line), *st, *v;
    bool meant = !which && obj;

    if ( which && json_object_object_get_ex(obj, "return", &st) )
    {
        static const char *const keys[] = { "domain", "domid", "id" };
        unsigned int i;

        for ( i = 0; !meant && i < sizeof(keys) / sizeof(keys[0]); i++ )
            meant = json_object_object_get_ex(st, keys[i], &v) &&
                    !strcmp(json_object_get_string(v), which);
    }
    json_object_put(obj);

    return meant;
}

static bool is_end(const char *line)
{
    struct json_object *obj = json_tokener_parse(line), *st, *v;
    bool end = !json_object_object_get_ex(obj, "return", &st) ||
               json_object_object_get_ex(st, "end", &v);

    json_object_put(obj);

    return end;
}

/* 1: it is another one, or has ended meanwhile. */
static int call_one(struct call *c, const char *which, const char *request,
                    xmig_monitor_fn *fn, void *data)
{
    bool watch = strstr(request, "\"watch\"");
    char *line;
    int rc;

    rc = send_line(c, "{\"execute\":\"status\"}");
    if ( !rc )
        rc = read_line(c, ANSWER_US, &line);
    if ( !rc && !is_meant(line, which) )
        return 1;
    if ( !rc )
        rc = send_line(c, request);
    do {
        if ( !rc )
            rc = read_line(c, watch ? WATCH_US : ANSWER_US, &line);
        if ( rc )
            break;
        rc = fn(data, line);
    } while ( !rc && watch && !is_end(line) );

    return rc == -ENODATA || rc == -EPIPE ? 1 : rc;
}

int xmig_monitor(const char *state_dir, const char *which,
                 const char *request, xmig_monitor_fn *fn, void *data)
{
    struct call *c = NULL;
    struct dirent *de;
    DIR *list = NULL;
    int dir, rc, found = 0;

    rc = monitor_dir_open(state_dir ? state_dir : MONITOR_STATE_DIR, false,
                          &dir);
    if ( rc )
        return rc;
    c = calloc(1, sizeof(*c));
    list = fdopendir(dir);
    if ( !c || !list )
    {
        rc = -ENOMEM;
        if ( !list )
            close(dir);
        goto out;
    }

    rc = 0;
    while ( rc >= 0 && (de = readdir(list)) )
    {
        monitor_dir_sweep(dir, de->d_name);
        if ( !monitor_dir_is_name(de->d_name) ||
             monitor_dir_connect(dir, de->d_name, &c->fd) )
            continue;
        c->len = c->used = 0;
        rc = call_one(c, which, request, fn, data);
        close(c->fd);
        found += !rc;
    }
    if ( rc >= 0 )
        rc = found ? 0 : -ENOENT;

out:
    if ( list )
        closedir(list);
    free(c);

    return rc;
}

/* What an answer says. */
static int verdict(const char *line, struct err *e)
{
    struct json_object *obj = json_tokener_parse(line), *error, *v;
    int rc = obj ? 0 : err_set(e, -EPROTO, "the monitor's answer is none");

    if ( !rc && json_object_object_get_ex(obj, "error", &error) )
    {
        rc = json_object_object_get_ex(error, "code", &v)
             ? json_object_get_int(v) : 0;
        err_set(e, rc < 0 ? rc : -EPROTO, "%s",
                json_object_object_get_ex(error, "text", &v)
                ? json_object_get_string(v) : "refused");
        rc = err_code(e);
    }
    json_object_put(obj);

    return rc;
}

int monitor_order(const char *state_dir, const uint8_t id[IDENT_BYTES],
                  bool source, const char *request, struct err *e)
{
    struct call *c = calloc(1, sizeof(*c));
    char name[MONITOR_NAME], *line;
    int dir, rc;

    if ( !c )
        return err_set(e, -ENOMEM, "%s", err_text(-ENOMEM));
    monitor_dir_name(id, source, name);
    rc = monitor_dir_open(state_dir, false, &dir);
    if ( !rc )
    {
        rc = monitor_dir_connect(dir, name, &c->fd);
        close(dir);
    }
    if ( rc )
    {
        free(c);
        rc = rc == -ECONNREFUSED ? -ENOENT : rc;
        return err_set(e, rc, "ask the process that runs the migration: %s",
                       err_text(rc));
    }
    rc = send_line(c, request);
    if ( !rc )
        rc = read_line(c, ANSWER_US, &line);
    if ( rc )
        err_set(e, rc, "ask the process that runs the migration: %s",
                err_text(rc));
    else
        rc = verdict(line, e);
    close(c->fd);
    free(c);

    return rc;
}
