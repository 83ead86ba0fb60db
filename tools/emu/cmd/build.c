/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The bare toolstack: a domain from nothing, through stock libxenctrl, as
 * a real toolstack builds a PVH guest.  RAM from gfn 0, eight special pages
 * under gfn 0xff000, RAM beyond the 32-bit hole from gfn 0x100000.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <xenctrl.h>
#include <xenforeignmemory.h>
#include <xen/grant_table.h>
#include <xen/hvm/params.h>
#include <xen/hvm/save.h>

#include "cmd.h"
#include "guest/guest.h"

#define PAGES_PER_MIB     256
#define LOW_END_GFN       0xf0000ull
#define HIGH_GFN          0x100000ull
#define SPECIAL_END_GFN   0xff000ull
#define NR_SPECIAL        8
/* Start info and ACPI tables: this guest has a boot page instead. */
#define TABLES_GFN        0xfc000ull
#define NR_TABLES         9
#define POPULATE_BATCH    1024
#define ORDER_2M          9
/* Shadow of the P2M: what a toolstack sets aside for each domain. */
#define MEMPOOL_BASE_KIB  1024
#define SLACK_KIB         1024
#define NR_EVTCHNS        1023
#define NR_GRANT_FRAMES   64
#define NR_MAPTRACK       1024

/* Where each special page lies, counted from the lowest. */
enum special
{
    SPECIAL_PAGING, SPECIAL_ACCESS, SPECIAL_SHARING, SPECIAL_BUFIOREQ,
    SPECIAL_XENSTORE, SPECIAL_IOREQ, SPECIAL_IDENT_PT, SPECIAL_CONSOLE,
};

#define SPECIAL_GFN(x) (SPECIAL_END_GFN - NR_SPECIAL + (x))

/* What failed, for the one message at the end. */
struct build
{
    struct tools *t;
    const struct dom_config *c;
    uint32_t domid;
    uint64_t ram_pages, low_pages;
    const char *what;
};

static int foreign(struct build *b, const char *what, int r)
{
    b->what = what;

    return r < 0 ? (errno ? -errno : -EIO) : 0;
}

static int populate_range(struct build *b, uint64_t gfn, uint64_t end)
{
    xen_pfn_t batch[POPULATE_BATCH];
    unsigned int n = 0, order;
    int rc = 0;

    /* 2 MiB pieces where gfns are aligned, single pages elsewhere. */
    while ( !rc && gfn < end )
    {
        order = !(gfn & ((1u << ORDER_2M) - 1)) &&
                end - gfn >= 1u << ORDER_2M ? ORDER_2M : 0;
        for ( n = 0; n < (order ? 32u : POPULATE_BATCH) && gfn < end; n++ )
        {
            unsigned int o = !(gfn & ((1u << ORDER_2M) - 1)) &&
                             end - gfn >= 1u << ORDER_2M ? ORDER_2M : 0;

            if ( o != order )
                break;
            batch[n] = gfn;
            gfn += 1ull << order;
        }
        rc = foreign(b, "populate guest memory",
                     xc_domain_populate_physmap_exact(b->t->xch, b->domid, n,
                                                      order, 0, batch));
    }

    return rc;
}

static int add_memory(struct build *b)
{
    uint64_t max_kib = b->c->maxmem_mib * 1024 + SLACK_KIB;
    xen_pfn_t special[NR_SPECIAL];
    unsigned int i;
    int rc;

    b->ram_pages = b->c->memory_mib * PAGES_PER_MIB;
    b->low_pages = b->ram_pages < LOW_END_GFN ? b->ram_pages : LOW_END_GFN;

    rc = foreign(b, "set the memory limit",
                 xc_domain_setmaxmem(b->t->xch, b->domid, max_kib));
    if ( !rc )
        rc = foreign(b, "set the paging memory pool",
                     xc_set_paging_mempool_size(
                         b->t->xch, b->domid,
                         (MEMPOOL_BASE_KIB * b->c->vcpus +
                          b->c->maxmem_mib * 8) << 10));
    if ( !rc )
        rc = populate_range(b, 0, b->low_pages);
    if ( !rc && b->ram_pages > b->low_pages )
        rc = populate_range(b, HIGH_GFN,
                            HIGH_GFN + b->ram_pages - b->low_pages);
    if ( !rc )
        rc = populate_range(b, TABLES_GFN, TABLES_GFN + NR_TABLES);
    if ( rc )
        return rc;

    for ( i = 0; i < NR_SPECIAL; i++ )
        special[i] = SPECIAL_GFN(i);
    rc = foreign(b, "populate the special pages",
                 xc_domain_populate_physmap_exact(
                     b->t->xch, b->domid, NR_SPECIAL, 0, 0, special));
    for ( i = 0; !rc && i < NR_SPECIAL; i++ )
        rc = foreign(b, "clear a special page",
                     xc_clear_domain_pages(b->t->xch, b->domid, special[i],
                                           1));

    return rc;
}

static int set_params(struct build *b, const struct dom_built *built)
{
    const struct
    {
        uint32_t index;
        uint64_t value;
    } params[] = {
        { HVM_PARAM_STORE_PFN, built->store_gfn },
        { HVM_PARAM_STORE_EVTCHN, built->store_port },
        { HVM_PARAM_CONSOLE_PFN, built->console_gfn },
        { HVM_PARAM_CONSOLE_EVTCHN, built->console_port },
        { HVM_PARAM_BUFIOREQ_PFN, SPECIAL_GFN(SPECIAL_BUFIOREQ) },
        { HVM_PARAM_IOREQ_PFN, SPECIAL_GFN(SPECIAL_IOREQ) },
        { HVM_PARAM_PAGING_RING_PFN, SPECIAL_GFN(SPECIAL_PAGING) },
        { HVM_PARAM_MONITOR_RING_PFN, SPECIAL_GFN(SPECIAL_ACCESS) },
        { HVM_PARAM_SHARING_RING_PFN, SPECIAL_GFN(SPECIAL_SHARING) },
        { HVM_PARAM_IDENT_PT, SPECIAL_GFN(SPECIAL_IDENT_PT) << 12 },
        /* The guest has PV drivers; Linux, whose vCPUs have a vector each,
         * says no more than that. */
        { HVM_PARAM_CALLBACK_IRQ, 1 },
    };
    size_t i;
    int rc = 0;

    for ( i = 0; !rc && i < sizeof(params) / sizeof(params[0]); i++ )
        rc = foreign(b, "set an HVM parameter",
                     xc_hvm_param_set(b->t->xch, b->domid, params[i].index,
                                      params[i].value));

    return rc;
}

static int add_channels(struct build *b, struct dom_built *built)
{
    int r;

    r = xc_evtchn_alloc_unbound(b->t->xch, b->domid, 0);
    if ( r < 0 )
        return foreign(b, "make the xenstore event channel", r);
    built->store_port = r;
    r = xc_evtchn_alloc_unbound(b->t->xch, b->domid, 0);
    if ( r < 0 )
        return foreign(b, "make the console event channel", r);
    built->console_port = r;
    built->store_gfn = SPECIAL_GFN(SPECIAL_XENSTORE);
    built->console_gfn = SPECIAL_GFN(SPECIAL_CONSOLE);

    return set_params(b, built);
}

/* dom0 may map the two pages by the reserved grant references. */
static int seed_grants(struct build *b, const struct dom_built *built)
{
    xenforeignmemory_handle *fmem;
    xenforeignmemory_resource_handle *res;
    void *addr = NULL;
    grant_entry_v1_t *e;

    b->what = "map the grant table";
    fmem = xenforeignmemory_open(b->t->logger, 0);
    if ( !fmem )
        return -errno;
    res = xenforeignmemory_map_resource(fmem, b->domid,
                                        XENMEM_resource_grant_table,
                                        XENMEM_resource_grant_table_id_shared,
                                        0, 1, &addr, PROT_READ | PROT_WRITE,
                                        0);
    if ( !res )
    {
        int rc = -errno;

        xenforeignmemory_close(fmem);
        return rc;
    }
    e = addr;
    e[GNTTAB_RESERVED_CONSOLE].domid = 0;
    e[GNTTAB_RESERVED_CONSOLE].frame = built->console_gfn;
    e[GNTTAB_RESERVED_XENSTORE].domid = 0;
    e[GNTTAB_RESERVED_XENSTORE].frame = built->store_gfn;
    __atomic_store_n(&e[GNTTAB_RESERVED_CONSOLE].flags, GTF_permit_access,
                     __ATOMIC_RELEASE);
    __atomic_store_n(&e[GNTTAB_RESERVED_XENSTORE].flags, GTF_permit_access,
                     __ATOMIC_RELEASE);
    xenforeignmemory_unmap_resource(fmem, res);
    xenforeignmemory_close(fmem);

    return 0;
}

/* The last page of low RAM tells the guest what it is. */
static int write_boot_page(struct build *b)
{
    xenforeignmemory_handle *fmem;
    xen_pfn_t gfn = b->low_pages - 1;
    struct guest_boot *boot;
    int rc = 0;

    b->what = "write the boot page";
    fmem = xenforeignmemory_open(b->t->logger, 0);
    if ( !fmem )
        return -errno;
    boot = xenforeignmemory_map(fmem, b->domid, PROT_READ | PROT_WRITE, 1,
                                &gfn, NULL);
    if ( !boot )
    {
        rc = -errno;
        goto out;
    }
    memset(boot, 0, XC_PAGE_SIZE);
    boot->magic = GUEST_BOOT_MAGIC;
    boot->ram_pages = b->ram_pages;
    boot->low_pages = b->low_pages;
    boot->high_gfn = HIGH_GFN;
    boot->nr_vcpus = b->c->vcpus;
    memcpy(boot->cmdline, b->c->cmdline, strlen(b->c->cmdline));
    xenforeignmemory_unmap(fmem, boot, 1);

 out:
    xenforeignmemory_close(fmem);

    return rc;
}

static int set_vcpu0(struct build *b)
{
    struct
    {
        struct hvm_save_descriptor head_d;
        HVM_SAVE_TYPE(HEADER) head;
        struct hvm_save_descriptor cpu_d;
        HVM_SAVE_TYPE(CPU) cpu;
        struct hvm_save_descriptor end_d;
    } __attribute__((packed)) ctx;
    uint8_t *cur;
    int len, rc;

    /* The header is the hypervisor's own. */
    len = xc_domain_hvm_getcontext(b->t->xch, b->domid, NULL, 0);
    if ( len <= 0 )
        return foreign(b, "get the size of the vCPU context", -1);
    cur = calloc(1, len);
    if ( !cur )
        return -ENOMEM;
    rc = foreign(b, "get the vCPU context",
                 xc_domain_hvm_getcontext(b->t->xch, b->domid, cur, len));
    if ( rc )
        goto out;

    memset(&ctx, 0, sizeof(ctx));
    b->what = "read the vCPU context";
    rc = -EIO;
    if ( (size_t)len < sizeof(ctx.head_d) + sizeof(ctx.head) )
        goto out;
    memcpy(&ctx.head_d, cur, sizeof(ctx.head_d) + sizeof(ctx.head));
    if ( ctx.head_d.typecode != HVM_SAVE_CODE(HEADER) )
        goto out;
    ctx.cpu_d.typecode = HVM_SAVE_CODE(CPU);
    ctx.cpu_d.length = sizeof(ctx.cpu);
    ctx.cpu.rip = GUEST_ENTRY;
    ctx.cpu.rbx = b->low_pages - 1;
    ctx.cpu.rflags = 2;
    ctx.cpu.cr0 = 0x11;              /* protected mode, as PVH starts */
    ctx.cpu.cs_limit = ctx.cpu.ds_limit = ctx.cpu.es_limit =
        ctx.cpu.ss_limit = ~0u;
    ctx.cpu.cs_arbytes = 0xc9b;
    ctx.cpu.ds_arbytes = ctx.cpu.es_arbytes = ctx.cpu.ss_arbytes = 0xc93;
    ctx.cpu.tr_limit = 0x67;
    ctx.cpu.tr_arbytes = 0x8b;
    ctx.cpu.dr6 = 0xffff0ff0;
    ctx.cpu.dr7 = 0x400;
    ctx.end_d.typecode = HVM_SAVE_CODE(END);
    rc = foreign(b, "set the vCPU context",
                 xc_domain_hvm_setcontext(b->t->xch, b->domid,
                                          (uint8_t *)&ctx, sizeof(ctx)));

 out:
    free(cur);

    return rc;
}

int build_domain(struct tools *t, const struct dom_config *c,
                 struct dom_built *ret_b)
{
    struct xen_domctl_createdomain create = {
        .flags = XEN_DOMCTL_CDF_hvm | XEN_DOMCTL_CDF_hap,
        .max_vcpus = c->vcpus,
        .max_evtchn_port = NR_EVTCHNS,
        .max_grant_frames = NR_GRANT_FRAMES,
        .max_maptrack_frames = NR_MAPTRACK,
        .grant_opts = XEN_DOMCTL_GRANT_version(1),
        .arch.emulation_flags = XEN_X86_EMU_LAPIC,
    };
    struct build b = { .t = t, .c = c };
    struct dom_built built = { 0 };
    bool made = false;
    int rc;

    memcpy(create.handle, c->uuid, sizeof(create.handle));
    rc = foreign(&b, "create the domain",
                 xc_domain_create(t->xch, &b.domid, &create));
    if ( rc )
        goto out;
    made = true;
    built.domid = b.domid;
    rc = foreign(&b, "set the number of vCPUs",
                 xc_domain_max_vcpus(t->xch, b.domid, c->vcpus));
    if ( !rc )
        rc = foreign(&b, "set the mode of the time stamp counter",
                     xc_domain_set_tsc_info(t->xch, b.domid, c->tsc_mode, 0,
                                            0, 0));
    if ( !rc )
        rc = add_memory(&b);
    if ( !rc )
        rc = add_channels(&b, &built);
    if ( !rc )
        rc = seed_grants(&b, &built);
    if ( !rc )
        rc = write_boot_page(&b);
    if ( !rc )
        rc = set_vcpu0(&b);

 out:
    if ( rc )
    {
        err("cannot %s of \"%s\" (%lu MiB, %u vCPUs): %s", b.what, c->name,
            (unsigned long)c->memory_mib, c->vcpus, strerror(-rc));
        if ( made )
            xc_domain_destroy(t->xch, b.domid);
    }
    else
        *ret_b = built;

    return rc;
}
