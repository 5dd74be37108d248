#include "hypervisor/memory/ept01.hpp"
#include "tests/vmm/pages.hpp"

#include <gtest/gtest.h>
#include <optional>
#include <random>
#include <vector>

namespace shadowtune::memory {
namespace {

struct Mapping {
    std::uint64_t physical;
    std::uint64_t type;
    unsigned level; // 1: 4 KiB, 2: 2 MiB, 3: 1 GiB
};

// What the processor does with the tables: SDM Vol. 3C, 29.3.2. `read_only`: the leaf may lack the write bit.
[[nodiscard]] std::optional<Mapping> walk(std::uint64_t eptp, std::uint64_t address, bool read_only = false) {
    std::uint64_t table{eptp & ~(page_size - 1)};
    for (unsigned level{4};; --level) {
        const unsigned shift{12 + 9 * (level - 1)};
        const std::uint64_t entry{at_physical<std::uint64_t>(table)[address >> shift & 511]};
        if (read_only && level == 1 && (entry & 7) == 5)
            return Mapping{entry & 0x000F'FFFF'FFFF'F000, entry >> 3 & 7, 0};
        if ((entry & 7) != 7) {
            EXPECT_EQ(entry, 0U) << "neither absent nor fully permitted";
            return std::nullopt;
        }
        if (level == 1 || (level < 4 && (entry & 0x80) != 0)) {
            const std::uint64_t offset{(std::uint64_t{1} << shift) - 1};
            // Reserved low address bits of a large page must be 0, or the processor stops with a
            // misconfiguration.
            EXPECT_EQ(entry & offset & 0x000F'FFFF'FFFF'F000, 0U);
            return Mapping{(entry & 0x000F'FFFF'FFFF'F000) | (address & offset), entry >> 3 & 7, level};
        }
        table = entry & 0x000F'FFFF'FFFF'F000;
    }
}

struct Case {
    MemoryRange hidden;
    MemoryMap map;
    unsigned width;
    bool one_gib_pages;
};

[[nodiscard]] Case random_case(std::mt19937_64& random) {
    Case c{};
    c.width = 30 + static_cast<unsigned>(random() % 7); // 2^30 to 2^36; below 2^32 the builder goes to 4 GiB
    c.one_gib_pages = random() % 2 == 0;
    for (unsigned i{0}; i < 6; ++i) {
        // Firmware's ranges need not be page-aligned.
        const std::uint64_t begin{random() % 0x2'0000'0000};
        const auto type{i % 3 == 2 ? MemoryType::reserved : MemoryType::ram};
        EXPECT_TRUE(c.map.add({begin, begin + random() % 0x8000'0000}, type).ok());
    }
    const std::uint64_t alignment{random() % 2 == 0 ? large_page_size : page_size};
    const std::uint64_t begin{align_down(random() % 0xF000'0000, alignment)};
    c.hidden = {begin, begin + alignment * (1 + random() % 32)};
    return c;
}

[[nodiscard]] std::vector<std::uint64_t> probes(const Case& c, std::mt19937_64& random) {
    const std::uint64_t end{std::uint64_t{1} << (c.width < 32 ? 32 : c.width)};
    std::vector<std::uint64_t> addresses{
        0, end - 1, c.hidden.begin - 1, c.hidden.begin, c.hidden.end - 1, c.hidden.end};
    for (const auto& region : c.map.regions()) {
        for (const std::uint64_t edge : {region.range.begin, region.range.end}) {
            addresses.insert(addresses.end(), {edge - 1, edge, edge - page_size, edge + page_size});
        }
    }
    for (unsigned i{0}; i < 300; ++i) {
        addresses.push_back(random() % end);
        addresses.push_back(c.hidden.begin + random() % c.hidden.size());
    }
    std::erase_if(addresses, [end](std::uint64_t address) { return address >= end; });
    return addresses;
}

TEST(Ept01, LeadsEachAddressToItselfOrToTheSink) {
    std::mt19937_64 random{21};
    bool met[4]{};
    for (unsigned round{0}; round < 60; ++round) {
        const Case c{random_case(random)};
        const testing::Pages pool{160};
        L0Memory memory{c.hidden, pool.range()};
        const std::uint64_t sink{c.hidden.begin};
        const L1Memory l1{memory, sink, four_gib};
        const std::uint64_t eptp{build_ept01(memory, l1, c.map, c.width, c.one_gib_pages)};
        // Write-back tables, four levels, no accessed and dirty flags (SDM Vol. 3C, Table 25-9).
        ASSERT_EQ(eptp & (page_size - 1), 0x1EU);
        for (const std::uint64_t address : probes(c, random)) {
            const auto mapping{walk(eptp, address)};
            ASSERT_TRUE(mapping.has_value()) << std::hex << address;
            const bool is_hidden{address >= c.hidden.begin && address < c.hidden.end};
            ASSERT_EQ(mapping->physical, is_hidden ? sink + address % page_size : address)
                << "round " << round;
            const std::uint64_t page{align_down(address, page_size)};
            const bool cached{is_hidden || c.map.is_ram({page, page + page_size})};
            ASSERT_EQ(mapping->type, cached ? ept_write_back : ept_uncacheable) << std::hex << address;
            ASSERT_TRUE(mapping->level < 3 || c.one_gib_pages);
            met[mapping->level] = true;
        }
        const std::uint64_t end{std::uint64_t{1} << (c.width < 32 ? 32 : c.width)};
        EXPECT_FALSE(walk(eptp, end).has_value());
    }
    EXPECT_TRUE(met[1] && met[2] && met[3]); // each size of page was really there
}

TEST(Ept01, NeverReachesBeyondFourLevels) {
    // 52 bits would need five levels; the tables stop at 48. With 1-GiB pages that is 512 directories.
    const MemoryRange hidden{0x4000'0000, 0x4020'0000};
    const testing::Pages pool{520};
    L0Memory memory{hidden, pool.range()};
    const L1Memory l1{memory, hidden.begin, four_gib};
    const std::uint64_t eptp{build_ept01(memory, l1, {}, 52, true)};
    const auto last{walk(eptp, (std::uint64_t{1} << 48) - 1)};
    ASSERT_TRUE(last.has_value());
    EXPECT_EQ(last->physical, (std::uint64_t{1} << 48) - 1);
    EXPECT_EQ(last->type, ept_uncacheable);
}

// The memory of a PC: 640 KiB, the holes below 1 MiB, and RAM from there.
class PcMemory : public ::testing::Test {
protected:
    PcMemory() {
        EXPECT_TRUE(m_map.add({0, 0x9'fc00}, MemoryType::ram).ok());
        EXPECT_TRUE(m_map.add({0x10'0000, 0x1000'0000}, MemoryType::ram).ok());
    }

    MemoryMap m_map{};
    MemoryRange m_hidden{0x400'0000, 0x600'0000};
    testing::Pages m_pool{48};
    L0Memory m_memory{m_hidden, m_pool.range()};
    L1Memory m_l1{m_memory, m_hidden.begin, four_gib};
};

TEST_F(PcMemory, AClosedA20GateWrapsWhatRealModeReaches) {
    const std::uint64_t eptp{build_ept01(m_memory, m_l1, m_map, 32, false)};
    const auto leads_to = [&](std::uint64_t address) { return walk(eptp, address)->physical; };
    mask_a20(eptp, m_l1, m_map, true);
    for (const std::uint64_t offset : {0x0U, 0x7c00U, 0xffefU})
        EXPECT_EQ(leads_to(0x10'0000 + offset), offset);
    EXPECT_EQ(walk(eptp, 0x10'0000)->type, ept_write_back);
    EXPECT_EQ(leads_to(0xf'ffff), 0xf'ffffU);
    EXPECT_EQ(leads_to(0x11'0000), 0x11'0000U);
    EXPECT_EQ(leads_to(0), 0U);
    mask_a20(eptp, m_l1, m_map, false);
    for (const std::uint64_t offset : {0x0U, 0x7c00U, 0xffefU})
        EXPECT_EQ(leads_to(0x10'0000 + offset), 0x10'0000 + offset);
    EXPECT_EQ(walk(eptp, 0x10'f000)->type, ept_write_back);
}

TEST_F(PcMemory, TheRomStandsInAHole) {
    const std::uint64_t host{m_hidden.begin + 5 * page_size};
    m_l1.put_rom(0xe'7000, host);
    const std::uint64_t eptp{build_ept01(m_memory, m_l1, m_map, 32, false)};
    EXPECT_EQ(walk(eptp, 0xe'7123)->physical, host + 0x123);
    EXPECT_EQ(walk(eptp, 0xe'7123)->type, ept_write_back);
    EXPECT_EQ(walk(eptp, 0xe'6fff)->physical, 0xe'6fffU);
    EXPECT_EQ(walk(eptp, 0xe'8000)->physical, 0xe'8000U);
    // L0 on behalf of L1 meets the same page, and no large page may cover it.
    EXPECT_EQ(m_l1.host_address(0xe'7ffe), host + 0xffe);
    EXPECT_FALSE(m_l1.is_identity(0xe'7000, 1));
    EXPECT_FALSE(m_l1.is_identity(0, large_page_size));
    EXPECT_TRUE(m_l1.is_identity(0xe'8000, page_size));
}

TEST(Ept01, ARangeIsWriteBackOnlyWhereAllOfItIsRam) {
    MemoryMap map{};
    ASSERT_TRUE(map.add({0, 0x10'0800}, MemoryType::ram).ok());
    EXPECT_EQ(memory_type_of_range(map, 0xF'F000, page_size), ept_write_back);
    EXPECT_EQ(memory_type_of_range(map, 0x10'0000, page_size), ept_uncacheable);
    EXPECT_EQ(memory_type_of_range(map, 0x20'0000, page_size), ept_uncacheable);
}

// One page of a machine with 1-GiB, 2-MiB or 4-KiB leaves: only it changes, and it can change back.
TEST(Ept01, SinglePagesChangeTheirRights) {
    const MemoryRange hidden{0x4000'0000, 0x4020'1000};
    MemoryMap map{};
    ASSERT_TRUE(map.add({0, 0xC000'0000}, MemoryType::ram).ok());
    for (const std::uint64_t page : {0xFEE0'0000ULL, 0x4000'0000ULL, 0x4030'5000ULL, 0x1000ULL}) {
        const testing::Pages pool{160};
        L0Memory memory{hidden, pool.range()};
        const L1Memory l1{memory, hidden.begin, four_gib};
        const std::uint64_t eptp{build_ept01(memory, l1, map, 36, true)};
        const testing::Pages spare{Ept01Pages::most_for_one};
        Ept01Pages pages{eptp, spare.begin(), Ept01Pages::most_for_one};
        const std::uint64_t probes[]{
            0, page - page_size, page + page_size, page ^ large_page_size, page ^ 0x4000'0000, hidden.begin};
        std::optional<Mapping> before[std::size(probes)];
        for (std::size_t i{0}; i < std::size(probes); ++i)
            before[i] = walk(eptp, probes[i], true);
        const auto itself{walk(eptp, page)};

        EXPECT_TRUE(pages.is_writable(page));
        ASSERT_TRUE(pages.set_writable(page + 0x300, false));
        EXPECT_FALSE(pages.is_writable(page + 0xFFF));
        EXPECT_TRUE(pages.is_writable(page + page_size));
        const auto changed{walk(eptp, page, true)};
        ASSERT_TRUE(changed.has_value() && itself.has_value());
        EXPECT_EQ(changed->level, 0U);
        EXPECT_EQ(changed->physical, itself->physical);
        EXPECT_EQ(changed->type, itself->type);
        for (std::size_t i{0}; i < std::size(probes); ++i) {
            if (align_down(probes[i], page_size) == page) continue;
            const auto after{walk(eptp, probes[i])};
            ASSERT_TRUE(after.has_value() && before[i].has_value());
            EXPECT_EQ(after->physical, before[i]->physical) << std::hex << page << " " << probes[i];
            EXPECT_EQ(after->type, before[i]->type);
        }
        ASSERT_TRUE(pages.set_writable(page, true));
        EXPECT_EQ(walk(eptp, page)->physical, itself->physical);
    }
}

TEST(Ept01, WithoutSparePagesNothingChanges) {
    const MemoryRange hidden{0x4000'0000, 0x4020'0000};
    const testing::Pages pool{160};
    L0Memory memory{hidden, pool.range()};
    const L1Memory l1{memory, hidden.begin, four_gib};
    const std::uint64_t eptp{build_ept01(memory, l1, {}, 36, true)};
    const testing::Pages spare{1};
    Ept01Pages pages{eptp, spare.begin(), 1};
    EXPECT_FALSE(pages.set_writable(0xFEE0'0000, false));
    EXPECT_TRUE(pages.is_writable(0xFEE0'0000));
    EXPECT_EQ(walk(eptp, 0xFEE0'0123)->physical, 0xFEE0'0123U);
    EXPECT_FALSE(pages.set_writable(std::uint64_t{1} << 40, false));
}

} // namespace
} // namespace shadowtune::memory
