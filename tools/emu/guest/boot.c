/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * From the boot page to a kernel: layout, options, frame list, check table.
 * All in vCPU 0's steps, a little in each.
 *
 * Frames hold poison when a guest gets them, so everything that is to be zero
 * is cleared here.
 */
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include <xen/sched.h>

#include "check.h"
#include "internal.h"
#include "xenbus.h"

#define FRAMES_BATCH 1024        /* descriptors made in a step */

enum
{
    BOOT_FRAMES,
    BOOT_TABLE,
};

static const char *const common_options[] =
{
    "program", "publish", "suspend", NULL,
};

const struct guest_program *program_get(const struct guest_env *env)
{
    uint32_t i = kernel_get(env)->program;

    return guest_programs[i < guest_nr_programs ? i : 0];
}

static bool listed(const char *const *list, const char *key)
{
    for ( ; list && *list; list++ )
        if ( !strcmp(*list, key) )
            return true;
    return false;
}

static bool known_option(const struct guest_env *env, const char *key)
{
    unsigned int i;

    if ( listed(common_options, key) || listed(check_options, key) ||
         listed(balloon_options, key) ||
         listed(program_get(env)->options, key) )
        return true;
    for ( i = 0; i < guest_nr_drivers; i++ )
        if ( listed(guest_drivers[i]->options, key) )
            return true;
    return false;
}

/* Choose the program, refuse what nobody would read. */
static bool parse(struct guest_env *env)
{
    struct kernel *k = kernel_get(env);
    char word[64];
    unsigned int i;
    int rc = cmdline_str(k->cmdline, "program", word, sizeof(word));

    if ( rc == -EINVAL )
    {
        kernel_bad(env, "the program's name is too long");
        return false;
    }
    k->program = 0;
    if ( !rc )
    {
        for ( i = 0; i < guest_nr_programs; i++ )
            if ( !strcmp(guest_programs[i]->name, word) )
                break;
        if ( i == guest_nr_programs )
        {
            kernel_bad(env, "no program \"%s\"", word);
            return false;
        }
        k->program = i;
    }
    for ( i = 0; !cmdline_key(k->cmdline, i, word, sizeof(word)); i++ )
        if ( !known_option(env, word) )
        {
            kernel_bad(env, "program %s: unknown option \"%s\"",
                       program_get(env)->name, word);
            return false;
        }
    if ( !cmdline_str(k->cmdline, "suspend", word, sizeof(word)) &&
         strcmp(word, "xenstore") && strcmp(word, "port") )
    {
        kernel_bad(env, "suspend=%s: \"xenstore\" or \"port\"", word);
        return false;
    }
    return true;
}

/* Descriptors and check table, right behind the fixed pages. */
static bool lay_out(struct guest_env *env)
{
    struct kernel *k = kernel_get(env);
    const struct guest_program *p = program_get(env);
    uint64_t work = 0, table = 0;
    int rc = p->plan ? p->plan(env, &work) : 0;

    if ( !rc )
        rc = check_plan(env, work, &table);
    if ( rc )
    {
        kernel_bad(env, rc == -ENOMEM ?
                   "program %s: %llu pages of memory are too few (%d)" :
                   "program %s: bad option value (%llu pages, error %d)",
                   p->name, (unsigned long long)k->ram_pages, -rc);
        return false;
    }
    k->frames_gfn = KERNEL_END_GFN;
    k->table_gfn = k->frames_gfn + frames_desc_pages(k->ram_pages);
    k->table_pages = table;
    k->reserved_end = k->table_gfn + table;
    if ( k->boot_gfn >= KERNEL_GFN && k->boot_gfn < k->reserved_end )
    {
        kernel_bad(env, "the boot page, gfn 0x%llx, is in the kernel's way",
                   (unsigned long long)k->boot_gfn);
        return false;
    }
    if ( k->reserved_end >= k->low_pages ||
         check_total_pages(env) + (k->reserved_end - KERNEL_GFN) + 1 >
         k->ram_pages )
    {
        kernel_bad(env, "%llu pages of memory are too few for %llu checked "
                   "ones", (unsigned long long)k->ram_pages,
                   (unsigned long long)check_total_pages(env));
        return false;
    }
    return true;
}

/* A guest that has no kernel yet can only leave a line and go. */
static void refuse(struct guest_env *env, const char *why)
{
    env->hv->console(env, why);
    env->hv->shutdown(env, SHUTDOWN_crash);
}

void boot_first(struct guest_env *env)
{
    struct kernel *k = kernel_get(env);
    /* A stock toolstack's rbx, else the gfn of the boot page. */
    uint64_t boot_gfn = boot_pvh_page(env, env->regs->gpr[GPR_RBX]) ?:
                        env->regs->gpr[GPR_RBX];
    const struct guest_boot *boot = guest_page(env, boot_gfn);
    uint64_t gfn = SHARED_INFO_GFN;
    int rc;

    if ( boot_gfn >= env->nr_gfns || boot->magic != GUEST_BOOT_MAGIC )
    {
        refuse(env, "boot: rbx does not point to a boot page");
        return;
    }
    if ( boot->low_pages > boot->ram_pages ||
         boot->low_pages <= KERNEL_END_GFN ||
         boot->low_pages > env->nr_gfns ||
         (boot->ram_pages > boot->low_pages &&
          (boot->high_gfn < boot->low_pages ||
           boot->high_gfn + (boot->ram_pages - boot->low_pages) >
           env->nr_gfns)) )
    {
        refuse(env, "boot: the memory described is not usable");
        return;
    }
    if ( !boot->nr_vcpus || boot->nr_vcpus > KERNEL_MAX_VCPUS ||
         (boot_gfn >= KERNEL_GFN && boot_gfn < KERNEL_END_GFN) )
    {
        refuse(env, "boot: too many vCPUs, or boot page in the kernel's way");
        return;
    }
    if ( env->hv->decrease_reservation(env, &gfn, 1) )
    {
        refuse(env, "boot: no place for the shared info page");
        return;
    }

    for ( gfn = KERNEL_GFN; gfn < KERNEL_END_GFN; gfn++ )
        memset(guest_page(env, gfn), 0, GUEST_PAGE_SIZE);
    k->magic = KERNEL_MAGIC;
    stamps_get(env)->magic = STAMPS_MAGIC;
    k->nr_vcpus = boot->nr_vcpus;
    k->ram_pages = boot->ram_pages;
    k->low_pages = boot->low_pages;
    k->high_gfn = boot->high_gfn;
    k->boot_gfn = boot_gfn;
    memcpy(k->cmdline, boot->cmdline, sizeof(k->cmdline));
    k->cmdline[sizeof(k->cmdline) - 1] = '\0';
    env->regs->rip = RIP_RUN;
    env->regs->gpr[GPR_RBX] = 0;

    kernel_log(env, "boot: %llu pages, %u vCPUs: %.120s",
               (unsigned long long)k->ram_pages, k->nr_vcpus, k->cmdline);
    rc = xenbus_init(env);
    if ( rc )
        kernel_log(env, "boot: no xenstore, error %d", -rc);
    if ( !parse(env) || !lay_out(env) )
        return;                                 /* dies in the next step */
    k->boot_cursor = k->ram_pages;
    k->boot_phase = BOOT_FRAMES;
}

static void boot_frames(struct guest_env *env)
{
    struct kernel *k = kernel_get(env);
    uint64_t from = k->boot_cursor > FRAMES_BATCH ?
                    k->boot_cursor - FRAMES_BATCH : 0;

    frames_add_range(env, from, k->boot_cursor);
    k->boot_cursor = from;
    if ( !from )
        k->boot_phase = BOOT_TABLE;
}

static void boot_table(struct guest_env *env)
{
    struct kernel *k = kernel_get(env);
    unsigned int v;
    int rc = check_alloc(env);

    if ( rc == -EAGAIN )
        return;
    if ( rc )
    {
        kernel_bad(env, "boot: no memory for the checked pages");
        return;
    }
    shared_set(&k->state, KERNEL_FILL);
    for ( v = 1; v < k->nr_vcpus; v++ )
    {
        rc = env->hv->vcpu_up(env, v);
        if ( rc )
        {
            kernel_bad(env, "boot: vCPU %u does not come up, error %d", v,
                       -rc);
            return;
        }
    }
}

void boot_step(struct guest_env *env)
{
    if ( kernel_get(env)->boot_phase == BOOT_FRAMES )
        boot_frames(env);
    else
        boot_table(env);
}
