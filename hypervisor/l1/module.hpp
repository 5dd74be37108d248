#pragma once

// What each boot module is. The first word of its string in grub.cfg says it:
//
//   linux CMDLINE      a bzImage, the L1
//   initrd             Linux's initial RAM disk
//   multiboot CMDLINE  a multiboot 1 or 2 image, the L1
//   multiboot1 CMDLINE the same, started by version 1 also where it has both headers
//   module ARGS        a module of the multiboot L1; its string is ARGS
//   disk DRIVE         the boot sector of the BIOS's drive DRIVE (0x80: the first hard disk), the L1
//   profile            a profile for the VMM itself

#include "hypervisor/boot/boot_error.hpp"
#include "hypervisor/boot/multiboot2.hpp"
#include "hypervisor/l1/physical_memory.hpp"
#include "vmcs/result.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace shadowtune::l1 {

enum class L1Kind : std::uint8_t { linux_kernel, multiboot1, multiboot2, bios_disk };

// A module in its role; `text` is what follows the first word. Lives as long as the BootInfo.
struct Image {
    memory::MemoryRange range;
    std::string_view text;
};

struct BootModules {
    L1Kind kind{L1Kind::linux_kernel};
    Image kernel;
    bool has_initrd{false};
    Image initrd;
    Image modules[boot::max_modules]{};
    std::size_t module_count{0};
    Image profiles[boot::max_modules]{};
    std::size_t profile_count{0};

    [[nodiscard]] std::span<const Image> l1_modules() const { return {modules, module_count}; }
    [[nodiscard]] std::span<const Image> profile_images() const { return {profiles, profile_count}; }
};

// Sorts info's modules into their roles. Refuses: no L1 or several; an unknown word; an initrd without Linux,
// or several; a module without a multiboot L1; an image whose contents are of another kind or of none.
[[nodiscard]] Result<BootModules, boot::BootError> sort_modules(const boot::BootInfo& info,
                                                                const PhysicalMemory& memory);

} // namespace shadowtune::l1
