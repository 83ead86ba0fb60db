/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The seam between the emulated host (tools/emu/host) and the guest
 * (tools/emu/guest).
 *
 * The host calls guest_step() again and again from one thread per vCPU.  The
 * guest keeps all its state in guest pages and in env->regs; it makes no
 * system call, allocates nothing and has no mutable C globals, so a step that
 * ended in one process can be followed by the next step in another.
 *
 * A step should last well under 100 us: the host can pause a vCPU, and so
 * clean the dirty log, save its context or destroy it, only between steps.
 */
#ifndef XMIG_EMU_GUEST_H
#define XMIG_EMU_GUEST_H

#include <stddef.h>
#include <stdint.h>

#define GUEST_PAGE_SIZE 4096u

/*
 * vCPU context: what the HVM context's CPU record carries.  gpr[] is in the
 * order rax rbx rcx rdx rbp rsi rdi rsp r8 ... r15, as struct hvm_hw_cpu
 * has it.  A vCPU starts with rip = GUEST_ENTRY and everything else 0,
 * except that rbx of vCPU 0 holds the gfn of the boot page.
 *
 * After a suspend, rax is what SCHEDOP_shutdown returned: 0 on a new host,
 * 1 if the suspend was cancelled (the toolstack's cooperative resume sets it
 * with the vCPU context; a new host's restore leaves the saved 0).
 */
struct guest_regs
{
    uint64_t gpr[16];
    uint64_t rip;
};

enum guest_gpr
{
    GPR_RAX, GPR_RBX, GPR_RCX, GPR_RDX, GPR_RBP, GPR_RSI, GPR_RDI, GPR_RSP,
    GPR_R8, GPR_R9, GPR_R10, GPR_R11, GPR_R12, GPR_R13, GPR_R14, GPR_R15,
};

#define GUEST_ENTRY 0x100000u

/*
 * The boot page, written by whoever builds the domain into the gfn given in
 * rbx of vCPU 0, and only read afterwards.
 */
#define GUEST_BOOT_MAGIC 0x474d5848544f4f42ull
struct guest_boot
{
    uint64_t magic;          /* GUEST_BOOT_MAGIC */
    uint64_t ram_pages;      /* pages populated at start, special ones not */
    uint64_t low_pages;      /* of them below the hole: gfns [0, low_pages) */
    uint64_t high_gfn;       /* where the others begin: 0x100000 */
    uint32_t nr_vcpus;
    uint32_t pad;
    char cmdline[2048];      /* NUL-terminated: "program=dirty size=64M" */
};

struct guest_env;

/*
 * What a guest gets from its hypervisor.  None of them blocks.  Those that
 * return int return 0 or -errno.
 */
struct guest_hv
{
    /* CLOCK_MONOTONIC, microseconds and nanoseconds. */
    uint64_t (*now_us)(struct guest_env *env);
    uint64_t (*now_ns)(struct guest_env *env);

    /* Takes effect when this step returns; all vCPUs stop stepping.
     * reason: SHUTDOWN_poweroff, _reboot, _suspend, _crash (xen/sched.h).
     * A suspended guest's next step is its first one after the resume. */
    void (*shutdown)(struct guest_env *env, unsigned int reason);

    /* Append to the domain's console log.  One line per call, no '\n'. */
    void (*console)(struct guest_env *env, const char *line);

    /* HVM parameter (xen/hvm/params.h). */
    int (*get_param)(struct guest_env *env, unsigned int index,
                     uint64_t *ret_value);

    /* Event channels of this domain.  Ports are 1 ... 1023. */
    int (*evtchn_alloc_unbound)(struct guest_env *env, uint32_t remote_domid,
                                uint32_t *ret_port);
    int (*evtchn_close)(struct guest_env *env, uint32_t port);
    int (*evtchn_send)(struct guest_env *env, uint32_t port);
    /* Test and clear the pending bit of a port: 1 was pending, 0 not. */
    int (*evtchn_pending)(struct guest_env *env, uint32_t port);

    /* The domain's grant table: array of struct grant_entry_v1, living in
     * frames of the host (not in the P2M), fresh and empty on a new host
     * but for the toolstack's two reserved entries. */
    void *(*grant_table)(struct guest_env *env, unsigned int *ret_nr_entries);

    /* Balloon.  A gfn given up is a hole at once; a gfn populated again
     * holds poison.  n <= 512.  populate may stop short: returns how many
     * were done, or -errno if none. */
    int (*decrease_reservation)(struct guest_env *env, const uint64_t *gfns,
                                unsigned int n);
    int (*populate_physmap)(struct guest_env *env, const uint64_t *gfns,
                            unsigned int n);

    /* Start vCPU v (it begins at GUEST_ENTRY with zero registers). */
    int (*vcpu_up)(struct guest_env *env, unsigned int vcpu);
    /* Make a vCPU that waits step again. */
    void (*kick)(struct guest_env *env, unsigned int vcpu);
};

/* One vCPU during a step. */
struct guest_env
{
    uint8_t *mem;                /* gfn g is at mem + g * 4096 */
    uint64_t nr_gfns;            /* size of that address space, in pages */
    unsigned int vcpu;           /* 0 ... */
    struct guest_regs *regs;     /* this vCPU's, live */
    const struct guest_hv *hv;
    void *host;                  /* the host's; not for the guest */
};

enum guest_next
{
    GUEST_AGAIN,   /* step again at once */
    GUEST_WAIT,    /* step again at *deadline_us, on an event or on a kick */
};

/*
 * Run one step of vCPU env->vcpu.  deadline_us is an absolute CLOCK_MONOTONIC
 * time (UINT64_MAX: none), looked at only for GUEST_WAIT.
 */
enum guest_next guest_step(struct guest_env *env, uint64_t *deadline_us);

#endif
