#pragma once

// What L0 does with a VM exit, one function for each side.

#include "hypervisor/nested/vcpu.hpp"
#include "hypervisor/vmx/exit_information.hpp"

namespace shadowtune::nested {

// L1 exited, and not for VMRESUME, which has its own way (nested/run.cpp): vmcs01 is current.
void handle_l1_exit(Vcpu& vcpu, std::uint32_t reason);

// L2 exited: vmcs02 is current. Either L1 gets the exit or L2 goes on.
void handle_l2_exit(Vcpu& vcpu, std::uint32_t reason);

// Exits that L0 handles alike for L1, and for L2 where L1 does not want them.
void emulate_cpuid(Vcpu& vcpu);
void emulate_rdmsr(Vcpu& vcpu);
void emulate_wrmsr(Vcpu& vcpu);
void emulate_xsetbv(Vcpu& vcpu);
void emulate_io(Vcpu& vcpu);

// Whether the access touches a port of L0's, so that emulate_io is for it.
[[nodiscard]] bool is_l0s_port(vmx::IoAccess io);

} // namespace shadowtune::nested
