#pragma once

// Two recordings compared by their rates: what differs by more than chance. docs/diff.md tells of the test.

#include "db/recording_reader.hpp"
#include "tuner/workload.hpp"

#include <array>
#include <cstdint>
#include <span>
#include <vector>

namespace shadowtune::tuner {

// Counts in round trips, and how much more they scatter than Poisson's.
struct RateSample {
    Workload workload;
    std::array<double, vmcs::field_count> read_dispersion{};
    std::array<double, vmcs::field_count> write_dispersion{};
};

// Dispersion is variance over mean, from step to step; at least 1, and 1 where there are fewer than
// fewest_steps with round trips.
[[nodiscard]] RateSample rate_sample(const Workload& workload, std::span<const db::Step> steps);

struct RateDifference {
    vmcs::FieldIndex field{vmcs::no_field};
    db::Access access{db::Access::read};
    double first{0}; // per round trip
    double second{0};
    double p{1}; // that chance alone makes such a difference in any of the rates compared
    bool significant{false};
};

// The probability that two equal rates give counts as unequal as these, or more so.
[[nodiscard]] double equal_rates_p(double first, double first_round_trips, double second,
                                   double second_round_trips);

// All rates that are not 0 in both, largest difference first. Both samples have round trips. `level`: the
// probability to call anything significant where nothing differs.
[[nodiscard]] std::vector<RateDifference> compare_rates(const RateSample& first, const RateSample& second,
                                                        double level);

} // namespace shadowtune::tuner
