// One stub a vector; all end in handle_exception(frame).
    .text
    .macro stub vector
    .balign 16
    .if (\vector == 8) || (\vector >= 10 && \vector <= 14) || (\vector == 17) || (\vector == 21) || (\vector == 29) || (\vector == 30)
    .else
    push $0
    .endif
    push $\vector
    jmp common
    .endm

    .globl exception_stubs
    .balign 16
exception_stubs:
    .set vector, 0
    .rept 32
    stub vector
    .set vector, vector + 1
    .endr

common:
    push %rax
    push %rcx
    push %rdx
    push %rbx
    push %rbp
    push %rsi
    push %rdi
    push %r8
    push %r9
    push %r10
    push %r11
    push %r12
    push %r13
    push %r14
    push %r15
    cld
    mov %rsp, %rdi
    mov %rsp, %rbp
    and $-16, %rsp
    call handle_exception
    mov %rbp, %rsp
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %r11
    pop %r10
    pop %r9
    pop %r8
    pop %rdi
    pop %rsi
    pop %rbp
    pop %rbx
    pop %rdx
    pop %rcx
    pop %rax
    add $16, %rsp
    iretq

    .globl halt_while_zero, halt_look, halt_end
halt_while_zero:                                // RDI -> a 32-bit word
halt_look:
    cmpl $0, (%rdi)
    jne halt_end
    hlt
halt_end:
    ret

    .section .note.GNU-stack, "", @progbits
