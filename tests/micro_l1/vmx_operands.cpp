#include "tests/micro_l1/vmx_operands.hpp"

namespace shadowtune::micro_l1 {

namespace {

// MOV, PUSH and POP leave the flags alone, so CF and ZF at the end are those of the VMX instruction.
#define READ_REGISTERS(encoding_register, value_register)                                                    \
    asm volatile("movq %[operand], %%" encoding_register "\n\t"                                              \
                 "movq %[in], %%" value_register "\n\t"                                                      \
                 "vmread %%" encoding_register ", %%" value_register "\n\t"                                  \
                 "movq %%" value_register ", %[out]"                                                         \
                 : [out] "=m"(slot), "=@ccc"(cf), "=@ccz"(zf)                                                \
                 : [operand] "m"(operand), [in] "m"(value)                                                   \
                 : encoding_register, value_register, "memory")

#define WRITE_REGISTERS(encoding_register, value_register)                                                   \
    asm volatile("movq %[operand], %%" encoding_register "\n\t"                                              \
                 "movq %[in], %%" value_register "\n\t"                                                      \
                 "vmwrite %%" value_register ", %%" encoding_register                                        \
                 : "=@ccc"(cf), "=@ccz"(zf)                                                                  \
                 : [operand] "m"(operand), [in] "m"(value)                                                   \
                 : encoding_register, value_register, "memory")

} // namespace

// Static: the absolute, RIP-relative and 32-bit-address shapes need an address below 2 GiB.
extern "C" {
std::uint64_t micro_l1_operand_slot[8];
}

VmxResult vmread_shape(std::size_t shape, std::uint64_t operand, std::uint64_t& value) {
    bool cf{false};
    bool zf{false};
    std::uint64_t slot{value};
    std::uint64_t* const base{micro_l1_operand_slot};
    micro_l1_operand_slot[3] = value;
    switch (shape % operand_shapes) {
    case 0: READ_REGISTERS("rax", "rcx"); break;
    case 1: READ_REGISTERS("rdx", "rax"); break;
    case 2: READ_REGISTERS("rbx", "rdx"); break;
    case 3: READ_REGISTERS("rsi", "rdi"); break;
    case 4: READ_REGISTERS("r8", "r15"); break;
    case 5: READ_REGISTERS("r9", "r14"); break;
    case 6: READ_REGISTERS("r12", "r11"); break;
    case 7: READ_REGISTERS("r10", "r13"); break;
    case 8: // base and 8-bit displacement
        asm volatile("vmread %2, 24(%3)" : "=@ccc"(cf), "=@ccz"(zf) : "r"(operand), "r"(base) : "memory");
        break;
    case 9: // base, index and scale
        asm volatile("movq %[base], %%r9\n\tmovl $3, %%r10d\n\tvmread %[operand], (%%r9,%%r10,8)"
                     : "=@ccc"(cf), "=@ccz"(zf)
                     : [operand] "r"(operand), [base] "r"(base)
                     : "r9", "r10", "memory");
        break;
    case 10: // base, index, scale and a negative 32-bit displacement
        asm volatile(
            "leaq 0x1018(%[base]), %%r13\n\tmovl $0x100, %%r12d\n\tvmread %[operand], -0x1400(%%r13,%%r12,4)"
            : "=@ccc"(cf), "=@ccz"(zf)
            : [operand] "r"(operand), [base] "r"(base)
            : "r12", "r13", "memory");
        break;
    case 11:
        asm volatile("vmread %2, micro_l1_operand_slot+24(%%rip)"
                     : "=@ccc"(cf), "=@ccz"(zf)
                     : "r"(operand)
                     : "memory");
        break;
    case 12: // SIB without base or index
        asm volatile("vmread %2, micro_l1_operand_slot+24"
                     : "=@ccc"(cf), "=@ccz"(zf)
                     : "r"(operand)
                     : "memory");
        break;
    case 13: // index without base
        asm volatile("movl $24, %%r14d\n\tvmread %[operand], micro_l1_operand_slot(,%%r14,1)"
                     : "=@ccc"(cf), "=@ccz"(zf)
                     : [operand] "r"(operand)
                     : "r14", "memory");
        break;
    case 14: // 32-bit address size: the upper half of the base must be ignored
        asm volatile("movq %[base], %%r8\n\tbtsq $40, %%r8\n\tvmread %[operand], 24(%%r8d)"
                     : "=@ccc"(cf), "=@ccz"(zf)
                     : [operand] "r"(operand), [base] "r"(base)
                     : "r8", "memory");
        break;
    case 15: // on the stack: RSP as base needs a SIB byte
        asm volatile(
            "pushq micro_l1_operand_slot+24\n\tvmread %[operand], (%%rsp)\n\tpopq micro_l1_operand_slot+24"
            : "=@ccc"(cf), "=@ccz"(zf)
            : [operand] "r"(operand)
            : "memory");
        break;
    default: break;
    }
    value = shape % operand_shapes < 8 ? slot : *static_cast<volatile std::uint64_t*>(base + 3);
    return vmx_result(cf, zf);
}

VmxResult vmwrite_shape(std::size_t shape, std::uint64_t operand, std::uint64_t value) {
    bool cf{false};
    bool zf{false};
    std::uint64_t* const base{micro_l1_operand_slot};
    micro_l1_operand_slot[3] = value;
    switch (shape % operand_shapes) {
    case 0: WRITE_REGISTERS("rax", "rcx"); break;
    case 1: WRITE_REGISTERS("rdx", "rax"); break;
    case 2: WRITE_REGISTERS("rbx", "rdx"); break;
    case 3: WRITE_REGISTERS("rsi", "rdi"); break;
    case 4: WRITE_REGISTERS("r8", "r15"); break;
    case 5: WRITE_REGISTERS("r9", "r14"); break;
    case 6: WRITE_REGISTERS("r12", "r11"); break;
    case 7: WRITE_REGISTERS("r10", "r13"); break;
    case 8:
        asm volatile("vmwrite 24(%3), %2" : "=@ccc"(cf), "=@ccz"(zf) : "r"(operand), "r"(base) : "memory");
        break;
    case 9:
        asm volatile("movq %[base], %%r9\n\tmovl $3, %%r10d\n\tvmwrite (%%r9,%%r10,8), %[operand]"
                     : "=@ccc"(cf), "=@ccz"(zf)
                     : [operand] "r"(operand), [base] "r"(base)
                     : "r9", "r10", "memory");
        break;
    case 10:
        asm volatile(
            "leaq 0x1018(%[base]), %%r13\n\tmovl $0x100, %%r12d\n\tvmwrite -0x1400(%%r13,%%r12,4), %[operand]"
            : "=@ccc"(cf), "=@ccz"(zf)
            : [operand] "r"(operand), [base] "r"(base)
            : "r12", "r13", "memory");
        break;
    case 11:
        asm volatile("vmwrite micro_l1_operand_slot+24(%%rip), %2"
                     : "=@ccc"(cf), "=@ccz"(zf)
                     : "r"(operand)
                     : "memory");
        break;
    case 12:
        asm volatile("vmwrite micro_l1_operand_slot+24, %2"
                     : "=@ccc"(cf), "=@ccz"(zf)
                     : "r"(operand)
                     : "memory");
        break;
    case 13:
        asm volatile("movl $24, %%r14d\n\tvmwrite micro_l1_operand_slot(,%%r14,1), %[operand]"
                     : "=@ccc"(cf), "=@ccz"(zf)
                     : [operand] "r"(operand)
                     : "r14", "memory");
        break;
    case 14:
        asm volatile("movq %[base], %%r8\n\tbtsq $40, %%r8\n\tvmwrite 24(%%r8d), %[operand]"
                     : "=@ccc"(cf), "=@ccz"(zf)
                     : [operand] "r"(operand), [base] "r"(base)
                     : "r8", "memory");
        break;
    case 15:
        asm volatile(
            "pushq micro_l1_operand_slot+24\n\tvmwrite (%%rsp), %[operand]\n\tpopq micro_l1_operand_slot+32"
            : "=@ccc"(cf), "=@ccz"(zf)
            : [operand] "r"(operand)
            : "memory");
        break;
    default: break;
    }
    return vmx_result(cf, zf);
}

#undef READ_REGISTERS
#undef WRITE_REGISTERS

} // namespace shadowtune::micro_l1
