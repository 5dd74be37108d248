#pragma once

// Brings the logical processors up, one after the other: each in VMX operation, with a vCPU of its own. The
// bootstrap processor first; the others are started by it and then wait for L1's start-up IPI.

#include "hypervisor/boot/archive.hpp"
#include "hypervisor/boot/processor_list.hpp"
#include "hypervisor/memory/memory_map.hpp"
#include "hypervisor/nested/machine.hpp"

#include <cstdint>

namespace shadowtune::boot {

// On the processor that calls: allows VMX where the firmware left that open, and returns
// IA32_FEATURE_CONTROL as the firmware left it. Stops the start where VMX is locked off.
[[nodiscard]] std::uint64_t allow_vmx();

// The processor's IA32_VMX_* MSRs; those it does not have are 0.
[[nodiscard]] vmcs::CapabilityMsrs read_capabilities();

// What VM entry's checks must know of the processor.
[[nodiscard]] nested::ProcessorFacts read_processor_facts();

// On the processor that calls: VMXON with a region of its own.
void enter_vmx_operation(nested::Machine& machine);

// Starts the listed processors but the one that calls. One that does not come up stays without a vCPU, and so
// cannot be started by L1 either. `cr3`: L0's.
void start_other_processors(nested::Machine& machine, const ProcessorList& list, std::uint64_t cr3);
// Started anew: those that wait in the archive, under the numbers that they had.
void call_parked_processors(nested::Machine& machine, Archive& archive, std::uint64_t cr3);

} // namespace shadowtune::boot
