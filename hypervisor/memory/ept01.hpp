#pragma once

// The EPT that runs L1: everything one to one but L0's region, which leads to the sink
// (memory/l1_memory.hpp). SDM Vol. 3C, 29.3 "The Extended Page Table Mechanism (EPT)" (edition 325462-087).

#include "hypervisor/memory/l0_memory.hpp"
#include "hypervisor/memory/l1_memory.hpp"
#include "hypervisor/memory/memory_map.hpp"

#include <cstdint>

namespace shadowtune::memory {

// Memory types in EPT entries: SDM Vol. 3C, 29.3.7.
inline constexpr std::uint64_t ept_uncacheable{0};
inline constexpr std::uint64_t ept_write_back{6};

// Whether all of a range is RAM of this map, so that write-back is right for it. Ranges that are no RAM hold
// devices.
[[nodiscard]] std::uint64_t memory_type_of_range(const MemoryMap& machine, std::uint64_t address,
                                                 std::uint64_t size);

// Builds all tables for addresses below 2^physical_width; returns the EPT pointer (EPTP).
[[nodiscard]] std::uint64_t build_ept01(L0Memory& memory, const L1Memory& l1, const MemoryMap& machine,
                                        unsigned physical_width, bool one_gib_pages);

// Lets addresses from 1 MiB to 1 MiB + 64 KiB, all that real mode reaches above 1 MiB, lead to the same bytes
// as those from 0 (`masked`, as with a closed A20 gate), or to their own. INVEPT is the caller's.
void mask_a20(std::uint64_t eptp, const L1Memory& l1, const MemoryMap& machine, bool masked);

} // namespace shadowtune::memory
