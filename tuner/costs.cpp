#include "tuner/costs.hpp"

#include <algorithm>
#include <array>

namespace shadowtune::tuner {

std::span<const CostTable> cost_tables() {
    static constexpr std::array tables{published_costs, instruction_costs};
    return tables;
}

const CostTable* find_costs(std::string_view name) {
    const auto tables{cost_tables()};
    const auto found{std::ranges::find(tables, name, &CostTable::name)};
    return found == tables.end() ? nullptr : &*found;
}

} // namespace shadowtune::tuner
