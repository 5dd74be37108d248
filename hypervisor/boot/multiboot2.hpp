#pragma once

// What the boot loader told the VMM: the multiboot2 information structure (Multiboot2 Specification 2.0,
// section 3.6), taken apart into plain data. The bytes are hostile until proved otherwise: nothing is read
// outside of them, and a structure that contradicts itself is refused. All text is copied, for loading L1 may
// overwrite the original.

#include "hypervisor/boot/boot_error.hpp"
#include "hypervisor/memory/memory_map.hpp"
#include "vmcs/result.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace shadowtune::boot {

// In EAX at the VMM's entry; the caller compares.
inline constexpr std::uint32_t multiboot2_magic{0x36d7'6289};

inline constexpr std::size_t max_modules{16};
inline constexpr std::size_t max_memory_entries{128};

struct BootModule {
    memory::MemoryRange range;
    std::string_view text; // the words after the file name in grub.cfg; lives in the BootInfo
};

// Root System Description Pointer, copied out of the information (ACPI 6.5, section 5.2.5.3).
struct AcpiRsdp {
    static constexpr std::size_t capacity{64};
    std::uint8_t bytes[capacity]{};
    std::size_t size{0}; // 0: the loader gave none

    [[nodiscard]] std::span<const std::uint8_t> view() const { return {bytes, size}; }
};

// About 20 KiB: keep it in static memory. Not copyable, as its text points into itself.
class BootInfo {
public:
    BootInfo() = default;
    BootInfo(const BootInfo&) = delete;
    BootInfo& operator=(const BootInfo&) = delete;

    [[nodiscard]] std::string_view command_line() const { return m_command_line; }
    [[nodiscard]] std::string_view loader_name() const { return m_loader_name; }
    // As the firmware gave them: unsorted, perhaps overlapping. MemoryMap puts them in order.
    [[nodiscard]] std::span<const memory::MemoryRegion> memory() const { return {m_memory, m_memory_count}; }
    [[nodiscard]] std::span<const BootModule> modules() const { return {m_modules, m_module_count}; }
    // The old one is ACPI 1.0's (20 bytes), the new one 2.0's (36 bytes).
    [[nodiscard]] const AcpiRsdp& old_rsdp() const { return m_old_rsdp; }
    [[nodiscard]] const AcpiRsdp& new_rsdp() const { return m_new_rsdp; }

private:
    friend class Multiboot2Reader;

    static constexpr std::size_t text_capacity{0x4000};

    std::string_view m_command_line;
    std::string_view m_loader_name;
    memory::MemoryRegion m_memory[max_memory_entries]{};
    std::size_t m_memory_count{0};
    BootModule m_modules[max_modules]{};
    std::size_t m_module_count{0};
    AcpiRsdp m_old_rsdp;
    AcpiRsdp m_new_rsdp;
    char m_text[text_capacity]{};
    std::size_t m_text_used{0};
};

// Fills a fresh `info`. `bytes` starts at the structure (EBX at entry) and may be longer than it; total_size
// decides, and must not exceed it. On failure `info` is in an unspecified, safe state. A memory map is
// required; everything else may be missing.
[[nodiscard]] Result<void, BootError> parse_multiboot2(std::span<const std::uint8_t> bytes, BootInfo& info);

// The map made of info.memory(), whole; fails where it needs more than MemoryMap::capacity regions.
[[nodiscard]] Result<memory::MemoryMap, BootError> memory_map_of(const BootInfo& info);

} // namespace shadowtune::boot
