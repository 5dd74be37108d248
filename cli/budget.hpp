#pragma once

// --budget: a share of the fields that L1 is offered ("10%"), a number of fields ("14"), or the work of
// syncing them per round trip in the cost table's unit ("400cycles").

#include "cli/console.hpp"
#include "tuner/optimizer.hpp"
#include "vmcs/result.hpp"

#include <cstddef>
#include <span>
#include <string>

namespace shadowtune::cli {

// A share is rounded down: 10 % of 147 fields are 14. Each kind may be given once, and all hold. Error:
// usage, for budgets that contradict each other or the costs, or leave no room for a single field, as well.
[[nodiscard]] Result<tuner::Budget, CliError>
parse_budgets(std::span<const std::string> texts, std::size_t fields_offered, const tuner::CostTable& costs);

} // namespace shadowtune::cli
