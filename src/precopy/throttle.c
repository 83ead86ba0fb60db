/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The throttle: see throttle.h.  A cap above what the guest uses would be
 * none, so it is a part of that; where the guest was slowed down already, of
 * what it used before.
 */
#include "throttle.h"

#include <errno.h>
#include <stdio.h>

#include "loan.h"

int throttle_probe(struct session *s)
{
    unsigned int percent;

    return hv_cpu_cap_get(s->hv, s->err, s->domid, &percent);
}

void throttle_look(struct throttle *t, struct session *s)
{
    uint64_t now_us = clock_now_us(), us = now_us - t->at_us;
    struct hv_domain info;

    if ( hv_domain_info(s->hv, NULL, s->domid, &info) )
        return;
    /* A short while says nothing. */
    if ( t->at_us && us < 10 * US_PER_MS )
        return;
    if ( t->at_us && !t->percent && info.cpu_ns > t->cpu_ns )
        t->used_percent = (unsigned int)((info.cpu_ns - t->cpu_ns) / 10 / us);
    t->cpu_ns = info.cpu_ns;
    t->at_us = now_us;
}

int throttle_set(struct throttle *t, struct session *s, unsigned int percent)
{
    unsigned int used = t->used_percent ? t->used_percent : 100;
    struct xmig_stats *now;
    struct err e;
    int rc;

    if ( percent == t->percent )
        return 0;
    if ( t->failed )
        return -EOPNOTSUPP;
    err_init(&e);
    t->held = true;
    rc = loan_cap(s->hv, s->store, &e, s->domid,
                  (used * (100 - percent) + 50) / 100);
    if ( rc )
    {
        t->failed = true;
        LOG_WARN(s->logger, "the guest can't be slowed down: %s", e.rec.text);
    }
    else
    {
        t->percent = percent;
        now = stats_edit(s->stats);
        now->cpu_throttle_percentage = percent;
        stats_edited(s->stats);
        steer_note(s, XMIG_EVENT_THROTTLE, "");
        LOG_INFO(s->logger, "the guest is slowed down by %u %% (it used "
                 "%u %% of a CPU)", percent, used);
    }
    err_done(&e);

    return rc;
}

void throttle_end(struct throttle *t, struct session *s)
{
    struct hv_domain info;
    struct err e;

    t->percent = 0;
    if ( !t->held )
        return;
    err_init(&e);
    if ( !hv_domain_info(s->hv, NULL, s->domid, &info) &&
         loan_return(s->hv, s->store, &e, s->domid, info.uuid, LOAN_CAP) )
        LOG_WARN(s->logger, "the guest's CPU cap could not be put back: %s; "
                 "\"xmig recover\" tries again", e.rec.text);
    else
        t->held = false;
    err_done(&e);
}
