/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * vCPU and HVM context: what a guest's registers look like in the hands of
 * the toolstack.  The guest uses rax ... r15 and rip; the rest of the CPU
 * record, and records of other types, are kept as they were set and given
 * back.  Every vCPU has an MTRR record from the start, as toolstacks expect.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "domctl.h"
#include <xen/hvm/save.h>

#define MAX_CONTEXT   (1u << 20)
#define HEADER_CPUID  0x00830f10
#define DEFAULT_KHZ   2000000

typedef HVM_SAVE_TYPE(HEADER) hvm_header;
typedef HVM_SAVE_TYPE(CPU) hvm_cpu;

struct context
{
    uint8_t *data;
    size_t len, room;
};

static int context_add(struct context *x, uint16_t type, uint16_t instance,
                       const void *rec, uint32_t len)
{
    struct hvm_save_descriptor desc = {
        .typecode = type, .instance = instance, .length = len,
    };

    if ( x->room - x->len < sizeof(desc) + len )
    {
        size_t room = x->room * 2 + sizeof(desc) + len + 4096;
        void *p = realloc(x->data, room);

        if ( !p )
            return -ENOMEM;
        x->data = p;
        x->room = room;
    }
    memcpy(x->data + x->len, &desc, sizeof(desc));
    x->len += sizeof(desc);
    if ( len )
        memcpy(x->data + x->len, rec, len);
    x->len += len;
    return 0;
}

/* The record of this type and instance, or NULL; *ret_len with its header. */
static const uint8_t *record_find(const uint8_t *data, size_t len,
                                  uint16_t type, uint16_t instance,
                                  size_t *ret_len)
{
    struct hvm_save_descriptor desc;
    size_t at;

    for ( at = 0; len - at >= sizeof(desc); at += *ret_len )
    {
        memcpy(&desc, data + at, sizeof(desc));
        *ret_len = sizeof(desc) + desc.length;
        if ( desc.typecode == type && desc.instance == instance )
            return data + at;
    }
    return NULL;
}

/* Records that were set before and not again stay.  ctl->lock held. */
static int keep_old_records(const struct domain *d, struct context *x)
{
    const uint8_t *old = d->ctl->records;
    struct hvm_save_descriptor desc;
    size_t at, len;
    int rc = 0;

    for ( at = 0; !rc && at < d->ctl->records_len;
          at += sizeof(desc) + desc.length )
    {
        memcpy(&desc, old + at, sizeof(desc));
        if ( !record_find(x->data, x->len, desc.typecode, desc.instance,
                          &len) )
            rc = context_add(x, desc.typecode, desc.instance,
                             old + at + sizeof(desc), desc.length);
    }
    return rc;
}

/* Of vCPUs whose MTRRs nobody has set.  ctl->lock held. */
static int add_mtrrs(const struct domain *d, struct context *x)
{
    static const HVM_SAVE_TYPE(MTRR) reset = {
        .msr_pat_cr = 0x0007040600070406ull,
        .msr_mtrr_cap = 0x508,       /* 8 variable ones, fixed, WC */
    };
    unsigned int i;
    size_t len;
    int rc = 0;

    for ( i = 0; !rc && i < d->nr_vcpus; i++ )
        if ( !record_find(d->ctl->records, d->ctl->records_len,
                          HVM_SAVE_CODE(MTRR), (uint16_t)i, &len) )
            rc = context_add(x, HVM_SAVE_CODE(MTRR), (uint16_t)i, &reset,
                             sizeof(reset));
    return rc;
}

static void cpu_of(const struct vcpu *v, hvm_cpu *cpu)
{
    if ( v->hw )
        *cpu = *(hvm_cpu *)v->hw;
    else
        memset(cpu, 0, sizeof(*cpu));
    /* rax ... r15 stand in one row, in the order of struct guest_regs. */
    memcpy(&cpu->rax, v->regs.gpr, sizeof(v->regs.gpr));
    cpu->rip = v->regs.rip;
}

/* vCPUs stopped. */
static int context_make(struct domain *d, struct context *x)
{
    hvm_header h = {
        .magic = HVM_FILE_MAGIC, .version = HVM_FILE_VERSION,
        .changeset = ~0ull, .cpuid = HEADER_CPUID, .gtsc_khz = DEFAULT_KHZ,
    };
    unsigned int i;
    int rc;

    rc = context_add(x, HVM_SAVE_CODE(HEADER), 0, &h, sizeof(h));
    for ( i = 0; !rc && i < d->nr_vcpus; i++ )
    {
        hvm_cpu cpu;

        if ( !d->vcpus[i]->online )
            continue;
        cpu_of(d->vcpus[i], &cpu);
        rc = context_add(x, HVM_SAVE_CODE(CPU), (uint16_t)i, &cpu,
                         sizeof(cpu));
    }
    pthread_mutex_lock(&d->ctl->lock);
    if ( !rc )
        rc = keep_old_records(d, x);
    if ( !rc )
        rc = add_mtrrs(d, x);
    pthread_mutex_unlock(&d->ctl->lock);
    return rc ? rc : context_add(x, HVM_SAVE_CODE(END), 0, NULL, 0);
}

/*
 * Pause it between steps.  A vCPU that waits for an absent page is in the
 * middle of one, which only this process can finish: -EBUSY.  (Xen, whose
 * guests can be stopped at any instruction, does not refuse.)
 */
static int pause_between_steps(struct domain *d)
{
    domain_pause(d);
    if ( !domain_in_fault(d) )
        return 0;
    domain_unpause(d);
    log_line("dom%u: a vCPU waits for an absent page, in the middle of a "
             "step: its context can't be had", d->domid);
    return -EBUSY;
}

int hvm_context_get(struct conn *c, struct domain *d,
                    struct xen_domctl_hvmcontext *h)
{
    struct context x = { NULL, 0, 0 };
    int rc;

    rc = pause_between_steps(d);
    if ( rc )
        return rc;
    rc = context_make(d, &x);
    domain_unpause(d);
    if ( rc )
        goto out;
    if ( !h->buffer.p )
        h->size = (uint32_t)x.len;
    else if ( h->size < x.len )
        rc = -ENOSPC;
    else
    {
        h->size = (uint32_t)x.len;
        rc = copy_to_client(c, (uintptr_t)h->buffer.p, x.data, x.len);
    }

 out:
    free(x.data);
    return rc;
}

int hvm_context_get_one(struct conn *c, struct domain *d,
                        struct xen_domctl_hvmcontext_partial *h)
{
    struct context x = { NULL, 0, 0 };
    struct hvm_save_descriptor desc;
    size_t at;
    int rc;

    rc = pause_between_steps(d);
    if ( rc )
        return rc;
    rc = context_make(d, &x);
    domain_unpause(d);
    for ( at = 0; !rc; at += sizeof(desc) + desc.length )
    {
        if ( x.len - at < sizeof(desc) )
        {
            rc = -ENOENT;
            break;
        }
        memcpy(&desc, x.data + at, sizeof(desc));
        if ( desc.typecode == h->type && desc.instance == h->instance )
            break;
        if ( desc.typecode == HVM_SAVE_CODE(END) )
            rc = -ENOENT;
    }
    if ( !rc && !h->buffer.p )
        h->bufsz = desc.length;
    else if ( !rc && h->bufsz < desc.length )
        rc = -ENOSPC;
    else if ( !rc )
    {
        h->bufsz = desc.length;
        rc = copy_to_client(c, (uintptr_t)h->buffer.p,
                            x.data + at + sizeof(desc), desc.length);
    }
    free(x.data);
    return rc;
}

/* ---- setting ------------------------------------------------------------ */

/* A context that was checked: what to set. */
struct parsed
{
    hvm_cpu *cpu[MAX_VCPUS];     /* into the blob; NULL: none */
    struct context rest;
};

static int parse(struct domain *d, uint8_t *data, size_t len,
                 struct parsed *ret)
{
    struct hvm_save_descriptor desc;
    hvm_header h;
    size_t at = 0;
    int rc;

    for ( ; ; at += sizeof(desc) + desc.length )
    {
        uint8_t *rec = data + at + sizeof(desc);

        if ( len - at < sizeof(desc) )
            return -ENODATA;
        memcpy(&desc, data + at, sizeof(desc));
        if ( desc.length > len - at - sizeof(desc) )
            return -ENODATA;
        if ( !at )
        {
            if ( desc.typecode != HVM_SAVE_CODE(HEADER) ||
                 desc.length != sizeof(h) )
                return -ENODATA;
            memcpy(&h, rec, sizeof(h));
            if ( h.magic != HVM_FILE_MAGIC || h.version != HVM_FILE_VERSION )
                return -EINVAL;
            continue;
        }
        if ( desc.typecode == HVM_SAVE_CODE(END) )
            return 0;
        if ( desc.typecode > HVM_SAVE_CODE_MAX ||
             desc.typecode == HVM_SAVE_CODE(HEADER) )
        {
            log_line("dom%u: unknown HVM context record %u", d->domid,
                     desc.typecode);
            return -EINVAL;
        }
        if ( desc.typecode != HVM_SAVE_CODE(CPU) )
        {
            rc = context_add(&ret->rest, desc.typecode, desc.instance, rec,
                             desc.length);
            if ( rc )
                return rc;
            continue;
        }
        if ( desc.instance >= d->nr_vcpus ||
             desc.length != sizeof(hvm_cpu) )
        {
            log_line("dom%u: CPU record %u of %u bytes does not fit %u vCPUs",
                     d->domid, desc.instance, desc.length, d->nr_vcpus);
            return -EINVAL;
        }
        ret->cpu[desc.instance] = (hvm_cpu *)rec;
    }
}

static int set_cpu(struct vcpu *v, const void *rec)
{
    hvm_cpu cpu;

    if ( !v->hw )
        v->hw = malloc(sizeof(cpu));
    if ( !v->hw )
        return -ENOMEM;
    memcpy(&cpu, rec, sizeof(cpu));
    memcpy(v->hw, &cpu, sizeof(cpu));
    memcpy(v->regs.gpr, &cpu.rax, sizeof(v->regs.gpr));
    v->regs.rip = cpu.rip;
    return 0;
}

/* vCPUs stopped.  Only those with a record are up afterwards, as on Xen. */
static int apply(struct domain *d, struct parsed *p)
{
    unsigned int i;
    int rc = 0;

    for ( i = 0; !rc && i < d->nr_vcpus; i++ )
        if ( p->cpu[i] )
            rc = set_cpu(d->vcpus[i], p->cpu[i]);
    if ( rc )
        return rc;
    pthread_mutex_lock(&d->sched_lock);
    for ( i = 0; i < d->nr_vcpus; i++ )
    {
        struct vcpu *v = d->vcpus[i];

        v->online = p->cpu[i] != NULL;
        v->initialised |= v->online;
        v->waiting = false;
    }
    pthread_mutex_unlock(&d->sched_lock);

    pthread_mutex_lock(&d->ctl->lock);
    rc = keep_old_records(d, &p->rest);
    if ( !rc )
    {
        free(d->ctl->records);
        d->ctl->records = p->rest.data;
        d->ctl->records_len = p->rest.len;
        p->rest.data = NULL;
    }
    pthread_mutex_unlock(&d->ctl->lock);
    return rc;
}

int hvm_context_set(struct conn *c, struct domain *d,
                    struct xen_domctl_hvmcontext *h)
{
    struct parsed p = { .rest = { NULL, 0, 0 } };
    uint8_t *data = NULL;
    int rc;

    if ( h->size > MAX_CONTEXT )
        return -EINVAL;
    data = malloc(h->size + 1);
    if ( !data )
        return -ENOMEM;
    rc = copy_from_client(c, data, (uintptr_t)h->buffer.p, h->size);
    if ( !rc )
        rc = parse(d, data, h->size, &p);
    if ( !rc )
    {
        rc = pause_between_steps(d);
    }
    if ( !rc )
    {
        rc = apply(d, &p);
        domain_unpause(d);
    }
    free(p.rest.data);
    free(data);
    return rc;
}

/* ---- struct vcpu_guest_context ------------------------------------------ */

/* The registers both have, with their place in guest_regs.gpr[]. */
#define EACH_GPR(X) \
    X(rax, 0) X(rbx, 1) X(rcx, 2) X(rdx, 3) X(rbp, 4) X(rsi, 5) X(rdi, 6) \
    X(rsp, 7) X(r8, 8) X(r9, 9) X(r10, 10) X(r11, 11) X(r12, 12) \
    X(r13, 13) X(r14, 14) X(r15, 15)

int vcpu_context_get(struct conn *c, struct domain *d,
                     struct xen_domctl_vcpucontext *ctx)
{
    vcpu_guest_context_t g;
    hvm_cpu cpu;
    struct vcpu *v;
    int rc;

    if ( ctx->vcpu >= d->nr_vcpus )
        return -ESRCH;
    v = d->vcpus[ctx->vcpu];
    if ( !v->initialised )
        return -ENODATA;
    memset(&g, 0, sizeof(g));
    rc = pause_between_steps(d);
    if ( rc )
        return rc;
#define X(r, i) g.user_regs.r = v->regs.gpr[i];
    EACH_GPR(X)
#undef X
    cpu_of(v, &cpu);
    g.user_regs.rip = v->regs.rip;
    g.user_regs.rflags = cpu.rflags;
    g.ctrlreg[0] = cpu.cr0;
    g.ctrlreg[3] = cpu.cr3;
    g.ctrlreg[4] = cpu.cr4;
    g.flags = v->online ? VGCF_online : 0;
    domain_unpause(d);
    return copy_to_client(c, (uintptr_t)ctx->ctxt.p, &g, sizeof(g));
}

int vcpu_context_set(struct conn *c, struct domain *d,
                     struct xen_domctl_vcpucontext *ctx)
{
    vcpu_guest_context_t g;
    struct vcpu *v;
    int rc;

    if ( ctx->vcpu >= d->nr_vcpus )
        return -ESRCH;
    v = d->vcpus[ctx->vcpu];
    memset(&g, 0, sizeof(g));
    if ( ctx->ctxt.p )
    {
        rc = copy_from_client(c, &g, (uintptr_t)ctx->ctxt.p, sizeof(g));
        if ( rc )
            return rc;
    }
    rc = pause_between_steps(d);
    if ( rc )
        return rc;
#define X(r, i) v->regs.gpr[i] = g.user_regs.r;
    EACH_GPR(X)
#undef X
    v->regs.rip = g.user_regs.rip;
    pthread_mutex_lock(&d->sched_lock);
    v->initialised = ctx->ctxt.p != NULL;
    v->online = g.flags & VGCF_online;
    v->waiting = false;
    pthread_mutex_unlock(&d->sched_lock);
    domain_unpause(d);
    return 0;
}
