#pragma once

// Which bits of L1's CR0 and CR4 L0 owns, and L1's MOVs that would change one.

#include "hypervisor/cpu/registers.hpp"
#include "hypervisor/nested/vcpu.hpp"

namespace shadowtune::nested {

// SDM Vol. 3C, 24.8 (edition 325462-087): the processor is always in VMX operation and holds CR0.NE and
// CR4.VMXE at 1; L1 is held to IA32_VMX_CR0_FIXED0 in VMX operation only.
inline constexpr std::uint64_t owned_cr4_bits{cpu::cr4::vmxe};
[[nodiscard]] constexpr std::uint64_t owned_cr0_bits(bool l1_in_vmx_operation, std::uint64_t cr0_fixed0) {
    return l1_in_vmx_operation ? cpu::cr0::ne | cr0_fixed0 : cpu::cr0::ne;
}

// After each change of `in_vmx_operation`; vmcs01 is current.
void set_owned_cr0_bits(Vcpu& vcpu);

void emulate_control_register_access(Vcpu& vcpu);

} // namespace shadowtune::nested
