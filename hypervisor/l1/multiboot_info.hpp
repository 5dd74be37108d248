#pragma once

// The information structures that a multiboot L1 finds at EBX (Multiboot 0.6.96, section 3.3;
// Multiboot 2.0, 3.6).

#include "hypervisor/boot/bytes.hpp"
#include "hypervisor/boot/multiboot2.hpp"
#include "hypervisor/memory/memory_map.hpp"

#include <cstdint>
#include <span>
#include <string_view>

namespace shadowtune::l1 {

struct PlacedModule {
    memory::MemoryRange range;
    std::string_view text;
};

struct MultibootFacts {
    std::string_view command_line;
    std::span<const PlacedModule> modules;
    const memory::MemoryMap& map; // L1's
    const boot::BootInfo& info;   // for the RSDP
    bool video{false};            // tell of the text screen
    bool relocated{false};        // tell load_base (multiboot 2)
    std::uint32_t load_base{0};
};

// Write the structure for the place `address`; over an empty writer they only measure.
void write_multiboot1_info(boot::ByteWriter& writer, std::uint32_t address, const MultibootFacts& facts);
void write_multiboot2_info(boot::ByteWriter& writer, const MultibootFacts& facts);

} // namespace shadowtune::l1
