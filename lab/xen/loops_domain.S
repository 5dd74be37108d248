// The hardware-virtualised domain that dom0 starts: flat 32-bit protected mode without paging, with a stack, EBX = round
// trips to make.
// It exits in seven ways in turn, checks what it can, prints from inside, and ends by Xen's shutdown hypercall.

    .set debug_port, 0xe9                       // Xen prints lines that a domain writes there
    .set unclaimed_port, 0xe8
    .set unclaimed_memory, 0xf0000000
    .set apic_base, 0x1b
    .set version_call, 17
    .set scheduler_call, 29
    .set scheduler_shutdown, 2
    .set shutdown_poweroff, 0
    .set shutdown_crash, 3
    .set xen_leaf, 0x40000000
    .set xen_name, 0x566e6558                   // "XenV"

    // What a trip gave goes into the result, which dom0 reads when the domain has ended.
    .macro note register
    roll $5, (domain_result - domain_image)(%ebp)
    xor \register, (domain_result - domain_image)(%ebp)
    .endm

    .section .rodata
    .code32
    .globl domain_image
    .globl domain_image_end
    .globl domain_result
domain_image:
    call 1f
1:  pop %ebp
    sub $(1b - domain_image), %ebp              // EBP: where this image lies
    mov %ebx, %edi                              // EDI: round trips left
    mov $apic_base, %ecx
    rdmsr
    mov %eax, (first_apic_base - domain_image)(%ebp)
    lea (text_begin - domain_image)(%ebp), %esi
    call print

// One of each, as long as any are left.
again:
    call make_trip
    mov $xen_leaf, %eax
    xor %ecx, %ecx
    cpuid
    cmp $xen_name, %ebx
    jne failed
    note %eax

    call make_trip
    mov $version_call, %eax
    xor %ebx, %ebx                              // the version
    xor %ecx, %ecx
    vmcall
    note %eax
    shr $16, %eax
    cmp $4, %eax
    jne failed

    call make_trip
    mov $apic_base, %ecx
    rdmsr
    note %eax
    cmp (first_apic_base - domain_image)(%ebp), %eax
    jne failed

    call make_trip
    wbinvd

    call make_trip
    mov %cr0, %eax
    xor $0x8, %eax                              // CR0.TS
    mov %eax, %cr0
    mov %cr0, %ecx
    note %ecx
    cmp %eax, %ecx
    jne failed

    call make_trip
    out %al, $unclaimed_port

    call make_trip
    mov unclaimed_memory, %eax
    note %eax
    cmp $-1, %eax
    jne failed
    jmp again

// Returns as long as there is a trip to make.
make_trip:
    sub $1, %edi
    jc done
    ret

done:
    lea (text_done - domain_image)(%ebp), %esi
    mov $shutdown_poweroff, %edi
    jmp leave
failed:
    lea (text_failed - domain_image)(%ebp), %esi
    mov $shutdown_crash, %edi
leave:
    call print
    push %edi
    mov $scheduler_call, %eax
    mov $scheduler_shutdown, %ebx
    mov %esp, %ecx
    vmcall
1:  hlt
    jmp 1b

print:
    lodsb
    test %al, %al
    jz 1f
    out %al, $debug_port
    jmp print
1:  ret

text_begin:  .asciz "L2: a domain begins\n"
text_done:   .asciz "L2: all round trips made, every answer right\n"
text_failed: .asciz "L2: an answer is wrong\n"
    .balign 16
first_apic_base: .long 0
domain_result:   .long 0
domain_image_end:


    .section .note.GNU-stack, "", @progbits
