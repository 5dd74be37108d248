#include "hypervisor/shadow/sampler.hpp"

#include <cmath>
#include <cstddef>
#include <gtest/gtest.h>
#include <vector>

namespace shadowtune::shadow {
namespace {

constexpr std::size_t draws{200'000};

[[nodiscard]] std::vector<bool> drawn(std::uint64_t seed, std::uint32_t interval) {
    Sampler sampler{seed};
    std::vector<bool> out(draws);
    for (std::size_t i{0}; i < draws; ++i)
        out[i] = sampler.draw(interval);
    return out;
}

// Five standard deviations of a binomial count: a fault of the sampler, not chance, goes beyond.
void expect_share(std::size_t hits, std::size_t of, double share) {
    const auto n{static_cast<double>(of)};
    EXPECT_NEAR(static_cast<double>(hits), n * share, 5 * std::sqrt(n * share * (1 - share)) + 1);
}

TEST(Sampler, DrawsOneOfSoMany) {
    for (const std::uint32_t interval : {1U, 2U, 3U, 7U, 64U, 1000U, 65535U}) {
        const auto hits{drawn(interval, interval)};
        std::size_t count{0};
        for (const bool hit : hits)
            count += hit ? 1U : 0U;
        expect_share(count, draws, 1.0 / interval);
    }
}

// A workload with any period meets the same share of samples in each of its phases.
TEST(Sampler, KeepsNoStepWithAPeriod) {
    constexpr std::uint32_t interval{16};
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
    constexpr std::uint32_t interval{8};
    const auto hits{drawn(4, interval)};
    for (std::size_t lag{1}; lag <= 64; ++lag) {
        std::size_t both{0};
        for (std::size_t i{lag}; i < draws; ++i)
            both += hits[i] && hits[i - lag] ? 1U : 0U;
        expect_share(both, draws - lag, 1.0 / (interval * interval));
    }
}

TEST(Sampler, OtherSeedsDrawOthers) {
    EXPECT_NE(drawn(1, 2), drawn(2, 2));
}

} // namespace
} // namespace shadowtune::shadow
