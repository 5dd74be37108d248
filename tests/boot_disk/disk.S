// A BIOS boot disk, all in real mode: prints to port E9H what it finds at its start and what the BIOS answers, and powers
// the lab's machine off. The lines are the same on the bare processor and under the VMM, but for the memory map's.

    .set debug_port, 0xe9
    .set power_port, 0x8900
    .set smap, 0x534d4150
    .set more_sectors, 3
    .set ticks, 0x46c                           // BIOS data area: timer ticks since midnight
    .set buffer, 0x9000
    .set system_control_port, 0x92              // A20 in bit 1
    .set keyboard_data, 0x60
    .set keyboard_command, 0x64

    .text
    .code16
    .globl sector_start
sector_start:
    cli                                         // the start is told before anything changes it
    pushf
    cld
    mov %dx, %cs:start_dx
    mov %cs, %cs:start_cs
    mov %ss, %cs:start_ss
    mov %ds, %cs:start_ds
    popw %cs:start_flags
    xor %ax, %ax
    mov %ax, %ds
    mov %ax, %es
    mov %ax, %ss
    mov $0x7c00, %sp
    sti
    // The rest of the disk by INT 13H: the BIOS's own services work.
    mov $(0x200 + more_sectors), %ax
    mov $0x0002, %cx                            // cylinder 0, sector 2
    mov $second_sector, %bx
    mov $0, %dh
    int $0x13
    jc disk_failed
    cmpl $0x6f6d6f72, loaded_mark
    jne disk_failed
    jmp main
disk_failed:
    mov $text_disk_failed, %si
    call print
    jmp power_off

// CS:SI is the text, closed by a zero.
print:
    lodsb %cs:(%si), %al
    test %al, %al
    jz 1f
    out %al, $debug_port
    jmp print
1:  ret

power_off:
    mov $text_shutdown, %si
    mov $power_port, %dx
1:  lodsb
    out %al, %dx
    test %al, %al
    jnz 1b
2:  hlt
    jmp 2b

text_disk_failed: .asciz "FAIL INT 13H\n"
text_shutdown:    .asciz "Shutdown"
start_dx:    .word 0
start_cs:    .word 0
start_ss:    .word 0
start_ds:    .word 0
start_flags: .word 0

    .org 510
    .word 0xaa55
second_sector:
loaded_mark: .long 0x6f6d6f72

// EAX in hexadecimal, eight digits, and a space.
print_number:
    pushl %eax
    pushl %ecx
    mov %eax, %ecx
    mov $8, %ah
1:  rol $4, %ecx
    mov %cl, %al
    and $0xf, %al
    add $'0', %al
    cmp $'9', %al
    jbe 2f
    add $('a' - '9' - 1), %al
2:  out %al, $debug_port
    dec %ah
    jnz 1b
    mov $' ', %al
    out %al, $debug_port
    popl %ecx
    popl %eax
    ret

    .macro say text
    mov $9f, %si
    call print
    .subsection 1
9:  .asciz "\text"
    .previous
    .endm

main:
    say "START "
    movzwl start_cs, %eax
    call print_number
    movzwl start_ss, %eax
    call print_number
    movzwl start_ds, %eax
    call print_number
    movzbl start_dx, %eax
    call print_number
    smsw %ax
    and $1, %eax                                // CR0.PE
    call print_number
    say "\n"

// INT 12H, and the disk's geometry: the BIOS's data are as they were.
    say "BIOS "
    int $0x12
    movzwl %ax, %eax
    call print_number
    mov $0x08, %ah
    mov start_dx, %dl
    int $0x13
    movzwl %cx, %eax
    call print_number
    movzwl %dx, %eax
    call print_number
    say "\n"

// The timer's interrupt arrives.
    mov ticks, %eax
1:  hlt
    cmp %eax, ticks
    je 1b
    say "TICK\n"

// All of the memory map, by the function's own rules.
    xor %ebx, %ebx
next_entry:
    mov $0xe820, %eax
    mov $smap, %edx
    mov $20, %ecx
    mov $buffer, %di
    movl $0xffffffff, buffer + 20               // nothing may be written behind the entry
    stc
    int $0x15
    jc entries_end
    cmp $smap, %eax
    jne bad_entry
    cmp $20, %ecx
    jne bad_entry
    cmpl $0xffffffff, buffer + 20
    jne bad_entry
    cmp $buffer, %di
    jne bad_entry
    push %ebx
    say "E820 "
    mov buffer + 4, %eax
    call print_number
    mov buffer, %eax
    call print_number
    mov buffer + 12, %eax
    call print_number
    mov buffer + 8, %eax
    call print_number
    mov buffer + 16, %eax
    call print_number
    say "\n"
    pop %ebx
    test %ebx, %ebx
    jnz next_entry
    jmp entries_end
bad_entry:
    say "FAIL E820\n"
entries_end:
    say "E820 end\n"

// Calls that must be refused: no signature, too short a buffer, too high a number.
    mov $0xe820, %eax
    xor %ebx, %ebx
    xor %edx, %edx
    mov $20, %ecx
    mov $buffer, %di
    call expect_refusal
    mov $0xe820, %eax
    xor %ebx, %ebx
    mov $smap, %edx
    mov $19, %ecx
    call expect_refusal
    mov $0xe820, %eax
    mov $smap, %edx
    mov $1000, %ebx
    mov $20, %ecx
    call expect_refusal

    say "E801 "
    xor %ebx, %ebx
    xor %ecx, %ecx
    xor %edx, %edx
    mov $0xe801, %eax
    stc
    int $0x15
    call print_carry
    movzwl %ax, %eax
    call print_number
    movzwl %bx, %eax
    call print_number
    movzwl %cx, %eax
    call print_number
    movzwl %dx, %eax
    call print_number
    say "\n"

    say "88 "
    mov $0x8800, %ax
    int $0x15
    movzwl %ax, %eax
    call print_number
    say "\n"

// Another function of INT 15H still reaches the BIOS: C0H gives its table of the system.
    say "C0 "
    mov $0xc000, %ax
    int $0x15
    call print_carry
    mov %es:2(%bx), %eax                        // model
    movzbl %al, %eax
    call print_number
    xor %ax, %ax
    mov %ax, %es
    say "\n"

    jmp a20

// Prints 1 where INT 15H refuses; a BIOS may be kinder.
expect_refusal:
    clc
    int $0x15
    call print_carry
    say "REFUSED\n"
    ret

// Prints 0 or 1, and a space; keeps all registers.
print_carry:
    pushl %eax
    mov $'0', %al
    adc $0, %al
    out %al, $debug_port
    mov $' ', %al
    out %al, $debug_port
    popl %eax
    ret

// The A20 gate by each of its three switches: FFFF:10 is 0:0 where the gate masks.
a20:
    in $system_control_port, %al
    and $0xfc, %al
    out %al, $system_control_port
    call print_wrap
    in $system_control_port, %al
    or $2, %al
    and $0xfe, %al
    out %al, $system_control_port
    call print_wrap
    mov $0x2400, %ax                            // the BIOS's own switch
    int $0x15
    call print_wrap
    mov $0x2401, %ax
    int $0x15
    call print_wrap
    mov $0xdd, %al                              // the keyboard controller's commands
    call keyboard_write
    call print_wrap
    mov $0xdf, %al
    call keyboard_write
    call print_wrap
    mov $0xd1, %al                              // and its output port
    call keyboard_write
    call keyboard_wait
    mov $0xdd, %al
    out %al, $keyboard_data
    call print_wrap
    mov $0xd1, %al
    call keyboard_write
    call keyboard_wait
    mov $0xdf, %al
    out %al, $keyboard_data
    call print_wrap
    say "DONE\n"
    jmp power_off

keyboard_wait:
    push %ax
1:  in $keyboard_command, %al
    test $2, %al
    jnz 1b
    pop %ax
    ret

keyboard_write:
    call keyboard_wait
    out %al, $keyboard_command
    jmp keyboard_wait

// "A20 1" where 1 MiB + N is another byte than N.
print_wrap:
    push %es
    mov $0xffff, %ax
    mov %ax, %es
    mov buffer, %al
    notb %al
    mov %al, %es:(buffer + 0x10)
    cmp %al, buffer
    pop %es
    je 1f
    say "A20 1\n"
    ret
1:  say "A20 0\n"
    ret

    .section .note.GNU-stack, "", @progbits
