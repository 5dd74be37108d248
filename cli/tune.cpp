// `shadowtune tune`: from a recording to the cheapest profile.

#include "cli/budget.hpp"
#include "cli/selection.hpp"
#include "cli/table.hpp"
#include "cli/verbs.hpp"
#include "tuner/optimizer.hpp"
#include "tuner/profile_file.hpp"

#include <chrono>
#include <filesystem>
#include <fmt/chrono.h>
#include <fmt/core.h>
#include <memory>

namespace shadowtune::cli {

namespace {

struct Options {
    RecordingChoice choice;
    std::string output;
    std::string budget;
    std::string costs{"published"};
    std::string name;
    std::string l1_mode;
};

[[nodiscard]] std::string now_iso() {
    return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}",
                       std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now()));
}

[[nodiscard]] std::string effects_as_table(const tuner::Profile& profile) {
    const tuner::Comparison& effect{*profile.predicted};
    Table table{{{"per round trip", Table::Align::left},
                 {"trapped reads"},
                 {"trapped writes"},
                 {"fields synced"},
                 {profile.cost_unit}}};
    const auto add{[&](const char* name, const tuner::Effect& of) {
        table.add({name, fmt::format("{:.4f}", of.trapped_reads), fmt::format("{:.4f}", of.trapped_writes),
                   fmt::format("{:.0f}", of.synced), fmt::format("{:.0f}", of.cost)});
    }};
    add("no shadow", effect.none);
    add("every field", effect.full);
    add("KVM's static list", effect.kvm_list);
    add("this profile", effect.tuned);
    return table.text();
}

[[nodiscard]] tuner::Profile make_profile(const Options& options, const Selection& selection,
                                          const tuner::Workload& workload, const tuner::CostTable& costs,
                                          std::size_t budget) {
    const db::Machine& machine{selection.reader.machine()};
    const db::RecordingInfo& info{selection.reader.info()};
    const vmcs::ProfileTarget target{machine.profile_target()};
    tuner::Profile profile{};
    profile.name = options.name;
    profile.l1_kind = info.labels.l1_kind;
    profile.l1_name = info.labels.l1_name;
    profile.l1_mode = options.l1_mode;
    profile.workload = info.labels.workload;
    profile.cpu_brand = machine.cpu_brand;
    profile.cpu_model = info.labels.cpu_model;
    profile.origin.tool_version = SHADOWTUNE_VERSION;
    profile.origin.made_at = now_iso();
    profile.origin.costs = costs.name;
    if (budget != tuner::no_budget) profile.origin.budget_fields = budget;
    profile.origin.recording_file = std::filesystem::path{options.choice.file}.filename().string();
    profile.origin.recording = info.id;
    profile.origin.from_snapshot = selection.totals.range.from;
    profile.origin.to_snapshot = selection.totals.range.to;
    profile.origin.round_trips = workload.round_trips;
    profile.sets = tuner::optimize(workload, costs, target, budget);
    const auto trips{static_cast<double>(workload.round_trips)};
    profile.sets.hot_set().for_each([&](vmcs::FieldIndex index) {
        const auto& field{workload.fields[index]};
        profile.rates[index] = {static_cast<double>(field.reads_in_round_trips) / trips,
                                static_cast<double>(field.writes_in_round_trips) / trips};
    });
    profile.cost_unit = costs.unit;
    profile.predicted = tuner::compare(profile.sets, workload, costs, target.offered);
    return profile;
}

[[nodiscard]] int run(Options options) {
    if (options.name.empty()) {
        options.name =
            std::filesystem::path{options.output}.stem().string().substr(0, tuner::max_profile_name);
    }
    if (!tuner::is_profile_name(options.name)) {
        return fail(ExitCode::usage,
                    fmt::format("--name: give 1 to {} bytes of text without control characters",
                                tuner::max_profile_name));
    }
    const auto selected{select(options.choice)};
    if (!selected) return fail(selected.error());
    const Selection& selection{selected.value()};
    if (const auto good{check_complete(selection, options.choice.file)}; !good) return fail(good.error());

    const vmcs::FieldSet offered{selection.reader.machine().profile_target().offered};
    std::size_t budget{tuner::no_budget};
    if (!options.budget.empty()) {
        const auto parsed{parse_budget(options.budget, offered.count())};
        if (!parsed) return fail(parsed.error());
        budget = parsed.value();
    }
    const auto workload{tuner::workload_of(selection.totals)};
    const auto profile{make_profile(options, selection, workload, *tuner::find_costs(options.costs), budget)};
    if (const auto saved{tuner::save_profile(profile, options.output)}; !saved) {
        return fail(ExitCode::output_failed, saved.error());
    }
    const std::size_t hot{profile.sets.hot_set().count()};
    fmt::print("Hot set: {} of the {} fields offered ({:.1f} %): {} read-shadowed, {} write-shadowed\n\n",
               hot, offered.count(),
               offered.empty() ? 0.0
                               : 100.0 * static_cast<double>(hot) / static_cast<double>(offered.count()),
               profile.sets.read.count(), profile.sets.write.count());
    fmt::print("Predicted ({} costs), from {} round trips:\n{}", profile.origin.costs,
               grouped(workload.round_trips), effects_as_table(profile));
    fmt::print("\nWritten: {}\nNext:    shadowtune apply {} --link LINK\n", options.output, options.output);
    return finish_output();
}

} // namespace

void add_tune_verb(CLI::App& app, int& exit_code) {
    auto* verb{app.add_subcommand("tune", "Compute the cheapest profile for a recorded workload")};
    const auto options{std::make_shared<Options>()};
    verb->add_option("database", options->choice.file, "File made by 'shadowtune record' in mode trap")
        ->required();
    verb->add_option("-o,--output", options->output, "The profile to write (JSON)")->required();
    verb->add_option("--recording", options->choice.recording, "Its number in the file (default: the newest)")
        ->check(CLI::PositiveNumber);
    verb->add_option("--snapshots", options->choice.snapshots,
                     "FROM:TO, the difference of two snapshots (default: first to last; FROM 0: power-on)");
    verb->add_option("--budget", options->budget,
                     "At most this share of the fields offered, or this number (default: no limit)");
    std::vector<std::string> names{};
    for (const auto& table : tuner::cost_tables())
        names.emplace_back(table.name);
    verb->add_option("--costs", options->costs,
                     "What accesses and copies cost: published (cycles on hardware) or\n"
                     "instructions (the lab); see docs/cost-model.md")
        ->check(CLI::IsMember(names))
        ->capture_default_str();
    verb->add_option("--name", options->name, "The profile's name (default: that of the file)");
    verb->add_option("--l1-mode", options->l1_mode, "L1's mode, for people: EPT, shadow paging, ...");
    verb->footer("Examples:\n"
                 "  shadowtune tune demo.db -o kvm.json\n"
                 "  shadowtune tune demo.db --recording 2 --budget 10% --costs instructions -o kvm-10.json");
    verb->callback([options, &exit_code] { exit_code = run(*options); });
}

} // namespace shadowtune::cli
