#pragma once

// The setup header of a bzImage, read and checked (Linux, Documentation/arch/x86/boot.rst, "The Real-Mode
// Kernel Header"). Offsets count from the start of the file; boot_params has the header at the same offsets.

#include "hypervisor/boot/boot_error.hpp"
#include "vmcs/result.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace shadowtune::l1 {

namespace setup_offset {
inline constexpr std::size_t start{0x1f1};
inline constexpr std::size_t setup_sects{0x1f1};
inline constexpr std::size_t syssize{0x1f4};
inline constexpr std::size_t vid_mode{0x1fa};
inline constexpr std::size_t boot_flag{0x1fe};
inline constexpr std::size_t jump_length{0x201};
inline constexpr std::size_t signature{0x202};
inline constexpr std::size_t version{0x206};
inline constexpr std::size_t kernel_version{0x20e};
inline constexpr std::size_t type_of_loader{0x210};
inline constexpr std::size_t loadflags{0x211};
inline constexpr std::size_t code32_start{0x214};
inline constexpr std::size_t ramdisk_image{0x218};
inline constexpr std::size_t ramdisk_size{0x21c};
inline constexpr std::size_t heap_end_ptr{0x224};
inline constexpr std::size_t cmd_line_ptr{0x228};
inline constexpr std::size_t initrd_addr_max{0x22c};
inline constexpr std::size_t kernel_alignment{0x230};
inline constexpr std::size_t relocatable_kernel{0x234};
inline constexpr std::size_t cmdline_size{0x238};
inline constexpr std::size_t pref_address{0x258};
inline constexpr std::size_t init_size{0x260};
// boot_params has room for the header up to here.
inline constexpr std::size_t limit{0x290};
} // namespace setup_offset

inline constexpr std::uint16_t protocol_with_cmdline_size{0x0206};
inline constexpr std::uint16_t protocol_with_pref_address{0x020a};
inline constexpr std::uint16_t protocol_with_rsdp{0x020e};

struct LinuxSetup {
    std::uint16_t version{0};
    std::size_t setup_size{0}; // bytes of the real-mode part; the protected-mode kernel follows
    std::size_t header_end{0}; // offset of the header's first byte that is not copied to boot_params
    bool relocatable{false};
    std::uint64_t alignment{0}; // of the load address, where relocatable
    std::uint64_t preferred{0}; // load address
    std::uint64_t room{
        0}; // bytes that the kernel needs at its load address before it looks at the memory map
    std::uint64_t initrd_limit{0};       // first address that no byte of the initrd may have
    std::uint64_t command_line_limit{0}; // most characters, without the closing zero
    std::string_view name;               // the kernel's version string; lives in the image
};

// Refuses what is not whole or cannot be started by the 32-bit protocol.
[[nodiscard]] Result<LinuxSetup, boot::BootError> read_linux_setup(std::span<const std::uint8_t> image);

} // namespace shadowtune::l1
