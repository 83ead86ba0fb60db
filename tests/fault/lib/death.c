/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The destination's whole host ends, receiver and all, in the middle of a
 * migration, and comes back as a host that knows nothing but its journals.
 *
 * Before GO the guest must run on at the source.  After it nobody knows:
 * neither silence nor an answer from the new boot may bring the source's copy
 * back to life, only the operator's word may.
 */
#include "sweep.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define MEMORY_MIB 96
#define PATIENCE_MS 200

static bool start_anew(struct world *w, struct host *h,
                       const struct fault *f)
{
    char dir[sizeof(h->dir)], cmd[512];

    snprintf(dir, sizeof(dir), "%s", h->dir);
    server_kill(h);
    host_look_close(h);
    host_env(h, NULL);
    snprintf(cmd, sizeof(cmd), "'%s' stop '%s' >>'%s/again.log' 2>&1; "
             "'%s' start --memory %u '%s' >>'%s/again.log' 2>&1",
             w->emu, dir, dir, w->emu, MEMORY_MIB, dir, dir);
    if ( !system(cmd) && !host_look_open(h, dir) && server_start(h, NULL) )
        return true;
    wrong(w, f, "the host does not start again");

    return false;
}

static bool source_runs(struct world *w)
{
    struct guest_seen g;

    return !host_guest(&w->host[w->at], &g) && g.running;
}

/* It must not be settled, and nothing may run for it. */
static void stays_in_doubt(struct world *w, const struct fault *f,
                           const char *when)
{
    struct outcome o;

    actor_recover(&w->host[w->at], false, &o);
    if ( !o.ended || o.rc != -ENOTRECOVERABLE ||
         o.error.guest != XMIG_GUEST_IN_DOUBT )
        wrong(w, f, "recover %s returned %d, guest %s: %s", when, o.rc,
              xmig_guest_name(o.error.guest), o.error.text);
    if ( source_runs(w) )
        wrong(w, f, "recover %s let the guest run at the source", when);
}

static void settle_doubt(struct world *w, const struct fault *f, bool ask,
                         bool *ret_back)
{
    struct outcome o;

    if ( source_runs(w) )
        wrong(w, f, "in doubt, and the guest runs at the source");
    stays_in_doubt(w, f, "while the host is down");
    if ( ask )
    {
        /* It is written without being synced: a crash may lose it. */
        host_lose(&w->host[!w->at], "STARTED");
        *ret_back = start_anew(w, &w->host[!w->at], f);
        stays_in_doubt(w, f, "when the host is back");
    }
    actor_recover(&w->host[w->at], true, &o);
    if ( !o.ended || o.rc )
        wrong(w, f, "recover --fenced returned %d: %s", o.rc,
              o.error.text);
}

bool death_step(struct world *w, const struct fault *f, bool ask,
                bool *ret_doubt)
{
    struct host *there = &w->host[!w->at];
    unsigned int failures = w->failures;
    struct outcome o = { 0 };
    struct guest_seen g;
    bool back = false;

    *ret_doubt = false;
    if ( host_guest(&w->host[w->at], &g) || !server_stop(there) )
        return false;
    /* The fault may come while the receiver starts; then nobody listens. */
    server_start(there, f);
    actor_send(&w->host[w->at], there, g.domid, f, PATIENCE_MS, &o);
    if ( w->verbose )
        fprintf(stderr, "%s: %llu ms, %d %s %s\n", fault_text(f),
                (unsigned long long)o.ms, o.rc,
                xmig_guest_name(o.error.guest), o.error.text);
    if ( !o.ended || !o.rc )
    {
        wrong(w, f, "the host ended, and the sender %s",
              o.ended ? "succeeded" : "crashed, or hung");
        return false;
    }
    if ( f->kind != HYPERCALL )
        server_kill(there);
    *ret_doubt = o.error.guest == XMIG_GUEST_IN_DOUBT;
    if ( *ret_doubt )
        settle_doubt(w, f, ask, &back);
    if ( !source_runs(w) )
        wrong(w, f, "the guest does not run at the source");
    if ( !back && !start_anew(w, there, f) )
        return false;
    /* What may have started in the old boot is nobody's to settle. */
    host_forget(there, "STARTED");
    host_forget(there, "MAY_START");

    return judge(w, f) && w->failures == failures;
}
