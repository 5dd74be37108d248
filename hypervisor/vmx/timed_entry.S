// One VM entry and the exit that follows at once, timed. See vmx/timings.hpp.

    .set host_rsp, 0x6C14                // encodings: SDM Vol. 3D, Appendix B
    .set host_rip, 0x6C16

    .text
    .globl vmx_timed_entry
    .balign 16
vmx_timed_entry:                         // RDI = Entry
    push %rbx
    push %rbp
    push %r12
    push %r13
    push %r14
    push %r15
    mov $host_rsp, %ecx
    vmwrite %rsp, %rcx
    lea 2f(%rip), %rax
    mov $host_rip, %ecx
    vmwrite %rax, %rcx
    lfence
    rdtsc
    shl $32, %rdx
    or %rdx, %rax
    mov %rax, %r8                        // general registers live through entry and exit
    test %rdi, %rdi
    jz 1f
    vmlaunch
    jmp 3f
1:  vmresume
3:  xor %eax, %eax                       // only a failed entry comes here
    jmp 4f
2:  rdtsc
    lfence
    shl $32, %rdx
    or %rdx, %rax
    sub %r8, %rax
4:  pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbp
    pop %rbx
    ret

    .section .note.GNU-stack, "", @progbits
