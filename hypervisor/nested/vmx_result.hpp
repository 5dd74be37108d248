#pragma once

// How a VMX instruction of L1 ends: SDM Vol. 3C, 31.2 "Conventions" (edition 325462-087).

#include "hypervisor/nested/vcpu.hpp"
#include "hypervisor/vmx/controls.hpp"

namespace shadowtune::nested {

// Each sets L1's flags and skips the instruction.
void vm_succeed(Vcpu& vcpu);
void vm_fail_invalid(Vcpu& vcpu);
// VMfailValid with this error number where there is a current VMCS, else VMfailInvalid.
void vm_fail(Vcpu& vcpu, vmx::InstructionError error);

} // namespace shadowtune::nested
