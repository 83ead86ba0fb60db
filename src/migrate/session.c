/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The handle: its lifetime, options, figures, cancel, and the frame around
 * each operation.  The operations themselves are elsewhere (source.c,
 * serve.c, recover.c, domains.c, image_*.c).
 */
#include "session.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "options.h"

int xmig_open(struct xentoollog_logger *logger, struct xmig **ret_s)
{
    struct xmig *x = NULL;
    struct err e;
    int rc;

    err_init(&e);
    x = calloc(1, sizeof(*x));
    if ( !x )
    {
        rc = -ENOMEM;
        goto out;
    }
    x->logger = logger;
    x->stop.fd = -1;
    err_init(&x->err);
    stats_init(&x->stats);

    rc = cancel_init(&x->stop);
    if ( rc )
        goto out;
    x->state_dir = strdup(SESSION_STATE_DIR);
    if ( !x->state_dir )
    {
        rc = -ENOMEM;
        goto out;
    }

    rc = options_new(&e, &x->opts);
    if ( rc )
        goto out;

    rc = hv_open(logger, &e, &x->hv);
    if ( rc )
        goto out;
    rc = store_open(&e, &x->store);
    x->toolstack.hv = x->hv;
    x->toolstack.store = x->store;

out:
    if ( rc )
    {
        struct xmig_error rec;

        err_copy(&e, &rec);
        LOG_DEBUG(logger, "open: %s", rec.code ? rec.text : err_text(rc));
        xmig_close(x);
    }
    else
        *ret_s = x;
    err_done(&e);

    return rc;
}

void xmig_close(struct xmig *s)
{
    if ( !s )
        return;
    store_close(s->store);
    hv_close(s->hv);
    optset_free(s->opts);
    free(s->state_dir);
    if ( s->stop.fd >= 0 )
        cancel_done(&s->stop);
    stats_done(&s->stats);
    err_done(&s->err);
    free(s);
}

const struct xmig_error *xmig_error(const struct xmig *s)
{
    return &s->err.rec;
}

int xmig_set_state_dir(struct xmig *s, const char *dir)
{
    char *copy;

    if ( !dir || !*dir )
        return err_set(&s->err, -EINVAL, "the state directory has no name");
    copy = strdup(dir);
    if ( !copy )
        return err_set(&s->err, -ENOMEM, "set the state directory: %s",
                       err_text(-ENOMEM));
    free(s->state_dir);
    s->state_dir = copy;

    return 0;
}

void xmig_set_holder(struct xmig *s, const char *path, char *const argv[])
{
    s->holder_path = path;
    s->holder_argv = argv;
}

void xmig_set_toolstack(struct xmig *s, const struct xmig_toolstack *hooks,
                        void *data)
{
    s->toolstack.hooks = hooks;
    s->toolstack.data = data;
}

int xmig_option_set(struct xmig *s, const char *key, const char *value)
{
    if ( s->running )
        return opt_set_live(s->opts, NULL, key, value, true);
    err_reset(&s->err);

    return opt_set(s->opts, &s->err, key, value);
}

int xmig_option_get(struct xmig *s, unsigned int i, struct xmig_option *ret)
{
    return s ? opt_describe(s->opts, i, &s->opt_text, ret)
             : options_default(i, ret);
}

void xmig_set_progress(struct xmig *s, xmig_progress_fn *fn, void *data)
{
    s->progress = fn;
    s->progress_data = data;
}

void xmig_set_event(struct xmig *s, xmig_event_fn *fn, void *data)
{
    s->event = fn;
    s->event_data = data;
}

void xmig_set_policy(struct xmig *s, xmig_policy_fn *fn, void *data)
{
    s->policy = fn;
    s->policy_data = data;
}

void xmig_set_remote(struct xmig *s, xmig_remote_fn *fn, void *data)
{
    s->on_remote = fn;
    s->remote_data = data;
}

void xmig_get_stats(struct xmig *s, struct xmig_stats *ret_stats)
{
    stats_copy(&s->stats, ret_stats);
}

void xmig_cancel(struct xmig *s)
{
    if ( !s->committed )
        cancel_raise(&s->stop, -ECANCELED);
}

/* ---- The frame around an operation -------------------------------------- */

int session_begin(struct xmig *x)
{
    if ( x->running )
        return -EBUSY;
    err_reset(&x->err);
    owner_reset(&x->err);
    stats_begin(&x->stats, x->progress, x->progress_data);
    x->running = true;

    return 0;
}

int session_end(struct xmig *x, int rc)
{
    cancel_lower(&x->stop);
    x->committed = false;
    x->running = false;
    stats_end(&x->stats);
    if ( rc )
    {
        /* Whoever failed without a word: never an empty record. */
        err_set(&x->err, rc, "%s", err_text(rc));
        LOG_ERROR(x->logger, "%s (guest %s)", x->err.rec.text,
                  xmig_guest_name(owner_get(&x->err)));
    }

    return rc;
}

int session_commit(struct xmig *x)
{
    int rc;

    x->committed = true;
    rc = cancel_check(&x->stop);
    if ( rc )
        return rc;
    cancel_lower(&x->stop);

    return 0;
}

void session_init(struct session *s, struct xmig *x, bool source)
{
    memset(s, 0, sizeof(*s));
    s->x = x;
    s->source = source;
    s->logger = x->logger;
    s->opts = x->opts;
    s->state_dir = x->state_dir;
    s->hv = x->hv;
    s->store = x->store;
    s->toolstack = &x->toolstack;
    state_init(&s->state);
}

int session_host(struct session *s)
{
    struct hv_host host;
    int rc = hv_host_info(s->hv, s->err, &host);

    if ( rc )
        return rc;
    s->xen_version = host.xen_version;

    return store_boot_id(s->store, s->err, s->boot);
}

void session_fail(struct session *s, int rc)
{
    cancel_raise(s->stop, rc);
}
