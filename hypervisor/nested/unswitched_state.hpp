#pragma once

// What the processor keeps of whoever runs while L0 runs: CR2, debug registers, extended state, some MSRs. L0
// touches none of it, so that it costs nothing at a VM exit; a saved state carries it.

#include "link/saved_state.hpp"

#include <cstddef>
#include <cstdint>
#include <span>

namespace shadowtune::nested {

// The extended state that this processor has (SDM Vol. 1, 13.2).
struct ExtendedStateFacts {
    std::uint64_t components{0}; // bits that XCR0 may have; 0: no XSAVE
    std::size_t size{0};         // bytes of the area in standard form with all of them
};
[[nodiscard]] ExtendedStateFacts extended_state_facts();

// CR2, DR0 to DR3, DR6 and XCR0; the other members are left alone.
void read_unswitched_registers(link::SavedRegisters& registers);
void load_unswitched_registers(const link::SavedRegisters& registers);

// The area of all components, good until the next call. Empty where it cannot be had: no XSAVE, an area
// larger than is known of any processor, or supervisor components in use, which XSAVE leaves out.
[[nodiscard]] std::span<const std::uint8_t> read_extended_state();
// False where the processor refuses it. XCR0 is `xcr0` after it.
[[nodiscard]] bool load_extended_state(std::span<const std::uint8_t> area, std::uint64_t xcr0);

// Appends the MSRs of nested/unswitched_msrs.hpp that this processor has.
void write_unswitched_msrs(link::SavedStateWriter& writer);
// 0, or the number of the one that is none of them, or is refused by the processor.
[[nodiscard]] std::uint32_t load_unswitched_msrs(const link::SavedList<link::SavedMsr>& msrs);

// All of it as after power-on: what it was is no longer of use.
void reset_unswitched_state();

} // namespace shadowtune::nested
