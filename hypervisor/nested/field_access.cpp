#include "hypervisor/nested/field_access.hpp"

namespace shadowtune::nested {

namespace {

[[nodiscard]] std::uint64_t read_register(Vcpu& vcpu, unsigned number) {
    return number == vmx::rsp_number ? vcpu.hardware.read(F::guest_rsp) : vcpu.registers.value[number];
}

} // namespace

FieldAccess decode_field_access(Vcpu& vcpu) {
    const auto information{
        static_cast<std::uint32_t>(vcpu.hardware.read(F::vm_exit_instruction_information))};
    const auto operands{decode_vmread_vmwrite(information)};
    if (!operands) stop_l1(vcpu, "instruction information of VMREAD or VMWRITE cannot be");
    FieldAccess access{};
    access.operands = operands.value();
    access.long_mode = in_64bit_mode(vcpu);
    const std::uint64_t operand{read_register(vcpu, access.operands.second_register) & access.operand_mask()};
    access.part = {vcpu.machine.offered_encodings.find(operand), (operand & 1U) != 0};
    return access;
}

bool read_source(Vcpu& vcpu, const FieldAccess& access, std::uint64_t& value) {
    value = 0;
    if (access.operands.is_memory) {
        std::uint64_t linear{};
        return operand_address(vcpu, access.operands, MemoryAccess::read, access.bytes(), linear) &&
               read_linear(vcpu, linear, &value, access.bytes());
    }
    value = read_register(vcpu, access.operands.operand_register) & access.operand_mask();
    return true;
}

bool write_destination(Vcpu& vcpu, const FieldAccess& access, std::uint64_t value) {
    value &= access.operand_mask();
    if (access.operands.is_memory) {
        std::uint64_t linear{};
        return operand_address(vcpu, access.operands, MemoryAccess::write, access.bytes(), linear) &&
               write_linear(vcpu, linear, &value, access.bytes());
    }
    if (access.operands.operand_register == vmx::rsp_number) {
        vcpu.hardware.write(F::guest_rsp, value);
    } else {
        vcpu.registers.value[access.operands.operand_register] = value;
    }
    return true;
}

std::uint64_t part_of(FieldPart part, std::uint64_t value) {
    return part.high_half ? value >> 32 : value;
}

std::uint64_t with_part(FieldPart part, std::uint64_t value, std::uint64_t written) {
    const std::uint64_t whole{part.high_half ? (value & 0xFFFF'FFFF) | written << 32 : written};
    return whole & vmcs::value_mask(vmcs::catalogue[part.field].width);
}

} // namespace shadowtune::nested
