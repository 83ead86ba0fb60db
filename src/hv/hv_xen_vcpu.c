/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What a context says of its vCPUs: xen/hvm/save.h.
 */
#include "hv_xen.h"

#include <xen/hvm/save.h>

typedef HVM_SAVE_TYPE(CPU) hvm_cpu;

unsigned int hv_context_vcpus(const void *data, size_t len,
                              struct hv_vcpu *ret, unsigned int max)
{
    struct hvm_save_descriptor desc;
    const uint8_t *p = data;
    unsigned int nr = 0;
    hvm_cpu cpu;

    for ( ; nr < max && len >= sizeof(desc); p += desc.length,
          len -= desc.length )
    {
        memcpy(&desc, p, sizeof(desc));
        p += sizeof(desc);
        len -= sizeof(desc);
        if ( desc.length > len )
            break;
        if ( desc.typecode != HVM_SAVE_CODE(CPU) )
            continue;
        memset(&cpu, 0, sizeof(cpu));
        memcpy(&cpu, p, desc.length < sizeof(cpu) ? desc.length
                                                  : sizeof(cpu));
        ret[nr++] = (struct hv_vcpu){
            .cr0 = cpu.cr0, .cr3 = cpu.cr3, .cr4 = cpu.cr4,
            .efer = cpu.msr_efer, .rip = cpu.rip, .rsp = cpu.rsp,
            .tables = { cpu.gs_base, cpu.shadow_gs, cpu.gdtr_base,
                        cpu.idtr_base, cpu.tr_base },
        };
    }

    return nr;
}
