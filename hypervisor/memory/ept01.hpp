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

// Changes single pages of EPT01 while processors use it. Larger pages are split with spare ones, which are
// not given back: a processor may still hold what led to them. Not for two processors at once.
class Ept01Pages {
public:
    Ept01Pages() = default;
    // `spare`: physical address of `count` zeroed 4-KiB pages.
    Ept01Pages(std::uint64_t eptp, std::uint64_t spare, std::size_t count)
        : m_root{eptp & ~(page_size - 1)}, m_spare{spare}, m_left{count} {}

    // Pages that one call of set_writable() can need.
    static constexpr std::size_t most_for_one{2};

    // For the 4-KiB page of `address`. False where there is no spare page left, or no such address; nothing
    // has changed then. Translations that are cached stay until they are invalidated.
    [[nodiscard]] bool set_writable(std::uint64_t address, bool writable);
    [[nodiscard]] bool is_writable(std::uint64_t address) const;

private:
    [[nodiscard]] bool split(std::uint64_t& entry, unsigned shift);

    std::uint64_t m_root{0};
    std::uint64_t m_spare{0};
    std::size_t m_left{0};
};

} // namespace shadowtune::memory
