/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Names of hypercalls and their sub-ops, as the fault plan and the log use
 * them: Xen's own, without prefix.
 */
#include <stddef.h>
#include <xenctrl.h>
#include <xen/event_channel.h>
#include <xen/hvm/hvm_op.h>
#include <xen/memory.h>
#include <xen/sched.h>

#include "hypercall.h"

struct name
{
    uint64_t nr;
    const char *name;
};

#define N(prefix, x) { prefix##x, #x }

static const struct name hypercalls[] = {
    N(__HYPERVISOR_, set_trap_table), N(__HYPERVISOR_, mmu_update),
    N(__HYPERVISOR_, set_gdt), N(__HYPERVISOR_, stack_switch),
    N(__HYPERVISOR_, set_callbacks), N(__HYPERVISOR_, fpu_taskswitch),
    N(__HYPERVISOR_, platform_op), N(__HYPERVISOR_, set_debugreg),
    N(__HYPERVISOR_, get_debugreg), N(__HYPERVISOR_, update_descriptor),
    N(__HYPERVISOR_, memory_op), N(__HYPERVISOR_, multicall),
    N(__HYPERVISOR_, update_va_mapping), N(__HYPERVISOR_, set_timer_op),
    N(__HYPERVISOR_, xen_version), N(__HYPERVISOR_, console_io),
    N(__HYPERVISOR_, grant_table_op), N(__HYPERVISOR_, vm_assist),
    N(__HYPERVISOR_, update_va_mapping_otherdomain), N(__HYPERVISOR_, iret),
    N(__HYPERVISOR_, vcpu_op), N(__HYPERVISOR_, set_segment_base),
    N(__HYPERVISOR_, mmuext_op), N(__HYPERVISOR_, xsm_op),
    N(__HYPERVISOR_, nmi_op), N(__HYPERVISOR_, sched_op),
    N(__HYPERVISOR_, callback_op), N(__HYPERVISOR_, xenoprof_op),
    N(__HYPERVISOR_, event_channel_op), N(__HYPERVISOR_, physdev_op),
    N(__HYPERVISOR_, hvm_op), N(__HYPERVISOR_, sysctl),
    N(__HYPERVISOR_, domctl), N(__HYPERVISOR_, kexec_op),
    N(__HYPERVISOR_, tmem_op), N(__HYPERVISOR_, argo_op),
    N(__HYPERVISOR_, xenpmu_op), N(__HYPERVISOR_, dm_op),
    N(__HYPERVISOR_, hypfs_op),
};

static const struct name domctls[] = {
    N(XEN_DOMCTL_, createdomain), N(XEN_DOMCTL_, destroydomain),
    N(XEN_DOMCTL_, pausedomain), N(XEN_DOMCTL_, unpausedomain),
    N(XEN_DOMCTL_, getdomaininfo), N(XEN_DOMCTL_, setvcpuaffinity),
    N(XEN_DOMCTL_, shadow_op), N(XEN_DOMCTL_, max_mem),
    N(XEN_DOMCTL_, setvcpucontext), N(XEN_DOMCTL_, getvcpucontext),
    N(XEN_DOMCTL_, getvcpuinfo), N(XEN_DOMCTL_, max_vcpus),
    N(XEN_DOMCTL_, scheduler_op), N(XEN_DOMCTL_, setdomainhandle),
    N(XEN_DOMCTL_, setdebugging), N(XEN_DOMCTL_, irq_permission),
    N(XEN_DOMCTL_, iomem_permission), N(XEN_DOMCTL_, ioport_permission),
    N(XEN_DOMCTL_, hypercall_init), N(XEN_DOMCTL_, settimeoffset),
    N(XEN_DOMCTL_, getvcpuaffinity), N(XEN_DOMCTL_, real_mode_area),
    N(XEN_DOMCTL_, resumedomain), N(XEN_DOMCTL_, sendtrigger),
    N(XEN_DOMCTL_, subscribe), N(XEN_DOMCTL_, gethvmcontext),
    N(XEN_DOMCTL_, sethvmcontext), N(XEN_DOMCTL_, set_address_size),
    N(XEN_DOMCTL_, get_address_size), N(XEN_DOMCTL_, assign_device),
    N(XEN_DOMCTL_, bind_pt_irq), N(XEN_DOMCTL_, memory_mapping),
    N(XEN_DOMCTL_, ioport_mapping), N(XEN_DOMCTL_, set_ext_vcpucontext),
    N(XEN_DOMCTL_, get_ext_vcpucontext), N(XEN_DOMCTL_, set_opt_feature),
    N(XEN_DOMCTL_, test_assign_device), N(XEN_DOMCTL_, set_target),
    N(XEN_DOMCTL_, deassign_device), N(XEN_DOMCTL_, unbind_pt_irq),
    N(XEN_DOMCTL_, get_device_group), N(XEN_DOMCTL_, debug_op),
    N(XEN_DOMCTL_, gethvmcontext_partial), N(XEN_DOMCTL_, vm_event_op),
    N(XEN_DOMCTL_, mem_sharing_op), N(XEN_DOMCTL_, gettscinfo),
    N(XEN_DOMCTL_, settscinfo), N(XEN_DOMCTL_, getpageframeinfo3),
    N(XEN_DOMCTL_, setvcpuextstate), N(XEN_DOMCTL_, getvcpuextstate),
    N(XEN_DOMCTL_, set_access_required), N(XEN_DOMCTL_, audit_p2m),
    N(XEN_DOMCTL_, set_virq_handler), N(XEN_DOMCTL_, set_broken_page_p2m),
    N(XEN_DOMCTL_, setnodeaffinity), N(XEN_DOMCTL_, getnodeaffinity),
    N(XEN_DOMCTL_, cacheflush), N(XEN_DOMCTL_, get_vcpu_msrs),
    N(XEN_DOMCTL_, set_vcpu_msrs), N(XEN_DOMCTL_, setvnumainfo),
    N(XEN_DOMCTL_, psr_cmt_op), N(XEN_DOMCTL_, monitor_op),
    N(XEN_DOMCTL_, psr_alloc), N(XEN_DOMCTL_, soft_reset),
    N(XEN_DOMCTL_, vuart_op), N(XEN_DOMCTL_, get_cpu_policy),
    N(XEN_DOMCTL_, set_cpu_policy), N(XEN_DOMCTL_, vmtrace_op),
    N(XEN_DOMCTL_, get_paging_mempool_size),
    N(XEN_DOMCTL_, set_paging_mempool_size), N(XEN_DOMCTL_, gdbsx_guestmemio),
    N(XEN_DOMCTL_, gdbsx_pausevcpu), N(XEN_DOMCTL_, gdbsx_unpausevcpu),
    N(XEN_DOMCTL_, gdbsx_domstatus),
};

static const struct name vm_event_ops[] = {
    { XEN_VM_EVENT_ENABLE, "enable" },
    { XEN_VM_EVENT_DISABLE, "disable" },
    { XEN_VM_EVENT_RESUME, "resume" },
};

static const struct name paging_ops[] = {
    N(XENMEM_paging_op_, nominate), N(XENMEM_paging_op_, evict),
    N(XENMEM_paging_op_, prep),
};

static const struct name access_ops[] = {
    N(XENMEM_access_op_, set_access), N(XENMEM_access_op_, get_access),
    N(XENMEM_access_op_, set_access_multi),
};

static const struct name sysctls[] = {
    N(XEN_SYSCTL_, readconsole), N(XEN_SYSCTL_, tbuf_op),
    N(XEN_SYSCTL_, physinfo), N(XEN_SYSCTL_, sched_id),
    N(XEN_SYSCTL_, perfc_op), N(XEN_SYSCTL_, getdomaininfolist),
    N(XEN_SYSCTL_, debug_keys), N(XEN_SYSCTL_, getcpuinfo),
    N(XEN_SYSCTL_, availheap), N(XEN_SYSCTL_, get_pmstat),
    N(XEN_SYSCTL_, cpu_hotplug), N(XEN_SYSCTL_, pm_op),
    N(XEN_SYSCTL_, page_offline_op), N(XEN_SYSCTL_, lockprof_op),
    N(XEN_SYSCTL_, cputopoinfo), N(XEN_SYSCTL_, numainfo),
    N(XEN_SYSCTL_, cpupool_op), N(XEN_SYSCTL_, scheduler_op),
    N(XEN_SYSCTL_, coverage_op), N(XEN_SYSCTL_, psr_cmt_op),
    N(XEN_SYSCTL_, pcitopoinfo), N(XEN_SYSCTL_, psr_alloc),
    N(XEN_SYSCTL_, get_cpu_levelling_caps), N(XEN_SYSCTL_, get_cpu_featureset),
    N(XEN_SYSCTL_, livepatch_op), N(XEN_SYSCTL_, get_cpu_policy),
};

static const struct name memory_ops[] = {
    N(XENMEM_, increase_reservation), N(XENMEM_, decrease_reservation),
    N(XENMEM_, populate_physmap), N(XENMEM_, exchange),
    N(XENMEM_, maximum_ram_page), N(XENMEM_, current_reservation),
    N(XENMEM_, maximum_reservation), N(XENMEM_, maximum_gpfn),
    N(XENMEM_, machphys_mfn_list), N(XENMEM_, machphys_compat_mfn_list),
    N(XENMEM_, machphys_mapping), N(XENMEM_, add_to_physmap),
    N(XENMEM_, add_to_physmap_batch), N(XENMEM_, remove_from_physmap),
    N(XENMEM_, memory_map), N(XENMEM_, machine_memory_map),
    N(XENMEM_, set_memory_map), N(XENMEM_, set_pod_target),
    N(XENMEM_, get_pod_target), N(XENMEM_, get_sharing_freed_pages),
    N(XENMEM_, get_sharing_shared_pages), N(XENMEM_, paging_op),
    N(XENMEM_, access_op), N(XENMEM_, sharing_op), N(XENMEM_, claim_pages),
    N(XENMEM_, reserved_device_memory_map), N(XENMEM_, acquire_resource),
    N(XENMEM_, get_vnumainfo),
};

static const struct name hvm_ops[] = {
    N(HVMOP_, set_param), N(HVMOP_, get_param),
    N(HVMOP_, flush_tlbs), N(HVMOP_, get_time),
    N(HVMOP_, get_mem_type), N(HVMOP_, guest_request_vm_event),
    N(HVMOP_, altp2m),
};

static const struct name sched_ops[] = {
    N(SCHEDOP_, yield), N(SCHEDOP_, block), N(SCHEDOP_, shutdown),
    N(SCHEDOP_, poll), N(SCHEDOP_, remote_shutdown),
    N(SCHEDOP_, shutdown_code), N(SCHEDOP_, watchdog),
    N(SCHEDOP_, pin_override),
};

static const struct name evtchn_ops[] = {
    N(EVTCHNOP_, bind_interdomain), N(EVTCHNOP_, bind_virq),
    N(EVTCHNOP_, bind_pirq), N(EVTCHNOP_, close), N(EVTCHNOP_, send),
    N(EVTCHNOP_, status), N(EVTCHNOP_, alloc_unbound), N(EVTCHNOP_, bind_ipi),
    N(EVTCHNOP_, bind_vcpu), N(EVTCHNOP_, unmask), N(EVTCHNOP_, reset),
    N(EVTCHNOP_, init_control), N(EVTCHNOP_, expand_array),
    N(EVTCHNOP_, set_priority),
};

static const struct name shadow_ops[] = {
    { XEN_DOMCTL_SHADOW_OP_OFF, "off" },
    { XEN_DOMCTL_SHADOW_OP_ENABLE, "enable" },
    { XEN_DOMCTL_SHADOW_OP_ENABLE_LOGDIRTY, "enable_logdirty" },
    { XEN_DOMCTL_SHADOW_OP_CLEAN, "clean" },
    { XEN_DOMCTL_SHADOW_OP_PEEK, "peek" },
    { XEN_DOMCTL_SHADOW_OP_GET_ALLOCATION, "get_allocation" },
    { XEN_DOMCTL_SHADOW_OP_SET_ALLOCATION, "set_allocation" },
};

static const char *find(const struct name *names, size_t n, uint64_t nr)
{
    size_t i;

    for ( i = 0; i < n; i++ )
        if ( names[i].nr == nr )
            return names[i].name;
    return NULL;
}

#define FIND(table, nr) find(table, sizeof(table) / sizeof(table[0]), nr)

const char *hypercall_name(uint64_t nr) { return FIND(hypercalls, nr); }
const char *domctl_name(uint32_t cmd) { return FIND(domctls, cmd); }
const char *sysctl_name(uint32_t cmd) { return FIND(sysctls, cmd); }
const char *memory_op_name(uint64_t sub) { return FIND(memory_ops, sub); }
const char *hvm_op_name(uint64_t sub) { return FIND(hvm_ops, sub); }
const char *sched_op_name(uint64_t sub) { return FIND(sched_ops, sub); }
const char *evtchn_op_name(uint64_t sub) { return FIND(evtchn_ops, sub); }
const char *shadow_op_name(uint32_t op) { return FIND(shadow_ops, op); }
const char *paging_op_name(uint32_t op) { return FIND(paging_ops, op); }
const char *access_op_name(uint32_t op) { return FIND(access_ops, op); }
const char *vm_event_op_name(uint32_t op) { return FIND(vm_event_ops, op); }
