/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * A boot sector for QEMU that does what the emulated host's guests do in a
 * bench: fills memory with what cannot be compressed, then rewrites a part of
 * it at a fixed rate, or sleeps.
 *
 *   as --32 --defsym NAME=VALUE... ; ld -m elf_i386 -Ttext 0x7c00
 *
 *   FILL_END      memory from 1 MiB up to here is filled
 *   ZERO_HALF     1: every other page, at random, stays zero
 *   WORK_END      pages from 1 MiB up to here are rewritten, in order
 *   TICK_PAGES    so many at each of 1024 ticks a second; 0: none
 *   PROBE         1: TICK_PAGES pages at random are touched instead, and it
 *                 is noted how long each took that took long
 *
 * Says on port 0xe9 "F" once memory is filled, and "." at each tick: whoever
 * reads it stamps when the guest last ran here and first ran there.  The
 * guest cannot stamp that itself: all its clocks stand still while QEMU has
 * it stopped.  A rewritten page has one word of it changed: QEMU sends all of
 * it for that.
 */
    .set BASE,      0x100000
    .set IDT,       0x1000
    .set STACK,     0x6000          /* not in the code's page: TCG would look
                                       for changed code at each push */
    .set NOTES,     0x10000         /* a count, then 32 bits each: TSC / 16 */
    .set NOTES_MAX, 0x8000
    .set DIVISOR,   1165            /* of 1193182 Hz: 1024 a second */
    .set LONG,      65536           /* TSC ticks: some 25 us */

    .code16
    .globl _start
_start:
    cli
    xorw    %ax, %ax
    movw    %ax, %ds
    movw    %ax, %ss
    movw    $0x7c00, %sp
    inb     $0x92, %al
    orb     $2, %al
    outb    %al, $0x92
    lgdtl   gdt_ptr
    movl    %cr0, %eax
    orb     $1, %al
    movl    %eax, %cr0
    ljmpl   $8, $protected

    .code32
protected:
    movw    $16, %ax
    movw    %ax, %ds
    movw    %ax, %es
    movw    %ax, %ss
    movl    $STACK, %esp

    /* xorshift32 in eax, word by word; edi goes through memory. */
    movl    $2463534242, %eax
    movl    $BASE, %edi
fill_page:
    call    draw
    movl    $1024, %ecx
    .if ZERO_HALF
    testl   $0x10000, %eax
    jz      fill_word
    addl    $4096, %edi
    jmp     filled_page
    .endif
fill_word:
    call    draw
    stosl
    decl    %ecx
    jnz     fill_word
filled_page:
    cmpl    $FILL_END, %edi
    jb      fill_page
    movl    %eax, %ebp

    /* Timer 0 at 1024 Hz to vector 0x20, everything else masked. */
    movl    $tick + 0x80000, IDT + 0x20 * 8
    movl    $0x8e00, IDT + 0x20 * 8 + 4
    lidtl   idt_ptr
    movb    $0x11, %al
    outb    %al, $0x20
    movb    $0x20, %al
    outb    %al, $0x21
    movb    $4, %al
    outb    %al, $0x21
    movb    $1, %al
    outb    %al, $0x21
    movb    $0xfe, %al
    outb    %al, $0x21
    movb    $0x34, %al
    outb    %al, $0x43
    movb    $(DIVISOR & 255), %al
    outb    %al, $0x40
    movb    $(DIVISOR >> 8), %al
    outb    %al, $0x40
    movb    $'F', %al
    outb    %al, $0xe9
    movl    $BASE, %edi
    movl    $0, NOTES

sleep:
    sti
    hlt
    cli
    .if TICK_PAGES
    movl    $TICK_PAGES, %esi
work:
    .if PROBE
    movl    %ebp, %eax
    call    draw
    movl    %eax, %ebp
    movl    $((WORK_END - BASE) >> 12), %ecx
    mull    %ecx
    shll    $12, %edx
    leal    BASE(%edx), %edi
    rdtsc
    movl    %eax, %ecx
    incl    (%edi)
    rdtsc
    subl    %ecx, %eax
    cmpl    $LONG, %eax
    jb      noted
    movl    NOTES, %ecx
    cmpl    $NOTES_MAX, %ecx
    jae     noted
    shrl    $4, %eax
    movl    %eax, NOTES + 4(,%ecx,4)
    incl    NOTES
noted:
    .else
    incl    (%edi)
    addl    $4096, %edi
    cmpl    $WORK_END, %edi
    jb      1f
    movl    $BASE, %edi
1:
    .endif
    decl    %esi
    jnz     work
    .endif
    jmp     sleep

draw:
    movl    %eax, %edx
    shll    $13, %edx
    xorl    %edx, %eax
    movl    %eax, %edx
    shrl    $17, %edx
    xorl    %edx, %eax
    movl    %eax, %edx
    shll    $5, %edx
    xorl    %edx, %eax
    ret

tick:
    pushl   %eax
    movb    $'.', %al
    outb    %al, $0xe9
    movb    $0x20, %al
    outb    %al, $0x20
    popl    %eax
    iret

    .balign 8
gdt:
    .quad   0
    .quad   0x00cf9a000000ffff      /* 8: code, all of memory */
    .quad   0x00cf92000000ffff      /* 16: data */
gdt_ptr:
    .word   gdt_ptr - gdt - 1
    .long   gdt
idt_ptr:
    .word   0x21 * 8 - 1
    .long   IDT

    .org    510
    .word   0xaa55
