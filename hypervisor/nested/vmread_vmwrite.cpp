// VMREAD and VMWRITE that exited: SDM Vol. 3C, 31.3 (edition 325462-087). Each is counted once, here, when it
// completes with a field that L1 has; an access that faults on its memory operand is executed again and
// counted then.

#include "hypervisor/nested/guest.hpp"
#include "hypervisor/nested/vmx_instructions.hpp"
#include "hypervisor/nested/vmx_result.hpp"
#include "hypervisor/shadow/shadowing.hpp"

namespace shadowtune::nested {

namespace {

using vmx::InstructionError;

struct FieldAccess {
    DecodedOperands operands{};
    bool long_mode{false};
    vmcs::FieldIndex field{vmcs::no_field};
    bool high_half{false};

    [[nodiscard]] unsigned bytes() const { return long_mode ? 8 : 4; }
    [[nodiscard]] std::uint64_t operand_mask() const { return long_mode ? ~std::uint64_t{0} : 0xFFFF'FFFF; }
};

// The SDM's common checks; false where the instruction has already ended.
[[nodiscard]] bool begin_access(Vcpu& vcpu, FieldAccess& access) {
    if (!require_vmx_operation(vcpu)) return false;
    if (!vcpu.vmcs12.is_current()) {
        vm_fail_invalid(vcpu);
        return false;
    }
    const auto information{
        static_cast<std::uint32_t>(vcpu.hardware.read(F::vm_exit_instruction_information))};
    const auto operands{decode_vmread_vmwrite(information)};
    if (!operands) stop_l1(vcpu, "instruction information of VMREAD or VMWRITE cannot be");
    access.operands = operands.value();
    access.long_mode = in_64bit_mode(vcpu);
    const unsigned number{access.operands.second_register};
    const std::uint64_t in_register{number == vmx::rsp_number ? vcpu.hardware.read(F::guest_rsp)
                                                              : vcpu.registers.value[number]};
    const std::uint64_t operand{in_register & access.operand_mask()};
    access.field = vmcs::find(operand);
    access.high_half = (operand & 1U) != 0;
    if (access.field != vmcs::no_field && vcpu.machine.offered_fields.test(access.field)) return true;
    ++vcpu.statistics.unknown_field_accesses;
    vm_fail(vcpu, InstructionError::unsupported_vmcs_component);
    return false;
}

void count(Vcpu& vcpu, const FieldAccess& access, link::Access kind) {
    vcpu.counters->count(access.field, access.high_half, kind, vcpu.reason);
}

// The source of VMWRITE; false where a fault was injected.
[[nodiscard]] bool read_source(Vcpu& vcpu, const FieldAccess& access, std::uint64_t& value) {
    value = 0;
    if (access.operands.is_memory) {
        std::uint64_t linear{};
        return operand_address(vcpu, access.operands, MemoryAccess::read, access.bytes(), linear) &&
               read_linear(vcpu, linear, &value, access.bytes());
    }
    const unsigned number{access.operands.operand_register};
    value = number == vmx::rsp_number ? vcpu.hardware.read(F::guest_rsp) : vcpu.registers.value[number];
    value &= access.operand_mask();
    return true;
}

} // namespace

void fetch_fields(Vcpu& vcpu, const vmcs::FieldSet& fields) {
    fields.for_each([&](vmcs::FieldIndex field) {
        vcpu.vmcs12.fetched(field, vcpu.hardware.read(vmcs::catalogue[field].encoding));
    });
}

void fetch_field(Vcpu& vcpu, vmcs::FieldIndex field) {
    if (!vcpu.vmcs12.in_vmcs02().test(field)) return;
    vmcs::FieldSet one{};
    one.set(field);
    vcpu.hardware.make_current(vcpu.vmcs02.region);
    fetch_fields(vcpu, one);
    vcpu.hardware.make_current(vcpu.vmcs01.region);
}

void emulate_vmread(Vcpu& vcpu) {
    FieldAccess access{};
    if (!begin_access(vcpu, access)) return;
    fetch_field(vcpu, access.field);
    std::uint64_t value{vcpu.vmcs12.get(access.field)};
    if (access.high_half) value >>= 32;
    value &= access.operand_mask();
    if (access.operands.is_memory) {
        std::uint64_t linear{};
        if (!operand_address(vcpu, access.operands, MemoryAccess::write, access.bytes(), linear) ||
            !write_linear(vcpu, linear, &value, access.bytes())) {
            return;
        }
    } else if (access.operands.operand_register == vmx::rsp_number) {
        vcpu.hardware.write(F::guest_rsp, value);
    } else {
        vcpu.registers.value[access.operands.operand_register] = value;
    }
    count(vcpu, access, link::Access::read);
    vm_succeed(vcpu);
}

void emulate_vmwrite(Vcpu& vcpu) {
    FieldAccess access{};
    if (!begin_access(vcpu, access)) return;
    const vmcs::FieldInfo& field{vmcs::catalogue[access.field]};
    const bool any_field{(vcpu.machine.offered_msrs[vmx::msr::vmx_misc] & vmx::misc::vmwrite_any_field) != 0};
    std::uint64_t value{};
    if (!read_source(vcpu, access, value)) return;
    if (field.type == vmcs::Type::read_only_data && !any_field) {
        return vm_fail(vcpu, InstructionError::vmwrite_read_only_component);
    }
    if (access.high_half) {
        fetch_field(vcpu, access.field);
        value = (vcpu.vmcs12.get(access.field) & 0xFFFF'FFFF) | value << 32;
    }
    vcpu.vmcs12.write(access.field, value & vmcs::value_mask(field.width));
    shadow::update_field(vcpu, access.field);
    count(vcpu, access, link::Access::write);
    vm_succeed(vcpu);
}

} // namespace shadowtune::nested
