#pragma once

// What GLPK, a solver of mixed integer programs, finds for the tuner's problems: a second opinion that shares
// no code with the tuner.

#include "tuner/optimizer.hpp"

#include <span>

namespace shadowtune::test {

// The least worst regret max_k (best_k - (gain_k(sets) - fixed_k)) of all valid sets within the budget. With
// one workload and a best of 0 it is the largest gain, negated.
struct MilpWorkload {
    tuner::Gains gains;
    double best{0};
};

[[nodiscard]] double milp_least_regret(std::span<const MilpWorkload> workloads, const tuner::CostTable& costs,
                                       const vmcs::ProfileTarget& target, const tuner::Budget& budget);

} // namespace shadowtune::test
