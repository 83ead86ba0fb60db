/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The engine's hooks, answered by libxl's callbacks.
 */
#include "domain.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>

#include "callout.h"
#include "xmig.h"

/* For the signal handler. */
static struct xmig *engine;
static volatile sig_atomic_t aborted;

/* SIGTERM is libxl's way to abort a save; the others come to the whole of a
 * terminal's job, and libxl may be gone then. */
static void on_signal(int number)
{
    int saved = errno;

    (void)number;
    aborted = 1;
    if ( engine )
        xmig_cancel(engine);
    errno = saved;
}

/* A restore has nothing to put right: libxl destroys the domain. */
static void set_signals(struct xmig *s, bool save)
{
    static const int numbers[] = { SIGTERM, SIGINT, SIGHUP };
    struct sigaction sa = { .sa_handler = save ? on_signal : SIG_DFL };
    unsigned int i;
    sigset_t set;

    engine = s;
    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&sa.sa_mask);
    for ( i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++ )
        if ( i == 0 || save )
            sigaction(numbers[i], &sa, NULL);
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
}

/* May libxl be sent this message? */
static bool may(const struct args *a, enum callout what)
{
    return a->callbacks >> what & 1;
}

static int suspend(void *data)
{
    int answer, rc;

    (void)data;
    rc = callout_suspend(&answer);
    if ( rc )
        return rc;
    return answer ? 0 : -EIO;
}

static int log_devices(void *data, bool on)
{
    const struct args *a = data;
    int answer, rc;

    rc = callout_logdirty(a->domid, on, &answer);
    if ( rc )
        return rc;
    return answer ? -EIO : 0;
}

static int static_done(void *data, unsigned int missing)
{
    int answer, rc;

    (void)data;
    rc = callout_static_data(missing, &answer);
    if ( rc )
        return rc;
    return answer ? -EIO : 0;
}

/* In pages, as stock does. */
static void tell_progress(void *data, const struct xmig_stats *st)
{
    const struct args *a = data;
    char what[64];

    /* It came before there was an operation. */
    if ( aborted )
        xmig_cancel(engine);
    if ( st->phase == XMIG_PHASE_SETUP )
        return;
    if ( !a->save )
        snprintf(what, sizeof(what), "Restoring domain %u", a->domid);
    else if ( st->phase == XMIG_PHASE_ROUNDS )
        snprintf(what, sizeof(what), "Saving domain %u, round %u", a->domid,
                 st->rounds);
    else
        snprintf(what, sizeof(what), "Saving domain %u, suspended",
                 a->domid);
    callout_progress("xmig", what,
                     (st->total_bytes - st->remaining_bytes) >> 12,
                     st->total_bytes >> 12);
}

static void log_figures(const struct args *a, const struct xmig_stats *st)
{
    char text[256];

    if ( a->save )
        snprintf(text, sizeof(text), "domain %u saved: %u live rounds, %lu"
                 " pages of %lu MiB sent in %lu ms, in %lu ms of these the"
                 " guest was suspended", a->domid, st->rounds,
                 (unsigned long)st->normal_pages,
                 (unsigned long)(st->total_bytes >> 20),
                 (unsigned long)(st->total_time_us / 1000),
                 (unsigned long)(st->downtime_us / 1000));
    else
        snprintf(text, sizeof(text), "domain %u restored: %lu pages placed"
                 " in %lu ms", a->domid, (unsigned long)st->normal_pages,
                 (unsigned long)(st->total_time_us / 1000));
    callout_log(XTL_INFO, -1, "xmig", text);
}

int domain_save(struct xmig *s, const struct args *args)
{
    struct xmig_image_hooks hooks = {
        .suspend = suspend,
        .forgets_events = true,
    };
    struct xmig_stats st;
    int rc;

    if ( may(args, CALLOUT_LOGDIRTY) )
        hooks.log_devices = log_devices;
    set_signals(s, true);
    xmig_set_progress(s, tell_progress, (void *)args);
    rc = xmig_image_save(s, args->domid, args->stream_fd,
                         args->flags & ARGS_LIVE, &hooks, (void *)args);
    engine = NULL;
    if ( rc )
        return rc;
    xmig_get_stats(s, &st);
    log_figures(args, &st);
    return 0;
}

int domain_restore(struct xmig *s, const struct args *args)
{
    struct xmig_image_hooks hooks = { 0 };
    struct xmig_image_rings rings = {
        .store_port = args->store_port,
        .store_domid = args->store_domid,
        .console_port = args->console_port,
        .console_domid = args->console_domid,
    };
    struct xmig_stats st;
    int rc;

    if ( may(args, CALLOUT_STATIC_DATA) )
        hooks.static_done = static_done;
    set_signals(s, false);
    xmig_set_progress(s, tell_progress, (void *)args);
    rc = xmig_image_restore(s, args->domid, args->stream_fd, &hooks,
                            (void *)args, &rings);
    /* Stock tells of the results though there are none. */
    callout_results(rc ? 0 : rings.store_gfn, rc ? 0 : rings.console_gfn);
    if ( rc )
        return rc;
    xmig_get_stats(s, &st);
    log_figures(args, &st);
    return 0;
}
