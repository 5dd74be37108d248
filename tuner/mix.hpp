#pragma once

// Several workloads that one profile is to serve. All figures are per round trip: a long recording counts no
// more than a short one.

#include "tuner/optimizer.hpp"
#include "tuner/prediction.hpp"
#include "tuner/profile_file.hpp"

#include <map>
#include <span>
#include <vector>

namespace shadowtune::tuner {

struct WeightedWorkload {
    Workload workload; // with round trips
    double weight{1};  // of its round trips among all
};

using Mix = std::vector<WeightedWorkload>;

[[nodiscard]] Gains gains_per_round_trip(const Workload& workload, const CostTable& costs);

// The weighted mean. Its optimum (best_sets) is that of the weighted mean of the costs.
[[nodiscard]] Gains mean_gains(std::span<const WeightedWorkload> mix, const CostTable& costs);
[[nodiscard]] Effect mean_effect(const vmcs::ShadowSets& sets, std::span<const WeightedWorkload> mix,
                                 const CostTable& costs);
[[nodiscard]] Comparison compare(const vmcs::ShadowSets& tuned, std::span<const WeightedWorkload> mix,
                                 const CostTable& costs, const vmcs::FieldSet& offered);

// Of these fields and of all others that are accessed in round trips, by the same weights; with the gains.
[[nodiscard]] std::map<vmcs::FieldIndex, MeasuredRate>
mean_rates(vmcs::FieldSet fields, std::span<const WeightedWorkload> mix, const CostTable& costs);

// What each workload pays per round trip for not having its own optimum under the same budget.
[[nodiscard]] std::vector<double> regrets(const vmcs::ShadowSets& sets, std::span<const WeightedWorkload> mix,
                                          const CostTable& costs, const vmcs::ProfileTarget& target,
                                          const Budget& budget);

} // namespace shadowtune::tuner
