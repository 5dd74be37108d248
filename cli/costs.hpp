#pragma once

// --costs: the name of a table, or a file with a calibration.

#include "cli/console.hpp"
#include "db/database.hpp"
#include "tuner/costs.hpp"
#include "vmcs/result.hpp"

#include <CLI/CLI.hpp>
#include <span>
#include <string>

namespace shadowtune::cli {

// Adds --costs, which takes only what choose_costs() can look for.
void add_costs_option(CLI::App& verb, std::string& text);

struct Costs {
    tuner::CostTable table;
    bool measured{false}; // on the kind of machine that the recording is of: ticks can be predicted
};

struct PricedRecording {
    std::string file;
    std::string name; // in error lines
    db::Machine machine;
};

// `text` is --costs, empty for the default. Of several calibrations of such a processor the newest counts;
// all recordings have to be of the one that it is of. Error: bad_input.
[[nodiscard]] Result<Costs, CliError> choose_costs(const std::string& text,
                                                   std::span<const PricedRecording> recordings);
// Of a single one.
[[nodiscard]] Result<Costs, CliError> choose_costs(const std::string& text, const std::string& file,
                                                   const db::Machine& machine);

} // namespace shadowtune::cli
