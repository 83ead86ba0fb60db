/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Suspending a guest: see suspend.h.
 *
 * A request in xenstore can be taken back, in a transaction: the guest either
 * still has it in front of it, or has acknowledged and is going to suspend.
 * An event can't be taken back.  In both cases a guest that is going to
 * suspend is waited for a second time and resumed, so that it does not end
 * up suspended with nobody to resume it.
 */
#include "suspend.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#include "clock.h"

/* How often the domain is looked at when nothing else tells: a guest that
 * was destroyed rings no bell. */
#define LOOK_US (100 * US_PER_MS)

/* 0: it is there and has not shut down; -ESHUTDOWN, -ENOENT, or a failure to
 * look.  *ret_info is filled in but for -ENOENT and failures. */
static int look(struct hv *hv, uint32_t domid, struct hv_domain *ret_info)
{
    int rc = hv_domain_info(hv, NULL, domid, ret_info);

    if ( !rc && ret_info->dying )
        rc = -ENOENT;
    if ( rc )
        return rc;

    return ret_info->shut_down ? -ESHUTDOWN : 0;
}

/* Record what look() returned. */
static int say(struct err *e, uint32_t domid, int rc,
               const struct hv_domain *info)
{
    char buf[16];

    if ( rc == -ENOENT )
        return err_set(e, rc, "domain %u was destroyed meanwhile", domid);
    if ( rc == -ESHUTDOWN && info->shutdown_reason == HV_SHUTDOWN_SUSPEND )
        return err_set(e, rc, "domain %u is suspended: a save or a migration "
                       "of it may be under way; if it was killed, \"xmig "
                       "recover\" settles it", domid);
    if ( rc == -ESHUTDOWN )
        return err_set(e, rc, "domain %u has shut down by itself meanwhile "
                       "(%s)", domid,
                       hv_shutdown_name(info->shutdown_reason, buf));

    return rc ? err_set(e, rc, "look at domain %u: %s", domid, err_text(rc))
              : 0;
}

int suspend_check_alive(struct hv *hv, struct err *e, uint32_t domid,
                        struct hv_domain *ret)
{
    struct hv_domain info;
    int rc = look(hv, domid, &info);

    if ( ret && (!rc || rc == -ESHUTDOWN) )
        *ret = info;

    return say(e, domid, rc, &info);
}

int suspend_open(struct suspend *su, struct hv *hv, struct store *st,
                 struct err *e, uint32_t domid)
{
    uint32_t port;
    int rc;

    memset(su, 0, sizeof(*su));
    su->hv = hv;
    su->store = st;
    su->err = e;
    su->domid = domid;

    if ( !store_suspend_port(st, NULL, domid, &port) )
    {
        rc = hv_port_bind(hv, NULL, domid, port, &su->port);
        if ( !rc )
            rc = hv_port_on_suspend(hv, NULL, domid, port);
        if ( !rc )
        {
            /* A port is pending just after it was bound. */
            while ( !hv_port_take(su->port, NULL) )
                ;
            return 0;
        }
        hv_port_close(su->port);
        su->port = NULL;
    }

    rc = store_watch_open(e, &su->watch);
    if ( !rc )
        rc = store_watch_add(su->watch, e, "@releaseDomain");
    if ( rc )
        suspend_close(su);

    return rc;
}

void suspend_close(struct suspend *su)
{
    if ( su->port )
        hv_port_close(su->port);
    if ( su->watch )
        store_watch_close(su->watch);
    su->port = NULL;
    su->watch = NULL;
}

static int ask(struct suspend *su)
{
    int rc;

    su->asked = true;
    if ( su->port )
    {
        while ( !hv_port_take(su->port, NULL) )
            ;
        rc = hv_port_notify(su->port, su->err);
    }
    else
        rc = store_suspend_request(su->store, su->err, su->domid);
    if ( rc )
        su->asked = false;
    else if ( su->on_asked )
        su->on_asked(su->data);

    return rc;
}

/* Wait for whatever may mean that the guest has suspended, for a moment. */
static int wait_bell(struct suspend *su, uint64_t deadline_us,
                     const struct cancel *cancel)
{
    uint64_t until = deadline_in(LOOK_US);
    int rc;

    if ( until > deadline_us )
        until = deadline_us;
    if ( su->port )
    {
        rc = cancel_poll(cancel, hv_port_fd(su->port), POLLIN, until);
        if ( !rc )
            hv_port_take(su->port, NULL);
    }
    else
        rc = store_watch_wait(su->watch, until, cancel, NULL);

    return rc == -ETIMEDOUT ? 0 : rc;
}

/* Until it has suspended, gone some other way, or time is up. */
static int wait_suspended(struct suspend *su, uint64_t deadline_us,
                          const struct cancel *cancel,
                          int (*idle)(void *data), void *data,
                          struct hv_domain *ret)
{
    uint64_t idle_us = deadline_in(LOOK_US);
    struct hv_domain info;
    int rc;

    for ( ; ; )
    {
        rc = look(su->hv, su->domid, &info);
        /* One failure to look is no reason to give up now. */
        if ( rc && rc != -ESHUTDOWN && rc != -ENOENT )
            rc = look(su->hv, su->domid, &info);
        if ( rc == -ESHUTDOWN &&
             info.shutdown_reason == HV_SHUTDOWN_SUSPEND )
        {
            if ( ret )
                *ret = info;
            return 0;
        }
        if ( rc )
            return say(su->err, su->domid, rc, &info);
        if ( deadline_passed(deadline_us) )
            return -ETIMEDOUT;
        rc = wait_bell(su, deadline_us, cancel);
        if ( !rc && idle && deadline_passed(idle_us) )
        {
            rc = idle(data);
            idle_us = deadline_in(LOOK_US);
        }
        if ( rc )
            return rc;
    }
}

int suspend_settle(struct suspend *su, uint64_t timeout_us)
{
    bool coming = true;
    int rc;

    if ( !su->port &&
         store_suspend_withdraw(su->store, NULL, su->domid, &coming) )
        coming = true;
    if ( coming )
    {
        rc = wait_suspended(su, deadline_in(timeout_us), NULL, NULL, NULL,
                            NULL);
        if ( !rc )
            return suspend_resume(su);
        if ( rc == -ETIMEDOUT )
            return err_set(su->err, -EAGAIN, "domain %u was asked to suspend "
                           "and has not obeyed yet", su->domid);
    }
    su->asked = false;

    return 0;
}

/* What went wrong has been recorded by the caller; this only adds to it. */
static void withdraw(struct suspend *su, uint64_t timeout_us, int why)
{
    struct err *e = su->err;
    struct err quiet;
    int rc;

    err_init(&quiet);
    su->err = &quiet;
    rc = suspend_settle(su, timeout_us);
    su->err = e;
    err_done(&quiet);
    if ( rc )
        err_wrap(e, why, "the request to suspend could not be taken back "
                 "(should the guest still obey it, \"xmig recover\" resumes "
                 "it)");
}

int suspend_guest(struct suspend *su, uint64_t timeout_us,
                  const struct cancel *cancel, int (*idle)(void *data),
                  void *data, struct hv_domain *ret)
{
    struct hv_domain info;
    int rc;

    rc = ask(su);
    if ( rc )
        return rc;
    rc = wait_suspended(su, deadline_in(timeout_us), cancel, idle, data, ret);
    if ( !rc || rc == -ESHUTDOWN || rc == -ENOENT )
        return rc;

    if ( rc == -ETIMEDOUT )
        err_set(su->err, rc, "domain %u did not suspend within %lu ms%s",
                su->domid, (unsigned long)(timeout_us / US_PER_MS),
                !hv_domain_info(su->hv, NULL, su->domid, &info) &&
                info.paused ? ": it is paused" : "");
    else
        err_set(su->err, rc, "suspend domain %u: %s", su->domid,
                rc == -ECANCELED ? "canceled" : err_text(rc));
    withdraw(su, timeout_us, rc);

    return rc;
}

int suspend_resume(struct suspend *su)
{
    int rc = hv_resume(su->hv, su->err, su->domid);

    if ( rc )
        return rc;
    su->asked = false;
    rc = store_resume(su->store, su->err, su->domid);

    return rc;
}
