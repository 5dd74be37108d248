#pragma once

// The life of a vCPU: made, filled with L1's first state, entered; then one VM exit after the other.

#include "hypervisor/l1/load.hpp"
#include "hypervisor/nested/vcpu.hpp"
#include "hypervisor/shadow/commands.hpp"

namespace shadowtune::nested {

// What the processor must have, as far as the capability MSRs tell; a line with the mend, or null where all
// is there.
[[nodiscard]] const char* missing_capability(const vmcs::CapabilityMsrs& hardware);

// Takes this processor's memory from the pool, builds vmcs01 for L1's entry. VMX operation is on.
[[nodiscard]] Vcpu* make_vcpu(Machine& machine, const l1::L1Entry& entry);

// Runs L1 on this processor for good.
[[noreturn]] void run(Vcpu& vcpu, shadow::Commands& commands);

} // namespace shadowtune::nested
