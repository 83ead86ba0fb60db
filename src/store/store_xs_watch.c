/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Watches.  Each set has a connection of its own, so that nobody else's
 * events come out of it.
 */
#include <poll.h>

#include "store_xs.h"

struct store_watch
{
    struct xs_handle *xs;
};

int store_watch_open(struct err *e, struct store_watch **ret_w)
{
    struct store_watch *w = calloc(1, sizeof(*w));

    if ( !w )
        return err_set(e, -ENOMEM, "watch xenstore: out of memory");
    errno = 0;
    w->xs = xs_open(0);
    if ( !w->xs )
    {
        int rc = store_rc();

        free(w);
        return err_set(e, rc, "watch xenstore: %s", err_text(rc));
    }
    *ret_w = w;

    return 0;
}

int store_watch_add(struct store_watch *w, struct err *e, const char *fmt,
                    ...)
{
    char path[STORE_PATH_MAX];
    va_list ap;
    int rc;

    va_start(ap, fmt);
    rc = store_path(path, e, fmt, ap);
    va_end(ap);
    if ( rc )
        return rc;
    errno = 0;
    if ( !xs_watch(w->xs, path, path) )
    {
        rc = store_rc();
        return err_set(e, rc, "xenstore: watch %s: %s", path, err_text(rc));
    }

    return 0;
}

/* One event if there is one: 0, -EAGAIN. */
static int take_event(struct store_watch *w, char **ret_path)
{
    char **event, *path = NULL;
    int rc;

    errno = 0;
    event = xs_check_watch(w->xs);
    if ( !event )
        return store_rc();
    rc = 0;
    if ( ret_path )
    {
        path = strdup(event[XS_WATCH_PATH]);
        rc = path ? 0 : -ENOMEM;
        if ( path )
            *ret_path = path;
    }
    free(event);

    return rc;
}

int store_watch_wait(struct store_watch *w, uint64_t deadline_us,
                     const struct cancel *cancel, char **ret_path)
{
    int rc;

    for ( ; ; )
    {
        rc = take_event(w, ret_path);
        if ( rc != -EAGAIN )
            return rc;
        rc = cancel_poll(cancel, store_watch_fd(w), POLLIN, deadline_us);
        if ( rc )
            return rc;
    }
}

int store_watch_fd(const struct store_watch *w)
{
    return xs_fileno(w->xs);
}

void store_watch_close(struct store_watch *w)
{
    if ( !w )
        return;
    xs_close(w->xs);
    free(w);
}
