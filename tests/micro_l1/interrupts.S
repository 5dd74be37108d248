// Interrupt and exception stubs: one set for L1 itself, one for L2's own IDT.

    .set vectors, 256

// Pushes an error code where the processor does not, then the vector.
    .macro stubs name, common
    .globl \name
    .balign 16
\name:
    .set vector, 0
    .rept vectors
    .balign 16
    .if (vector == 8) || (vector >= 10 && vector <= 14) || (vector == 17) || (vector == 21)
    .else
    pushq $0
    .endif
    pushq $vector
    jmp \common
    .set vector, vector + 1
    .endr
    .endm

    .macro common name, handler
\name:
    pushq %rax
    pushq %rcx
    pushq %rdx
    pushq %rsi
    pushq %rdi
    pushq %r8
    pushq %r9
    pushq %r10
    pushq %r11
    leaq 72(%rsp), %rdi                 // vector, error code, RIP, CS, RFLAGS, RSP, SS
    cld
    pushq %rbp
    movq %rsp, %rbp
    andq $-16, %rsp
    call \handler
    movq %rbp, %rsp
    popq %rbp
    popq %r11
    popq %r10
    popq %r9
    popq %r8
    popq %rdi
    popq %rsi
    popq %rdx
    popq %rcx
    popq %rax
    addq $16, %rsp
    iretq
    .endm

    .text
    stubs micro_l1_stubs, l1_common
    stubs micro_l2_stubs, l2_common
    common l1_common, micro_l1_interrupt
    common l2_common, micro_l2_interrupt

// int micro_l1_guarded(void (*function)(void*), void* argument)
// Calls the function; 0 when it returns, 1 when micro_l1_escape was called under it.
    .globl micro_l1_guarded
micro_l1_guarded:
    pushq %rbx
    pushq %rbp
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    pushq guard_stack                   // guards may be nested
    movq %rsp, guard_stack
    movq %rdi, %rax
    movq %rsi, %rdi
    call *%rax
    xorl %eax, %eax
4:  popq guard_stack
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbp
    popq %rbx
    ret

    .globl micro_l1_escape
micro_l1_escape:
    movq guard_stack, %rsp
    movl $1, %eax
    jmp 4b

    .globl micro_l1_is_guarded
micro_l1_is_guarded:
    xorl %eax, %eax
    cmpq $0, guard_stack
    setne %al
    ret

    .bss
    .balign 8
guard_stack: .skip 8

    .section .note.GNU-stack, "", @progbits
