#pragma once

// The life of a vCPU: made, filled with L1's first state, entered; then one VM exit after the other.

#include "hypervisor/l1/load.hpp"
#include "hypervisor/nested/vcpu.hpp"
#include "hypervisor/shadow/commands.hpp"

namespace shadowtune::nested {

// What the processor must have, as far as the capability MSRs tell; a line with the mend, or null where all
// is there.
[[nodiscard]] const char* missing_capability(const vmcs::CapabilityMsrs& hardware);

// On the processor that calls, with VMX operation on: takes its memory from the pool and builds vmcs01 and
// vmcs02, but for L1's first state. `feature_control`: IA32_FEATURE_CONTROL as the firmware left it. One
// processor at a time, the bootstrap processor first.
[[nodiscard]] Vcpu* make_vcpu(Machine& machine, vmx::ExitStack& stack, std::uint64_t feature_control);

// L1's first state on the bootstrap processor.
void prepare_l1(Vcpu& vcpu, const l1::L1Entry& entry);

// Run L1 on this processor for good; on an application processor from its first start-up IPI on.
[[noreturn]] void run_bootstrap_processor(Vcpu& vcpu, shadow::Commands& commands);
[[noreturn]] void run_application_processor(Vcpu& vcpu);

// Moves the link on where this is the processor that serves it.
void serve_link(Vcpu& vcpu);

} // namespace shadowtune::nested
