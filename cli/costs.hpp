#pragma once

// --costs: the name of a table, or a file with a calibration.

#include "cli/console.hpp"
#include "db/database.hpp"
#include "tuner/costs.hpp"
#include "vmcs/result.hpp"

#include <CLI/CLI.hpp>
#include <string>

namespace shadowtune::cli {

// Adds --costs, which takes only what choose_costs() can look for.
void add_costs_option(CLI::App& verb, std::string& text);

struct Costs {
    tuner::CostTable table;
    bool measured{false}; // on the kind of machine that the recording is of: ticks can be predicted
};

// `text` is --costs, empty for the default; `recordings` the recording's file, `machine` its machine. Of
// several calibrations of such a processor the newest counts. Error: bad_input.
[[nodiscard]] Result<Costs, CliError> choose_costs(const std::string& text, const std::string& recordings,
                                                   const db::Machine& machine);

} // namespace shadowtune::cli
