#include "lab/xen/acpi_tables.hpp"

#include <cstddef>
#include <string_view>

namespace shadowtune::xen {
namespace {

using namespace std::string_view_literals; // lengths without strlen, of which there is none

struct [[gnu::packed]] RootPointer {
    char signature[8];
    std::uint8_t checksum; // of the first 20 bytes
    char oem[6];
    std::uint8_t revision;
    std::uint32_t rsdt;
    std::uint32_t length;
    std::uint64_t xsdt;
    std::uint8_t whole_checksum;
    std::uint8_t reserved[3];
};
static_assert(sizeof(RootPointer) == 36);

struct [[gnu::packed]] Head {
    char signature[4];
    std::uint32_t length;
    std::uint8_t revision;
    std::uint8_t checksum;
    char oem[6];
    char oem_table[8];
    std::uint32_t oem_revision;
    char creator[4];
    std::uint32_t creator_revision;
};
static_assert(sizeof(Head) == 36);

struct [[gnu::packed]] Xsdt {
    Head head;
    std::uint64_t fadt;
    std::uint64_t madt;
};

struct [[gnu::packed]] Fadt {
    Head head;
    std::uint32_t facs;
    std::uint32_t dsdt;
    std::uint8_t unused_to_boot_flags[65];
    std::uint16_t boot_flags;
    std::uint8_t reserved;
    std::uint32_t flags;
    std::uint8_t unused_to_wide_dsdt[24];
    std::uint64_t wide_dsdt;
    std::uint8_t unused_to_end[128];
};
static_assert(sizeof(Fadt) == 276 && offsetof(Fadt, boot_flags) == 109 && offsetof(Fadt, flags) == 112 &&
              offsetof(Fadt, wide_dsdt) == 140);

struct [[gnu::packed]] Madt {
    Head head;
    std::uint32_t local_apic;
    std::uint32_t flags;
    std::uint8_t entry_type; // 0: a processor's local APIC
    std::uint8_t entry_length;
    std::uint8_t processor;
    std::uint8_t apic_id;
    std::uint32_t entry_flags;
};

struct [[gnu::packed]] Tables {
    RootPointer root;
    std::uint8_t to_next[12];
    Xsdt xsdt;
    Fadt fadt;
    Madt madt;
    Head dsdt;
};
static_assert(sizeof(Tables) <= sizeof(AcpiTables));

template <std::size_t length>
void put(char (&to)[length], std::string_view text) {
    for (std::size_t i{0}; i < length; ++i)
        to[i] = i < text.size() ? text[i] : ' ';
}

[[nodiscard]] std::uint8_t checksum_of(const void* from, std::size_t length) {
    const auto* bytes{static_cast<const std::uint8_t*>(from)};
    std::uint8_t sum{0};
    for (std::size_t i{0}; i < length; ++i)
        sum = static_cast<std::uint8_t>(sum + bytes[i]);
    return static_cast<std::uint8_t>(0 - sum);
}

// Last: a table's checksum is that of all its bytes.
template <typename Table>
void finish(Table& table, Head& head, std::string_view signature, std::uint8_t revision) {
    put(head.signature, signature);
    head.length = sizeof(Table);
    head.revision = revision;
    put(head.oem, "shadow"sv);
    put(head.oem_table, "lab"sv);
    put(head.creator, "sht"sv);
    head.checksum = checksum_of(&table, sizeof(Table));
}

} // namespace

AcpiTables make_acpi_tables(std::uint64_t at) {
    constexpr std::uint16_t no_vga{1U << 2}, no_clock{1U << 5};
    constexpr std::uint32_t wbinvd_works{1U << 0}, reduced_hardware{1U << 20}, is_enabled{1U << 0};
    const auto place{[at](std::size_t offset) { return at + offset; }};
    Tables tables{};

    finish(tables.dsdt, tables.dsdt, "DSDT"sv, 2);
    tables.madt.local_apic = 0xFEE0'0000;
    tables.madt.entry_length = 8;
    tables.madt.entry_flags = is_enabled;
    finish(tables.madt, tables.madt.head, "APIC"sv, 4);
    tables.fadt.boot_flags = no_vga | no_clock;
    tables.fadt.flags = wbinvd_works | reduced_hardware;
    tables.fadt.dsdt = static_cast<std::uint32_t>(place(offsetof(Tables, dsdt)));
    tables.fadt.wide_dsdt = place(offsetof(Tables, dsdt));
    finish(tables.fadt, tables.fadt.head, "FACP"sv, 6);
    tables.xsdt.fadt = place(offsetof(Tables, fadt));
    tables.xsdt.madt = place(offsetof(Tables, madt));
    finish(tables.xsdt, tables.xsdt.head, "XSDT"sv, 1);

    constexpr std::size_t first_version_length{20};
    put(tables.root.signature, "RSD PTR "sv);
    put(tables.root.oem, "shadow"sv);
    tables.root.revision = 2;
    tables.root.length = sizeof(RootPointer);
    tables.root.xsdt = place(offsetof(Tables, xsdt));
    tables.root.checksum = checksum_of(&tables.root, first_version_length);
    tables.root.whole_checksum = checksum_of(&tables.root, sizeof(RootPointer));

    AcpiTables made{};
    __builtin_memcpy(made.bytes, &tables, sizeof(tables));
    return made;
}

} // namespace shadowtune::xen
