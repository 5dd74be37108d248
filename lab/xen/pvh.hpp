// How a kernel without a BIOS is told of its machine: EBX holds the address of the first of these at its
// entry (facts of Xen 4.17's hvm/start_info.h, and docs/misc/pvh.pandoc).
#pragma once

#include <cstdint>

namespace shadowtune::xen {

struct PvhStart {
    std::uint32_t magic;
    std::uint32_t version;
    std::uint32_t flags;
    std::uint32_t module_count;
    std::uint64_t modules;
    std::uint64_t command_line;
    std::uint64_t acpi_root_pointer;
    std::uint64_t memory_map;
    std::uint32_t memory_map_entries;
    std::uint32_t reserved;
};
static_assert(sizeof(PvhStart) == 56);
inline constexpr std::uint32_t pvh_magic{0x336E'C578}, pvh_version{1};

struct PvhModule {
    std::uint64_t address;
    std::uint64_t bytes;
    std::uint64_t command_line;
    std::uint64_t reserved;
};

struct PvhMemory {
    std::uint64_t address;
    std::uint64_t bytes;
    std::uint32_t type;
    std::uint32_t reserved;
};
inline constexpr std::uint32_t memory_usable{1}, memory_of_acpi{3};

} // namespace shadowtune::xen
