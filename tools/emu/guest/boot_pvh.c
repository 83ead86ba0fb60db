/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Boot as PVH does: a stock toolstack passes the physical address of a
 * struct hvm_start_info in rbx.  This makes a boot page out of it, in the
 * last page of low RAM, so that the kernel needs to know only one way.
 *
 * The number of vCPUs is where a PVH kernel finds it, in ACPI's MADT.
 *
 * Every rbx is tried as such an address first: the gfn of a boot page, taken
 * for one, lies in low RAM too, and there is no magic number there.
 */
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <xen/arch-x86/hvm/start_info.h>

#include "guest.h"
#include "internal.h"

#define GIB4_GFN          0x100000ull
#define MAX_TABLE_BYTES   65536u

#define RSDP_XSDT_OFFSET  24
#define TABLE_LEN_OFFSET  4
#define TABLE_HEAD        36
#define MADT_ENTRIES      44
#define MADT_LAPIC        0
#define MADT_X2APIC       9
#define MADT_ENABLED      1u

/* Guest physical memory, or NULL where the address space ends before. */
static void *phys(struct guest_env *env, uint64_t gpa, uint64_t bytes)
{
    uint64_t end = env->nr_gfns * GUEST_PAGE_SIZE;

    if ( !gpa || gpa >= end || bytes > end - gpa )
        return NULL;

    return env->mem + gpa;
}

/* The same for a struct: where a guest's builder put it, it is aligned. */
static void *phys_struct(struct guest_env *env, uint64_t gpa, uint64_t bytes)
{
    return gpa % sizeof(uint64_t) ? NULL : phys(env, gpa, bytes);
}

static uint32_t get32(const uint8_t *p)
{
    uint32_t v;

    memcpy(&v, p, sizeof(v));

    return v;
}

static uint64_t get64(const uint8_t *p)
{
    uint64_t v;

    memcpy(&v, p, sizeof(v));

    return v;
}

/* An ACPI table as a whole. */
static const uint8_t *table(struct guest_env *env, uint64_t gpa,
                            uint32_t *ret_len)
{
    const uint8_t *t = phys(env, gpa, TABLE_HEAD);

    if ( !t )
        return NULL;
    *ret_len = get32(t + TABLE_LEN_OFFSET);
    if ( *ret_len < TABLE_HEAD || *ret_len > MAX_TABLE_BYTES )
        return NULL;

    return phys(env, gpa, *ret_len);
}

static unsigned int count_madt(const uint8_t *madt, uint32_t len)
{
    unsigned int n = 0;
    uint32_t i;

    for ( i = MADT_ENTRIES; i + 2 <= len && madt[i + 1] >= 2;
          i += madt[i + 1] )
    {
        if ( i + madt[i + 1] > len )
            break;
        if ( (madt[i] == MADT_LAPIC && madt[i + 1] >= 8 &&
              (get32(madt + i + 4) & MADT_ENABLED)) ||
             (madt[i] == MADT_X2APIC && madt[i + 1] >= 16 &&
              (get32(madt + i + 8) & MADT_ENABLED)) )
            n++;
    }

    return n;
}

/* 0 when there is no MADT to be found. */
static unsigned int count_vcpus(struct guest_env *env, uint64_t rsdp_gpa)
{
    const uint8_t *rsdp = phys(env, rsdp_gpa, TABLE_HEAD), *xsdt, *t;
    uint32_t xlen, len, i;

    if ( !rsdp || memcmp(rsdp, "RSD PTR ", 8) )
        return 0;
    xsdt = table(env, get64(rsdp + RSDP_XSDT_OFFSET), &xlen);
    for ( i = TABLE_HEAD; xsdt && i + 8 <= xlen; i += 8 )
    {
        t = table(env, get64(xsdt + i), &len);
        if ( t && len >= MADT_ENTRIES && !memcmp(t, "APIC", 4) )
            return count_madt(t, len);
    }

    return 0;
}

/* RAM from gfn 0 and from 4 GiB on, as toolstacks lay it out. */
static bool find_ram(struct guest_env *env, const struct hvm_start_info *si,
                     struct guest_boot *b)
{
    const struct hvm_memmap_table_entry *e;
    uint64_t high = 0;
    uint32_t i;

    if ( si->version < 1 || si->memmap_entries > 128 )
        return false;
    e = phys_struct(env, si->memmap_paddr, si->memmap_entries * sizeof(*e));
    for ( i = 0; e && i < si->memmap_entries; i++ )
    {
        uint64_t gfn = e[i].addr / GUEST_PAGE_SIZE;
        uint64_t pages = e[i].size / GUEST_PAGE_SIZE;

        if ( e[i].type != XEN_HVM_MEMMAP_TYPE_RAM )
            continue;
        if ( !gfn )
            b->low_pages = pages;
        else if ( gfn == GIB4_GFN )
            high = pages;
    }
    b->high_gfn = GIB4_GFN;
    b->ram_pages = b->low_pages + high;

    return b->low_pages && b->low_pages <= env->nr_gfns;
}

uint64_t boot_pvh_page(struct guest_env *env, uint64_t gpa)
{
    const struct hvm_start_info *si = phys_struct(env, gpa, sizeof(*si));
    struct guest_boot b = { .magic = GUEST_BOOT_MAGIC };
    const char *cmdline;

    if ( gpa % sizeof(uint64_t) || !si ||
         si->magic != XEN_HVM_START_MAGIC_VALUE || !find_ram(env, si, &b) )
        return 0;
    b.nr_vcpus = count_vcpus(env, si->rsdp_paddr);
    if ( !b.nr_vcpus )
        b.nr_vcpus = 1;
    cmdline = phys(env, si->cmdline_paddr, 1);
    if ( cmdline )
    {
        uint64_t room = env->nr_gfns * GUEST_PAGE_SIZE - si->cmdline_paddr;

        if ( room > sizeof(b.cmdline) - 1 )
            room = sizeof(b.cmdline) - 1;
        memcpy(b.cmdline, cmdline, strnlen(cmdline, room));
    }
    memcpy(env->mem + (b.low_pages - 1) * GUEST_PAGE_SIZE, &b, sizeof(b));

    return b.low_pages - 1;
}
