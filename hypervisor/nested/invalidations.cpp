// INVEPT and INVVPID of L1: SDM Vol. 3C, 31.3 and 29.4.3 (edition 325462-087).

#include "hypervisor/memory/canonical.hpp"
#include "hypervisor/nested/guest.hpp"
#include "hypervisor/nested/vmx_instructions.hpp"
#include "hypervisor/nested/vmx_result.hpp"

namespace shadowtune::nested {

namespace {

using vmx::InstructionError;
namespace cap = vmx::ept_vpid_cap;

struct Descriptor {
    std::uint64_t first;  // EPTP, or VPID with 48 reserved bits
    std::uint64_t second; // reserved, or a linear address
};

// Type and descriptor; false where the instruction has ended.
[[nodiscard]] bool read_operands(Vcpu& vcpu, std::uint64_t& type, Descriptor& descriptor,
                                 bool (*has_type)(const Vcpu&, std::uint64_t)) {
    if (!require_vmx_operation(vcpu)) return false;
    const auto information{
        static_cast<std::uint32_t>(vcpu.hardware.read(F::vm_exit_instruction_information))};
    const auto operands{decode_invalidation(information)};
    if (!operands) stop_l1(vcpu, "instruction information of INVEPT or INVVPID without a memory operand");
    const unsigned number{operands.value().second_register};
    type = number == vmx::rsp_number ? vcpu.hardware.read(F::guest_rsp) : vcpu.registers.value[number];
    if (!in_64bit_mode(vcpu)) type &= 0xFFFF'FFFF;
    if (!has_type(vcpu, type)) {
        vm_fail(vcpu, InstructionError::invalid_operand_to_invept_invvpid);
        return false;
    }
    std::uint64_t linear{};
    return operand_address(vcpu, operands.value(), MemoryAccess::read, invalidation_descriptor_bytes,
                           linear) &&
           read_linear(vcpu, linear, &descriptor, sizeof(descriptor));
}

[[nodiscard]] bool is_offered(const Vcpu& vcpu, std::uint64_t capability) {
    return (vcpu.machine.offered_msrs[vmx::msr::vmx_ept_vpid_cap] & capability) != 0;
}

[[nodiscard]] bool has_invept_type(const Vcpu& vcpu, std::uint64_t type) {
    return (type == 1 && is_offered(vcpu, cap::invept_single_context)) ||
           (type == 2 && is_offered(vcpu, cap::invept_all_contexts));
}

[[nodiscard]] bool has_invvpid_type(const Vcpu& vcpu, std::uint64_t type) {
    constexpr std::uint64_t by_type[]{cap::invvpid_individual_address, cap::invvpid_single_context,
                                      cap::invvpid_all_contexts,
                                      cap::invvpid_single_context_retaining_globals};
    return type < 4 && is_offered(vcpu, by_type[type]);
}

// The same for the VPID that stands for L1's. What is flushed at each entry has nothing to lose.
void invalidate_vpid(Vcpu& vcpu, std::uint64_t type, std::uint16_t vpid02, std::uint64_t address) {
    auto& hw{vcpu.hardware};
    using vmx::InvalidateVpid;
    if (type == static_cast<std::uint64_t>(InvalidateVpid::all_contexts)) {
        return hw.invalidate(InvalidateVpid::all_contexts, 0);
    }
    if (vpid02 == vpid_flushed) return;
    // L0 runs with 4-level paging, and INVVPID fails on what is not canonical there.
    if (type == static_cast<std::uint64_t>(InvalidateVpid::address) && memory::is_canonical(address, 48)) {
        return hw.invalidate(InvalidateVpid::address, vpid02, address);
    }
    const bool keeps_globals{type == static_cast<std::uint64_t>(InvalidateVpid::retaining_globals)};
    hw.invalidate(keeps_globals ? InvalidateVpid::retaining_globals : InvalidateVpid::single_context, vpid02);
}

} // namespace

void emulate_invept(Vcpu& vcpu) {
    if (vcpu.in_vmx_operation && !is_offered(vcpu, cap::invept)) {
        return inject_exception(vcpu, vmx::vector::invalid_opcode);
    }
    std::uint64_t type{};
    Descriptor descriptor{};
    if (!read_operands(vcpu, type, descriptor, has_invept_type)) return;
    if (type == 1) {
        const auto& machine{vcpu.machine};
        const EptpError bad{check_eptp(descriptor.first, machine.offered_msrs[vmx::msr::vmx_ept_vpid_cap],
                                       machine.processor.physical_address_bits)};
        if (bad != EptpError::ok) return vm_fail(vcpu, InstructionError::invalid_operand_to_invept_invvpid);
        vcpu.ept02->forget(vcpu.hardware, descriptor.first);
    } else {
        vcpu.ept02->forget_all(vcpu.hardware);
    }
    vm_succeed(vcpu);
}

void emulate_invvpid(Vcpu& vcpu) {
    if (vcpu.in_vmx_operation && !is_offered(vcpu, cap::invvpid)) {
        return inject_exception(vcpu, vmx::vector::invalid_opcode);
    }
    std::uint64_t type{};
    Descriptor descriptor{};
    if (!read_operands(vcpu, type, descriptor, has_invvpid_type)) return;
    const auto vpid{static_cast<std::uint16_t>(descriptor.first)};
    const bool reserved{descriptor.first >> 16 != 0};
    const bool bad_vpid{type != 2 && vpid == 0};
    const bool bad_address{
        type == 0 && !memory::is_canonical(descriptor.second, vcpu.machine.processor.linear_address_bits)};
    if (reserved || bad_vpid || bad_address) {
        return vm_fail(vcpu, InstructionError::invalid_operand_to_invept_invvpid);
    }
    invalidate_vpid(vcpu, type, vpid02_for(vpid), descriptor.second);
    vm_succeed(vcpu);
}

} // namespace shadowtune::nested
