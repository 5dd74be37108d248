// The L2 guest: 32-bit protected mode, flat, no paging. Copied to guest_code_base and entered at one of the loops below.
// Registers throughout: EBP exits (or laps) left, EDI the checksum, ESI the next fresh page.
#include "lab/workload/guest_layout.h"

        .section .rodata
        .code32
        .balign 16
        .globl  guest_begin, guest_end
        .globl  guest_cpuid, guest_out, guest_hlt, guest_hlt_irq, guest_ept, guest_msr, guest_interrupt
        .globl  guest_vmcall, guest_mmio, guest_steady, guest_mix, guest_devices, guest_handler
guest_begin:

// The checksum (FNV-1a by words) has to notice order as well as values.
.macro mix value
        xorl    \value, %edi
        imull   $CHECKSUM_PRIME, %edi, %edi
.endm

.macro do_cpuid
        xorl    %eax, %eax
        cpuid
        mix     %eax
        mix     %ebx
        mix     %ecx
        mix     %edx
.endm

.macro do_out
        movl    %ebp, %eax
        outb    %al, $PORT_OUT
        mix     %eax
.endm

// IA32_MCG_STATUS: KVM keeps its value, does nothing with it, and always intercepts it.
.macro do_rdmsr
        movl    $MSR_TRAPPED, %ecx
        rdmsr
        mix     %eax
.endm

.macro do_wrmsr
        movl    $MSR_TRAPPED, %ecx
        movl    %ebp, %eax
        xorl    %edx, %edx
        wrmsr
.endm

.macro do_hlt
        hlt
        mix     %ebp
.endm

// KVM answers an unknown call number with -KVM_ENOSYS in EAX.
.macro do_vmcall
        movl    $UNKNOWN_HYPERCALL, %eax
        vmcall
        mix     %eax
.endm

// User space injects an interrupt before it enters again; the handler has run when the next instruction does.
.macro do_interrupt
        outb    %al, $PORT_INTERRUPT
        mix     INTERRUPT_COUNT
.endm

// No memory there: L1 reads the instruction and emulates it, and user space plays the device.
.macro do_mmio_write
        movl    %ebp, DEVICE_BASE
.endm

.macro do_mmio_read
        movl    DEVICE_BASE, %eax
        mix     %eax
.endm

.macro do_ept
        call    touch_page
.endm

guest_cpuid:
1:      do_cpuid
        decl    %ebp
        jnz     1b
        jmp     finish

// Interrupts closed: open, KVM reads the interruptibility state once more at each return to user space, to say whether
// user space may inject.
guest_out:
        cli
1:      do_out
        decl    %ebp
        jnz     1b
        jmp     finish

guest_hlt:
        cli
1:      do_hlt
        decl    %ebp
        jnz     1b
        jmp     finish

// In-kernel interrupt controller. Interrupts are open only inside HLT (STI holds them back for one instruction), so each
// one ends exactly one HLT.
guest_hlt_irq:
        cli
1:      cmpl    %ebp, INTERRUPT_COUNT
        jae     2f
        sti
        hlt
        cli
        mix     INTERRUPT_COUNT
        jmp     1b
2:      jmp     finish

guest_ept:
1:      do_ept
        decl    %ebp
        jnz     1b
        jmp     finish

guest_msr:
1:      do_wrmsr
        decl    %ebp
        jz      2f
        do_rdmsr
        decl    %ebp
        jnz     1b
2:      jmp     finish

guest_interrupt:
1:      do_interrupt
        decl    %ebp
        jnz     1b
        jmp     finish

guest_vmcall:
1:      do_vmcall
        decl    %ebp
        jnz     1b
        jmp     finish

guest_mmio:
1:      do_mmio_write
        decl    %ebp
        jz      2f
        do_mmio_read
        decl    %ebp
        jnz     1b
2:      jmp     finish

// 20 exits in about the proportions of a Linux guest that computes, prints and sleeps: mostly I/O that goes to user space
// and MSR accesses, one exit in ten followed by an interrupt, page faults rare.
guest_steady:
1:      do_out
        do_wrmsr
        do_out
        do_cpuid
        do_interrupt
        do_rdmsr
        do_out
        do_wrmsr
        do_hlt
        do_out
        do_cpuid
        do_rdmsr
        do_interrupt
        do_vmcall
        do_out
        do_wrmsr
        do_cpuid
        do_out
        do_rdmsr
        do_ept
        decl    %ebp
        jnz     1b
        jmp     finish

// Every kind alike.
guest_mix:
1:      do_cpuid
        do_out
        do_hlt
        do_ept
        do_wrmsr
        do_rdmsr
        do_interrupt
        do_vmcall
        decl    %ebp
        jnz     1b
        jmp     finish

// A guest that is busy with its devices: 8 exits.
guest_devices:
1:      do_mmio_write
        do_mmio_read
        do_out
        do_mmio_write
        do_interrupt
        do_mmio_read
        do_mmio_read
        do_cpuid
        decl    %ebp
        jnz     1b
        jmp     finish

finish:
        cli
        movl    %edi, %eax
1:      outl    %eax, $PORT_FINISH
        jmp     1b

touch_page:
        movl    %ebp, (%esi)
        mix     (%esi)
        addl    $4096, %esi
        cmpl    $FRESH_END, %esi
        jb      1f
        // User space takes the pages back: they are fresh again.
        outb    %al, $PORT_RECYCLE
        movl    $FRESH_BASE, %esi
1:      ret

guest_handler:
        incl    INTERRUPT_COUNT
        iret

guest_end:
        .section .note.GNU-stack, "", @progbits
