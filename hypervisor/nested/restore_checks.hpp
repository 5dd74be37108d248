#pragma once

// Whether a saved state can go on here: it is trusted as little as L1 itself. What it holds must fit this
// machine, name nothing outside L1's memory, and pass the checks that a VM entry with it makes. Plain code
// over plain data.

#include "hypervisor/memory/memory_map.hpp"
#include "hypervisor/nested/entry_checks.hpp"
#include "link/save_messages.hpp"
#include "link/saved_state.hpp"

#include <cstddef>
#include <cstdint>

namespace shadowtune::nested {

// This machine and what its L0 offers.
struct RestoreTarget {
    const memory::MemoryMap& l1_map; // with L0's region reserved
    memory::MemoryRange l0_region;
    std::uint32_t map_crc{0}; // crc_of(the machine's map)
    std::uint32_t cpu_signature{0};
    std::size_t vcpus{1};
    const vmcs::CapabilityMsrs& hardware_msrs;
    const vmcs::CapabilityMsrs& offered_msrs;
    vmcs::FieldSet physical_fields{};
    vmcs::FieldSet offered_fields{};
    ProcessorFacts processor{};
};

struct RestoreRefusal {
    link::RestoreFault fault{link::RestoreFault::none};
    std::uint16_t about{0}; // see link::RestoreFault
};
using RestoreCheck = Result<void, RestoreRefusal>;

[[nodiscard]] std::uint32_t crc_of(const memory::MemoryMap& map);

// The machine's record: the same processor, the same offer, the same memory.
[[nodiscard]] RestoreCheck check_machine(const link::SavedState& state, const RestoreTarget& target);

// One vCPU. `vmcs01`: L0's own controls, as this L0 has made them for it. `context`: for the current VMCS and
// with L1 as it was saved; needed where L2 runs.
[[nodiscard]] RestoreCheck check_vcpu(const link::SavedVcpu& vcpu, const RestoreTarget& target,
                                      const Vmcs12Values& vmcs01, const EntryContext& context);

// `values` with the list's in place of those that it names.
void apply(const link::SavedList<link::SavedField>& list, Vmcs12Values& values);

} // namespace shadowtune::nested
