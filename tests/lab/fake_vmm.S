// A stand-in for the VMM: a multiboot 2 image that does one thing, named by the first letter of its command line, so that
// every end of a lab run can be tested in seconds.
//   p power off    w words, then power off    s "L1 stopped"    c "cannot start"    t triple fault    r reset    h hang
//   e echo COM2 until 'q'
        .set    COM2, 0x2F8

        .section .text
        .code32
        .balign 8
header:
        .long   0xE85250D6, 0, header_end - header, 0 - (0xE85250D6 + header_end - header)
        .word   0, 0
        .long   8
header_end:

        .globl  _start
_start:
        cli
        movl    $stack_top, %esp
        // The boot information's tags: find the command line (type 1).
        leal    8(%ebx), %esi
1:      movl    (%esi), %eax
        testl   %eax, %eax
        jz      power_off
        cmpl    $1, %eax
        je      2f
        movl    4(%esi), %ecx
        addl    $7, %ecx
        andl    $~7, %ecx
        addl    %ecx, %esi
        jmp     1b
2:      movb    12(%esi), %al              # behind the lab's own word, "lab "
        movl    $stopped, %esi
        cmpb    $'s', %al
        je      say_and_power_off
        movl    $cannot_start, %esi
        cmpb    $'c', %al
        je      say_and_power_off
        movl    $words, %esi
        cmpb    $'w', %al
        je      say_and_power_off
        cmpb    $'t', %al
        je      triple_fault
        cmpb    $'r', %al
        je      reset
        cmpb    $'h', %al
        je      hang
        cmpb    $'e', %al
        je      echo
        jmp     power_off

say_and_power_off:
        lodsb
        testb   %al, %al
        jz      power_off
        outb    %al, $0xE9
        jmp     say_and_power_off

power_off:
        movl    $shutdown, %esi
        movw    $0x8900, %dx
1:      lodsb
        testb   %al, %al
        jz      hang
        outb    %al, %dx
        jmp     1b

hang:
        hlt
        jmp     hang

triple_fault:
        lidt    no_idt
        ud2

reset:
        movb    $0xFE, %al
        outb    %al, $0x64
        jmp     hang

echo:
        // 115200 baud, 8N1, FIFOs on.
        movw    $COM2 + 3, %dx
        movb    $0x80, %al
        outb    %al, %dx
        movw    $COM2, %dx
        movb    $1, %al
        outb    %al, %dx
        movw    $COM2 + 1, %dx
        xorb    %al, %al
        outb    %al, %dx
        movw    $COM2 + 3, %dx
        movb    $3, %al
        outb    %al, %dx
        movw    $COM2 + 2, %dx
        movb    $7, %al
        outb    %al, %dx
        movl    $ready, %esi
1:      lodsb
        testb   %al, %al
        jz      2f
        outb    %al, $0xE9
        jmp     1b
2:      movw    $COM2 + 5, %dx
        inb     %dx, %al
        testb   $1, %al
        jz      2b
        movw    $COM2, %dx
        inb     %dx, %al
        cmpb    $'q', %al
        je      power_off
        movb    %al, %cl
3:      movw    $COM2 + 5, %dx
        inb     %dx, %al
        testb   $0x20, %al
        jz      3b
        movb    %cl, %al
        movw    $COM2, %dx
        outb    %al, %dx
        jmp     2b

stopped:      .asciz "shadowtune: L1 stopped: for the test\n"
cannot_start: .asciz "shadowtune: cannot start: for the test\n"
words:        .asciz "words of the machine\n"
ready:        .asciz "echo ready\n"
shutdown:     .asciz "Shutdown"
no_idt:       .word 0
              .long 0

        .bss
        .balign 16
        .skip   4096
stack_top:
        .section .note.GNU-stack, "", @progbits
