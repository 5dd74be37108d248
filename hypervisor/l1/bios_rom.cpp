#include "hypervisor/l1/bios_rom.hpp"

#include "hypervisor/boot/bytes.hpp"

#include <algorithm>
#include <cstddef>

namespace shadowtune::l1 {

namespace {

using boot::BootError;
using memory::MemoryRange;

// bios_rom.S
extern "C" {
extern const std::uint8_t bios_rom_code[];
extern const std::uint8_t bios_rom_code_end[];
extern const std::uint8_t bios_rom_int15[];
extern const std::uint8_t bios_rom_facts[];
}

constexpr std::uint64_t one_mib{0x10'0000};
constexpr std::uint64_t sixteen_mib{0x100'0000};
constexpr std::size_t checksum_in_facts{12};
// What INT 15H, AH = 88H may say: more than 63 MiB confuses some who ask.
constexpr std::uint64_t most_extended_kib{0xFC00};
constexpr std::uint64_t most_blocks{0xFFFF};

// The end of the RAM that begins at or before `address`; `address` where there is none.
[[nodiscard]] std::uint64_t end_of_ram_from(const memory::MemoryMap& map, std::uint64_t address) {
    for (const memory::MemoryRegion& region : map.regions()) {
        if (region.type == memory::MemoryType::ram && region.range.begin <= address &&
            address < region.range.end)
            return region.range.end;
    }
    return address;
}

void write_facts(boot::ByteWriter& writer, const memory::MemoryMap& map, std::uint32_t old_int15) {
    const std::uint64_t first_end{end_of_ram_from(map, one_mib)};
    const std::uint64_t second_end{std::min(end_of_ram_from(map, sixteen_mib), memory::four_gib)};
    writer.u32(old_int15);
    writer.u16(static_cast<std::uint16_t>(map.regions().size()));
    writer.u16(static_cast<std::uint16_t>((std::min(first_end, sixteen_mib) - one_mib) / 1024));
    writer.u16(static_cast<std::uint16_t>(std::min((second_end - sixteen_mib) / 0x1'0000, most_blocks)));
    writer.u16(static_cast<std::uint16_t>(std::min((first_end - one_mib) / 1024, most_extended_kib)));
}

} // namespace

std::optional<std::uint64_t> find_rom_page(const memory::MemoryMap& map,
                                           std::span<const std::uint8_t> (*peek)(std::uint64_t page)) {
    for (std::uint64_t page{adapter_roms.end}; page > adapter_roms.begin;) {
        page -= memory::page_size;
        const MemoryRange range{memory::range_of(page, memory::page_size)};
        if (std::ranges::any_of(map.regions(), [&](const memory::MemoryRegion& region) {
                return region.range.overlaps(range);
            }))
            continue;
        constexpr std::uint8_t nothing_there{0xFF};
        if (std::ranges::all_of(peek(page), [](std::uint8_t byte) { return byte == nothing_there; }))
            return page;
    }
    return std::nullopt;
}

Result<std::uint16_t, BootError> write_bios_rom(std::span<std::uint8_t> page, const memory::MemoryMap& map,
                                                std::uint32_t old_int15) {
    const auto offset_of = [](const std::uint8_t* label) {
        return static_cast<std::size_t>(label - bios_rom_code);
    };
    constexpr std::size_t entry_size{20};
    const std::size_t code_size{offset_of(bios_rom_code_end)};
    if (code_size + map.regions().size() * entry_size > page.size())
        return Failure{BootError::of("BIOS: the memory map has ", map.regions().size(),
                                     " regions, more than L0's option ROM holds; update the firmware")};
    __builtin_memset(page.data(), 0, page.size());
    __builtin_memcpy(page.data(), bios_rom_code, code_size);
    boot::ByteWriter facts{page.subspan(offset_of(bios_rom_facts))};
    write_facts(facts, map, old_int15);
    boot::ByteWriter table{page.subspan(code_size)};
    for (const memory::MemoryRegion& region : map.regions()) {
        table.u64(region.range.begin);
        table.u64(region.range.size());
        table.u32(static_cast<std::uint32_t>(region.type));
    }
    // All bytes of an option ROM add up to 0 modulo 256.
    std::uint8_t sum{0};
    for (const std::uint8_t byte : page)
        sum = static_cast<std::uint8_t>(sum + byte);
    page[offset_of(bios_rom_facts) + checksum_in_facts] = static_cast<std::uint8_t>(0 - sum);
    return static_cast<std::uint16_t>(offset_of(bios_rom_int15));
}

} // namespace shadowtune::l1
