// `shadowtune tune`: from recordings to the cheapest profile.

#include "cli/budget.hpp"
#include "cli/costs.hpp"
#include "cli/options.hpp"
#include "cli/table.hpp"
#include "cli/tune_input.hpp"
#include "cli/verbs.hpp"
#include "tuner/minimax.hpp"
#include "tuner/profile_file.hpp"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fmt/chrono.h>
#include <fmt/core.h>
#include <memory>

namespace shadowtune::cli {

namespace {

struct Options {
    TuneChoice choice;
    std::string output;
    std::vector<std::string> budgets;
    std::string costs;
    std::string objective{"mean"};
    bool curve{false};
    std::string name;
    std::string l1_mode;
    std::string l1_type;
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

[[nodiscard]] std::string curve_as_table(const tuner::Profile& profile) {
    Table table{{{"fields"},
                 {"trapped reads"},
                 {"trapped writes"},
                 {"fields synced"},
                 {profile.cost_unit},
                 {"added", Table::Align::left}}};
    vmcs::FieldSet before{};
    for (const auto& point : profile.curve) {
        const vmcs::ShadowSets& sets{point.sets};
        const tuner::Effect& effect{point.effect};
        std::string added{};
        (sets.read - before).for_each([&](vmcs::FieldIndex index) {
            added += (added.empty() ? "" : ", ") + std::string{vmcs::catalogue[index].symbol} +
                     (sets.write.test(index) ? " RW" : " R");
        });
        before = sets.read;
        table.add({std::to_string(sets.hot_set().count()), fmt::format("{:.4f}", effect.trapped_reads),
                   fmt::format("{:.4f}", effect.trapped_writes), fmt::format("{:.0f}", effect.synced),
                   fmt::format("{:.0f}", effect.cost), added});
    }
    return table.text();
}

[[nodiscard]] std::string recordings_as_table(const tuner::Profile& profile) {
    Table table{{{"recording", Table::Align::left},
                 {"workload", Table::Align::left},
                 {"phase", Table::Align::left},
                 {"snapshots"},
                 {"weight"},
                 {"round trips"},
                 {"regret"}}};
    for (const tuner::RecordingUsed& used : profile.origin.recordings) {
        table.add({fmt::format("{}:{}", used.file, used.recording), used.workload, used.phase,
                   fmt::format("{}:{}", used.from_snapshot, used.to_snapshot),
                   fmt::format("{:g}", used.weight), grouped(used.round_trips),
                   fmt::format("{:.0f}", used.regret.value_or(0))});
    }
    return table.text();
}

// The sets and where they come from. `decision`: of a recording in mode sample.
void choose_sets(tuner::Profile& profile, const Options& options, const TuneInput& input,
                 const std::optional<tuner::Decision>& decision, const tuner::CostTable& costs,
                 const tuner::Budget& budget) {
    profile.origin.objective = options.objective;
    if (decision) {
        for (const tuner::Undecided& undecided : decision->undecided)
            profile.undecided[undecided.field] = undecided.more_round_trips;
        profile.sets = tuner::sets_of(*decision, input.sampled->evidence, costs, input.target, budget,
                                      input.sampled->in_force);
        if (options.objective == "minimax") profile.origin.regret_lower_bound = 0; // it stands alone
    } else if (options.objective == "minimax") {
        const auto found{tuner::least_regret(input.mix, costs, input.target, budget)};
        profile.sets = found.sets;
        profile.origin.regret_lower_bound = found.lower_bound;
    } else {
        // Whole counts of a single recording give whole sums; means do not.
        profile.sets =
            input.mix.size() == 1
                ? tuner::optimize(input.mix[0].workload, costs, input.target, budget)
                : tuner::best_sets(tuner::mean_gains(input.mix, costs), costs, input.target, budget);
    }
    profile.origin.recordings = input.used;
    const auto regrets{tuner::regrets(profile.sets, input.mix, costs, input.target, budget)};
    for (std::size_t i{0}; i < regrets.size(); ++i)
        profile.origin.recordings[i].regret = std::max(regrets[i], 0.0); // less is rounding
}

[[nodiscard]] tuner::Profile make_profile(const Options& options, const TuneInput& input,
                                          const std::optional<tuner::Decision>& decision,
                                          const tuner::CostTable& costs, const tuner::Budget& budget) {
    tuner::Profile profile{};
    profile.name = options.name;
    profile.l1_kind = input.labels.l1_kind;
    profile.l1_name = input.labels.l1_name;
    profile.l1_mode = options.l1_mode;
    profile.l1_type = options.l1_type;
    if (!options.l1_type.empty()) profile.fingerprints = input.fingerprints;
    profile.workload = input.labels.workload;
    profile.cpu_brand = input.cpu_brand;
    profile.cpu_model = input.labels.cpu_model;
    profile.origin.tool_version = SHADOWTUNE_VERSION;
    profile.origin.made_at = now_iso();
    profile.origin.costs = costs.name;
    profile.origin.budget_fields = budget.fields;
    profile.origin.budget_sync = budget.sync;
    choose_sets(profile, options, input, decision, costs, budget);
    profile.rates = tuner::mean_rates(profile.sets.hot_set(), input.mix, costs);
    if (input.sampled) tuner::add_bounds(profile.rates, input.sampled->evidence);
    profile.cost_unit = costs.unit;
    profile.predicted = tuner::compare(profile.sets, input.mix, costs, input.target.offered);
    if (options.curve) {
        for (const auto& sets : tuner::pareto_front(tuner::mean_gains(input.mix, costs), input.target))
            profile.curve.push_back({sets, tuner::mean_effect(sets, input.mix, costs)});
    }
    return profile;
}

void print(const tuner::Profile& profile, const TuneInput& input,
           const std::optional<tuner::Decision>& decision, const std::string& output) {
    const std::size_t offered{input.target.offered.count()};
    const std::size_t hot{profile.sets.hot_set().count()};
    fmt::print("Hot set: {} of the {} fields offered ({:.1f} %): {} read-shadowed, {} write-shadowed\n\n",
               hot, offered,
               offered == 0 ? 0.0 : 100.0 * static_cast<double>(hot) / static_cast<double>(offered),
               profile.sets.read.count(), profile.sets.write.count());
    std::uint64_t round_trips{0};
    for (const tuner::RecordingUsed& used : profile.origin.recordings)
        round_trips += used.round_trips;
    fmt::print("Predicted ({} costs), from {} round trips:\n{}", profile.origin.costs, grouped(round_trips),
               effects_as_table(profile));
    if (profile.origin.recordings[0].phase != "all" || input.mix.size() > 1) {
        fmt::print("\nRegret, in {} per round trip over each recording's own optimum:\n{}", profile.cost_unit,
                   recordings_as_table(profile));
        if (profile.origin.regret_lower_bound) {
            fmt::print("No profile within the budget has a worst regret below {:.0f}.\n",
                       *profile.origin.regret_lower_bound);
        }
    }
    if (!profile.undecided.empty()) {
        fmt::print("\n{}", undecided_as_text(decision->undecided, *input.sampled, profile.sets));
    }
    if (!profile.curve.empty()) {
        fmt::print("\nCheapest sets by size, without a budget:\n{}", curve_as_table(profile));
    }
    fmt::print("\nWritten: {}\nNext:    shadowtune apply {} --link LINK\n", output, output);
}

[[nodiscard]] int run(Options options) {
    if (options.name.empty()) options.name = tuner::name_after(options.output);
    if (!tuner::is_profile_name(options.name)) {
        return fail(ExitCode::usage,
                    fmt::format("--name: give 1 to {} bytes of text without control characters",
                                tuner::max_profile_name));
    }
    if (options.objective == "minimax" && !options.choice.weights.empty()) {
        return fail(ExitCode::usage, "--weight: minimax has no weights; leave one of the two out");
    }
    const auto input{read_tune_input(options.choice)};
    if (!input) return fail(input.error());
    const auto chosen{choose_costs(options.costs, input.value().priced)};
    if (!chosen) return fail(chosen.error());
    const tuner::CostTable& costs{chosen.value().table};
    const auto budget{parse_budgets(options.budgets, input.value().target.offered.count(), costs)};
    if (!budget) return fail(budget.error());
    if (!options.l1_type.empty() && input.value().fingerprints.empty()) {
        return fail(ExitCode::bad_input,
                    "--l1-type: no recording here has a fingerprint: L1 must run its first "
                    "L2 while every access is trapped, before or while it is recorded");
    }
    std::optional<tuner::Decision> decision;
    if (const auto& sampled{input.value().sampled})
        decision = tuner::decide(sampled->evidence, costs, input.value().target);
    const auto profile{make_profile(options, input.value(), decision, costs, budget.value())};
    if (const auto saved{tuner::save_profile(profile, options.output)}; !saved) {
        return fail(ExitCode::output_failed, saved.error());
    }
    for (const std::string& words : input.value().notes)
        note(words);
    print(profile, input.value(), decision, options.output);
    return finish_output();
}

} // namespace

void add_tune_verb(CLI::App& app, int& exit_code) {
    auto* verb{app.add_subcommand("tune", "Compute the cheapest profile for recorded workloads")};
    const auto options{std::make_shared<Options>()};
    verb->add_option("database", options->choice.databases,
                     "Files made by 'shadowtune record' in mode trap, or one in mode sample;\n"
                     "FILE:RECORDING picks one of a file's recordings. One profile is made for all")
        ->required();
    verb->add_option("-o,--output", options->output, "The profile to write (JSON)")->required();
    verb->add_option("--recording", options->choice.recording, "Its number in the file (default: the newest)")
        ->check(above_zero());
    verb->add_option("--snapshots", options->choice.snapshots,
                     "FROM:TO, the difference of two snapshots (default: first to last; FROM 0: power-on)");
    verb->add_option("--phase", options->choice.phase,
                     "steady, boot or all: the part of the recordings that counts, by where the rates\n"
                     "change (default: steady where it can be told, but all of what --snapshots names)")
        ->check(CLI::IsMember({"steady", "boot", "all"}));
    repeatable(verb->add_option("--weight", options->choice.weights,
                                "What a recording's round trips count in the mean; one for each, in order\n"
                                "(default: all the same, however long the recordings are)"))
        ->check(above_zero());
    verb->add_option("--objective", options->objective,
                     "mean: the least mean cost. minimax: the least worst regret, which is what a\n"
                     "recording pays for not having its own optimum")
        ->check(CLI::IsMember({"mean", "minimax"}))
        ->capture_default_str();
    repeatable(
        verb->add_option("--budget", options->budgets,
                         "At most this share of the fields offered (10%), this number of them (14), or\n"
                         "this work of syncing per round trip (400cycles); may be repeated, and all\n"
                         "hold (default: no limit)"));
    verb->add_option(
        "--in-force", options->choice.in_force,
        "For a recording in mode sample: the profile that was in force then, since a recorder\n"
        "that met it there knows its name only. What the sample does not decide stays as it was");
    verb->add_flag("--curve", options->curve,
                   "The cheapest sets of every size too: cost against size of the hot set");
    add_costs_option(*verb, options->costs);
    verb->add_option("--name", options->name, "The profile's name (default: that of the file)");
    verb->add_option("--l1-mode", options->l1_mode, "L1's mode, for people: EPT, shadow paging, ...");
    verb->add_option("--l1-type", options->l1_type,
                     "L1's type (kvm, xen ...): the profile gets the recordings' fingerprints, by which\n"
                     "an L1 of this type is recognised (docs/profiles.md)")
        ->check([](const std::string& name) {
            return tuner::is_type_name(name) ? std::string{}
                                             : std::string{"give 1 to 15 small letters, digits and hyphens"};
        });
    verb->footer("Examples:\n"
                 "  shadowtune tune demo.db -o kvm.json\n"
                 "  shadowtune tune demo.db --recording 2 --budget 10% --costs instructions -o kvm-10.json\n"
                 "  shadowtune tune steady.db io.db:2 --objective minimax --budget 400cycles -o kvm.json");
    verb->callback([options, &exit_code] { exit_code = run(*options); });
}

} // namespace shadowtune::cli
