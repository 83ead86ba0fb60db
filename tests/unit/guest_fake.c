/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The fake host of the guest tests: struct guest_hv over an anonymous
 * mapping.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <xen/hvm/params.h>

#include "guest_fake.h"

#define STEP_NS  10000u
#define BOOT_GFN 0x81u

static struct fake *host(struct guest_env *env)
{
    return env->host;
}

static uint64_t hv_now_us(struct guest_env *env)
{
    return host(env)->now_ns / 1000;
}

static uint64_t hv_now_ns(struct guest_env *env)
{
    return host(env)->now_ns;
}

static void hv_shutdown(struct guest_env *env, unsigned int reason)
{
    host(env)->shutdown = reason;
}

static void hv_console(struct guest_env *env, const char *line)
{
    struct fake *f = host(env);
    size_t len = strlen(f->console);

    snprintf(f->console + len, sizeof(f->console) - len, "%s\n", line);
}

static int hv_get_param(struct guest_env *env, unsigned int index,
                        uint64_t *ret_value)
{
    if ( index == HVM_PARAM_STORE_PFN )
        *ret_value = host(env)->ring_gfn;
    else if ( index == HVM_PARAM_STORE_EVTCHN )
        *ret_value = host(env)->xs_port;
    else
        return -EINVAL;
    return 0;
}

static int hv_alloc_unbound(struct guest_env *env, uint32_t remote_domid,
                            uint32_t *ret_port)
{
    struct fake *f = host(env);

    (void)remote_domid;
    if ( f->next_port == FAKE_PORTS )
        return -ENOSPC;
    f->bound[f->next_port] = true;
    *ret_port = f->next_port++;
    return 0;
}

static int hv_close(struct guest_env *env, uint32_t port)
{
    host(env)->bound[port] = false;
    return 0;
}

static int hv_send(struct guest_env *env, uint32_t port)
{
    return port < FAKE_PORTS && host(env)->bound[port] ? 0 : -EINVAL;
}

static int hv_pending(struct guest_env *env, uint32_t port)
{
    bool was;

    if ( port >= FAKE_PORTS || !host(env)->bound[port] )
        return -EINVAL;
    was = host(env)->pending[port];
    host(env)->pending[port] = false;
    return was;
}

static void *hv_grant_table(struct guest_env *env, unsigned int *ret_nr)
{
    (void)env;
    *ret_nr = 0;
    return NULL;
}

static int hv_decrease(struct guest_env *env, const uint64_t *gfns,
                       unsigned int n)
{
    struct fake *f = host(env);
    unsigned int i;

    for ( i = 0; i < n; i++ )
    {
        if ( f->hole[gfns[i]] )
            return -EINVAL;
        f->hole[gfns[i]] = 1;
        if ( mprotect(fake_page(f, gfns[i]), GUEST_PAGE_SIZE, PROT_NONE) )
            abort();
    }
    return 0;
}

static void give_frame(struct fake *f, uint64_t gfn)
{
    f->hole[gfn] = 0;
    if ( mprotect(fake_page(f, gfn), GUEST_PAGE_SIZE,
                  PROT_READ | PROT_WRITE) )
        abort();
    memset(fake_page(f, gfn), 0xc2, GUEST_PAGE_SIZE);
}

static int hv_populate(struct guest_env *env, const uint64_t *gfns,
                       unsigned int n)
{
    struct fake *f = host(env);
    unsigned int i;

    if ( f->populate_fails )
        return -ENOMEM;
    for ( i = 0; i < n; i++ )
    {
        if ( !f->hole[gfns[i]] )
            return i ? (int)i : -EINVAL;
        give_frame(f, gfns[i]);
    }
    return n;
}

static int hv_vcpu_up(struct guest_env *env, unsigned int vcpu)
{
    struct fake *f = host(env);

    if ( vcpu >= f->nr_vcpus || f->up[vcpu] )
        return -EINVAL;
    memset(&f->regs[vcpu], 0, sizeof(f->regs[vcpu]));
    f->regs[vcpu].rip = GUEST_ENTRY;
    f->up[vcpu] = f->awake[vcpu] = true;
    return 0;
}

static void hv_kick(struct guest_env *env, unsigned int vcpu)
{
    host(env)->awake[vcpu] = true;
}

static const struct guest_hv hv =
{
    .now_us = hv_now_us,
    .now_ns = hv_now_ns,
    .shutdown = hv_shutdown,
    .console = hv_console,
    .get_param = hv_get_param,
    .evtchn_alloc_unbound = hv_alloc_unbound,
    .evtchn_close = hv_close,
    .evtchn_send = hv_send,
    .evtchn_pending = hv_pending,
    .grant_table = hv_grant_table,
    .decrease_reservation = hv_decrease,
    .populate_physmap = hv_populate,
    .vcpu_up = hv_vcpu_up,
    .kick = hv_kick,
};

void *fake_page(struct fake *f, uint64_t gfn)
{
    return f->mem + gfn * GUEST_PAGE_SIZE;
}

void fake_notify(struct fake *f, uint32_t port)
{
    f->pending[port] = true;
    f->awake[0] = true;
}

static uint8_t *map_all(uint64_t nr_gfns)
{
    void *p = mmap(NULL, nr_gfns * GUEST_PAGE_SIZE, PROT_NONE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if ( p == MAP_FAILED )
        abort();
    return p;
}

static void wake_all(struct fake *f)
{
    unsigned int v;

    for ( v = 0; v < FAKE_VCPUS; v++ )
        f->awake[v] = true;
}

/* What a toolstack prepares on any host. */
static void connect_store(struct fake *f, uint32_t port)
{
    memset(&f->xs, 0, sizeof(f->xs));
    memset(f->pending, 0, sizeof(f->pending));
    memset(f->bound, 0, sizeof(f->bound));
    f->xs_port = port;
    f->bound[port] = true;
    f->next_port = port + 1;
    memset(fake_page(f, f->ring_gfn), 0, GUEST_PAGE_SIZE);
    fake_xs_set(&f->xs, "control/shutdown", "");
}

struct fake *fake_create(uint64_t low, uint64_t high, unsigned int nr_vcpus,
                         const char *cmdline)
{
    struct fake *f = calloc(1, sizeof(*f));
    struct guest_boot *boot;
    uint64_t i;

    if ( !f || low > FAKE_PAGES_HIGH - 16 || nr_vcpus > FAKE_VCPUS )
        abort();
    f->nr_gfns = FAKE_PAGES_HIGH + high;
    f->ring_gfn = FAKE_PAGES_HIGH - 4;
    f->hole = malloc(f->nr_gfns);
    if ( !f->hole )
        abort();
    memset(f->hole, 1, f->nr_gfns);
    f->mem = map_all(f->nr_gfns);
    for ( i = 0; i < low; i++ )
        give_frame(f, i);
    for ( i = 0; i < high; i++ )
        give_frame(f, FAKE_PAGES_HIGH + i);
    give_frame(f, f->ring_gfn);
    connect_store(f, 1);
    fake_xs_set(&f->xs, "memory/static-max", "0");

    boot = fake_page(f, BOOT_GFN);
    memset(boot, 0, sizeof(*boot));
    boot->magic = GUEST_BOOT_MAGIC;
    boot->ram_pages = low + high;
    boot->low_pages = low;
    boot->high_gfn = FAKE_PAGES_HIGH;
    boot->nr_vcpus = nr_vcpus;
    snprintf(boot->cmdline, sizeof(boot->cmdline), "%s", cmdline);

    fake_xs_remove(&f->xs, "memory/static-max");
    f->nr_vcpus = nr_vcpus;
    f->regs[0].rip = GUEST_ENTRY;
    f->regs[0].gpr[GPR_RBX] = BOOT_GFN;
    f->up[0] = f->awake[0] = true;
    f->shutdown = -1;
    f->now_ns = 1000000000;
    return f;
}

void fake_destroy(struct fake *f)
{
    munmap(f->mem, f->nr_gfns * GUEST_PAGE_SIZE);
    free(f->hole);
    free(f);
}

void fake_step(struct fake *f, unsigned int vcpu)
{
    struct guest_env env =
    {
        .mem = f->mem,
        .nr_gfns = f->nr_gfns,
        .vcpu = vcpu,
        .regs = &f->regs[vcpu],
        .hv = &hv,
        .host = f,
    };

    f->awake[vcpu] = false;
    if ( guest_step(&env, &f->deadline_us[vcpu]) == GUEST_AGAIN )
        f->awake[vcpu] = true;
    f->now_ns += STEP_NS;
}

void fake_round(struct fake *f)
{
    bool stepped = false;
    uint64_t next = UINT64_MAX;
    unsigned int v;

    for ( v = 0; v < f->nr_vcpus && f->shutdown < 0; v++ )
    {
        if ( !f->up[v] )
            continue;
        if ( f->awake[v] || f->deadline_us[v] <= f->now_ns / 1000 )
        {
            fake_step(f, v);
            stepped = true;
        }
        else if ( f->deadline_us[v] < next )
            next = f->deadline_us[v];
    }
    fake_xs_run(f);
    if ( !stepped && !f->awake[0] )
    {
        if ( next != UINT64_MAX && next * 1000 < f->now_ns + 1000000 )
            f->now_ns = next * 1000;
        else
            f->now_ns += 1000000;
    }
}

bool fake_run(struct fake *f, uint64_t limit_us, bool (*done)(struct fake *))
{
    uint64_t end = f->now_ns + limit_us * 1000;

    while ( !done(f) )
    {
        if ( f->now_ns >= end )
            return false;
        fake_round(f);
    }
    return true;
}

void fake_run_us(struct fake *f, uint64_t us)
{
    uint64_t end = f->now_ns + us * 1000;

    while ( f->now_ns < end && f->shutdown < 0 )
        fake_round(f);
}

bool fake_is_running(struct fake *f)
{
    const char *state = fake_xs_get(&f->xs, "data/state");

    return f->shutdown >= 0 || (state && !strcmp(state, "running"));
}

bool fake_is_down(struct fake *f)
{
    return f->shutdown >= 0;
}

bool fake_has_verdict(struct fake *f)
{
    const char *verdict = fake_xs_get(&f->xs, "data/verdict");

    return f->shutdown >= 0 ||
           (verdict && (!strncmp(verdict, "ok ", 3) ||
                        !strncmp(verdict, "bad ", 4)));
}

void fake_cancel(struct fake *f)
{
    f->regs[0].gpr[GPR_RAX] = 1;
    f->shutdown = -1;
    wake_all(f);
    f->now_ns += 3000000;
}

void fake_move(struct fake *f)
{
    uint8_t *old = f->mem;
    uint64_t gfn;

    f->mem = map_all(f->nr_gfns);
    for ( gfn = 0; gfn < f->nr_gfns; gfn++ )
        if ( !f->hole[gfn] )
        {
            give_frame(f, gfn);
            memcpy(fake_page(f, gfn), old + gfn * GUEST_PAGE_SIZE,
                   GUEST_PAGE_SIZE);
        }
    munmap(old, f->nr_gfns * GUEST_PAGE_SIZE);
    connect_store(f, f->xs_port == 1 ? 5 : 1);
    f->shutdown = -1;
    wake_all(f);
    f->now_ns += 3000000;
}

bool fake_suspend(struct fake *f)
{
    fake_xs_set(&f->xs, "control/shutdown", "suspend");
    return fake_run(f, 1000000, fake_is_down);
}
