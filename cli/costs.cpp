#include "cli/costs.hpp"

#include "cli/selection.hpp"

#include <fmt/core.h>
#include <optional>

namespace shadowtune::cli {

namespace {

[[nodiscard]] Result<std::optional<db::Calibration>, CliError> newest_of(const std::string& file,
                                                                         const db::Machine& machine) {
    auto database{open_database(file)};
    if (!database) return Failure{database.error()};
    auto all{db::read_calibrations(database.value())};
    if (!all) return Failure{CliError{ExitCode::bad_input, all.error().message}};
    const db::Calibration* const newest{tuner::calibration_for(all.value(), machine)};
    return newest == nullptr ? std::nullopt : std::optional{*newest};
}

} // namespace

void add_costs_option(CLI::App& verb, std::string& text) {
    std::vector<std::string> names{};
    for (const auto& table : tuner::cost_tables())
        names.push_back(table.name);
    verb.add_option("--costs", text,
                    "What accesses and copies cost: published (cycles on hardware), instructions\n"
                    "(the lab), or a FILE that 'shadowtune calibrate' has made for this processor;\n"
                    "see docs/cost-model.md (default: the recording's own file where that has a\n"
                    "calibration, else published)")
        ->check(CLI::IsMember(names) | CLI::ExistingFile);
}

Result<Costs, CliError> choose_costs(const std::string& text, const std::string& recordings,
                                     const db::Machine& machine) {
    if (const tuner::CostTable* const named{tuner::find_costs(text)}; named != nullptr)
        return Costs{*named, false};
    const auto found{newest_of(text.empty() ? recordings : text, machine)};
    if (!found) return Failure{found.error()};
    if (found.value()) return Costs{tuner::measured_costs(*found.value()), true};
    if (text.empty()) return Costs{tuner::published_costs(), false};
    return Failure{
        CliError{ExitCode::bad_input,
                 fmt::format("--costs {}: has no calibration of this processor, {} (signature {:x}); "
                             "make one with 'shadowtune calibrate'",
                             text, machine.cpu_brand, machine.cpu_signature)}};
}

} // namespace shadowtune::cli
