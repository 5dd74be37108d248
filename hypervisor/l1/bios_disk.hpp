#pragma once

// Starts what a disk boots by the BIOS: its boot sector, in real mode at 7C00H, with the machine's own BIOS
// below it.

#include "hypervisor/l1/load.hpp"

#include <cstdint>
#include <span>

namespace shadowtune::l1 {

// Whether the first 512 bytes end in 55 AA.
[[nodiscard]] bool is_boot_sector(std::span<const std::uint8_t> bytes);

// request.modules.kind is bios_disk; its text is the number of the BIOS's drive, decimal or 0x-hexadecimal.
[[nodiscard]] Result<L1Entry, boot::BootError> load_bios_disk(const L1Request& request);

} // namespace shadowtune::l1
