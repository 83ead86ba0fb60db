/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * A PVH kernel file for stock toolstacks (xl create).  It carries the note
 * by which a toolstack knows where a PVH guest starts; that address is the
 * one where an emulated host runs its built-in guest (GUEST_ENTRY), so the
 * code below is never reached there.  Anywhere else it just halts.
 */
#define XEN_ELFNOTE_PHYS32_ENTRY 18
#define ENTRY_PHYS 0x100000

        .section .note.Xen, "a", @note
        .align 4
        .long 4                      /* name size */
        .long 4                      /* descriptor size */
        .long XEN_ELFNOTE_PHYS32_ENTRY
        .asciz "Xen"
        .align 4
        .long ENTRY_PHYS
        .align 4

        .text
        .code32
        .globl _start
_start: cli
1:      hlt
        jmp 1b

        .section .note.GNU-stack, "", @progbits
