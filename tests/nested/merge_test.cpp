#include "hypervisor/nested/merge.hpp"

#include <gtest/gtest.h>
#include <memory>
#include <random>

namespace {

using namespace shadowtune;
using nested::BitmapWords;

std::unique_ptr<BitmapWords> random_page(std::mt19937_64& random) {
    auto page{std::make_unique<BitmapWords>()};
    for (auto& word : page->words)
        word = random() & random();
    return page;
}

// A few words with wishes, as L0 has them.
std::unique_ptr<BitmapWords> sparse_page(std::mt19937_64& random, std::size_t words) {
    auto page{std::make_unique<BitmapWords>()};
    for (std::size_t i{0}; i < words; ++i)
        page->words[(i * 37 + random() % 8) % BitmapWords::count] = random() | 1;
    return page;
}

TEST(Merge, IsTheOrBitByBit) {
    std::mt19937_64 random{2};
    for (unsigned round{0}; round < 8; ++round) {
        const auto l0{sparse_page(random, nested::OwnBitmap::capacity)};
        const auto l1{random_page(random)};
        auto merged{random_page(random)};
        nested::OwnBitmap own{};
        ASSERT_TRUE(own.set(l0.get()));
        own.merge(*merged, *l1);
        for (std::size_t bit{0}; bit < 32768; ++bit)
            ASSERT_EQ(merged->test(bit), l0->test(bit) || l1->test(bit));
        EXPECT_TRUE(own.is_covered_by(*merged));
    }
}

TEST(Merge, CoverMissesNoBit) {
    std::mt19937_64 random{3};
    const auto l0{sparse_page(random, 5)};
    nested::OwnBitmap own{};
    ASSERT_TRUE(own.set(l0.get()));
    for (std::size_t bit{0}; bit < 32768; ++bit) {
        auto l1{std::make_unique<BitmapWords>()};
        for (auto& word : l1->words)
            word = ~std::uint64_t{0};
        l1->words[bit / 64] &= ~(std::uint64_t{1} << (bit % 64));
        ASSERT_EQ(own.is_covered_by(*l1), !l0->test(bit)) << bit;
    }
}

TEST(Merge, TooManyWordsAreRefused) {
    auto l0{std::make_unique<BitmapWords>()};
    for (std::size_t i{0}; i <= nested::OwnBitmap::capacity; ++i)
        l0->words[i] = 1;
    nested::OwnBitmap own{};
    EXPECT_FALSE(own.set(l0.get()));
}

TEST(Merge, ClaimedPortsAreExactlyThose) {
    auto a{std::make_unique<BitmapWords>()};
    auto b{std::make_unique<BitmapWords>()};
    nested::claim_ports(*a, *b, 0x2F8, 0x2FF);
    nested::claim_ports(*a, *b, 0x7FFF, 0x8000);
    nested::claim_ports(*a, *b, 0xFFFF, 0xFFFF);
    for (std::uint32_t port{0}; port < 0x10000; ++port) {
        const bool claimed{(port >= 0x2F8 && port <= 0x2FF) || port == 0x7FFF || port == 0x8000 ||
                           port == 0xFFFF};
        const BitmapWords& page{port < 0x8000 ? *a : *b};
        ASSERT_EQ(page.test(port % 0x8000), claimed) << port;
    }
}

TEST(Merge, MsrBitsLieWhereTheSdmPutsThem) {
    // Section 25.6.9: bytes 0, 1024, 2048 and 3072 begin read low, read high, write low, write high.
    EXPECT_EQ(nested::msr_bit(0, false), 0U);
    EXPECT_EQ(nested::msr_bit(0x1FFF, false), 0x1FFFU);
    EXPECT_EQ(nested::msr_bit(0xC0000000, false), 1024U * 8);
    EXPECT_EQ(nested::msr_bit(0xC0001FFF, false), 2048U * 8 - 1);
    EXPECT_EQ(nested::msr_bit(0, true), 2048U * 8);
    EXPECT_EQ(nested::msr_bit(0xC0000080, true), 3072U * 8 + 0x80);
    for (const std::uint32_t msr : {0x2000U, 0xBFFFFFFFU, 0xC0002000U, 0xFFFFFFFFU}) {
        EXPECT_EQ(nested::msr_bit(msr, false), nested::no_msr_bit);
        EXPECT_EQ(nested::msr_bit(msr, true), nested::no_msr_bit);
    }
}

TEST(Merge, ClaimedMsrsAreExactlyThose) {
    auto page{std::make_unique<BitmapWords>()};
    nested::claim_msr(*page, 0x3A, true, false);
    nested::claim_msr(*page, 0xC0000080, false, true);
    nested::claim_msr(*page, 0x40000000, true, true);
    std::size_t set{0};
    for (std::size_t bit{0}; bit < 32768; ++bit)
        set += page->test(bit) ? 1U : 0U;
    EXPECT_EQ(set, 2U);
    EXPECT_TRUE(page->test(nested::msr_bit(0x3A, false)) && page->test(nested::msr_bit(0xC0000080, true)));
}

TEST(Merge, L1WantsTheMsrsOfItsBitmapAndThoseOutside) {
    auto page{std::make_unique<BitmapWords>()};
    page->set(nested::msr_bit(0x10, false));
    constexpr std::uint32_t in_use{vmx::primary::use_msr_bitmaps};
    EXPECT_TRUE(nested::l1_wants_msr_exit(in_use, page.get(), 0x10, false));
    EXPECT_FALSE(nested::l1_wants_msr_exit(in_use, page.get(), 0x10, true));
    EXPECT_FALSE(nested::l1_wants_msr_exit(in_use, page.get(), 0x11, false));
    EXPECT_TRUE(nested::l1_wants_msr_exit(in_use, page.get(), 0x2000, false));
    EXPECT_TRUE(nested::l1_wants_msr_exit(0, page.get(), 0x11, false));
    EXPECT_TRUE(nested::l1_wants_msr_exit(in_use, nullptr, 0x11, false));
}

TEST(Merge, L1WantsAnIoAccessIfAnyOfItsPortsIsInTheBitmaps) {
    auto a{std::make_unique<BitmapWords>()};
    auto b{std::make_unique<BitmapWords>()};
    a->set(0x64);
    b->set(0); // port 8000H
    constexpr std::uint32_t in_use{vmx::primary::use_io_bitmaps};
    const auto wants{[&](std::uint16_t port, unsigned size) {
        return nested::l1_wants_io_exit(in_use, a.get(), b.get(), port, size);
    }};
    EXPECT_TRUE(wants(0x64, 1));
    EXPECT_FALSE(wants(0x63, 1));
    EXPECT_TRUE(wants(0x63, 2));
    EXPECT_TRUE(wants(0x61, 4));
    EXPECT_FALSE(wants(0x60, 4));
    EXPECT_FALSE(wants(0x65, 4));
    // From page A into page B.
    EXPECT_FALSE(wants(0x7FFF, 1));
    EXPECT_TRUE(wants(0x7FFF, 2));
    // Past FFFFH.
    EXPECT_FALSE(wants(0xFFFF, 1));
    EXPECT_TRUE(wants(0xFFFF, 2));
    EXPECT_FALSE(wants(0xFFFC, 4));
    EXPECT_TRUE(wants(0xFFFD, 4));
    // Without bitmaps, wrapping or not is all one.
    EXPECT_FALSE(nested::l1_wants_io_exit(0, a.get(), b.get(), 0xFFFF, 4));
    EXPECT_TRUE(nested::l1_wants_io_exit(vmx::primary::unconditional_io_exiting, nullptr, nullptr, 0x80, 1));
    EXPECT_FALSE(
        nested::l1_wants_io_exit(in_use | vmx::primary::unconditional_io_exiting, a.get(), b.get(), 0x80, 1));
    EXPECT_TRUE(nested::l1_wants_io_exit(in_use, nullptr, b.get(), 0x80, 1));
}

} // namespace
