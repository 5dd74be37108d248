// The least that a Linux without a BIOS needs to know of its machine: no legacy devices, one local APIC.
// (ACPI 6.5, 5.2.5 "Root System Description Pointer" to 5.2.12 "Multiple APIC Description Table".)
#pragma once

#include <cstdint>

namespace shadowtune::xen {

struct AcpiTables {
    std::uint8_t bytes[1024]{};
};

// For the physical address at which they will lie, below 4 GiB; the root pointer comes first.
[[nodiscard]] AcpiTables make_acpi_tables(std::uint64_t at);

} // namespace shadowtune::xen
