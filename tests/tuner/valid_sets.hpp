#pragma once

// Brute force: every profile over a few fields.

#include "tuner/optimizer.hpp"

#include <vector>

namespace shadowtune::test {

// Calls visit(sets) for each of the 4^n sets over these fields that L0 would accept and the budget allows.
template <typename Visit>
void each_valid(const std::vector<vmcs::FieldIndex>& fields, const tuner::CostTable& costs,
                const vmcs::ProfileTarget& target, const tuner::Budget& budget, Visit visit) {
    const std::size_t combinations{std::size_t{1} << (2 * fields.size())};
    for (std::size_t combination{0}; combination < combinations; ++combination) {
        vmcs::ShadowSets sets{};
        for (std::size_t i{0}; i < fields.size(); ++i) {
            if (((combination >> (2 * i)) & 1U) != 0) sets.read.set(fields[i]);
            if (((combination >> (2 * i)) & 2U) != 0) sets.write.set(fields[i]);
        }
        if (!vmcs::validate(sets, target)) continue;
        if (budget.fields && sets.hot_set().count() > *budget.fields) continue;
        if (budget.sync && tuner::sync_cost(sets, costs) > *budget.sync) continue;
        visit(sets);
    }
}

} // namespace shadowtune::test
