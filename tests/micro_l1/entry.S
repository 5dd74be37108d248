// VM entry and VM exit. C++ sees one call: it returns when L2 has exited or when the entry has failed.

    .text

// int micro_l1_enter(GuestRegisters* registers, int launch)
// 0: L2 ran and exited; 1: VMfailInvalid; 2: VMfailValid. GuestRegisters: the 15 general registers but RSP, in the
// order of their encoding (RAX, RCX, RDX, RBX, RBP, RSI, RDI, R8 .. R15).
    .globl micro_l1_enter
micro_l1_enter:
    pushq %rbx
    pushq %rbp
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    pushq %rdi
    // Kept in memory, not in HOST_RSP: the entry path itself makes no VMREAD or VMWRITE, so that scripts count all.
    movq %rsp, micro_l1_root_stack
    testl %esi, %esi                    // nothing below changes ZF
    movq 0x08(%rdi), %rcx
    movq 0x10(%rdi), %rdx
    movq 0x18(%rdi), %rbx
    movq 0x20(%rdi), %rbp
    movq 0x28(%rdi), %rsi
    movq 0x38(%rdi), %r8
    movq 0x40(%rdi), %r9
    movq 0x48(%rdi), %r10
    movq 0x50(%rdi), %r11
    movq 0x58(%rdi), %r12
    movq 0x60(%rdi), %r13
    movq 0x68(%rdi), %r14
    movq 0x70(%rdi), %r15
    movq 0x00(%rdi), %rax
    movq 0x30(%rdi), %rdi
    jz 1f
    vmlaunch
    jmp 2f
1:  vmresume
2:  // Only a failed entry comes here; CF and ZF tell which failure.
    movl $1, %eax
    movl $2, %ecx
    cmovzl %ecx, %eax
    movq micro_l1_root_stack, %rsp
    jmp 3f

    .globl micro_l1_vm_exit
micro_l1_vm_exit:
    // RSP is the small exit stack of HOST_RSP; the real one waits in memory.
    pushq %rdi
    movq micro_l1_root_stack, %rdi
    movq (%rdi), %rdi
    movq %rax, 0x00(%rdi)
    movq %rcx, 0x08(%rdi)
    movq %rdx, 0x10(%rdi)
    movq %rbx, 0x18(%rdi)
    movq %rbp, 0x20(%rdi)
    movq %rsi, 0x28(%rdi)
    popq %rax
    movq %rax, 0x30(%rdi)
    movq %r8,  0x38(%rdi)
    movq %r9,  0x40(%rdi)
    movq %r10, 0x48(%rdi)
    movq %r11, 0x50(%rdi)
    movq %r12, 0x58(%rdi)
    movq %r13, 0x60(%rdi)
    movq %r14, 0x68(%rdi)
    movq %r15, 0x70(%rdi)
    movq micro_l1_root_stack, %rsp
    xorl %eax, %eax
3:  popq %rdi
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbp
    popq %rbx
    cld
    ret

    .bss
    .balign 16
micro_l1_root_stack: .skip 8
    .balign 16
    .skip 4096
    .globl micro_l1_exit_stack_top
micro_l1_exit_stack_top:

    .section .note.GNU-stack, "", @progbits
