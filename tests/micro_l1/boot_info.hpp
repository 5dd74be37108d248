#pragma once

// What the boot loader told: the command line and, for information, the memory map.

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace shadowtune::micro_l1 {

struct MemoryRange {
    std::uint64_t base;
    std::uint64_t size;
    std::uint32_t type; // 1: available, else reserved in some way
};

struct BootInfo {
    static constexpr std::size_t max_ranges{32};

    std::string_view command_line;
    MemoryRange ranges[max_ranges];
    std::size_t range_count;
};

// Copies everything out of the loader's memory, which scripts may overwrite later. magic 2BADB002H is
// multiboot 1, 36D76289H multiboot 2; any other gives an empty command line.
[[nodiscard]] BootInfo read_boot_info(std::uint32_t magic, std::uint32_t address);

} // namespace shadowtune::micro_l1
