#include "hypervisor/boot/bios.hpp"

#include "hypervisor/l1/bios_rom.hpp"

namespace shadowtune::boot {

namespace {

[[nodiscard]] std::span<const std::uint8_t> peek_page(std::uint64_t page) {
    return {memory::at_physical<std::uint8_t>(page), memory::page_size};
}

} // namespace

void put_bios_rom(memory::L1Memory& l1, memory::L0Memory& l0, const memory::MemoryMap& machine) {
    if (const auto page{l1::find_rom_page(machine, &peek_page)}) l1.put_rom(*page, l0.take_pages(1));
}

Result<void, BootError> take_int15_over(const memory::L1Memory& l1, const memory::MemoryMap& map,
                                        Archive& archive, bool again) {
    const std::uint64_t page{l1.rom_page()};
    if (page == memory::L1Memory::no_rom) return {};
    if (!again) archive.bios_int15 = l1.read32(l1::int15_vector);
    auto* const rom{memory::at_physical<std::uint8_t>(l1.host_address(page))};
    const auto handler{
        l1::write_bios_rom({rom, memory::page_size}, map, static_cast<std::uint32_t>(archive.bios_int15))};
    if (!handler) return Failure{handler.error()};
    constexpr unsigned page_to_segment{12};
    if (!again)
        l1.write32(l1::int15_vector, static_cast<std::uint32_t>(page << page_to_segment) | handler.value());
    return {};
}

} // namespace shadowtune::boot
