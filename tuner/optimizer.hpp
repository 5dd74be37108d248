#pragma once

// The cheapest sets for a workload. The cost is a sum over fields plus one fixed term for having a shadow at
// all, so the best choice per field (none, R, or R and W) is the best choice altogether: exact, and O(fields
// log fields).

#include "tuner/costs.hpp"
#include "tuner/workload.hpp"
#include "vmcs/profile.hpp"

#include <cstddef>
#include <limits>

namespace shadowtune::tuner {

inline constexpr std::size_t no_budget{std::numeric_limits<std::size_t>::max()};

// The cost of these sets over the whole workload, in the table's unit: accesses left trapped, fields synced
// at each round trip, and the fixed term where any field is shadowed. Any sets may be priced, valid or not.
[[nodiscard]] double cost(const vmcs::ShadowSets& sets, const Workload& workload, const CostTable& costs);

// The sets of least cost among all that vmcs::validate accepts for `target` and whose hot set has at most
// `budget` fields. Among equal costs the smaller hot set, then the earlier field in the catalogue. A workload
// without round trips gives empty sets: there is no rate to go by.
[[nodiscard]] vmcs::ShadowSets optimize(const Workload& workload, const CostTable& costs,
                                        const vmcs::ProfileTarget& target, std::size_t budget = no_budget);

} // namespace shadowtune::tuner
