/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The table of checked pages and the walk that judges them; check.h has the
 * idea.
 *
 * Two invariants hold between any two steps, for every vCPU and its stripe:
 *   GPR_WRITES = sum of the entries' versions
 *   GPR_DIGEST = sum of digest_of(index, entry)
 * A walk sums them up afresh.  Writes go on meanwhile; one behind the walk
 * corrects the walk's sums by what it changed.
 */
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "check.h"
#include "internal.h"

#define WALK_BATCH 12            /* pages judged in a step */
#define FILL_BATCH 32            /* pages written in a step at boot */
#define ALLOC_BATCH 256          /* table entries made in a step at boot */

enum { OWNER_CHECK = 1 };
enum { TIMER_PERIOD, TIMER_DELAY };

struct check_vcpu
{
    /* set at boot */
    uint64_t first;              /* of the stripe, in the table */
    uint64_t nr_work;
    uint64_t nr_static;
    uint64_t nr_balloon;
    uint64_t delay_us;           /* verify-delay */
    uint64_t period_us;          /* verify; 0: only after a resume */
    struct check_mix mix;
    uint32_t off;                /* verify=off */

    /* this vCPU only, but for check_resume() while it is parked */
    uint32_t judge;              /* pages not yet walked are judged first */
    uint32_t walking;
    uint32_t walk_done;          /* the last walk finished */
    uint64_t pos;                /* fill cursor, then the walk's */
    uint64_t sum_writes;
    uint64_t sum_digest;

    /* copy of GPR_WRITES for vCPU 0 to read */
    uint64_t writes;
};

_Static_assert(sizeof(struct check_vcpu) <= 2048, "half a vCPU page");

const char *const check_options[] =
{
    "fill", "zero", "compressible", "uniform", "sparse", "same", "verify",
    "verify-delay", NULL,
};

static struct check_vcpu *check_get(const struct guest_env *env)
{
    return vcpu_check_area(env, env->vcpu);
}

static struct check_entry *entry_get(const struct guest_env *env, uint64_t i)
{
    const struct kernel *k = kernel_get(env);

    return (struct check_entry *)guest_page(env, k->table_gfn) + i;
}

static uint64_t nr_entries(const struct check_vcpu *c)
{
    return c->nr_work + c->nr_static + c->nr_balloon;
}

static uint64_t digest_of(uint64_t index, uint32_t gfn, uint32_t version)
{
    uint64_t x = (uint64_t)gfn << 32 | version;

    x ^= index * 0x9e3779b97f4a7c15ull;
    x = (x ^ (x >> 32)) * 0xd6e8feb86659fd93ull;
    x = (x ^ (x >> 32)) * 0xd6e8feb86659fd93ull;
    return x ^ (x >> 32);
}

/* ---- boot -------------------------------------------------------------- */

static int percent(const char *cmdline, const char *key, uint32_t *ret)
{
    uint64_t value;
    int rc = cmdline_u64(cmdline, key, &value);

    if ( rc == -ENOENT )
        return 0;
    if ( rc || value > 100 )
        return -EINVAL;
    *ret = value;
    return 0;
}

static int parse(const char *cmdline, struct check_vcpu *common,
                 uint64_t *ret_static)
{
    struct check_mix *mix = &common->mix;
    uint64_t bytes = 0;
    char word[8];
    int rc;

    if ( percent(cmdline, "zero", &mix->zero_percent) ||
         percent(cmdline, "compressible", &mix->compressible_percent) ||
         percent(cmdline, "uniform", &mix->uniform_percent) ||
         percent(cmdline, "sparse", &mix->sparse_percent) ||
         percent(cmdline, "same", &mix->same_percent) ||
         mix->zero_percent + mix->compressible_percent +
         mix->uniform_percent + mix->sparse_percent > 100 )
        return -EINVAL;
    rc = cmdline_bytes(cmdline, "fill", &bytes);
    if ( rc && rc != -ENOENT )
        return rc;
    rc = cmdline_us(cmdline, "verify-delay", &common->delay_us);
    if ( rc && rc != -ENOENT )
        return rc;
    if ( !cmdline_str(cmdline, "verify", word, sizeof(word)) &&
         !strcmp(word, "off") )
        common->off = 1;
    else
    {
        rc = cmdline_us(cmdline, "verify", &common->period_us);
        if ( rc && rc != -ENOENT )
            return rc;
    }
    *ret_static = bytes / GUEST_PAGE_SIZE;
    return 0;
}

static uint64_t share(uint64_t total, unsigned int vcpu, unsigned int nr)
{
    return total * (vcpu + 1) / nr - total * vcpu / nr;
}

int check_plan(struct guest_env *env, uint64_t work_pages,
               uint64_t *ret_table_pages)
{
    struct kernel *k = kernel_get(env);
    struct check_vcpu common = { 0 };
    uint64_t nr_static, nr_balloon, first = 0;
    unsigned int v;
    int rc = parse(k->cmdline, &common, &nr_static);

    if ( !rc )
        rc = balloon_plan(env, &nr_balloon);
    if ( rc )
        return rc;
    if ( work_pages > k->ram_pages || nr_static > k->ram_pages ||
         nr_balloon > k->ram_pages )
        return -ENOMEM;
    for ( v = 0; v < k->nr_vcpus; v++ )
    {
        struct check_vcpu *c = vcpu_check_area(env, v);

        *c = common;
        c->first = first;
        c->nr_work = share(work_pages, v, k->nr_vcpus);
        c->nr_static = share(nr_static, v, k->nr_vcpus);
        c->nr_balloon = v ? 0 : nr_balloon;
        first += nr_entries(c);
    }
    *ret_table_pages = (first * sizeof(struct check_entry) +
                        GUEST_PAGE_SIZE - 1) / GUEST_PAGE_SIZE;
    return 0;
}

int check_alloc(struct guest_env *env)
{
    struct kernel *k = kernel_get(env);
    uint64_t total = check_total_pages(env), gfn;
    unsigned int n;

    for ( n = 0; n < ALLOC_BATCH && k->boot_cursor < total; n++ )
    {
        struct check_entry *e = entry_get(env, k->boot_cursor);
        int rc = frame_alloc(env, OWNER_CHECK, &gfn);

        if ( rc )
            return rc;
        e->gfn = gfn;
        e->version = 0;
        k->boot_cursor++;
    }
    return k->boot_cursor < total ? -EAGAIN : 0;
}

/* ---- writing ----------------------------------------------------------- */

static bool judge(struct guest_env *env, const struct check_vcpu *c,
                  uint64_t i)
{
    const struct check_entry *e = entry_get(env, c->first + i);
    const void *page;
    struct check_result r;

    if ( e->version & CHECK_HOLE )
        return true;
    if ( e->gfn >= env->nr_gfns )
    {
        kernel_bad(env, "table entry %llu of vcpu %u is damaged: gfn 0x%x",
                   (unsigned long long)i, env->vcpu, e->gfn);
        return false;
    }
    page = guest_page(env, e->gfn);
    if ( content_is(page, e->gfn, e->version, &c->mix) )
        return true;

    content_explain(page, e->gfn, e->version, &c->mix, &r);
    kernel_bad(env, "gfn 0x%x is %s: want version %u, header says gfn 0x%llx "
               "version %u, first bad byte %u (vcpu %u entry %llu)",
               e->gfn, check_found_name(r.found), e->version,
               (unsigned long long)r.found_gfn, r.found_version, r.first_bad,
               env->vcpu, (unsigned long long)i);
    return false;
}

/* Change entry i to the given version, and all the sums with it. */
static void set_version(struct guest_env *env, struct check_vcpu *c,
                        uint64_t i, uint32_t version)
{
    struct check_entry *e = entry_get(env, c->first + i);
    uint64_t digest = digest_of(i, e->gfn, version) -
                      digest_of(i, e->gfn, e->version);
    uint64_t writes = (version & ~CHECK_HOLE) - (e->version & ~CHECK_HOLE);

    e->version = version;
    env->regs->gpr[GPR_DIGEST] += digest;
    env->regs->gpr[GPR_WRITES] += writes;
    if ( c->walking && i < c->pos )
    {
        c->sum_digest += digest;
        c->sum_writes += writes;
    }
    shared_set(&c->writes, env->regs->gpr[GPR_WRITES]);
}

static bool write_next(struct guest_env *env, struct check_vcpu *c,
                       uint64_t i)
{
    const struct check_entry *e = entry_get(env, c->first + i);
    uint32_t version = (e->version & ~CHECK_HOLE) + 1;

    if ( c->judge && i >= c->pos && !judge(env, c, i) )
        return false;
    if ( version == CHECK_HOLE )
    {
        kernel_bad(env, "gfn 0x%x was written 2^31 times", e->gfn);
        return false;
    }
    content_fill(guest_page(env, e->gfn), e->gfn, version, &c->mix);
    set_version(env, c, i, version);
    return true;
}

bool check_fill_some(struct guest_env *env)
{
    struct check_vcpu *c = check_get(env);
    uint64_t i;
    unsigned int n;

    for ( n = 0; n < FILL_BATCH && c->pos < nr_entries(c); n++ )
    {
        i = c->pos++;
        /* Registers start at 0; from here on they go by differences. */
        env->regs->gpr[GPR_DIGEST] +=
            digest_of(i, entry_get(env, c->first + i)->gfn, 0);
        if ( !write_next(env, c, i) )
            return false;
    }
    return c->pos == nr_entries(c);
}

uint64_t check_nr_work(const struct guest_env *env)
{
    return check_get(env)->nr_work;
}

uint64_t check_nr_work_on(const struct guest_env *env, unsigned int vcpu)
{
    const struct check_vcpu *c = vcpu_check_area(env, vcpu);

    return c->nr_work;
}

uint64_t check_gfn(const struct guest_env *env, uint64_t i)
{
    return entry_get(env, check_get(env)->first + i)->gfn;
}

bool check_write(struct guest_env *env, uint64_t i)
{
    return write_next(env, check_get(env), i);
}

bool check_read(struct guest_env *env, uint64_t i)
{
    return judge(env, check_get(env), i);
}

/* ---- the balloon's pages: the last of vCPU 0's stripe ------------------ */

static uint64_t balloon_index(const struct check_vcpu *c, uint64_t i)
{
    return c->nr_work + c->nr_static + i;
}

uint64_t check_nr_balloon(const struct guest_env *env)
{
    return check_get(env)->nr_balloon;
}

uint64_t check_balloon_gfn(const struct guest_env *env, uint64_t i)
{
    const struct check_vcpu *c = check_get(env);

    return entry_get(env, c->first + balloon_index(c, i))->gfn;
}

bool check_balloon_out(struct guest_env *env, uint64_t i)
{
    struct check_vcpu *c = check_get(env);
    uint64_t index = balloon_index(c, i);
    const struct check_entry *e = entry_get(env, c->first + index);

    if ( c->judge && index >= c->pos && !judge(env, c, index) )
        return false;
    set_version(env, c, index, e->version | CHECK_HOLE);
    return true;
}

bool check_balloon_in(struct guest_env *env, uint64_t i)
{
    struct check_vcpu *c = check_get(env);

    return write_next(env, c, balloon_index(c, i));
}

/* ---- the walk ---------------------------------------------------------- */

void check_start_walk(struct guest_env *env)
{
    struct kernel *k = kernel_get(env);
    unsigned int v;

    k->verdict_due = 1;
    shared_set(&k->nr_verified, 0);
    shared_add(&k->walk, 1);
    for ( v = 1; v < k->nr_vcpus; v++ )
        env->hv->kick(env, v);
}

void check_on_timer(struct guest_env *env, uint32_t arg,
                    const struct xenbus_msg *msg)
{
    const struct check_vcpu *c = check_get(env);

    (void)msg;
    if ( arg == TIMER_DELAY )
    {
        check_start_walk(env);
        return;
    }
    timer_set(env, FN_check_on_timer, TIMER_PERIOD,
              guest_now_us(env) + c->period_us);
    if ( check_walk_done(env) )
        check_start_walk(env);
}

void check_init(struct guest_env *env)
{
    const struct check_vcpu *c = check_get(env);
    struct kernel *k = kernel_get(env);

    shared_set(&k->nr_verified, k->nr_vcpus);
    if ( c->period_us )
        timer_set(env, FN_check_on_timer, TIMER_PERIOD,
                  guest_now_us(env) + c->period_us);
}

void check_resume(struct guest_env *env)
{
    struct kernel *k = kernel_get(env);
    const struct check_vcpu *first = check_get(env);
    unsigned int v;

    if ( first->off )
        return;
    shared_set(&k->nr_verified, 0);
    for ( v = 0; v < k->nr_vcpus; v++ )
    {
        struct check_vcpu *c = vcpu_check_area(env, v);

        c->judge = 1;
        c->walking = 0;
        c->walk_done = k->walk;
        c->pos = 0;
    }
    timer_cancel(env, FN_check_on_timer, TIMER_DELAY);
    k->verdict_due = 1;
    if ( first->delay_us )
        timer_set(env, FN_check_on_timer, TIMER_DELAY,
                  guest_now_us(env) + first->delay_us);
    else
        check_start_walk(env);
}

bool check_is_off(const struct guest_env *env)
{
    return check_get(env)->off;
}

bool check_walk_done(const struct guest_env *env)
{
    struct kernel *k = kernel_get(env);

    return shared_get(&k->nr_verified) == k->nr_vcpus;
}

static void walk_end(struct guest_env *env, struct check_vcpu *c)
{
    struct kernel *k = kernel_get(env);
    const uint64_t *gpr = env->regs->gpr;

    c->walking = 0;
    c->judge = 0;
    if ( c->sum_writes != gpr[GPR_WRITES] ||
         c->sum_digest != gpr[GPR_DIGEST] )
    {
        kernel_bad(env, "image of another moment: table of vcpu %u counts "
                   "%llu writes, its registers %llu (digests %016llx, "
                   "%016llx)", env->vcpu,
                   (unsigned long long)c->sum_writes,
                   (unsigned long long)gpr[GPR_WRITES],
                   (unsigned long long)c->sum_digest,
                   (unsigned long long)gpr[GPR_DIGEST]);
        return;
    }
    shared_add(&k->nr_verified, 1);
    if ( env->vcpu )
        env->hv->kick(env, 0);
}

bool check_walk_some(struct guest_env *env)
{
    struct check_vcpu *c = check_get(env);
    uint32_t walk = shared_get(&kernel_get(env)->walk);
    unsigned int n;

    if ( !c->walking )
    {
        if ( c->walk_done == walk )
            return false;
        c->walking = 1;
        c->walk_done = walk;
        c->pos = 0;
        c->sum_writes = 0;
        c->sum_digest = 0;
    }
    for ( n = 0; n < WALK_BATCH && c->pos < nr_entries(c); n++ )
    {
        const struct check_entry *e = entry_get(env, c->first + c->pos);

        if ( !judge(env, c, c->pos) )
            return false;
        c->sum_writes += e->version & ~CHECK_HOLE;
        c->sum_digest += digest_of(c->pos, e->gfn, e->version);
        c->pos++;
    }
    if ( c->pos < nr_entries(c) )
        return true;
    walk_end(env, c);
    return false;
}

/* ---- totals ------------------------------------------------------------ */

uint64_t check_total_pages(const struct guest_env *env)
{
    const struct kernel *k = kernel_get(env);
    uint64_t total = 0;
    unsigned int v;

    for ( v = 0; v < k->nr_vcpus; v++ )
        total += nr_entries(vcpu_check_area(env, v));
    return total;
}

uint64_t check_total_writes(const struct guest_env *env)
{
    const struct kernel *k = kernel_get(env);
    uint64_t total = 0;
    unsigned int v;

    for ( v = 0; v < k->nr_vcpus; v++ )
    {
        const struct check_vcpu *c = vcpu_check_area(env, v);

        total += shared_get(&c->writes);
    }
    return total;
}
