#pragma once

// Loads a multiboot 1 image (Multiboot Specification 0.6.96) or a multiboot 2 image (2.0): ELF32, ELF64, or
// the address fields of its header.

#include "hypervisor/l1/load.hpp"

#include <cstdint>
#include <span>

namespace shadowtune::l1 {

// In EAX at the entry of the image.
inline constexpr std::uint32_t multiboot1_boot_magic{0x2bad'b002};
inline constexpr std::uint32_t multiboot2_boot_magic{0x36d7'6289};

// Whether a header with a right checksum is where the specification wants it.
[[nodiscard]] bool is_multiboot1(std::span<const std::uint8_t> image);
[[nodiscard]] bool is_multiboot2(std::span<const std::uint8_t> image);

// request.modules.kind is multiboot1 (multiboot2).
[[nodiscard]] Result<L1Entry, boot::BootError> load_multiboot1(const L1Request& request);
[[nodiscard]] Result<L1Entry, boot::BootError> load_multiboot2(const L1Request& request);

} // namespace shadowtune::l1
