#include "tests/vmcs/sets.hpp"
#include "vmcs/bitmap.hpp"

#include <gtest/gtest.h>
#include <memory>

namespace shadowtune::vmcs {
namespace {

// Bit n of the page by its bytes, as the processor reads it: byte n / 8, bit n % 8 (SDM Vol. 3C, 26.1.3).
[[nodiscard]] bool bit(const BitmapPage& page, std::uint32_t operand) {
    return (page.data()[operand / 8] >> (operand % 8) & 1) != 0;
}

void expect_page_of(const BitmapPage& page, const FieldSet& shadowed) {
    for (std::uint32_t operand{0}; operand < encodings_in_bitmap; ++operand) {
        // find() is proved against the SDM's numbers in catalogue_test.cpp.
        const FieldIndex index{find(operand)};
        const bool traps{index == no_field || !shadowed.test(index)};
        ASSERT_EQ(bit(page, operand), traps) << std::hex << operand;
        ASSERT_EQ(page.traps(static_cast<Encoding>(operand)), traps) << std::hex << operand;
    }
}

TEST(BitmapPage, TrapsEverythingFromTheStart) {
    const auto page{std::make_unique<BitmapPage>()};
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(page->data()) % 4096, 0U);
    for (std::size_t i{0}; i < BitmapPage::size; ++i)
        ASSERT_EQ(page->data()[i], 0xFF);
}

TEST(BitmapPage, ClearsTheBitsOfTheProfileAndNoOthers) {
    const auto page{std::make_unique<BitmapPage>()};
    std::mt19937_64 random{4};
    // One page again and again: nothing of an earlier profile may be left.
    for (unsigned round{0}; round < 50; ++round) {
        const FieldSet shadowed{testing::random_fields(random, 1 + round % 30)};
        page->assign(shadowed);
        expect_page_of(*page, shadowed);
    }
    page->assign(testing::all_fields());
    expect_page_of(*page, testing::all_fields());
}

TEST(BitmapPage, PassesBothHalvesOfA64BitFieldAndOneBitOfOthers) {
    const auto page{std::make_unique<BitmapPage>()};
    for (FieldIndex i{0}; i < field_count; ++i) {
        FieldSet one{};
        one.set(i);
        page->assign(one);
        unsigned clear{0};
        for (std::uint32_t operand{0}; operand < encodings_in_bitmap; ++operand)
            clear += bit(*page, operand) ? 0U : 1U;
        EXPECT_EQ(clear, catalogue[i].width == Width::bits64 ? 2U : 1U) << catalogue[i].symbol;
        EXPECT_FALSE(bit(*page, catalogue[i].encoding)) << catalogue[i].symbol;
    }
}

TEST(BitmapPage, TrapsAllAgainAfterAProfile) {
    const auto page{std::make_unique<BitmapPage>()};
    page->assign(testing::all_fields());
    page->trap_all();
    expect_page_of(*page, {});
}

} // namespace
} // namespace shadowtune::vmcs
