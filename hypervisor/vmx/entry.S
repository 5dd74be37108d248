// VM exit: save the guest's registers, call the handler on L0's stack, load them again, enter. L0 keeps nothing in
// registers across an entry, so there is nothing of its own to save.

    .text
    .globl vmx_exit_point
    .balign 16
vmx_exit_point:                          // RSP -> the vCPU's address (ExitStack::vcpu)
    push %rdi
    mov 8(%rsp), %rdi
    mov %rax, 0x00(%rdi)
    mov %rcx, 0x08(%rdi)
    mov %rdx, 0x10(%rdi)
    mov %rbx, 0x18(%rdi)
    mov %rbp, 0x28(%rdi)
    mov %rsi, 0x30(%rdi)
    mov %r8,  0x40(%rdi)
    mov %r9,  0x48(%rdi)
    mov %r10, 0x50(%rdi)
    mov %r11, 0x58(%rdi)
    mov %r12, 0x60(%rdi)
    mov %r13, 0x68(%rdi)
    mov %r14, 0x70(%rdi)
    mov %r15, 0x78(%rdi)
    pop 0x38(%rdi)                       // RDI; the stack is back at a multiple of 16
    call handle_exit                     // Entry handle_exit(Vcpu&)

enter:                                   // RAX = Entry
    mov (%rsp), %rdi
    cmp $1, %rax                         // keeps ZF for the choice below: MOV changes no flags
    mov 0x08(%rdi), %rcx
    mov 0x10(%rdi), %rdx
    mov 0x18(%rdi), %rbx
    mov 0x28(%rdi), %rbp
    mov 0x30(%rdi), %rsi
    mov 0x40(%rdi), %r8
    mov 0x48(%rdi), %r9
    mov 0x50(%rdi), %r10
    mov 0x58(%rdi), %r11
    mov 0x60(%rdi), %r12
    mov 0x68(%rdi), %r13
    mov 0x70(%rdi), %r14
    mov 0x78(%rdi), %r15
    mov 0x00(%rdi), %rax
    mov 0x38(%rdi), %rdi
    je 1f
    vmresume
    jmp 2f
1:  vmlaunch
2:                                       // VMfail: the processor refused the VMCS (SDM Vol. 3C, 27.2)
    mov (%rsp), %rdi
    call handle_entry_failure            // Entry handle_entry_failure(Vcpu&)
    jmp enter

    .globl vmx_first_entry
vmx_first_entry:                         // RDI = stack, RSI = Entry
    lea 32752(%rdi), %rsp                // ExitStack::vcpu
    mov %rsi, %rax
    jmp enter

    .section .note.GNU-stack, "", @progbits
