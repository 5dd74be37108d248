/* What the L2 guest's assembler and the program around it agree on. Plain macros, for both read it. */
#ifndef SHADOWTUNE_LAB_WORKLOAD_GUEST_LAYOUT_H
#define SHADOWTUNE_LAB_WORKLOAD_GUEST_LAYOUT_H

/* Guest-physical addresses. Slot 0 holds code, tables and stack; slot 1 the pages that are fresh to touch. */
#define LOW_BYTES 0x10000
#define CODE_BASE 0x1000
#define GDT_BASE 0x5000
#define IDT_BASE 0x6000
#define STACK_TOP 0x8000
#define INTERRUPT_COUNT 0x9000
#define FRESH_BASE 0x100000
#define FRESH_END 0x1100000
#define DEVICE_BASE 0x2000000 /* no memory: what is written there is read back, mixed */

#define PORT_OUT 0xF0       /* user space adds the byte to its checksum */
#define PORT_INTERRUPT 0xF2 /* user space injects INTERRUPT_VECTOR */
#define PORT_FINISH 0xF4    /* EAX is the guest's checksum */
#define PORT_RECYCLE 0xF6   /* user space empties slot 1 */

#define INTERRUPT_VECTOR 0x30
#define MSR_TRAPPED 0x17A
#define UNKNOWN_HYPERCALL 0x5348
#define CHECKSUM_PRIME 0x01000193

#endif
