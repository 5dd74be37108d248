#pragma once

// The logical processors that the firmware lists in the MADT (ACPI 6.5, sections 5.2.5 to 5.2.12). Plain code
// over whatever bytes the firmware left: nothing is read outside of them.

#include "hypervisor/boot/boot_error.hpp"
#include "hypervisor/boot/multiboot2.hpp"
#include "vmcs/result.hpp"

#include <cstddef>
#include <cstdint>
#include <span>

namespace shadowtune::boot {

// How the tables are reached: the one-to-one map in the VMM, a vector in the hosted tests.
struct AcpiMemory {
    // All `size` bytes at `address`, or an empty span where they cannot be read.
    std::span<const std::uint8_t> (*access)(void* context, std::uint64_t address,
                                            std::uint64_t size){nullptr};
    void* context{nullptr};
};

struct ProcessorList {
    // As many as L0 virtualises.
    static constexpr std::size_t capacity{64};
    std::uint32_t apic_ids[capacity]{}; // enabled ones, in the firmware's order; none twice
    std::size_t count{0};
    std::size_t too_many{0};     // enabled ones beyond the capacity
    std::size_t not_enabled{0};  // listed, but not to be used
    std::uint64_t local_apic{0}; // physical address of the local APICs
};

// Errors: no RSDP, or a table that is missing, cannot be read, or has a wrong checksum.
[[nodiscard]] Result<ProcessorList, BootError>
list_processors(const AcpiRsdp& old_rsdp, const AcpiRsdp& new_rsdp, const AcpiMemory& memory);

} // namespace shadowtune::boot
