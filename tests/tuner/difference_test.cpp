// Rates compared: no alarm where nothing differs, and one where something does.

#include "tuner/difference.hpp"

#include <algorithm>
#include <cmath>
#include <gtest/gtest.h>
#include <random>

namespace shadowtune {
namespace {

using vmcs::Field;

constexpr Field fields[]{Field::guest_rip, Field::guest_rsp, Field::guest_cr0,  Field::guest_cr3,
                         Field::guest_cr4, Field::host_rsp,  Field::exit_reason};

// `burst`: each step's rates are off by a factor of their own.
[[nodiscard]] tuner::RateSample sample(std::mt19937_64& random, std::size_t steps, double round_trips,
                                       double burst, double changed = 1) {
    tuner::Workload workload{};
    std::vector<db::Step> all{};
    for (std::size_t s{0}; s < steps; ++s) {
        db::Step step{};
        step.round_trips = static_cast<std::uint64_t>(round_trips);
        workload.round_trips += step.round_trips;
        double rate{0.02};
        for (const Field field : fields) {
            const vmcs::FieldIndex index{vmcs::index_of(field)};
            std::gamma_distribution<double> factor{burst > 0 ? 1 / burst : 1, burst};
            const double mean{rate * round_trips * (burst > 0 ? factor(random) : 1) *
                              (field == Field::guest_cr3 ? changed : 1)};
            step.reads.at(index) = mean > 0 ? std::poisson_distribution<std::uint64_t>{mean}(random) : 0;
            workload.fields.at(index).reads_in_round_trips += step.reads.at(index);
            rate *= 2;
        }
        all.push_back(step);
    }
    return tuner::rate_sample(workload, all);
}

[[nodiscard]] bool alarm(const std::vector<tuner::RateDifference>& differences) {
    return std::ranges::any_of(differences, &tuner::RateDifference::significant);
}

TEST(Difference, FalseAlarmsAreAsRareAsTheLevel) {
    std::mt19937_64 random{1};
    for (const double burst : {0.0, 0.05}) {
        int alarms{0};
        constexpr int rounds{400};
        for (int i{0}; i < rounds; ++i) {
            const auto first{sample(random, 30, 100, burst)};
            const auto second{sample(random, 30, 100 + i % 300, burst)};
            alarms += alarm(tuner::compare_rates(first, second, 0.05)) ? 1 : 0;
        }
        EXPECT_LE(alarms, rounds * 0.09) << burst;
    }
}

TEST(Difference, AChangeIsFoundAndNamed) {
    std::mt19937_64 random{2};
    for (const double burst : {0.0, 0.05}) {
        for (int i{0}; i < 50; ++i) {
            const auto first{sample(random, 30, 1000, burst)};
            const auto second{sample(random, 30, 1000, burst, 1.5)};
            const auto differences{tuner::compare_rates(first, second, 0.01)};
            ASSERT_EQ(differences.size(), std::size(fields));
            int found{0};
            for (const auto& difference : differences) {
                if (difference.field != vmcs::index_of(Field::guest_cr3)) continue;
                EXPECT_NEAR(difference.first, 0.16, 0.03);
                EXPECT_NEAR(difference.second, 0.24, 0.04);
                found += difference.significant ? 1 : 0;
            }
            EXPECT_EQ(found, 1);
        }
    }
}

// The same sums, but for their scatter: bursts alone are no difference.
TEST(Difference, DispersionIsMeasured) {
    std::mt19937_64 random{3};
    const auto even{sample(random, 40, 1000, 0)};
    const auto uneven{sample(random, 40, 1000, 0.3)};
    const vmcs::FieldIndex index{vmcs::index_of(Field::exit_reason)};
    EXPECT_LT(even.read_dispersion[index], 2);
    EXPECT_GT(uneven.read_dispersion[index], 50);
    EXPECT_EQ(sample(random, 5, 1000, 0.3).read_dispersion[index], 1) << "too few steps";
}

TEST(Difference, ExactProbabilities) {
    // 0 of 4 where each half is as likely: 2 / 16.
    EXPECT_NEAR(tuner::equal_rates_p(0, 10, 4, 10), 0.125, 1e-12);
    EXPECT_NEAR(tuner::equal_rates_p(4, 10, 0, 10), 0.125, 1e-12);
    // 1 or fewer of 5: 2 * 6 / 32.
    EXPECT_NEAR(tuner::equal_rates_p(1, 7, 4, 7), 0.375, 1e-12);
    // Three times the round trips: 3 or more of 3 at 1/4.
    EXPECT_NEAR(tuner::equal_rates_p(3, 10, 0, 30), 2.0 / 64, 1e-12);
    EXPECT_EQ(tuner::equal_rates_p(5, 10, 5, 10), 1);
    EXPECT_EQ(tuner::equal_rates_p(0, 10, 0, 10), 1);
    EXPECT_LT(tuner::equal_rates_p(1e6, 1e6, 1.01e6, 1e6), 1e-9);
}

TEST(Difference, ManyComparisonsAreCorrectedFor) {
    // One of seven fields is 30 to 12: p is 0.0079 by itself, and 7 times that among seven.
    tuner::RateSample first{{}, {}, {}};
    first.read_dispersion.fill(1);
    first.write_dispersion.fill(1);
    first.workload.round_trips = 1000;
    tuner::RateSample second{first};
    for (const Field field : fields) {
        first.workload.fields.at(vmcs::index_of(field)).reads_in_round_trips = 20;
        second.workload.fields.at(vmcs::index_of(field)).reads_in_round_trips = 20;
    }
    first.workload.fields.at(vmcs::index_of(Field::guest_rip)).reads_in_round_trips = 30;
    second.workload.fields.at(vmcs::index_of(Field::guest_rip)).reads_in_round_trips = 12;
    const double alone{tuner::equal_rates_p(30, 1000, 12, 1000)};
    const auto differences{tuner::compare_rates(first, second, 0.05)};
    EXPECT_EQ(differences[0].field, vmcs::index_of(Field::guest_rip));
    EXPECT_NEAR(differences[0].p, 7 * alone, 1e-9);
    EXPECT_LT(alone, 0.05);
    EXPECT_EQ(differences[0].significant, 7 * alone < 0.05);
}

} // namespace
} // namespace shadowtune
