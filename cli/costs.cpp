#include "cli/costs.hpp"

#include "cli/selection.hpp"

#include <fmt/core.h>
#include <optional>
#include <set>

namespace shadowtune::cli {

namespace {

struct Found {
    std::string file;
    db::Calibration calibration;
};

// Of the processor of any of the recordings.
[[nodiscard]] Result<std::optional<Found>, CliError> newest_of(const std::set<std::string>& files,
                                                               std::span<const PricedRecording> recordings) {
    std::optional<Found> newest;
    for (const std::string& file : files) {
        auto database{open_database(file)};
        if (!database) return Failure{database.error()};
        auto all{db::read_calibrations(database.value())};
        if (!all) return Failure{CliError{ExitCode::bad_input, all.error().message}};
        for (const PricedRecording& recording : recordings) {
            const db::Calibration* const of_file{tuner::calibration_for(all.value(), recording.machine)};
            if (of_file != nullptr && (!newest || of_file->made_ms > newest->calibration.made_ms))
                newest = Found{file, *of_file};
        }
    }
    return newest;
}

[[nodiscard]] std::string processor(const db::Machine& machine) {
    return fmt::format("{} (signature {:x})", machine.cpu_brand, machine.cpu_signature);
}

} // namespace

void add_costs_option(CLI::App& verb, std::string& text) {
    std::vector<std::string> names{};
    for (const auto& table : tuner::cost_tables())
        names.push_back(table.name);
    verb.add_option("--costs", text,
                    "What accesses and copies cost: published (cycles on hardware), instructions\n"
                    "(the lab), or a FILE that 'shadowtune calibrate' has made for this processor;\n"
                    "see docs/cost-model.md (default: the newest calibration in the recordings' own\n"
                    "files, else published)")
        ->check(CLI::IsMember(names) | CLI::ExistingFile);
}

Result<Costs, CliError> choose_costs(const std::string& text, std::span<const PricedRecording> recordings) {
    if (const tuner::CostTable* const named{tuner::find_costs(text)}; named != nullptr)
        return Costs{*named, false};
    std::set<std::string> files{};
    if (!text.empty()) files.insert(text);
    for (const PricedRecording& recording : recordings)
        if (text.empty()) files.insert(recording.file);
    const auto found{newest_of(files, recordings)};
    if (!found) return Failure{found.error()};
    const auto bad_input{[](std::string message) {
        return Failure{CliError{ExitCode::bad_input, std::move(message)}};
    }};
    if (!found.value()) {
        if (text.empty()) return Costs{tuner::published_costs(), false};
        return bad_input(fmt::format(
            "--costs {}: has no calibration of this processor, {}; make one with 'shadowtune calibrate'",
            text, processor(recordings[0].machine)));
    }
    const auto& [file, calibration]{*found.value()};
    for (const PricedRecording& recording : recordings) {
        if (tuner::calibration_for({&calibration, 1}, recording.machine) != nullptr) continue;
        return bad_input(fmt::format("{}: of another processor, {}, than the calibration in {}, {}; tune for "
                                     "each processor by itself, or give --costs published",
                                     recording.name, processor(recording.machine), file,
                                     processor(calibration.machine)));
    }
    return Costs{tuner::measured_costs(calibration), true};
}

Result<Costs, CliError> choose_costs(const std::string& text, const std::string& file,
                                     const db::Machine& machine) {
    const PricedRecording only{file, file, machine};
    return choose_costs(text, {&only, 1});
}

} // namespace shadowtune::cli
