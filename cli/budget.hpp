#pragma once

// --budget: a share of the fields that L1 is offered ("10%"), or a number of fields ("14").

#include "cli/console.hpp"
#include "vmcs/result.hpp"

#include <cstddef>
#include <string>

namespace shadowtune::cli {

// A share is rounded down: 10 % of 147 fields are 14. Error: usage.
[[nodiscard]] Result<std::size_t, CliError> parse_budget(const std::string& text, std::size_t fields_offered);

} // namespace shadowtune::cli
