// From the boot loader to 64-bit C++: multiboot 1 and 2 headers, page tables, descriptor tables.
//
// The loader enters in 32-bit protected mode with flat segments and paging off (Multiboot Specification 0.6.96,
// section 3.2; Multiboot2 2.0, section 3.3). Nothing below 4 MiB is used.

    .set mb1_magic, 0x1BADB002
    .set mb1_flags, 3                   // page-aligned modules, memory map wanted
    .set mb2_magic, 0xE85250D6

    .section .multiboot, "a"
    .balign 8
    .long mb1_magic, mb1_flags, -(mb1_magic + mb1_flags)
    .balign 8
mb2_header:
    .long mb2_magic, 0, mb2_end - mb2_header, -(mb2_magic + (mb2_end - mb2_header))
    .word 0, 0
    .long 8
mb2_end:

    .section .text.boot, "ax"
    .code32
    .globl micro_l1_start
micro_l1_start:
    cli
    cld
    movl $boot_stack_top, %esp
    movl %eax, %edi                     // the loader's magic and its information structure,
    movl %ebx, %esi                     // where the 64-bit calling convention wants them

    // Identity map of the first 4 GiB with 2-MiB pages: 4 page directories, filled as one table of 2048 entries.
    movl $page_directories, %eax
    movl $0x83, %edx                    // present, writable, 2 MiB
    movl $2048, %ecx
1:  movl %edx, (%eax)
    movl $0, 4(%eax)
    addl $0x200000, %edx
    addl $8, %eax
    loop 1b
    movl $page_directories + 3, %edx
    movl $micro_l1_pdpt, %eax
    movl $4, %ecx
2:  movl %edx, (%eax)
    addl $0x1000, %edx
    addl $8, %eax
    loop 2b
    // Two top-level tables with the same contents: scripts switch CR3 between them.
    movl $micro_l1_pdpt + 3, micro_l1_pml4
    movl $micro_l1_pdpt + 3, micro_l1_pml4_twin

    movl $micro_l1_pml4, %eax
    movl %eax, %cr3
    movl %cr4, %eax
    orl $0x20, %eax                     // PAE
    movl %eax, %cr4
    movl $0xC0000080, %ecx              // IA32_EFER.LME
    rdmsr
    orl $0x100, %eax
    wrmsr
    movl %cr0, %eax
    andl $~0x60000000, %eax             // caches on: CD and NW clear
    orl $0x80000021, %eax               // PG, NE, PE
    movl %eax, %cr0
    lgdt gdt_pointer
    ljmp $8, $3f

    .code64
3:  movl $0x10, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %fs
    movl %eax, %gs
    movl %eax, %ss
    // The task-state segment's base is scattered over its descriptor, so it is filled in here.
    movl $micro_l1_tss, %eax
    movw %ax, micro_l1_gdt + 0x18 + 2
    shrl $16, %eax
    movb %al, micro_l1_gdt + 0x18 + 4
    movb %ah, micro_l1_gdt + 0x18 + 7
    movl $0x18, %eax
    ltr %ax
    movl $boot_stack_top, %esp
    movl %edi, %edi
    movl %esi, %esi
    call micro_l1_main
4:  hlt
    jmp 4b

    .data
    .balign 16
    .globl micro_l1_gdt
micro_l1_gdt:
    .quad 0
    .quad 0x00AF9B000000FFFF            // 08H: 64-bit code
    .quad 0x00CF93000000FFFF            // 10H: data
    .quad 0x0000890000000067, 0         // 18H: task-state segment, 64-bit
    .quad 0x00CF9B000000FFFF            // 28H: 32-bit code
micro_l1_gdt_end:
    .globl micro_l1_gdt_limit
    .set micro_l1_gdt_limit, micro_l1_gdt_end - micro_l1_gdt - 1
gdt_pointer:
    .word micro_l1_gdt_limit
    .quad micro_l1_gdt
    .balign 16
    .globl micro_l1_tss
micro_l1_tss:
    .fill 102, 1, 0
    .word 104                           // no I/O permission bitmap
    .balign 8

    .bss
    .balign 4096
    .globl micro_l1_pml4, micro_l1_pml4_twin, micro_l1_pdpt
micro_l1_pml4:      .skip 4096
micro_l1_pml4_twin: .skip 4096
micro_l1_pdpt:      .skip 4096
page_directories:   .skip 4 * 4096
    .skip 65536
boot_stack_top:

    .section .note.GNU-stack, "", @progbits
