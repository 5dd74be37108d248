// `shadowtune calibrate`: what accesses and their shadowing cost on a machine, measured there.

#include "cli/connection.hpp"
#include "cli/lab_calibration.hpp"
#include "cli/options.hpp"
#include "cli/recorder_errors.hpp"
#include "cli/selection.hpp"
#include "cli/table.hpp"
#include "cli/verbs.hpp"
#include "db/calibration.hpp"
#include "lab/options.hpp"
#include "profiler/calibrator.hpp"
#include "profiler/host_calibrator.hpp"

#include <fmt/core.h>
#include <memory>

namespace shadowtune::cli {

namespace {

struct Options {
    ConnectionOptions connection;
    bool lab{false};
    bool host{false};
    bool show{false};
    std::string cpu_model{lab::RunOptions{}.cpu_model};
    std::string database;
    std::uint32_t rounds{profiler::CalibratorOptions{}.rounds};
};

void print(const db::Calibration& calibration) {
    fmt::print("Calibration {} of {}, VMM {}; in {}, one more of each\n\n", calibration.id,
               calibration.machine.cpu_brand, calibration.machine.vmm_version, calibration.unit);
    Table table{{{"quantity", Table::Align::left},
                 {"fields", Table::Align::left},
                 {"median"},
                 {"quartiles"},
                 {"least"},
                 {"most"},
                 {"repetitions"}}};
    for (const db::CostFigure& f : calibration.figures) {
        std::string fields{f.type ? vmcs::text(*f.type) : ""};
        if (f.width) fields += fmt::format(", {}", vmcs::text(*f.width));
        table.add({std::string{db::text(f.quantity)}, fields, fmt::format("{:.1f}", f.median),
                   fmt::format("{:.1f} to {:.1f}", f.lower_quartile, f.upper_quartile),
                   fmt::format("{:.1f}", f.least), fmt::format("{:.1f}", f.most),
                   std::to_string(f.repetitions)});
    }
    fmt::print("{}", table.text());
}

using Calibrations = std::vector<db::Calibration>;

// The host's own KVM.
[[nodiscard]] Result<Calibrations, CliError> measure_host(const Options& options) {
    profiler::HostCalibratorOptions calibrator{};
    calibrator.rounds = options.rounds;
    calibrator.tool_version = SHADOWTUNE_VERSION;
    auto measured{profiler::calibrate_host(calibrator)};
    if (!measured) return Failure{CliError{ExitCode::missing_package, measured.error()}};
    if (!measured.value().trouble.empty()) {
        note(fmt::format("{}: cycles or instructions are not counted{}", measured.value().trouble,
                         measured.value().all.front().unit == "nanoseconds" ? "; a software clock is used"
                                                                            : ""));
    }
    return std::move(measured.value().all);
}

[[nodiscard]] Result<Calibrations, CliError> measure(const Options& options) {
    if (options.host) return measure_host(options);
    profiler::CalibratorOptions calibrator{};
    calibrator.rounds = options.rounds;
    calibrator.tool_version = SHADOWTUNE_VERSION;
    Progress progress{};
    calibrator.on_round = [&](std::uint32_t round) {
        progress.show(fmt::format("calibrating: round {} of {} done", round, options.rounds));
    };
    if (options.lab) {
        calibrator.cpu_model = options.cpu_model;
        auto measured{calibrate_in_lab(calibrator)};
        if (!measured) return Failure{measured.error()};
        return Calibrations{std::move(measured).value()};
    }
    const Interrupt interrupt{};
    const auto connected{connect(options.connection, interrupt)};
    if (!connected) return Failure{connected.error()};
    auto measured{profiler::calibrate(*connected.value(), calibrator)};
    if (!measured) return Failure{to_cli_error(measured.error())};
    return Calibrations{std::move(measured).value()};
}

[[nodiscard]] int show(const Options& options) {
    auto database{open_database(options.database)};
    if (!database) return fail(database.error());
    const auto all{db::read_calibrations(database.value())};
    if (!all) return fail(ExitCode::bad_input, all.error().message);
    if (all.value().empty()) {
        return fail(
            ExitCode::bad_input,
            fmt::format("{}: has no calibration; make one with 'shadowtune calibrate'", options.database));
    }
    print(all.value().back());
    return finish_output();
}

[[nodiscard]] int run(const Options& options) {
    if (options.show) return show(options);
    if ((options.lab ? 1 : 0) + (options.host ? 1 : 0) + (options.connection.link.empty() ? 0 : 1) != 1)
        return fail(ExitCode::usage, "calibrate: give one of --link, --lab and --host, or --show");
    // Before anything is measured: a bad file costs nothing then.
    auto database{db::Database::open(options.database, db::OpenMode::append)};
    if (!database) return fail(to_cli_error(database.error()));
    auto measured{measure(options)};
    if (!measured) return fail(measured.error());
    for (db::Calibration& calibration : measured.value()) {
        const auto stored{db::store_calibration(database.value(), calibration)};
        if (!stored) return fail(ExitCode::output_failed, stored.error().message);
        calibration.id = stored.value();
        print(calibration);
    }
    return finish_output();
}

} // namespace

void add_calibrate_verb(CLI::App& app, int& exit_code) {
    auto* verb{
        app.add_subcommand("calibrate", "Measure what accesses and their shadowing cost on a machine")};
    const auto options{std::make_shared<Options>()};
    add_connection_options(*verb, options->connection);
    verb->get_option("--link")->required(false);
    verb->add_flag("--lab", options->lab, "Boot a machine in the lab for it, and end that machine");
    verb->add_flag("--host", options->host, "Measure a VM exit of this Linux host's own KVM");
    verb->add_option("--cpu-model", options->cpu_model, "With --lab: Bochs's name of the processor")
        ->capture_default_str();
    verb->add_option("--db", options->database,
                     "The file that takes the calibration; made where it is not there")
        ->required();
    verb->add_option("--rounds", options->rounds, "How often each figure is measured")
        ->check(between(1, 1000))
        ->capture_default_str();
    verb->add_flag("--show", options->show, "Print the file's newest calibration instead of making one");
    verb->footer("The L1 under the VMM must be micro-l1.elf with the command line 'script=calibrate'; --lab "
                 "boots it.\n"
                 "Examples:\n"
                 "  shadowtune calibrate --lab --db costs.db\n"
                 "  shadowtune calibrate --link /dev/ttyUSB0 --db costs.db\n"
                 "  shadowtune calibrate --host --db costs.db\n"
                 "  shadowtune simulate demo.db --recording 1 --costs costs.db");
    verb->callback([options, &exit_code] { exit_code = run(*options); });
}

} // namespace shadowtune::cli
