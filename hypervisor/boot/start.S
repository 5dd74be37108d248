// From the multiboot2 loader's 32-bit entry to boot_main() in 64-bit mode.
// Multiboot2 Specification 2.0, 3.2 "Machine state": protected mode, paging off, EAX = magic, EBX = boot information.

    .set virtual_base, 0xffffffff80000000
    .set header_magic, 0xe85250d6
    .set page_present_write, 0x3
    .set page_large, 0x83

    .section .multiboot, "a"
    .balign 8
header:
    .long header_magic
    .long 0                                     // i386
    .long header_end - header
    .long -(header_magic + (header_end - header))
    .balign 8
    .short 3, 0                                 // entry address: ELF's own is a virtual one
    .long 12
    .long start32 - virtual_base
    .balign 8
    .short 6, 0                                 // modules page-aligned
    .long 8
    .balign 8
    .short 0, 0
    .long 8
header_end:

    .text
    .code32
    .globl start32
start32:
    cli
    cld
    mov $(boot_stack_top - virtual_base), %esp
    mov %eax, boot_magic - virtual_base
    mov %ebx, boot_information - virtual_base

    // Long mode at all? CPUID 80000001H EDX[29].
    mov $0x80000000, %eax
    cpuid
    cmp $0x80000001, %eax
    jb no_long_mode
    mov $0x80000001, %eax
    cpuid
    bt $29, %edx
    jnc no_long_mode

    // First page tables: 4 GiB one to one, and the first GiB again at virtual_base.
    mov $(boot_pd - virtual_base), %edi
    mov $page_large, %eax
    xor %edx, %edx
1:  mov %eax, (%edi)
    mov %edx, 4(%edi)
    add $8, %edi
    add $0x200000, %eax
    jnc 1b

    mov $(boot_pd - virtual_base + page_present_write), %eax
    mov %eax, boot_pdpt - virtual_base
    mov %eax, boot_pdpt_high - virtual_base + 510 * 8
    add $0x1000, %eax
    mov %eax, boot_pdpt - virtual_base + 8
    add $0x1000, %eax
    mov %eax, boot_pdpt - virtual_base + 16
    add $0x1000, %eax
    mov %eax, boot_pdpt - virtual_base + 24
    movl $(boot_pdpt - virtual_base + page_present_write), boot_pml4 - virtual_base
    movl $(boot_pdpt_high - virtual_base + page_present_write), boot_pml4 - virtual_base + 511 * 8

    mov $(boot_pml4 - virtual_base), %eax
    mov %eax, %cr3
    mov $0x20, %eax                             // CR4.PAE
    mov %eax, %cr4
    mov $0xc0000080, %ecx                       // IA32_EFER
    rdmsr
    or $0x100, %eax                             // LME
    wrmsr
    mov $0x80000031, %eax                       // PG, NE, ET, PE
    mov %eax, %cr0
    lgdt boot_gdt_pointer - virtual_base
    ljmp $0x8, $(start64 - virtual_base)

no_long_mode:
    mov $(text_no_long_mode - virtual_base), %esi
2:  lodsb
    test %al, %al
    jz 3f
    out %al, $0xe9
    jmp 2b
3:  hlt
    jmp 3b

    .code64
start64:
    movabs $1f, %rax
    jmp *%rax
1:  mov $0x10, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %ss
    xor %eax, %eax
    mov %eax, %fs
    mov %eax, %gs
    mov $boot_stack_top, %rsp
    mov $data_start, %rsi
    mov $data_as_loaded, %rdi
    mov $data_end, %rcx
    sub %rsi, %rcx
    rep movsb
    mov boot_magic(%rip), %edi
    mov boot_information(%rip), %esi
    xor %edx, %edx
    call boot_main
2:  hlt
    jmp 2b

// void move_image(destination physical, source, bytes, new cr3): copies the running image, stack and all, and goes on
// in the copy. Between the copy and the new CR3 nothing may be written: registers only.
    .globl move_image
move_image:
    mov %rcx, %rax
    mov %rdx, %rcx
    rep movsb
    mov %rax, %cr3
    ret

    .section .rodata
    .balign 8
boot_gdt:
    .quad 0
    .quad 0x00af9b000000ffff                    // 64-bit code
    .quad 0x00cf93000000ffff                    // data
boot_gdt_end:
boot_gdt_pointer:
    .short boot_gdt_end - boot_gdt - 1
    .quad boot_gdt - virtual_base
text_no_long_mode:
    .asciz "shadowtune: cannot start: this processor has no 64-bit mode; use one with Intel 64 and VT-x\n"

    .bss
    .balign 4096
boot_pml4:      .skip 4096
boot_pdpt:      .skip 4096
boot_pdpt_high: .skip 4096
boot_pd:        .skip 4 * 4096
    .balign 16
    .skip 65536
    .globl boot_stack_top
boot_stack_top:
boot_magic:       .skip 4
boot_information: .skip 4

    .section .note.GNU-stack, "", @progbits
