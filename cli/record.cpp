// `shadowtune record`: what an L1 accesses, from the running VMM into a database.

#include "cli/connection.hpp"
#include "cli/options.hpp"
#include "cli/quiet.hpp"
#include "cli/recorder_errors.hpp"
#include "cli/verbs.hpp"

#include <charconv>
#include <fmt/core.h>
#include <memory>
#include <optional>

namespace shadowtune::cli {

namespace {

struct RecordMode {
    link::Mode mode{link::Mode::trap};
    std::uint16_t sample_interval{0};
};

struct Options {
    ConnectionOptions connection;
    std::string database;
    std::string label;
    std::string cpu_model;
    std::optional<RecordMode> mode;
    double interval_s{1};
    double duration_s{0};         // 0: no limit
    double quiet_s{0};            // 0: not asked for
    std::uint64_t round_trips{0}; // 0: no limit

    [[nodiscard]] bool limited() const { return duration_s > 0 || quiet_s > 0 || round_trips > 0; }
};

[[nodiscard]] std::optional<RecordMode> parse_mode(std::string_view text) {
    if (text == "trap") return RecordMode{link::Mode::trap, 0};
    if (text == "tuned") return RecordMode{link::Mode::tuned, 0};
    constexpr std::string_view sample{"sample:"};
    if (!text.starts_with(sample)) return std::nullopt;
    text.remove_prefix(sample.size());
    RecordMode mode{link::Mode::sample, 0};
    const auto [end, error]{std::from_chars(text.data(), text.data() + text.size(), mode.sample_interval)};
    if (error != std::errc{} || end != text.data() + text.size() || mode.sample_interval == 0)
        return std::nullopt;
    return mode;
}

// The recording shall begin under the mode asked for, not on the way to it.
[[nodiscard]] Result<void, CliError> put_into_mode(link::Session& session, const Options& options) {
    if (!options.mode) return {};
    const auto generation{session.set_mode(options.mode->mode, options.mode->sample_interval)};
    if (!generation) return Failure{to_cli_error(generation.error())};
    const auto waited{wait_for_generation(session, generation.value(), options.connection.timeout_s)};
    if (!waited) return Failure{waited.error()};
    if (waited.value().everywhere) return {};
    return Failure{CliError{ExitCode::unreachable,
                            "--mode: L1 has not passed a safe point within the timeout; see "
                            "'shadowtune status'"}};
}

[[nodiscard]] int conclude(const Options& options, const profiler::RecorderSummary& summary) {
    using profiler::RecordingEnd;
    for (const std::int64_t id : summary.recordings) {
        fmt::print("Recording {} in {}\n", id, options.database);
    }
    fmt::print("{} snapshots\nNext: shadowtune report {}\n", summary.snapshots, options.database);
    const int printed{finish_output()};
    if (printed != 0) return printed;
    switch (summary.end) {
    case RecordingEnd::stopped:
    case RecordingEnd::duration: return to_int(ExitCode::ok);
    case RecordingEnd::l1_stopped:
        note("L0 stopped L1; what was counted before is stored");
        return to_int(ExitCode::ok);
    case RecordingEnd::link_lost:
        // Without a limit, a recording lasts as long as the machine: its end is the normal one.
        note(summary.trouble + "; what was recorded before is stored");
        return to_int(options.limited() ? ExitCode::unreachable : ExitCode::ok);
    }
    return to_int(ExitCode::internal);
}

[[nodiscard]] int run(const Options& options) {
    auto database{db::Database::open(options.database, db::OpenMode::append)};
    if (!database) return fail(to_cli_error(database.error()));
    Interrupt interrupt{};
    auto connected{connect(options.connection, interrupt)};
    if (!connected) return fail(connected.error());
    link::Session& session{*connected.value()};
    if (const auto ready{put_into_mode(session, options)}; !ready) return fail(ready.error());

    Progress progress{};
    Quiet quiet{options.quiet_s};
    std::optional<std::uint64_t> at_first{}; // round trips
    bool limit_reached{false};
    profiler::RecorderOptions recorder_options{};
    recorder_options.labels.workload = options.label;
    recorder_options.labels.cpu_model = options.cpu_model;
    recorder_options.labels.tool_version = SHADOWTUNE_VERSION;
    recorder_options.interval =
        std::chrono::milliseconds{static_cast<std::int64_t>(options.interval_s * 1000)};
    if (options.duration_s > 0) {
        recorder_options.duration =
            std::chrono::milliseconds{static_cast<std::int64_t>(options.duration_s * 1000)};
    }
    recorder_options.stop = &interrupt.wanted();
    recorder_options.on_begin = [&] { interrupt.begin_saving(); };
    recorder_options.on_progress = [&](const profiler::RecorderProgress& state) {
        progress.show(
            fmt::format("recording {}: {} snapshots, {} round trips, {} accesses, mode {}, generation {}",
                        state.recording, state.snapshots, grouped(state.round_trips), grouped(state.accesses),
                        db::text(state.mode), state.generation));
        if (!at_first) at_first = state.round_trips;
        const bool quiet_now{options.quiet_s > 0 &&
                             quiet.reached(state.round_trips, std::chrono::steady_clock::now())};
        // A machine that boots anew counts from 0.
        const bool enough{options.round_trips > 0 && state.round_trips > *at_first &&
                          state.round_trips - *at_first >= options.round_trips};
        if (!interrupt.wanted() && (quiet_now || enough)) {
            limit_reached = true;
            interrupt.request();
        }
    };

    profiler::Recorder recorder{session, database.value(), std::move(recorder_options)};
    const auto summary{recorder.run()};
    progress.clear();
    if (!summary) return fail(to_cli_error(summary.error()));
    const int code{conclude(options, summary.value())};
    // Without a limit Ctrl-C is how a recording ends; with one it came too early.
    const bool by_hand{interrupt.wanted() && !limit_reached};
    return code == 0 && by_hand && options.limited() ? to_int(ExitCode::interrupted) : code;
}

} // namespace

void add_record_verb(CLI::App& app, int& exit_code) {
    auto* verb{
        app.add_subcommand("record", "Record what an L1 accesses, from a running VMM into a database")};
    const auto options{std::make_shared<Options>()};
    add_connection_options(*verb, options->connection);
    verb->add_option("--db", options->database, "The file to add the recording to; made where there is none")
        ->required();
    verb->add_option("--label", options->label, "What L1 is doing, for people");
    verb->add_option("--cpu-model", options->cpu_model, "The lab's processor model, where it runs there");
    verb->add_option_function<std::string>(
            "--mode",
            [options](const std::string& text) {
                options->mode = parse_mode(text);
                if (!options->mode) {
                    throw CLI::ValidationError("--mode",
                                               "give trap, tuned, or sample:N with N from 1 to 65535");
                }
            },
            "Put the VMM into this mode first: trap (every access is counted), tuned (the loaded profile), "
            "or sample:N (the profile, but one of N round trips is counted)")
        ->type_name("MODE");
    verb->add_option("--interval", options->interval_s, "Seconds between two snapshots")
        ->check(between(0.01, 3600))
        ->capture_default_str();
    auto* duration{
        verb->add_option("--duration", options->duration_s, "Seconds to record (default: until Ctrl-C)")
            ->check(between(0.01, 1e7))};
    auto* quiet{
        verb->add_option("--until-quiet", options->quiet_s,
                         "End once L1 has run L2 and then not for so many seconds (2 where none are given)")
            ->expected(0, 1)
            ->default_str("2")
            ->check(between(0.01, 3600))
            ->excludes(duration)};
    verb->add_option("--round-trips", options->round_trips,
                     "End once L1 has made so many, all vCPUs together")
        ->check(above_zero())
        ->excludes(duration)
        ->excludes(quiet);
    verb->footer(
        "The first Ctrl-C takes a last snapshot and ends the recording, a second one ends at once. A killed\n"
        "recorder loses at most its last snapshot.\n\n"
        "Examples:\n"
        "  shadowtune record --link /tmp/lab.sock --db demo.db --mode trap --label compile --duration 30\n"
        "  shadowtune record --link /dev/ttyUSB0 --db host.db --interval 5\n"
        "  shadowtune record --link /tmp/lab.sock --db demo.db --until-quiet\n"
        "  shadowtune record --link /tmp/lab.sock --db demo.db --mode trap --round-trips 10000");
    verb->callback([options, &exit_code] { exit_code = run(*options); });
}

} // namespace shadowtune::cli
