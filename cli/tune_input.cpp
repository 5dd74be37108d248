#include "cli/tune_input.hpp"

#include "tuner/phases.hpp"

#include <algorithm>
#include <filesystem>
#include <fmt/core.h>

namespace shadowtune::cli {

namespace {

[[nodiscard]] Result<void, CliError> check(const TuneChoice& choice) {
    const auto usage{[](std::string_view message) {
        return Failure{CliError{ExitCode::usage, std::string{message}}};
    }};
    if (choice.databases.size() > 1 && (choice.recording != 0 || !choice.snapshots.empty())) {
        return usage("--recording and --snapshots go with one database; write FILE:RECORDING for several");
    }
    if (!choice.weights.empty() && choice.weights.size() != choice.databases.size()) {
        return usage(fmt::format("--weight: give one for each of the {} recordings, in their order",
                                 choice.databases.size()));
    }
    return {};
}

[[nodiscard]] bool is_sampled(const db::Totals& totals) {
    return !totals.all_trap && totals.sampled_round_trips != 0;
}

// For people.
[[nodiscard]] std::string name_of(const std::string& file, const Selection& selection) {
    return fmt::format("{}, recording {}", file, selection.reader.info().id);
}

// The phase that was asked for, of the whole that is selected; its name is "all" where nothing was cut off.
struct ChosenPhase {
    std::string name{"all"};
    db::SnapshotRange range;
};

[[nodiscard]] Result<ChosenPhase, CliError> choose_phase(const TuneChoice& choice, const std::string& file,
                                                         const Selection& selection,
                                                         std::vector<std::string>& notes) {
    const db::SnapshotRange whole{selection.totals.range};
    // Who names snapshots has chosen the phase already.
    const bool asked{!choice.phase.empty()};
    if (is_sampled(selection.totals)) {
        if (choice.phase.empty() || choice.phase == "all") return ChosenPhase{"all", whole};
        return Failure{
            CliError{ExitCode::usage, "--phase: a sampled recording has no phases; choose --snapshots"}};
    }
    if (choice.phase == "all" || (!asked && !choice.snapshots.empty())) return ChosenPhase{"all", whole};
    const auto bad{[&](const std::string& words) {
        return Failure{CliError{ExitCode::bad_input, fmt::format("{}, recording {}: {}", file,
                                                                 selection.reader.info().id, words)}};
    }};
    const auto steps{selection.reader.steps(whole, tuner::most_steps)};
    if (!steps) return Failure{CliError{ExitCode::bad_input, steps.error().message}};
    const tuner::Phases phases{tuner::find_phases(steps.value())};
    if (!phases.enough_data()) {
        const std::string words{
            fmt::format("not enough data to tell phases: fewer than {} snapshots in which L1 worked",
                        tuner::fewest_steps)};
        if (asked) return bad(words + "; record for longer, or give --phase all");
        notes.push_back(
            fmt::format("{}, recording {}: {}; all of it is used", file, selection.reader.info().id, words));
        return ChosenPhase{"all", whole};
    }
    if (choice.phase == "boot") {
        if (!phases.has_boot()) return bad("no boot phase in it: its rates do not change");
        return ChosenPhase{"boot", phases.boot_range()};
    }
    return ChosenPhase{"steady", phases.steady_range()};
}

[[nodiscard]] Result<void, CliError> add_fingerprint(TuneInput& input, const db::RecordingReader& reader) {
    const auto stored{reader.fingerprint()};
    if (!stored) return Failure{CliError{ExitCode::bad_input, stored.error().message}};
    if (!stored.value() || stored.value()->hidden) return {};
    const vmcs::Fingerprint& seen{stored.value()->seen};
    if (std::ranges::find(input.fingerprints, seen) == input.fingerprints.end())
        input.fingerprints.push_back(seen);
    return {};
}

void keep_if_same(std::string& kept, const std::string& other) {
    if (kept != other) kept.clear();
}

void add(TuneInput& input, const std::string& file, const Selection& selection, const std::string& phase,
         double weight) {
    const db::Machine& machine{selection.reader.machine()};
    const db::RecordingInfo& info{selection.reader.info()};
    const vmcs::ProfileTarget target{machine.profile_target()};
    if (input.mix.empty()) {
        input.target = target;
        input.labels = info.labels;
        input.cpu_brand = machine.cpu_brand;
    }
    input.target.offered &= target.offered;
    input.target.vmwrite_any_field = input.target.vmwrite_any_field && target.vmwrite_any_field;
    keep_if_same(input.labels.l1_kind, info.labels.l1_kind);
    keep_if_same(input.labels.l1_name, info.labels.l1_name);
    keep_if_same(input.labels.workload, info.labels.workload);
    keep_if_same(input.labels.cpu_model, info.labels.cpu_model);
    keep_if_same(input.cpu_brand, machine.cpu_brand);
    input.mix.push_back({input.sampled ? tuner::estimated_workload(input.sampled->evidence)
                                       : tuner::workload_of(selection.totals),
                         weight});
    input.priced.push_back({file, name_of(file, selection), machine});
    tuner::RecordingUsed used{};
    used.file = std::filesystem::path{file}.filename().string();
    used.recording = info.id;
    used.workload = info.labels.workload;
    used.phase = phase;
    used.weight = weight;
    used.from_snapshot = selection.totals.range.from;
    used.to_snapshot = selection.totals.range.to;
    used.round_trips = selection.totals.counters.round_trips;
    input.used.push_back(std::move(used));
}

} // namespace

Result<TuneInput, CliError> read_tune_input(const TuneChoice& choice) {
    if (const auto good{check(choice)}; !good) return Failure{good.error()};
    TuneInput input{};
    for (std::size_t i{0}; i < choice.databases.size(); ++i) {
        auto parsed{parse_recording(choice.databases[i], choice.recording)};
        if (!parsed) return Failure{parsed.error()};
        RecordingChoice one{std::move(parsed).value()};
        one.snapshots = choice.snapshots;
        auto selected{select(one)};
        if (!selected) return Failure{selected.error()};
        Selection& selection{selected.value()};
        if (is_sampled(selection.totals)) {
            if (choice.databases.size() > 1) {
                return Failure{
                    CliError{ExitCode::usage, fmt::format("{}: a sampled recording is tuned for alone; "
                                                          "leave the others out",
                                                          one.file)}};
            }
            auto sampled{read_sampled(selection, name_of(one.file, selection), choice.in_force)};
            if (!sampled) return Failure{sampled.error()};
            input.sampled = std::move(sampled).value();
        } else if (const auto good{check_complete(selection, one.file)}; !good) {
            return Failure{good.error()};
        } else if (!choice.in_force.empty()) {
            return Failure{CliError{ExitCode::usage,
                                    fmt::format("--in-force: {} was made in mode trap, where every access is "
                                                "counted; leave it out",
                                                name_of(one.file, selection))}};
        }
        const auto phase{choose_phase(choice, one.file, selection, input.notes)};
        if (!phase) return Failure{phase.error()};
        auto totals{selection.reader.totals(phase.value().range)};
        if (!totals) return Failure{CliError{ExitCode::bad_input, totals.error().message}};
        selection.totals = std::move(totals).value();
        if (selection.totals.reads + selection.totals.writes == 0 && selection.totals.sampled.empty()) {
            return Failure{CliError{
                ExitCode::bad_input,
                fmt::format("{}, recording {}: not enough data: no access in {} round trips; "
                            "is this an L1 at work?",
                            one.file, selection.reader.info().id, selection.totals.counters.round_trips)}};
        }
        if (const auto added{add_fingerprint(input, selection.reader)}; !added) return Failure{added.error()};
        add(input, one.file, selection, phase.value().name, choice.weights.empty() ? 1 : choice.weights[i]);
    }
    return input;
}

} // namespace shadowtune::cli
