#pragma once

// EPT paging structures of one path, for the tests of the walk.

#include "hypervisor/nested/ept12.hpp"

#include <map>
#include <optional>
#include <vector>

namespace shadowtune::nested::testing {

namespace cap = vmx::ept_vpid_cap;

inline constexpr std::uint64_t every_ept_capability{cap::execute_only | cap::page_walk_4 |
                                                    cap::memory_type_uc | cap::memory_type_wb |
                                                    cap::pages_2m | cap::pages_1g | cap::accessed_dirty};
inline constexpr std::uint64_t ept_flags_on{0x40};

// L1's memory: the words that a test put there; other addresses hold zeros, `absent` pages nothing.
struct EptMemory {
    std::map<std::uint64_t, std::uint64_t> words{};
    std::optional<std::uint64_t> absent{};
    unsigned failures{0}; // of the compare-exchange, to come
    std::vector<std::uint64_t> flagged{};

    bool read64(std::uint64_t address, std::uint64_t& value) {
        if (absent && (address & ~std::uint64_t{0xFFF}) == *absent) return false;
        const auto found{words.find(address)};
        value = found == words.end() ? 0 : found->second;
        return true;
    }
    bool compare_exchange64(std::uint64_t address, std::uint64_t expected, std::uint64_t desired) {
        if (failures > 0) {
            --failures;
            return false;
        }
        if (words[address] != expected) return false;
        words[address] = desired;
        flagged.push_back(address);
        return true;
    }
};

// One table a level: PML4 at 1000H, PDPT 2000H, PD 4000H, PT 8000H, so that one more address bit in an entry
// never leads to another of them. The first slot of each, for guest-physical address 0.
struct Chain {
    EptMemory memory{};
    EptSettings settings{0x1000 | 0x1E, every_ept_capability, 40};

    Chain() {
        entry(4) = 0x2007;
        entry(3) = 0x4007;
        entry(2) = 0x8007;
        entry(1) = 0xABCDE037; // WB
    }
    static std::uint64_t table(unsigned level) { return 0x1000U << (4 - level); }
    std::uint64_t& entry(unsigned level) { return memory.words[table(level)]; }
    EptWalk walk(std::uint64_t access = vmx::ept_violation::read, std::uint64_t address = 0x123) {
        return walk_ept12(memory, settings, address, access);
    }
};

} // namespace shadowtune::nested::testing
