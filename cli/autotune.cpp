// `shadowtune autotune`: the closed loop. Stays with a running VMM and keeps its bitmaps at what L1 does.

#include "cli/connection.hpp"
#include "cli/costs.hpp"
#include "cli/options.hpp"
#include "cli/recorder_errors.hpp"
#include "cli/tuning_loop.hpp"
#include "cli/verbs.hpp"
#include "profiler/convert.hpp"
#include "tuner/atomic_file.hpp"
#include "tuner/profile_file.hpp"

#include <chrono>
#include <fmt/core.h>
#include <memory>

namespace shadowtune::cli {

namespace {

using Clock = std::chrono::steady_clock;

struct Options {
    ConnectionOptions connection;
    std::string database;
    std::string profile;
    std::string output;
    std::string label;
    std::string cpu_model;
    std::string costs;
    std::vector<std::string> budgets;
    std::uint16_t sample_interval{64};
    double interval_s{1};
    double duration_s{0}; // 0: no limit
    bool dry_run{false};
};

// How the loop ended, where nothing failed.
enum class End : std::uint8_t { interrupted, duration, l1_stopped };

[[nodiscard]] Result<End, CliError> run_loop(TuningLoop& loop, profiler::Recorder& recorder,
                                             const Options& options, const Interrupt& interrupt) {
    const auto start{Clock::now()};
    const std::chrono::duration<double> interval{options.interval_s};
    const std::chrono::duration<double> limit{options.duration_s};
    for (auto next{start};;
         next = std::max(next + std::chrono::ceil<Clock::duration>(interval), Clock::now())) {
        if (const auto waited{recorder.wait_until(next)}; !waited)
            return Failure{to_cli_error(waited.error())};
        if (interrupt.wanted()) return End::interrupted;
        const auto stopped{loop.step()};
        if (!stopped) return Failure{stopped.error()};
        if (stopped.value()) return End::l1_stopped;
        if (options.duration_s > 0 && Clock::now() - start >= limit) return End::duration;
    }
}

[[nodiscard]] Result<void, CliError> save(const TuningLoop& loop, const Options& options) {
    if (options.output.empty() || !loop.began()) return {};
    tuner::Profile profile{};
    profile.name = "autotune";
    profile.workload = options.label;
    profile.cpu_model = options.cpu_model;
    profile.origin.tool_version = SHADOWTUNE_VERSION;
    profile.origin.costs = loop.costs().name;
    profile.sets = loop.sets();
    const auto saved{tuner::save_profile(profile, options.output)};
    if (!saved) return Failure{CliError{ExitCode::output_failed, saved.error()}};
    fmt::print("Written: {}\n", options.output);
    return {};
}

[[nodiscard]] int conclude(const TuningLoop& loop, const profiler::Recorder& recorder,
                           const Options& options) {
    for (const std::int64_t id : recorder.summary().recordings)
        fmt::print("Recording {} in {}\n", id, options.database);
    if (loop.began()) {
        fmt::print("{} reload{}; {} read-shadowed, {} write-shadowed{}\n", loop.retunes(),
                   loop.retunes() == 1 ? "" : "s", loop.sets().read.count(), loop.sets().write.count(),
                   options.dry_run ? " would be" : "");
    }
    if (const auto saved{save(loop, options)}; !saved) return fail(saved.error());
    return finish_output();
}

[[nodiscard]] int run(const Options& options) {
    TuningLoopOptions loop_options{};
    loop_options.budgets = options.budgets;
    loop_options.sample_interval = options.sample_interval;
    loop_options.dry_run = options.dry_run;
    if (!options.profile.empty()) {
        const auto profile{tuner::load_profile(options.profile)};
        if (!profile) return fail(ExitCode::bad_input, profile.error().message);
        loop_options.first = profile.value().sets;
    }
    if (const auto good{tuner::check_replaceable(options.output)}; !good)
        return fail(ExitCode::output_failed, good.error());
    auto database{db::Database::open(options.database, db::OpenMode::append)};
    if (!database) return fail(to_cli_error(database.error()));
    Interrupt interrupt{};
    auto connected{connect(options.connection, interrupt)};
    if (!connected) return fail(connected.error());
    const auto hello{connected.value()->hello()};
    if (!hello) return fail(to_cli_error(hello.error()));
    auto costs{choose_costs(options.costs, options.database, profiler::machine_of(hello.value()))};
    if (!costs) return fail(costs.error());
    loop_options.tuner.costs = std::move(costs.value().table);
    interrupt.begin_saving();

    profiler::RecorderOptions recorder_options{};
    recorder_options.labels.workload = options.label;
    recorder_options.labels.cpu_model = options.cpu_model;
    recorder_options.labels.tool_version = SHADOWTUNE_VERSION;
    recorder_options.stop = &interrupt.wanted();
    profiler::Recorder recorder{*connected.value(), database.value(), std::move(recorder_options)};
    TuningLoop loop{*connected.value(), database.value(), recorder, std::move(loop_options)};
    const auto end{run_loop(loop, recorder, options, interrupt)};
    const auto finished{recorder.finish()};
    const int code{conclude(loop, recorder, options)};
    if (!end) return fail(end.error());
    if (!finished) return fail(to_cli_error(finished.error()));
    if (end.value() == End::l1_stopped) note("L0 stopped L1; its bitmaps stay what they were");
    const bool early{end.value() == End::interrupted && options.duration_s > 0};
    return code == 0 && early ? to_int(ExitCode::interrupted) : code;
}

} // namespace

void add_autotune_verb(CLI::App& app, int& exit_code) {
    auto* verb{app.add_subcommand("autotune",
                                  "Keep a running VMM's bitmaps at what its L1 does: sample, judge, reload")};
    const auto options{std::make_shared<Options>()};
    add_connection_options(*verb, options->connection);
    verb->add_option("--db", options->database,
                     "The file for the recording and the log of decisions; made where there is none")
        ->required();
    auto* profile{verb->add_option("--profile", options->profile,
                                   "Begin with this one (default: begin in mode trap, where all is seen)")};
    verb->add_flag("--dry-run", options->dry_run, "Change nothing in the VMM, only say what would be done")
        ->excludes(profile);
    verb->add_option("--sample", options->sample_interval, "One of so many round trips shows all accesses")
        ->check(between(1, 65535))
        ->capture_default_str();
    verb->add_option("--interval", options->interval_s, "Seconds between two snapshots")
        ->check(between(0.01, 3600))
        ->capture_default_str();
    verb->add_option("--duration", options->duration_s, "Seconds to stay (default: until Ctrl-C)")
        ->check(between(0.01, 1e7));
    repeatable(verb->add_option("--budget", options->budgets, "As of 'shadowtune tune'; may be repeated"));
    add_costs_option(*verb, options->costs);
    verb->add_option("--label", options->label, "What L1 is doing, for people");
    verb->add_option("--cpu-model", options->cpu_model, "The lab's processor model, where it runs there");
    verb->add_option("-o,--output", options->output, "At the end, the profile that was in force last (JSON)");
    verb->footer(
        "Each line: time, round trips since power-on, what was decided, accesses trapped per round trip "
        "since the\n"
        "last change, and the fields with their rates. docs/autotune.md has the rules. The last bitmaps stay "
        "in\n"
        "force when it ends.\n\n"
        "Examples:\n"
        "  shadowtune autotune --link /tmp/lab.sock --db loop.db\n"
        "  shadowtune autotune --link /dev/ttyUSB0 --db loop.db --profile kvm.json --budget 10%\n"
        "  shadowtune autotune --link /tmp/lab.sock --db loop.db --dry-run");
    verb->callback([options, &exit_code] { exit_code = run(*options); });
}

} // namespace shadowtune::cli
