#include "hypervisor/memory/l0_memory.hpp"
#include "hypervisor/memory/page_walk.hpp"
#include "tests/vmm/pages.hpp"

#include <algorithm>
#include <gtest/gtest.h>
#include <random>
#include <stdexcept>

namespace shadowtune::memory {
namespace {

TEST(L0Memory, HandsOutZeroedPagesOnceEach) {
    const testing::Pages pages{4};
    L0Memory memory{pages.range(), pages.range()};
    EXPECT_EQ(memory.pages_left(), 4U);
    EXPECT_EQ(memory.take_pages(1), pages.page(0));
    EXPECT_EQ(memory.take_pages(2), pages.page(1));
    EXPECT_EQ(memory.pages_left(), 1U);
    EXPECT_TRUE(
        std::all_of(pages.bytes(), pages.bytes() + 3 * page_size, [](auto byte) { return byte == 0; }));
    EXPECT_EQ(pages.bytes()[3 * page_size], 0xA5); // not handed out, not touched
}

TEST(L0Memory, StopsWhereThePoolIsTooSmall) {
    const testing::Pages pages{2};
    L0Memory memory{pages.range(), pages.range()};
    EXPECT_THROW(static_cast<void>(memory.take_pages(3)), std::runtime_error);
    EXPECT_EQ(memory.take_pages(2), pages.page(0));
    EXPECT_THROW(static_cast<void>(memory.take_pages(1)), std::runtime_error);
}

TEST(L0Memory, ObjectsTakeWholePages) {
    struct Large {
        std::uint8_t bytes[page_size + 1];
        int value{42};
    };
    const testing::Pages pages{3};
    L0Memory memory{pages.range(), pages.range()};
    EXPECT_EQ(memory.take<Large>()->value, 42);
    EXPECT_EQ(memory.pages_left(), 1U);
}

TEST(L0Memory, KnowsItsRegionByTheByte) {
    const L0Memory memory{{0x20'0000, 0x40'0000}, {0x30'0000, 0x40'0000}};
    EXPECT_FALSE(memory.holds(0x1F'FFFF));
    EXPECT_TRUE(memory.holds(0x20'0000));
    EXPECT_TRUE(memory.holds(0x3F'FFFF));
    EXPECT_FALSE(memory.holds(0x40'0000));
}

// The tables' memory, as the page walk wants it.
struct Physical {
    [[nodiscard]] std::uint64_t read64(std::uint64_t at) const { return *at_physical<std::uint64_t>(at); }
    [[nodiscard]] std::uint32_t read32(std::uint64_t at) const { return *at_physical<std::uint32_t>(at); }
    void write64(std::uint64_t at, std::uint64_t value) const { *at_physical<std::uint64_t>(at) = value; }
    void write32(std::uint64_t at, std::uint32_t value) const { *at_physical<std::uint32_t>(at) = value; }
};

TEST(L0PageTables, MapPhysicalMemoryOneToOneAndTheImageAtItsAddress) {
    constexpr std::uint64_t image_virtual{0xFFFF'FFFF'8000'0000}, image_size{0x60'0000},
        mapped_end{0x1'4000'0000};
    constexpr std::uint64_t image_physical{0x3F00'0000};
    const testing::Pages pool{32};
    L0Memory memory{{image_physical, image_physical + 0x100'0000}, pool.range()};
    const std::uint64_t root{build_page_tables(memory, image_virtual, image_size, mapped_end)};

    constexpr std::uint64_t pg_wp{0x8001'0000}, pae{0x20}, lma{0x400};
    const PagingState state{pg_wp, root, pae, lma, 2, {}};
    Physical physical{};
    std::mt19937_64 random{7};
    for (unsigned i{0}; i < 1000; ++i) {
        const std::uint64_t address{random() % mapped_end};
        const auto direct{translate(physical, state, address, true)};
        ASSERT_TRUE(direct.present) << std::hex << address;
        ASSERT_EQ(direct.physical, address);
        const std::uint64_t offset{random() % image_size};
        const auto image{translate(physical, state, image_virtual + offset, true)};
        ASSERT_TRUE(image.present) << std::hex << offset;
        ASSERT_EQ(image.physical, image_physical + offset);
    }
    EXPECT_FALSE(translate(physical, state, mapped_end, false).present);
    EXPECT_FALSE(translate(physical, state, image_virtual + image_size, false).present);
    EXPECT_FALSE(translate(physical, state, image_virtual - 1, false).present);
}

} // namespace
} // namespace shadowtune::memory
