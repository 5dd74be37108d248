#pragma once

// What the processor's own VMX instructions take, in TSC ticks. Measured once, before L1 runs, when nothing
// can come in between.

#include "hypervisor/vmx/entry.hpp"
#include "hypervisor/vmx/hardware.hpp"
#include "link/messages.hpp"

#include <cstdint>

namespace shadowtune::vmx {

// The current VMCS, of the region `region`, must be ready for its first entry, with the VMX-preemption timer
// active: with 0 in it the guest exits before its first instruction (SDM Vol. 3C, 26.5.1 and 27.7.4
// "VMX-Preemption Timer", edition 325462-087). `other`: a page of L0's that holds no VMCS. Leaves the VMCS as
// it was, current and clear.
[[nodiscard]] link::Timings measure_timings(Hardware& hardware, std::uint64_t region, std::uint64_t other,
                                            std::uint32_t revision);

extern "C" {
// Enters the current VMCS and comes back at its exit: TSC ticks from the entry to the exit, or 0 where the
// entry failed. Writes HOST_RIP and HOST_RSP. The guest finds any values in its general registers.
std::uint64_t vmx_timed_entry(Entry entry);
}

} // namespace shadowtune::vmx
