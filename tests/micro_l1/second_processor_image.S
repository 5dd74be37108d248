// The second processor's image: this program, linked at another address.

    .section .rodata
    .globl micro_l1_second_image, micro_l1_second_image_end
    .balign 4096
micro_l1_second_image:
    .incbin MICRO_L1_SECOND_IMAGE
micro_l1_second_image_end:

    .section .note.GNU-stack, "", @progbits
