// `shadowtune simulate`: what any set of shadowed fields would have done to a recorded workload.

#include "cli/costs.hpp"
#include "cli/options.hpp"
#include "cli/selection.hpp"
#include "cli/table.hpp"
#include "cli/verbs.hpp"
#include "tuner/optimizer.hpp"
#include "tuner/profile_file.hpp"
#include "tuner/static_lists.hpp"

#include <fmt/core.h>
#include <memory>
#include <nlohmann/json.hpp>

namespace shadowtune::cli {

namespace {

using Json = nlohmann::ordered_json;

struct Options {
    RecordingChoice choice;
    std::vector<std::string> lists;
    std::vector<std::string> profiles;
    std::string costs;
    std::string format{"table"};
};

struct Row {
    std::string name;  // for programs
    std::string title; // for people
    vmcs::ShadowSets sets;
    tuner::Effect effect;
    std::optional<double> ticks; // per round trip, predicted; none without costs of such a machine
};

[[nodiscard]] Result<std::vector<Row>, CliError> rows_of(const Options& options, const Selection& selection,
                                                         const Costs& costs) {
    const vmcs::ProfileTarget target{selection.reader.machine().profile_target()};
    const tuner::Workload workload{tuner::workload_of(selection.totals)};
    const db::VcpuCounters& counters{selection.totals.counters};
    const double trapped{static_cast<double>(counters.round_trip_ticks) /
                         static_cast<double>(counters.round_trips)};
    std::vector<Row> rows{};
    const auto add = [&](std::string name, std::string title, const vmcs::ShadowSets& sets) {
        Row row{std::move(name), std::move(title), sets, tuner::predict(sets, workload, costs.table), {}};
        // What the VMM takes of a list: it can run nothing else.
        const vmcs::ShadowSets taken{vmcs::allowed_part(sets, target)};
        if (costs.measured) row.ticks = tuner::predict_ticks(trapped, taken, workload, costs.table);
        rows.push_back(std::move(row));
    };
    for (const tuner::StaticList& list : tuner::static_lists()) {
        const bool named{std::ranges::find(options.lists, list.name) != options.lists.end()};
        if (!options.lists.empty() && !named) continue;
        add(std::string{list.name}, std::string{list.title}, list.sets(target.offered));
    }
    for (const std::string& file : options.profiles) {
        const auto profile{tuner::load_profile(file)};
        if (!profile) return Failure{CliError{ExitCode::bad_input, profile.error().message}};
        // A field that this L1 is not offered cannot be shadowed, and costs nothing.
        const vmcs::ShadowSets& sets{profile.value().sets};
        add(profile.value().name, "profile " + profile.value().name,
            {sets.read & target.offered, sets.write & target.offered});
    }
    add("optimum", "the optimum", tuner::optimize(workload, costs.table, target));
    return rows;
}

[[nodiscard]] std::string as_table(const std::vector<Row>& rows, const tuner::CostTable& costs,
                                   std::uint64_t round_trips) {
    std::vector<Table::Column> columns{{"per round trip", Table::Align::left},
                                       {"fields R"},
                                       {"W"},
                                       {"trapped reads"},
                                       {"trapped writes"},
                                       {"copies"},
                                       {costs.unit}};
    const bool ticks{rows.front().ticks.has_value()};
    if (ticks) columns.push_back({"ticks, predicted"});
    Table table{std::move(columns)};
    for (const Row& row : rows) {
        std::vector<std::string> cells{row.title,
                                       std::to_string(row.sets.read.count()),
                                       std::to_string(row.sets.write.count()),
                                       fmt::format("{:.4f}", row.effect.trapped_reads),
                                       fmt::format("{:.4f}", row.effect.trapped_writes),
                                       fmt::format("{:.0f}", row.effect.synced),
                                       fmt::format("{:.0f}", row.effect.cost)};
        if (ticks) cells.push_back(fmt::format("{:.0f}", *row.ticks));
        table.add(std::move(cells));
    }
    return fmt::format("Computed from {} round trips with {} costs.\n\n{}", grouped(round_trips), costs.name,
                       table.text());
}

[[nodiscard]] std::string as_csv(const std::vector<Row>& rows) {
    std::string text{
        "set,fields_read,fields_written,trapped_reads,trapped_writes,trapped_outside,copies,cost,ticks\n"};
    for (const Row& row : rows) {
        text += fmt::format("{},{},{},{:.6f},{:.6f},{:.6f},{:.0f},{:.6f},{}\n", csv_cell(row.name),
                            row.sets.read.count(), row.sets.write.count(), row.effect.trapped_reads,
                            row.effect.trapped_writes, row.effect.trapped_outside, row.effect.synced,
                            row.effect.cost, row.ticks ? fmt::format("{:.3f}", *row.ticks) : "");
    }
    return text;
}

[[nodiscard]] std::string as_json(const std::vector<Row>& rows, const tuner::CostTable& costs,
                                  std::uint64_t round_trips) {
    Json sets(Json::array()); // braces would make a list in a list
    for (const Row& row : rows) {
        sets.push_back({{"set", row.name},
                        {"fields_read", row.sets.read.count()},
                        {"fields_written", row.sets.write.count()},
                        {"trapped_reads", row.effect.trapped_reads},
                        {"trapped_writes", row.effect.trapped_writes},
                        {"trapped_outside", row.effect.trapped_outside},
                        {"copies", row.effect.synced},
                        {"cost", row.effect.cost},
                        {"ticks", row.ticks ? Json(*row.ticks) : Json()}});
    }
    const Json json{{"round_trips", round_trips},
                    {"costs", costs.name},
                    {"unit", costs.unit},
                    {"per_round_trip", std::move(sets)}};
    return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

[[nodiscard]] int run(const Options& options) {
    const auto selected{select(options.choice)};
    if (!selected) return fail(selected.error());
    const Selection& selection{selected.value()};
    if (const auto good{check_complete(selection, options.choice.file)}; !good) return fail(good.error());
    const auto chosen{choose_costs(options.costs, options.choice.file, selection.reader.machine())};
    if (!chosen) return fail(chosen.error());
    const tuner::CostTable& costs{chosen.value().table};
    const auto rows{rows_of(options, selection, chosen.value())};
    if (!rows) return fail(rows.error());
    const std::uint64_t round_trips{selection.totals.counters.round_trips};
    if (options.format == "json") {
        fmt::print("{}", as_json(rows.value(), costs, round_trips));
    } else if (options.format == "csv") {
        fmt::print("{}", as_csv(rows.value()));
    } else {
        fmt::print("{}", as_table(rows.value(), costs, round_trips));
    }
    return finish_output();
}

} // namespace

void add_simulate_verb(CLI::App& app, int& exit_code) {
    auto* verb{
        app.add_subcommand("simulate", "Compute what sets of shadowed fields do to a recorded workload")};
    const auto options{std::make_shared<Options>()};
    verb->add_option("database", options->choice.file, "File made by 'shadowtune record' in mode trap")
        ->required();
    verb->add_option("--recording", options->choice.recording, "Its number in the file (default: the newest)")
        ->check(above_zero());
    verb->add_option("--snapshots", options->choice.snapshots, "FROM:TO, as in report");
    repeatable(verb->add_option("--list", options->lists,
                                "One of today's fixed lists; may be repeated (default: all)"))
        ->check(CLI::IsMember(tuner::static_list_names()));
    repeatable(verb->add_option("--profile", options->profiles,
                                "A profile made by 'shadowtune tune'; may be repeated"));
    add_costs_option(*verb, options->costs);
    verb->add_option("--format", options->format, "table, csv or json")
        ->check(CLI::IsMember({"table", "csv", "json"}))
        ->capture_default_str();
    verb->footer("Examples:\n"
                 "  shadowtune simulate demo.db --recording 1\n"
                 "  shadowtune simulate demo.db --recording 1 --list kvm --list xen --profile kvm.json");
    verb->callback([options, &exit_code] { exit_code = run(*options); });
}

} // namespace shadowtune::cli
