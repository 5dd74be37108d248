#include "hypervisor/boot/processor_list.hpp"

#include "hypervisor/boot/bytes.hpp"

namespace shadowtune::boot {

namespace {

using Bytes = std::span<const std::uint8_t>;

// ACPI 6.5: table 5.4 (header), 5.2.5.3 (RSDP), table 5.19 (MADT) and the structures of 5.2.12.2
// and 5.2.12.12.
constexpr std::uint64_t header_size{36}, header_length{4}, madt_local_apic{36}, madt_structures{44};
constexpr std::uint64_t rsdp_rsdt{16}, rsdp_xsdt{24}, old_rsdp_size{20}, new_rsdp_size{36};
constexpr std::uint64_t longest_table{1U << 20};
constexpr std::uint32_t signature_madt{0x43495041}; // "APIC"
constexpr std::uint8_t type_local_apic{0}, type_local_x2apic{9}, type_local_apic_address{5};
constexpr std::uint32_t flag_enabled{1};

[[nodiscard]] bool has_good_sum(Bytes bytes) {
    std::uint8_t sum{0};
    for (const std::uint8_t byte : bytes)
        sum = static_cast<std::uint8_t>(sum + byte);
    return sum == 0;
}

// The whole table, or an empty span where it is not one.
[[nodiscard]] Bytes table_at(const AcpiMemory& memory, std::uint64_t address) {
    const Bytes header{memory.access(memory.context, address, header_size)};
    if (header.size() < header_size) return {};
    const auto length{number_at<std::uint32_t>(header, header_length)};
    if (length < header_size || length > longest_table) return {};
    const Bytes table{memory.access(memory.context, address, length)};
    return table.size() == length && has_good_sum(table) ? table : Bytes{};
}

// XSDT where there is one, else RSDT; `entry_size` tells which.
[[nodiscard]] Bytes root_table(const AcpiRsdp& old_rsdp, const AcpiRsdp& new_rsdp, const AcpiMemory& memory,
                               std::uint64_t& entry_size) {
    if (new_rsdp.size >= new_rsdp_size && has_good_sum(new_rsdp.view().first(new_rsdp_size))) {
        entry_size = sizeof(std::uint64_t);
        const Bytes xsdt{table_at(memory, number_at<std::uint64_t>(new_rsdp.view(), rsdp_xsdt))};
        if (!xsdt.empty()) return xsdt;
    }
    const AcpiRsdp& rsdp{old_rsdp.size >= old_rsdp_size ? old_rsdp : new_rsdp};
    entry_size = sizeof(std::uint32_t);
    if (rsdp.size < old_rsdp_size || !has_good_sum(rsdp.view().first(old_rsdp_size))) return {};
    return table_at(memory, number_at<std::uint32_t>(rsdp.view(), rsdp_rsdt));
}

[[nodiscard]] Bytes find_madt(Bytes root, std::uint64_t entry_size, const AcpiMemory& memory) {
    for (std::uint64_t at{header_size}; has_bytes(root, at, entry_size); at += entry_size) {
        const std::uint64_t address{entry_size == sizeof(std::uint64_t) ? number_at<std::uint64_t>(root, at)
                                                                        : number_at<std::uint32_t>(root, at)};
        const Bytes table{table_at(memory, address)};
        if (number_at<std::uint32_t>(table, 0) == signature_madt) return table;
    }
    return {};
}

void add(ProcessorList& list, std::uint32_t apic_id, std::uint32_t flags) {
    if ((flags & flag_enabled) == 0) {
        ++list.not_enabled;
        return;
    }
    for (std::size_t i{0}; i < list.count; ++i) {
        if (list.apic_ids[i] == apic_id) return;
    }
    if (list.count == ProcessorList::capacity) {
        ++list.too_many;
        return;
    }
    list.apic_ids[list.count++] = apic_id;
}

void add_structure(ProcessorList& list, Bytes structure) {
    switch (structure[0]) {
    case type_local_apic:
        if (has_bytes(structure, 0, 8)) add(list, structure[3], number_at<std::uint32_t>(structure, 4));
        break;
    case type_local_x2apic:
        if (has_bytes(structure, 0, 16))
            add(list, number_at<std::uint32_t>(structure, 4), number_at<std::uint32_t>(structure, 8));
        break;
    case type_local_apic_address:
        if (has_bytes(structure, 0, 12)) list.local_apic = number_at<std::uint64_t>(structure, 4);
        break;
    default: break;
    }
}

} // namespace

Result<ProcessorList, BootError> list_processors(const AcpiRsdp& old_rsdp, const AcpiRsdp& new_rsdp,
                                                 const AcpiMemory& memory) {
    if (old_rsdp.size == 0 && new_rsdp.size == 0)
        return Failure{BootError::of("the boot loader found no ACPI tables")};
    std::uint64_t entry_size{0};
    const Bytes root{root_table(old_rsdp, new_rsdp, memory, entry_size)};
    if (root.empty()) return Failure{BootError::of("the ACPI root table cannot be read")};
    const Bytes madt{find_madt(root, entry_size, memory)};
    if (madt.size() < madt_structures)
        return Failure{BootError::of("ACPI has no table of processors (MADT) that can be read")};
    ProcessorList list{};
    list.local_apic = number_at<std::uint32_t>(madt, madt_local_apic);
    constexpr std::uint64_t smallest{2}; // type and length
    for (std::uint64_t at{madt_structures}; has_bytes(madt, at, smallest);) {
        const std::uint64_t length{madt[at + 1]};
        const Bytes structure{part_of(madt, at, length)};
        if (length < smallest || structure.empty()) break;
        add_structure(list, structure);
        at += length;
    }
    return list;
}

} // namespace shadowtune::boot
