#pragma once

// What an L1 finds that asks the BIOS for memory: an option ROM of L0's in the place where adapters have
// theirs, which has taken INT 15H over and reserves L0's region in the answers. It takes none of L1's memory,
// and an answer costs no exit.

#include "hypervisor/boot/boot_error.hpp"
#include "hypervisor/memory/memory_map.hpp"
#include "vmcs/result.hpp"

#include <cstdint>
#include <optional>
#include <span>

namespace shadowtune::l1 {

// Where adapters' ROMs may lie, behind the VGA's and below what the system BIOS may use as RAM.
inline constexpr memory::MemoryRange adapter_roms{0xc'8000, 0xe'0000};

// The interrupt vector of INT 15H, in real mode's table at 0.
inline constexpr std::uint64_t int15_vector{0x15 * 4};

// The address of the highest page among the adapters' ROMs that no region of `map` covers and that holds no
// ROM, by what `peek` reads there: all ones, as where nothing answers.
[[nodiscard]] std::optional<std::uint64_t>
find_rom_page(const memory::MemoryMap& map, std::span<const std::uint8_t> (*peek)(std::uint64_t page));

// Completes the ROM in `page`, 4 KiB, from L1's memory map. Requests that are not for it go to `old_int15`
// (segment in the upper half). Returns the handler's offset in the page. Fails where the map has more entries
// than the page has room for.
[[nodiscard]] Result<std::uint16_t, boot::BootError>
write_bios_rom(std::span<std::uint8_t> page, const memory::MemoryMap& map, std::uint32_t old_int15);

} // namespace shadowtune::l1
