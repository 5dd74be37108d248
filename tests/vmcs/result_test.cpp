#include "vmcs/result.hpp"

#include <gtest/gtest.h>
#include <memory>
#include <string>

namespace shadowtune {
namespace {

enum class Problem { none, too_large };

[[nodiscard]] Result<int, Problem> half(int value) {
    if (value > 100) return Failure{Problem::too_large};
    return value / 2;
}

TEST(Result, HoldsTheValueOrTheError) {
    const auto good{half(42)};
    ASSERT_TRUE(good.ok());
    EXPECT_TRUE(static_cast<bool>(good));
    EXPECT_EQ(good.value(), 21);
    EXPECT_EQ(good.error(), Problem::none);

    const auto bad{half(101)};
    EXPECT_FALSE(bad.ok());
    EXPECT_FALSE(static_cast<bool>(bad));
    EXPECT_EQ(bad.error(), Problem::too_large);
}

TEST(Result, TheValueCanBeChangedInPlace) {
    Result<std::string, Problem> result{std::string{"VM"}};
    result.value() += "CS";
    EXPECT_EQ(result.value(), "VMCS");
}

TEST(Result, CarriesWhatCanOnlyBeMoved) {
    Result<std::unique_ptr<int>, Problem> result{std::make_unique<int>(7)};
    ASSERT_TRUE(result.ok());
    const std::unique_ptr<int> taken{std::move(result).value()};
    EXPECT_EQ(*taken, 7);
    EXPECT_EQ(result.value(), nullptr);
}

TEST(Result, SuccessWithoutAValue) {
    const Result<void, Problem> good{};
    EXPECT_TRUE(good.ok());
    const Result<void, Problem> bad{Failure{Problem::too_large}};
    EXPECT_FALSE(bad.ok());
    EXPECT_FALSE(static_cast<bool>(bad));
    EXPECT_EQ(bad.error(), Problem::too_large);
}

// Decisions at compile time use it too: the catalogue's and the profiles' rules are constexpr.
static_assert(Result<int, Problem>{3}.value() == 3);
static_assert(!Result<int, Problem>{Failure{Problem::too_large}}.ok());
static_assert(!std::is_convertible_v<Result<int, Problem>, bool>);

} // namespace
} // namespace shadowtune
