#include "cli/tune_input.hpp"

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

void keep_if_same(std::string& kept, const std::string& other) {
    if (kept != other) kept.clear();
}

void add(TuneInput& input, const std::string& file, const Selection& selection, double weight) {
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
    input.mix.push_back({tuner::workload_of(selection.totals), weight});
    tuner::RecordingUsed used{};
    used.file = std::filesystem::path{file}.filename().string();
    used.recording = info.id;
    used.workload = info.labels.workload;
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
        RecordingChoice one{parse_recording(choice.databases[i])};
        if (choice.recording != 0) one.recording = choice.recording;
        one.snapshots = choice.snapshots;
        const auto selected{select(one)};
        if (!selected) return Failure{selected.error()};
        if (const auto good{check_complete(selected.value(), one.file)}; !good) return Failure{good.error()};
        add(input, one.file, selected.value(), choice.weights.empty() ? 1 : choice.weights[i]);
    }
    return input;
}

} // namespace shadowtune::cli
