#include "hypervisor/boot/bytes.hpp"
#include "hypervisor/l1/bios_rom.hpp"

#include <array>
#include <gtest/gtest.h>
#include <numeric>
#include <vector>

namespace shadowtune::l1 {
namespace {

using memory::MemoryMap;
using memory::MemoryType;

struct Row {
    std::uint64_t begin;
    std::uint64_t size;
    std::uint32_t type;
    bool operator==(const Row&) const = default;
};

// The ROM made for a map, taken apart again.
struct Rom {
    explicit Rom(const MemoryMap& map) {
        const auto offset = write_bios_rom(page, map, 0xf000'f859);
        ok = offset.ok();
        handler = ok ? offset.value() : std::uint16_t{0};
    }
    [[nodiscard]] std::uint16_t fact(std::size_t at) const {
        return boot::number_at<std::uint16_t>(page, 8 + at);
    }
    [[nodiscard]] std::vector<Row> rows(std::size_t count) const {
        // The table ends the ROM's used part; its place follows from its first row, base 0.
        std::vector<Row> rows;
        std::size_t at{page.size()};
        while (at > 0 && page[at - 1] == 0)
            --at;
        for (at = (at + 3) / 4 * 4 - count * 20; rows.size() < count; at += 20)
            rows.push_back({boot::number_at<std::uint64_t>(page, at),
                            boot::number_at<std::uint64_t>(page, at + 8),
                            boot::number_at<std::uint32_t>(page, at + 16)});
        return rows;
    }

    std::array<std::uint8_t, 4096> page{};
    bool ok{false};
    std::uint16_t handler{0};
};

MemoryMap lab_map() {
    MemoryMap map;
    EXPECT_TRUE(map.add({0, 0x9'fc00}, MemoryType::ram).ok());
    EXPECT_TRUE(map.add({0xe'8000, 0x10'0000}, MemoryType::reserved).ok());
    EXPECT_TRUE(map.add({0x10'0000, 0x1fff'0000}, MemoryType::ram).ok());
    EXPECT_TRUE(map.add({0x1fff'0000, 0x2000'0000}, MemoryType::acpi_reclaimable).ok());
    EXPECT_TRUE(map.reserve({0x1de0'0000, 0x1fe0'0000}).ok());
    return map;
}

TEST(BiosRom, IsAnOptionRomWithTheMap) {
    const MemoryMap map{lab_map()};
    const Rom rom{map};
    ASSERT_TRUE(rom.ok);
    EXPECT_EQ(boot::number_at<std::uint16_t>(rom.page, 0), 0xaa55);
    EXPECT_EQ(rom.page[2] * 512U, rom.page.size());
    EXPECT_EQ(std::accumulate(rom.page.begin(), rom.page.end(), 0U) % 256, 0U);
    EXPECT_EQ(boot::number_at<std::uint32_t>(rom.page, 8), 0xf000'f859U);
    EXPECT_GT(rom.handler, 8 + 13);
    std::vector<Row> expected;
    for (const auto& region : map.regions())
        expected.push_back(
            {region.range.begin, region.range.size(), static_cast<std::uint32_t>(region.type)});
    EXPECT_EQ(rom.fact(4), expected.size());
    EXPECT_EQ(rom.rows(expected.size()), expected);
}

TEST(BiosRom, OldQuestionsStopBelowL0) {
    const Rom rom{lab_map()};
    EXPECT_EQ(rom.fact(6), 15 * 1024);                        // E801H: 1 MiB to 16 MiB
    EXPECT_EQ(rom.fact(8), (0x1de0'0000 - 0x100'0000) >> 16); // above
    EXPECT_EQ(rom.fact(10), 63 * 1024);                       // 88H, capped
}

TEST(BiosRom, SmallAndHollowMemory) {
    MemoryMap map;
    ASSERT_TRUE(map.add({0x10'0000, 0x80'0000}, MemoryType::ram).ok());
    const Rom small{map};
    EXPECT_EQ(small.fact(6), 7 * 1024);
    EXPECT_EQ(small.fact(8), 0);
    EXPECT_EQ(small.fact(10), 7 * 1024);
    ASSERT_TRUE(map.add({0x100'0000, 0x1'8000'0000}, MemoryType::ram).ok());
    const Rom hollow{map};
    EXPECT_EQ(hollow.fact(6), 7 * 1024);
    EXPECT_EQ(hollow.fact(8), 0xff00); // up to 4 GiB
}

TEST(BiosRom, AFullMapFits) {
    MemoryMap map;
    for (std::uint64_t i{0}; i < MemoryMap::capacity; ++i)
        ASSERT_TRUE(map.add({i * 0x20'0000, i * 0x20'0000 + 0x1000}, MemoryType::ram).ok());
    const Rom rom{map};
    EXPECT_TRUE(rom.ok);
    EXPECT_EQ(rom.rows(MemoryMap::capacity).back(), (Row{127 * 0x20'0000, 0x1000, 1}));
}

std::array<std::uint8_t, adapter_roms.size()> window;

std::span<const std::uint8_t> peek(std::uint64_t page) {
    return std::span{window}.subspan(page - adapter_roms.begin, memory::page_size);
}

TEST(BiosRom, GoesWhereNoRomIs) {
    const MemoryMap map{lab_map()};
    window.fill(0xff);
    EXPECT_EQ(find_rom_page(map, &peek), 0xd'f000U);
    window[0xd'ffff - adapter_roms.begin] = 0x12;
    EXPECT_EQ(find_rom_page(map, &peek), 0xd'e000U);
    window[0xd'e000 - adapter_roms.begin] = 0;
    EXPECT_EQ(find_rom_page(map, &peek), 0xd'd000U);
    MemoryMap with_memory{map};
    ASSERT_TRUE(with_memory.add({0xd'd800, 0xd'd801}, MemoryType::reserved).ok());
    EXPECT_EQ(find_rom_page(with_memory, &peek), 0xd'c000U);
    window.fill(0); // RAM that the firmware has not told of
    EXPECT_EQ(find_rom_page(map, &peek), std::nullopt);
    std::fill_n(window.begin(), memory::page_size, std::uint8_t{0xff});
    EXPECT_EQ(find_rom_page(map, &peek), adapter_roms.begin);
}

} // namespace
} // namespace shadowtune::l1
