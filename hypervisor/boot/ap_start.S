// From a start-up IPI to ap_main() in 64-bit mode. Copied to a page below 1 MiB (boot/processors.cpp), with the data at
// its end filled in; the processor comes in real mode with CS:IP at the page's first byte (SDM Vol. 3A, 9.4.4.2).

    .text
    .globl ap_start, ap_start_data, ap_start_end
    .code16
    .balign 16
ap_start:
    cli
    cld
    mov %cs, %ax
    mov %ax, %ds
    mov $0x20, %eax                             // CR4.PAE
    mov %eax, %cr4
    mov ap_cr3 - ap_start, %eax
    mov %eax, %cr3
    mov $0xc0000080, %ecx                       // IA32_EFER
    rdmsr
    or $0x100, %eax                             // LME
    wrmsr
    lgdtl ap_gdt_pointer - ap_start
    mov $0x80000031, %eax                       // PG, NE, ET, PE; CD and NW off
    mov %eax, %cr0
    ljmpl *(ap_far_pointer - ap_start)

    .code64
ap_start64:
    mov $0x10, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %ss
    xor %eax, %eax
    mov %eax, %fs
    mov %eax, %gs
    mov ap_stack(%rip), %rsp
    mov ap_argument(%rip), %rdi
    mov ap_entry(%rip), %rax
    call *%rax                                  // does not return

    .balign 16
ap_gdt:
    .quad 0
    .quad 0x00af9b000000ffff                    // 64-bit code
    .quad 0x00cf93000000ffff                    // data
ap_gdt_end:

    .balign 8
ap_start_data:                                  // struct StartData in boot/processors.cpp
ap_cr3:         .quad 0
ap_stack:       .quad 0
ap_argument:    .quad 0
ap_entry:       .quad 0
ap_gdt_pointer: .short ap_gdt_end - ap_gdt - 1
                .long ap_gdt - ap_start         // + the page
ap_far_pointer: .long ap_start64 - ap_start     // + the page
                .short 0x8
ap_start_end:

    .section .note.GNU-stack, "", @progbits
