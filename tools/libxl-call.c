/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * A libxl context for one conversation, with a logger that keeps the first
 * error: libxl's results are numbers, its reasons go to the log.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <xentoollog.h>

#include "libxl-hooks.h"

static void keep(struct call *c, int errnoval, const char *text)
{
    pthread_mutex_lock(&c->lock);
    if ( !c->first[0] )
    {
        if ( errnoval > 0 )
            snprintf(c->first, sizeof(c->first), "%.200s: %.50s", text,
                     strerror(errnoval));
        else
            snprintf(c->first, sizeof(c->first), "%.255s", text);
    }
    pthread_mutex_unlock(&c->lock);
}

static void on_message(struct xentoollog_logger *logger,
                       xentoollog_level level, int errnoval,
                       const char *context, const char *format, va_list al)
{
    struct call *c = (struct call *)logger;
    char text[512], *p;

    vsnprintf(text, sizeof(text), format, al);
    /* libxl puts its source line in front. */
    p = strncmp(text, "libxl", 5) ? text : strstr(text, ": ");
    p = p && p != text ? p + 2 : text;
    if ( level >= XTL_ERROR )
        keep(c, errnoval, p);
    if ( c->next )
        xtl_log(c->next, level, errnoval, context, "%s", p);
}

static void on_progress(struct xentoollog_logger *logger,
                        const char *context, const char *doing_what,
                        int percent, unsigned long done, unsigned long total)
{
    (void)logger;
    (void)context;
    (void)doing_what;
    (void)percent;
    (void)done;
    (void)total;
}

static void on_destroy(struct xentoollog_logger *logger)
{
    (void)logger;
}

int call_open(struct call *c, struct xentoollog_logger *next)
{
    /* The program may have children of its own. */
    static const libxl_childproc_hooks children = {
        .chldowner = libxl_sigchld_owner_libxl_always_selective_reap,
    };

    memset(c, 0, sizeof(*c));
    c->log.vmessage = on_message;
    c->log.progress = on_progress;
    c->log.destroy = on_destroy;
    c->next = next;
    pthread_mutex_init(&c->lock, NULL);
    if ( libxl_ctx_alloc(&c->ctx, LIBXL_VERSION, 0, &c->log) )
    {
        pthread_mutex_destroy(&c->lock);
        return -ENODEV;
    }
    libxl_childproc_setmode(c->ctx, &children, NULL);

    return 0;
}

void call_close(struct call *c)
{
    libxl_ctx_free(c->ctx);
    pthread_mutex_destroy(&c->lock);
}

int call_result(struct call *c, int libxl_rc, char *why, size_t room)
{
    if ( !libxl_rc )
        return 0;
    pthread_mutex_lock(&c->lock);
    if ( c->first[0] )
        snprintf(why, room, "%s", c->first);
    else
        snprintf(why, room, "libxl's error %d", libxl_rc);
    pthread_mutex_unlock(&c->lock);

    switch ( libxl_rc )
    {
    case ERROR_NOMEM:           return -ENOMEM;
    case ERROR_DOMAIN_NOTFOUND: return -ENOENT;
    case ERROR_TIMEDOUT:        return -ETIMEDOUT;
    case ERROR_NI:              return -EOPNOTSUPP;
    }

    return -EIO;
}
