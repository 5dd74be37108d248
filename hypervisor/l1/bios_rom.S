// L0's option ROM, in 16-bit code: it answers INT 15H's questions about memory from L1's memory map, in which L0's region
// is reserved, and passes everything else on to the BIOS. The page is completed by bios_rom.cpp; it runs at any multiple
// of 16 bytes, and touches nothing but its caller's buffer and stack.

    .set unsupported, 0x86                      // in AH, with CF = 1: the BIOS has no such function
    .set smap, 0x534d4150
    .set entry_size, 20
    .set saved_flags, 6                         // from BP in a handler that has pushed BP: IP, CS, FLAGS
    .set carry, 1

    .section .rodata
    .code16
    .globl bios_rom_code
    .globl bios_rom_code_end
    .globl bios_rom_int15
    .globl bios_rom_facts
bios_rom_code:
    .byte 0x55, 0xaa                            // an option ROM (PnP BIOS Specification 1.0A, 3.1)
    .byte 8                                     // of 8 * 512 bytes
    lret                                        // its initialization: L0 has done it
    .balign 8
bios_rom_facts:                                 // BiosRomFacts, bios_rom.cpp
old_int15:      .long 0
entry_count:    .word 0
kib_to_16_mib:  .word 0
blocks_above:   .word 0
kib_extended:   .word 0
checksum:       .byte 0
    .balign 16

bios_rom_int15:
    pushf
    cmp $0xe820, %ax
    je memory_map
    cmp $0xe801, %ax
    je memory_sizes
    cmp $0x88, %ah
    je extended_memory
    // Other ways to ask, for which there is no answer without L0's memory in it.
    cmp $0xe881, %ax
    je refuse
    cmp $0xda88, %ax
    je refuse
    cmp $0x8a, %ah
    je refuse
    cmp $0xc7, %ah
    je refuse
    popf
    ljmp *%cs:(old_int15 - bios_rom_code)

// ACPI 6.5, 15.1: EDX = 'SMAP', ECX = bytes of the buffer at ES:DI, EBX = 0 or what the last call returned.
memory_map:
    cmp $smap, %edx
    jne refuse
    cmp $entry_size, %ecx
    jb refuse
    movzwl %cs:(entry_count - bios_rom_code), %eax
    cmp %eax, %ebx
    jae refuse
    push %si
    push %di
    imul $entry_size, %bx, %si
    add $(bios_rom_code_end - bios_rom_code), %si
    mov $(entry_size / 2), %cx
    cld
1:  mov %cs:(%si), %ax
    stosw
    add $2, %si
    loop 1b
    pop %di
    pop %si
    mov $entry_size, %ecx
    mov %edx, %eax
    inc %bx
    cmp %cs:(entry_count - bios_rom_code), %bx
    jb succeed
    xor %ebx, %ebx
    jmp succeed

// AX = CX: KiB from 1 MiB to 16 MiB; BX = DX: 64-KiB blocks above 16 MiB.
memory_sizes:
    mov %cs:(kib_to_16_mib - bios_rom_code), %ax
    mov %cs:(blocks_above - bios_rom_code), %bx
    mov %ax, %cx
    mov %bx, %dx
    jmp succeed

// AX: KiB from 1 MiB.
extended_memory:
    mov %cs:(kib_extended - bios_rom_code), %ax
succeed:
    popf
    push %bp
    mov %sp, %bp
    andw $~carry, saved_flags(%bp)
    pop %bp
    iretw

refuse:
    popf
    mov $unsupported, %ah
    push %bp
    mov %sp, %bp
    orw $carry, saved_flags(%bp)
    pop %bp
    iretw
    .balign 4
bios_rom_code_end:                              // the memory map's entries follow

    .section .note.GNU-stack, "", @progbits
