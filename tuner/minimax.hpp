#pragma once

// The sets whose worst regret over several workloads is least.

#include "tuner/mix.hpp"

#include <cstdint>

namespace shadowtune::tuner {

struct LeastRegret {
    vmcs::ShadowSets sets;
    double worst{0};       // the largest regret of any workload, per round trip
    double lower_bound{0}; // no sets have a smaller one; equal to `worst` where the search came to its end
    std::uint64_t nodes{0};
};

inline constexpr std::uint64_t minimax_node_limit{50'000};

// By branch and bound over the choices per field. The bound is Lagrange's: any weights of the workloads, and
// any prices of the budgets, make of the problem a sum over fields whose optimum is no larger than the true
// one. Weights in the mix are not looked at: the worst counts. Exact unless the node limit is met;
// lower_bound says how far off it may be then.
[[nodiscard]] LeastRegret least_regret(std::span<const WeightedWorkload> mix, const CostTable& costs,
                                       const vmcs::ProfileTarget& target, const Budget& budget = {},
                                       std::uint64_t node_limit = minimax_node_limit);

} // namespace shadowtune::tuner
