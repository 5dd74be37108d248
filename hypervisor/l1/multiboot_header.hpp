#pragma once

// What a multiboot image asks for in its header, for both versions in one form.

#include "hypervisor/boot/boot_error.hpp"
#include "hypervisor/memory/memory_map.hpp"
#include "vmcs/result.hpp"

#include <cstddef>
#include <cstdint>
#include <span>

namespace shadowtune::l1 {

struct MultibootHeader {
    std::size_t offset{0}; // in the file

    // The address fields (multiboot 1, flag 16; multiboot 2, tag 2) that stand in for an ELF header. All
    // physical.
    bool has_addresses{false};
    std::uint32_t header_address{0};
    std::uint32_t load_address{0};
    std::uint32_t load_end{0}; // 0: to the end of the file
    std::uint32_t bss_end{0};  // 0: no bss

    bool has_entry{false};
    std::uint32_t entry{0};

    bool wants_video{false}; // the image shall be told of the screen, in text mode

    // Multiboot 2, tag 10: the image may be moved by any multiple of alignment within the window.
    bool relocatable{false};
    memory::MemoryRange window;
    std::uint64_t alignment{1};
    bool prefer_highest{false};
};

inline constexpr std::uint32_t multiboot1_header_magic{0x1bad'b002};
inline constexpr std::uint32_t multiboot2_header_magic{0xe852'50d6};

// Refuse an image without the header, with a broken one, or one that requires what we cannot give.
[[nodiscard]] Result<MultibootHeader, boot::BootError>
read_multiboot1_header(std::span<const std::uint8_t> image);
[[nodiscard]] Result<MultibootHeader, boot::BootError>
read_multiboot2_header(std::span<const std::uint8_t> image, bool have_rsdp);

} // namespace shadowtune::l1
