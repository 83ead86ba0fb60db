/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What the guest says of itself in xenstore, under data/ of its own path;
 * check.h lists it.  publish=PERIOD sets how often the figures are renewed,
 * 0 only at boot and after a resume.
 */
#include <stdint.h>

#include "check.h"
#include "internal.h"
#include "xenbus.h"

#define DEFAULT_US 1000000

static void publish_u64(struct guest_env *env, const char *path,
                        uint64_t value)
{
    xenbus_writef(env, 0, path, FN_none, 0, "%llu",
                  (unsigned long long)value);
}

static void publish_figures(struct guest_env *env)
{
    const struct guest_program *p = program_get(env);
    char text[256] = "";

    if ( xenbus_free_slots(env) < PUBLISH_SLOTS )
        return;
    publish_u64(env, "data/writes", check_total_writes(env));
    publish_u64(env, "data/ballooned", balloon_nr_out(env));
    if ( p->progress )
        p->progress(env, text, sizeof(text));
    xenbus_writef(env, 0, "data/program", FN_none, 0, "%s%s%s", p->name,
                  text[0] ? " " : "", text);
}

void publish_on_timer(struct guest_env *env, uint32_t arg,
                      const struct xenbus_msg *msg)
{
    struct kernel *k = kernel_get(env);

    (void)arg;
    (void)msg;
    if ( k->state == KERNEL_RUNNING )
        publish_figures(env);
    if ( k->publish_us )
        timer_set(env, FN_publish_on_timer, 0,
                  guest_now_us(env) + k->publish_us);
}

static void publish_stamps(struct guest_env *env)
{
    const struct stamps *st = stamps_get(env);

    publish_u64(env, "data/resumes", st->resumes);
    publish_u64(env, "data/cancels", st->cancels);
    publish_u64(env, "data/downtime_us", st->downtime_ns / 1000);
    xenbus_writef(env, 0, "data/verdict", FN_none, 0,
                  "%s resumes=%llu cancels=%llu",
                  check_is_off(env) || !(st->resumes + st->cancels) ?
                  "unchecked" : "checking",
                  (unsigned long long)st->resumes,
                  (unsigned long long)st->cancels);
}

void publish_init(struct guest_env *env)
{
    struct kernel *k = kernel_get(env);

    k->publish_us = DEFAULT_US;
    (void)cmdline_us(k->cmdline, "publish", &k->publish_us);
    publish_stamps(env);
    xenbus_write(env, 0, "data/state", "running", FN_none, 0);
    publish_on_timer(env, 0, NULL);
}

void publish_resume(struct guest_env *env)
{
    publish_stamps(env);
    xenbus_write(env, 0, "data/state", "running", FN_none, 0);
    publish_figures(env);
}

void publish_verdict_poll(struct guest_env *env)
{
    struct kernel *k = kernel_get(env);
    const struct stamps *st = stamps_get(env);
    int rc;

    /* "checking" comes first, however fast the walk was. */
    if ( !k->verdict_due || k->settle_until_us || !check_walk_done(env) ||
         shared_get(&k->bad) )
        return;
    rc = xenbus_writef(env, 0, "data/verdict", FN_none, 0,
                       "ok pages=%llu resumes=%llu cancels=%llu writes=%llu",
                       (unsigned long long)check_total_pages(env),
                       (unsigned long long)st->resumes,
                       (unsigned long long)st->cancels,
                       (unsigned long long)check_total_writes(env));
    if ( !rc )
        k->verdict_due = 0;
}
