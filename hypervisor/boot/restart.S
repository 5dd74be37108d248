// void restart_code(Archive*), and for the other processors void park_code(Archive*, number): run as a copy in the archive
// (boot/archive.cpp), where nothing below touches it. From the first line on there is no stack and no L0: registers only.

    .set archive_cr3, 0
    .set archive_region_begin, 8
    .set archive_begin, 16
    .set archive_image, 24
    .set archive_image_bytes, 32
    .set archive_bss_bytes, 40
    .set archive_entry, 48
    .set archive_stack, 56
    .set archive_magic, 64
    .set archive_information, 72
    .set archive_parked, 120
    .set archive_called, 128
    .set archive_called_cr3, 136
    .set archive_called_stack, 144
    .set archive_called_argument, 152
    .set archive_called_entry, 160

    // No address, no small number, no zero: what is used without being set anew does not go unnoticed.
    .set forgotten, 0xa5a5a5a5a5a5a5a5

    .text
    .balign 16
    .globl restart_code, restart_code_end
restart_code:
    mov %rdi, %rbx
    mov archive_cr3(%rbx), %rax
    mov %rax, %cr3
    cld
    mov archive_region_begin(%rbx), %rdi
    mov archive_begin(%rbx), %rcx
    sub %rdi, %rcx
    shr $3, %rcx
    movabs $forgotten, %rax
    rep stosq

    mov archive_region_begin(%rbx), %rdi
    mov archive_image(%rbx), %rsi
    mov archive_image_bytes(%rbx), %rcx
    rep movsb
    mov archive_bss_bytes(%rbx), %rcx
    xor %eax, %eax
    rep stosb

    mov archive_stack(%rbx), %rsp
    mov archive_magic(%rbx), %rdi
    mov archive_information(%rbx), %rsi
    mov %rbx, %rdx
    call *archive_entry(%rbx)
1:  hlt
    jmp 1b

    .balign 16
    .globl park_code
park_code:
    mov %rdi, %rbx
    mov archive_cr3(%rbx), %rax
    mov %rax, %cr3
    lock incq archive_parked(%rbx)
1:  pause
    cmp %rsi, archive_called(%rbx)
    jne 1b
    mov archive_called_cr3(%rbx), %rax
    mov %rax, %cr3
    mov archive_called_stack(%rbx), %rsp
    mov archive_called_argument(%rbx), %rdi
    mov archive_called_entry(%rbx), %rax
    call *%rax                                  // does not return
restart_code_end:

    .section .note.GNU-stack, "", @progbits
