// A paravirtualised 64-bit guest of Xen: what it tells the hypervisor about itself, and its entry.
// Facts: Xen 4.17, public headers elfnote.h, xen.h and arch-x86/xen-x86_64.h.

    .macro xen_note type, kind:vararg
    .balign 4
    .long 4, 9f - 8f, \type                     // length of the name, of the value
    .asciz "Xen"
8:  \kind
9:
    .endm

    .section .note.Xen, "a", @note
    xen_note 1, .quad dom0_start                // entry
    xen_note 3, .quad 0xffffffff80000000        // address of physical 0
    xen_note 4, .quad 0                         // ELF's physical addresses count from 0
    xen_note 5, .asciz "xen-3.0"
    xen_note 6, .asciz "shadowtune"
    xen_note 8, .asciz "generic"                // loader
    .balign 4

    .text
    .globl dom0_start
dom0_start:                                     // RSI: start_info; the stack is Xen's, and good
    cld
    mov $dom0_stack_top, %rsp
    mov %rsi, %rdi
    call dom0_main
1:  hlt
    jmp 1b

// long hypercall(number, five arguments): System V's registers into Xen's.
    .globl hypercall
hypercall:
    mov %rdi, %rax
    mov %rsi, %rdi
    mov %rdx, %rsi
    mov %rcx, %rdx
    mov %r8, %r10
    mov %r9, %r8
    syscall
    ret

// What compilers call in freestanding code (ISO C 7.26).
    .globl memcpy
memcpy:
    mov %rdi, %rax
    mov %rdx, %rcx
    rep movsb
    ret

    .globl memset
memset:
    mov %rdi, %r8
    mov %esi, %eax
    mov %rdx, %rcx
    rep stosb
    mov %r8, %rax
    ret

    .bss
    .balign 16
    .skip 16384
dom0_stack_top:

    .section .note.GNU-stack, "", @progbits
