// The second processor's way from its start-up IPI to its image: from real mode to flat 32-bit protected mode, as a boot
// loader enters an image. Copied to the page 8000H, with the two words at its end filled in (second_processor.cpp).

    .section .rodata
    .set page, 0x8000
    .globl micro_l1_startup, micro_l1_startup_end
    .balign 16
    .code16
micro_l1_startup:
    cli
    cld
    movw %cs, %ax
    movw %ax, %ds
    lgdtl startup_gdt_pointer - micro_l1_startup
    movl %cr0, %eax
    orl $1, %eax                        // PE
    movl %eax, %cr0
    ljmpl $8, $(page + 1f - micro_l1_startup)
    .code32
1:  movl $0x10, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %fs
    movl %eax, %gs
    movl %eax, %ss
    movl $0x2BADB002, %eax
    movl page + startup_words - micro_l1_startup + 4, %ebx
    jmpl *(page + startup_words - micro_l1_startup)

    .balign 8
startup_gdt:
    .quad 0
    .quad 0x00CF9B000000FFFF            // 08H: 32-bit code
    .quad 0x00CF93000000FFFF            // 10H: data
startup_gdt_pointer:
    .word startup_gdt_pointer - startup_gdt - 1
    .long page + startup_gdt - micro_l1_startup
    .balign 8
startup_words:
    .long 0, 0
micro_l1_startup_end:

    .section .note.GNU-stack, "", @progbits
