/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The log: what the library warns of is always told, the rest with -v.
 * Its errors are not, as the command tells them, with what to do.
 */
#include <stdlib.h>
#include <string.h>
#include <xentoollog.h>

#include "cmd.h"

struct log
{
    struct xentoollog_logger vt;         /* first */
    struct xentoollog_logger_stdiostream *out;
};

/* Of the Xen libraries only what was asked for. */
static bool is_warning(xentoollog_level level, const char *context)
{
    return !cli.verbose && level == XTL_WARN && context &&
           !strcmp(context, "xmig");
}

static void on_message(struct xentoollog_logger *logger,
                       xentoollog_level level, int errnoval,
                       const char *context, const char *format, va_list al)
{
    struct log *l = (struct log *)logger;
    char text[512];

    if ( is_warning(level, context) )
    {
        vsnprintf(text, sizeof(text), format, al);
        cli_remote_line("xmig: warning", text);
    }
    else
        xtl_logv((struct xentoollog_logger *)l->out, level, errnoval, context,
                 format, al);
}

static void on_progress(struct xentoollog_logger *logger,
                        const char *context, const char *doing_what,
                        int percent, unsigned long done, unsigned long total)
{
    struct log *l = (struct log *)logger;
    struct xentoollog_logger *out = (struct xentoollog_logger *)l->out;

    out->progress(out, context, doing_what, percent, done, total);
}

static void on_destroy(struct xentoollog_logger *logger)
{
    struct log *l = (struct log *)logger;

    xtl_logger_destroy((struct xentoollog_logger *)l->out);
    free(l);
}

struct xentoollog_logger *cli_log_open(void)
{
    static const xentoollog_level levels[] = {
        XTL_CRITICAL, XTL_INFO, XTL_DETAIL, XTL_DEBUG,
    };
    struct log *l = calloc(1, sizeof(*l));

    if ( !l )
        return NULL;
    l->vt.vmessage = on_message;
    l->vt.progress = on_progress;
    l->vt.destroy = on_destroy;
    l->out = xtl_createlogger_stdiostream(
        stderr, levels[cli.verbose > 3 ? 3 : cli.verbose], 0);
    if ( !l->out )
    {
        free(l);
        return NULL;
    }

    return &l->vt;
}
