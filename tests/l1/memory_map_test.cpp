#include "hypervisor/memory/memory_map.hpp"

#include <algorithm>
#include <array>
#include <gtest/gtest.h>
#include <random>
#include <vector>

namespace shadowtune::memory {
namespace {

TEST(MemoryMap, MergesNeighboursAndSorts) {
    MemoryMap map;
    ASSERT_TRUE(map.add({0x3000, 0x4000}, MemoryType::ram).ok());
    ASSERT_TRUE(map.add({0x1000, 0x2000}, MemoryType::ram).ok());
    ASSERT_TRUE(map.add({0x2000, 0x3000}, MemoryType::ram).ok());
    ASSERT_TRUE(map.add({0x5000, 0x5000}, MemoryType::ram).ok());
    ASSERT_EQ(map.regions().size(), 1U);
    EXPECT_EQ(map.regions()[0], (MemoryRegion{{0x1000, 0x4000}, MemoryType::ram}));
}

TEST(MemoryMap, ReserveCoversHoles) {
    MemoryMap map;
    ASSERT_TRUE(map.add({0x1000, 0x2000}, MemoryType::unusable).ok());
    ASSERT_TRUE(map.reserve({0x0, 0x3000}).ok());
    ASSERT_EQ(map.regions().size(), 1U);
    EXPECT_EQ(map.regions()[0], (MemoryRegion{{0x0, 0x3000}, MemoryType::reserved}));
}

TEST(MemoryMap, TopStopsAtTheLimit) {
    MemoryMap map;
    ASSERT_TRUE(map.add({0, 0x8000'0000}, MemoryType::ram).ok());
    ASSERT_TRUE(map.add({four_gib, four_gib * 2}, MemoryType::ram).ok());
    ASSERT_TRUE(map.add({four_gib * 3, four_gib * 4}, MemoryType::reserved).ok());
    EXPECT_EQ(map.top_of_ram(), four_gib * 2);
    EXPECT_EQ(map.top_of_ram(four_gib), 0x8000'0000U);
    EXPECT_EQ(map.top_of_memory(), four_gib * 2);
}

TEST(MemoryMap, FullLeavesItUnchanged) {
    MemoryMap map;
    for (std::uint64_t i{0}; i < MemoryMap::capacity; ++i)
        ASSERT_TRUE(map.add(range_of(i * 0x2000, 0x1000), MemoryType::ram).ok());
    const std::vector<MemoryRegion> before{map.regions().begin(), map.regions().end()};
    const auto result = map.reserve({0x100, 0x200});
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(result.error(), MemoryMapError::full);
    EXPECT_TRUE(std::ranges::equal(before, map.regions()));
}

// Against a model of one type for each page.
TEST(MemoryMap, EqualsPageModel) {
    constexpr std::uint64_t pages{64};
    std::mt19937 random{1};
    for (int round{0}; round < 2000; ++round) {
        MemoryMap map;
        std::array<std::uint32_t, pages> model{};
        for (int step{0}; step < 12; ++step) {
            const std::uint64_t begin{random() % pages};
            const std::uint64_t end{begin + random() % (pages - begin + 1)};
            const std::uint32_t type{1 + static_cast<std::uint32_t>(random() % 5)};
            const bool reserve{random() % 4 == 0};
            const MemoryRange range{begin * page_size, end * page_size};
            ASSERT_TRUE((reserve ? map.reserve(range) : map.add(range, static_cast<MemoryType>(type))).ok());
            for (std::uint64_t page{begin}; page < end; ++page)
                model[page] = reserve ? 2 : std::max(model[page], type);
        }
        std::array<std::uint32_t, pages> seen{};
        std::uint64_t last_end{0};
        for (const auto& region : map.regions()) {
            ASSERT_FALSE(region.range.empty());
            ASSERT_GE(region.range.begin, last_end);
            last_end = region.range.end;
            for (std::uint64_t page{region.range.begin / page_size}; page < region.range.end / page_size;
                 ++page)
                seen[page] = static_cast<std::uint32_t>(region.type);
        }
        ASSERT_EQ(seen, model);
    }
}

// Against trying every place.
TEST(FindRoom, EqualsExhaustiveSearch) {
    constexpr std::uint64_t pages{64};
    std::mt19937 random{2};
    int found{0};
    for (int round{0}; round < 4000; ++round) {
        MemoryMap map;
        const auto any_range = [&] {
            const std::uint64_t begin{random() % pages};
            return MemoryRange{begin * page_size, (begin + random() % (pages - begin + 1)) * page_size};
        };
        for (int i{0}; i < 3; ++i)
            ASSERT_TRUE(map.add(any_range(), MemoryType::ram).ok());
        ASSERT_TRUE(map.reserve(range_of(random() % pages * page_size, 4 * page_size)).ok());
        const std::array<MemoryRange, 3> obstacles{range_of(random() % pages * page_size, 0x1800),
                                                   any_range(),
                                                   range_of(random() % pages * page_size, 0x100)};
        const RoomDemand demand{(1 + random() % 8) * page_size, page_size << random() % 4, any_range(),
                                random() % 2 == 0};
        MemoryRange expected;
        for (std::uint64_t begin{0}; begin < pages * page_size; begin += demand.alignment) {
            const MemoryRange place{begin, begin + demand.size};
            const bool fits{
                map.is_ram(place) && demand.window.contains(place) &&
                std::ranges::none_of(obstacles, [&](auto& range) { return range.overlaps(place); })};
            if (fits && (demand.highest || expected.empty())) expected = place;
        }
        const auto place = find_room(map, obstacles, demand);
        ASSERT_EQ(place.ok(), !expected.empty());
        if (place.ok()) {
            ASSERT_EQ(place.value(), expected);
            ++found;
        }
    }
    EXPECT_GT(found, 100);
}

TEST(ChooseL0Region, HighestBelowFourGibClearOfModules) {
    MemoryMap map;
    ASSERT_TRUE(map.add({0, 0x7ff'0000}, MemoryType::ram).ok());
    ASSERT_TRUE(map.add({four_gib, four_gib * 2}, MemoryType::ram).ok());
    const std::array<MemoryRange, 1> module{MemoryRange{0x7d0'0000, 0x7d0'1000}};
    EXPECT_EQ(choose_l0_region(map, {}, 0x40'0000).value(), (MemoryRange{0x7a0'0000, 0x7e0'0000}));
    EXPECT_EQ(choose_l0_region(map, module, 0x40'0000).value(), (MemoryRange{0x780'0000, 0x7c0'0000}));
    EXPECT_EQ(choose_l0_region(map, {}, 0x1000).error(), MemoryMapError::bad_size);
    EXPECT_EQ(choose_l0_region(map, {}, four_gib).error(), MemoryMapError::no_free_room);
}

} // namespace
} // namespace shadowtune::memory
