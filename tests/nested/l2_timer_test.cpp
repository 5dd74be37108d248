#include "hypervisor/nested/l2_timer.hpp"

#include <gtest/gtest.h>

namespace shadowtune::nested {
namespace {

constexpr unsigned rate{5};
constexpr std::uint32_t backstop{1000};
constexpr std::uint64_t ticks(std::uint64_t units) {
    return units << rate;
}

TEST(L2Timer, ExpiresWhereItsStartSaysWhateverL0Takes) {
    L2Timer timer{};
    timer.start(ticks(100), rate, 50);
    EXPECT_EQ(timer.load(ticks(100), backstop), 50U);
    EXPECT_TRUE(timer.expires());
    // An exit that L0 keeps at 120, handled until 135: those 15 count.
    EXPECT_EQ(timer.load(ticks(135), backstop), 15U);
    EXPECT_EQ(timer.load(ticks(150), backstop), 0U);
    EXPECT_EQ(timer.load(ticks(1'000'000), backstop), 0U);
    EXPECT_TRUE(timer.expires());
}

TEST(L2Timer, CountsChangesOfTheRateBitNotWholeUnits) {
    L2Timer timer{};
    timer.start(ticks(7) + 31, rate, 1);
    // One tick later the bit changes: that is a whole count.
    EXPECT_EQ(timer.left(ticks(8)), 0U);
}

TEST(L2Timer, TheSmallerOfTheTwoIsLoaded) {
    L2Timer timer{};
    timer.start(0, rate, 2500);
    EXPECT_EQ(timer.load(0, backstop), backstop);
    EXPECT_FALSE(timer.expires());
    EXPECT_EQ(timer.load(ticks(1000), backstop), backstop);
    EXPECT_FALSE(timer.expires());
    EXPECT_EQ(timer.load(ticks(2000), backstop), 500U);
    EXPECT_TRUE(timer.expires());
}

TEST(L2Timer, ZeroIsL1sAtOnce) {
    L2Timer timer{};
    timer.start(12345, rate, 0);
    EXPECT_EQ(timer.load(12345, backstop), 0U);
    EXPECT_TRUE(timer.expires());
}

TEST(L2Timer, NotInUseLeavesL0sAlone) {
    L2Timer timer{};
    timer.start(0, rate, 3);
    timer.stop();
    EXPECT_FALSE(timer.is_active());
    EXPECT_EQ(timer.load(ticks(10), backstop), backstop);
    EXPECT_FALSE(timer.expires());
}

TEST(L2Timer, NeverGrowsWhereTheTscIsSetBack) {
    L2Timer timer{};
    timer.start(ticks(1'000'000), rate, 500);
    EXPECT_EQ(timer.left(ticks(1'000'100)), 400U);
    EXPECT_EQ(timer.left(0), 400U);
    EXPECT_EQ(timer.load(0, backstop), 400U);
}

TEST(L2Timer, TheLongestValueDoesNotWrap) {
    L2Timer timer{};
    timer.start(~std::uint64_t{0}, 0, ~std::uint32_t{0});
    EXPECT_EQ(timer.load(~std::uint64_t{0}, backstop),
              0U); // the sum passed 64 bits: at once rather than never
    timer.start(ticks(9), rate, ~std::uint32_t{0});
    EXPECT_EQ(timer.left(ticks(10)), ~std::uint32_t{0} - 1);
}

} // namespace
} // namespace shadowtune::nested
