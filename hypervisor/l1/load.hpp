#pragma once

// Puts the L1 into memory and says with which registers it starts.

#include "hypervisor/boot/boot_error.hpp"
#include "hypervisor/boot/multiboot2.hpp"
#include "hypervisor/l1/module.hpp"
#include "hypervisor/l1/physical_memory.hpp"
#include "hypervisor/memory/memory_map.hpp"
#include "vmcs/result.hpp"

#include <cstddef>
#include <cstdint>

namespace shadowtune::l1 {

// The selectors and the table that every L1 starts with (Linux boot protocol: __BOOT_CS and __BOOT_DS;
// multiboot leaves the values open).
inline constexpr std::uint16_t boot_code_selector{0x10};
inline constexpr std::uint16_t boot_data_selector{0x18};
inline constexpr std::uint16_t boot_gdt_limit{4 * 8 - 1};

enum class StartMode : std::uint8_t {
    // Flat 32-bit protected mode: CS 0..4 GiB execute/read at boot_code_selector, the others 0..4 GiB
    // read/write at boot_data_selector; CR0.PE = 1, paging, A20 gate masking and interrupts off (EFLAGS = 2).
    flat_protected,
    // Real mode as a BIOS leaves it to a boot sector: all segments 0, the interrupt vectors at 0, interrupts
    // on (EFLAGS = 202H), A20 gate masking off.
    real,
};

struct L1Entry {
    StartMode mode{StartMode::flat_protected};
    std::uint32_t eip{0};
    std::uint32_t eax{0};
    std::uint32_t ebx{0};
    std::uint32_t ecx{0};
    std::uint32_t edx{0};
    std::uint32_t esi{0};
    std::uint32_t edi{0};
    std::uint32_t ebp{0};
    std::uint32_t esp{0};
    std::uint32_t gdt_base{0}; // in L1's low memory; limit boot_gdt_limit. Protected mode only

    L1Kind kind{L1Kind::linux_kernel};
    // Zero-terminated, printable: Linux's own version string, the name a multiboot image was given, or the
    // disk's number.
    static constexpr std::size_t name_capacity{127};
    char name[name_capacity + 1]{};
};

// What a loader needs. `map` is L1's: L0's region and the VMM's image are reserved in it.
struct L1Request {
    const memory::MemoryMap& map;
    PhysicalMemory memory;
    const boot::BootInfo& info;
    const BootModules& modules;
};

// Needs up to 32 KiB of stack. Everything is planned, checked and reached before the first byte is written,
// so on failure memory is as it was. Loading may overwrite every module and the multiboot information: read
// the profile modules first.
[[nodiscard]] Result<L1Entry, boot::BootError> load_l1(const L1Request& request);

} // namespace shadowtune::l1
