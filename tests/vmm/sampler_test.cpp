#include "hypervisor/shadow/sampler.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <gtest/gtest.h>
#include <initializer_list>
#include <vector>

namespace shadowtune::shadow {
namespace {

constexpr std::size_t draws{200'000};

[[nodiscard]] std::vector<bool> drawn(std::uint64_t seed, std::uint16_t interval) {
    Sampler sampler{seed};
    sampler.begin(interval);
    std::vector<bool> out(draws);
    for (std::size_t i{0}; i < draws; ++i)
        out[i] = sampler.is_next();
    return out;
}

// Five standard deviations of a binomial count: a fault of the sampler, not chance, goes beyond.
void expect_share(std::size_t hits, std::size_t of, double share) {
    const auto n{static_cast<double>(of)};
    EXPECT_NEAR(static_cast<double>(hits), n * share, 5 * std::sqrt(n * share * (1 - share)) + 1);
}

TEST(Sampler, DrawsOneOfSoMany) {
    for (const std::uint16_t interval : std::initializer_list<std::uint16_t>{1, 2, 3, 7, 64, 1000, 65535}) {
        const auto hits{drawn(interval, interval)};
        std::size_t count{0};
        for (const bool hit : hits)
            count += hit ? 1U : 0U;
        expect_share(count, draws, 1.0 / interval);
    }
}

// A workload with any period meets the same share of samples in each of its phases.
TEST(Sampler, KeepsNoStepWithAPeriod) {
    constexpr std::uint16_t interval{16};
    const auto hits{drawn(3, interval)};
    for (const std::size_t period : {2U, 3U, 5U, 16U, 17U, 32U, 64U, 100U}) {
        for (std::size_t phase{0}; phase < period; ++phase) {
            std::size_t count{0}, of{0};
            for (std::size_t i{phase}; i < draws; i += period, ++of)
                count += hits[i] ? 1U : 0U;
            expect_share(count, of, 1.0 / interval);
        }
    }
}

// Whether a round trip is sampled says nothing about the ones after it.
TEST(Sampler, DrawsAreIndependent) {
    constexpr std::uint16_t interval{8};
    const auto hits{drawn(4, interval)};
    for (std::size_t lag{1}; lag <= 64; ++lag) {
        std::size_t both{0};
        for (std::size_t i{lag}; i < draws; ++i)
            both += hits[i] && hits[i - lag] ? 1U : 0U;
        expect_share(both, draws - lag, 1.0 / (interval * interval));
    }
}

// Of the gaps between two samples as many are of each length as with independent draws: chi-squared over 100
// lengths.
TEST(Sampler, GapsAreGeometric) {
    constexpr std::uint16_t interval{20};
    constexpr std::size_t lengths{100};
    std::vector<std::size_t> seen(lengths + 1);
    std::size_t gaps{0}, gap{0};
    for (const bool hit : drawn(9, interval)) {
        if (!hit) {
            ++gap;
            continue;
        }
        ++seen[std::min(gap, lengths)];
        ++gaps;
        gap = 0;
    }
    double chi_squared{0}, left{1};
    for (std::size_t length{0}; length <= lengths; ++length) {
        const double share{length == lengths ? left : left / interval};
        const double wanted{share * static_cast<double>(gaps)};
        chi_squared += (static_cast<double>(seen[length]) - wanted) *
                       (static_cast<double>(seen[length]) - wanted) / wanted;
        left -= share;
    }
    // 100 degrees of freedom: five standard deviations above the mean.
    EXPECT_LT(chi_squared, 100 + 5 * std::sqrt(200.0));
}

TEST(Sampler, SamplesNothingUntilItIsToldTo) {
    Sampler sampler{5};
    for (std::size_t i{0}; i < draws; ++i)
        ASSERT_FALSE(sampler.is_next());
    sampler.begin(1);
    EXPECT_TRUE(sampler.is_next());
    sampler.begin(0);
    for (std::size_t i{0}; i < draws; ++i)
        ASSERT_FALSE(sampler.is_next());
}

TEST(Sampler, OtherSeedsDrawOthers) {
    EXPECT_NE(drawn(1, 2), drawn(2, 2));
}

} // namespace
} // namespace shadowtune::shadow
