// The pieces that L2's stream is made of: each ends with one instruction that exits. None changes RFLAGS or uses a
// stack, so that L1 may give RFLAGS, RSP, descriptor tables and segments random values. RAX points at a page that
// EPT12 does not map, RBX to R15 are as round_trips.cpp loads them.

    .macro step name
    .globl l2_step_\name, l2_step_\name\()_exit, l2_step_\name\()_end
l2_step_\name:
    .endm
    .macro exits name
l2_step_\name\()_exit:
    .endm
    .macro done name
l2_step_\name\()_end:
    .endm
    .macro plain name, instruction:vararg
    step \name
    exits \name
    \instruction
    done \name
    .endm

    .section .rodata
    plain cpuid, cpuid
    plain vmcall, vmcall
    plain hlt, hlt
    plain out_immediate, outb %al, $0x80
    plain out_register, outl %eax, %dx
    plain in_register, inw %dx, %ax
    plain rdmsr, rdmsr
    plain wrmsr, wrmsr
    plain rdtsc, rdtsc
    plain rdpmc, rdpmc
    plain invlpg, invlpg (%rax)
    plain pause, pause
    plain monitor, monitor
    plain mwait, mwait
    plain invd, invd
    plain wbinvd, wbinvd
    plain to_cr3, movq %rbx, %cr3
    plain from_cr3, movq %cr3, %r9
    plain to_dr, movq %rsi, %dr2
    plain from_dr, movq %dr7, %r10
    plain vmxoff, vmxoff
    plain vmlaunch, vmlaunch
    plain vmresume, vmresume
    plain vmclear, vmclear (%rax)
    plain vmptrld, vmptrld (%rax)
    plain vmptrst, vmptrst (%rax)
    plain vmread, vmread %rdx, %rbx
    plain vmwrite, vmwrite %rbx, %rdx
    plain sgdt, sgdt (%rax)
    plain str, strl %ecx
    plain load_hole, movb (%rax), %bl
    plain store_hole, movb %bl, (%rax)
    plain undefined, ud2
    plain breakpoint, int3

    // L2 by itself for a while: an even number of swaps leaves all registers as they were. RCX is 0 before and after.
    step compute
    leaq 0x40000(%rcx), %rcx
1:  bswapq %rbx
    xchgq %r8, %r9
    xchgq %r14, %r15
    pshufd $0x1B, %xmm3, %xmm3
    loop 1b
    exits compute
    vmcall
    done compute

    // What L2 itself sees of the state that L1 gave it; L1 compares the registers after the exit.
    step probe
    movl %ds, %r8d
    movl %es, %r9d
    movl %fs, %r10d
    movl %gs, %r11d
    movq %rsp, %r12
    movq %cr0, %r15
    movq %cr4, %rbp
    exits probe
    cpuid
    done probe

    // The same for processors with RDFSBASE.
    step probe_bases
    rdfsbase %r13
    rdgsbase %r14
    exits probe_bases
    vmcall
    done probe_bases

    .section .note.GNU-stack, "", @progbits
