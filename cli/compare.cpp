// `shadowtune compare`: what a profile did, from a recording before it (mode trap) and one after (mode
// tuned).

#include "cli/selection.hpp"
#include "cli/table.hpp"
#include "cli/verbs.hpp"
#include "tuner/atomic_file.hpp"
#include "tuner/profile_file.hpp"
#include "tuner/static_lists.hpp"

#include <algorithm>
#include <cmath>
#include <fmt/core.h>
#include <memory>
#include <nlohmann/json.hpp>

namespace shadowtune::cli {

namespace {

using Json = nlohmann::ordered_json;

struct Options {
    std::string before;
    std::string after;
    std::string profile;
    std::string json;
};

// All figures of the table and of the JSON file.
struct Figures {
    std::string l1;
    std::size_t fields_offered{0};
    std::size_t fields_read{0};
    std::size_t fields_written{0};
    std::size_t fields_accessed{0};
    std::size_t hot_set{0};
    std::uint64_t round_trips_before{0};
    std::uint64_t round_trips_after{0};
    double trapped_before{0}; // measured
    double trapped_kvm{0};    // computed from the counts before
    double trapped_after{0};  // measured
    std::size_t synced_full{0};
    std::size_t synced_kvm{0};
    std::size_t synced_tuned{0};
    double copied_after{0}; // measured: L0 skips a copy that would change nothing
    double ticks_before{0};
    double ticks_after{0};
    std::uint32_t generation{0};
    std::uint64_t reload_ticks{0};
    bool lab{false}; // there a tick is an instruction
    std::string profile;
    bool by_name_only{false}; // its fields were not recorded after it
};

[[nodiscard]] double ratio(std::uint64_t part, std::uint64_t whole) {
    return static_cast<double>(part) / static_cast<double>(whole);
}

[[nodiscard]] Figures figures_of(const Selection& before, const Selection& after,
                                 const tuner::Profile& profile, bool by_name_only) {
    const vmcs::FieldSet offered{before.reader.machine().profile_target().offered};
    const auto kvm_list{tuner::kvm_static_list(offered)};
    const auto workload{tuner::workload_of(before.totals)};
    Figures f{};
    f.l1 = before.reader.info().labels.l1_name;
    f.fields_offered = before.reader.machine().offered_fields.count();
    for (const auto& field : before.totals.fields) {
        f.fields_read += field.reads != 0 ? 1U : 0U;
        f.fields_written += field.writes != 0 ? 1U : 0U;
        f.fields_accessed += field.sum() != 0 ? 1U : 0U;
    }
    f.hot_set = profile.sets.hot_set().count();
    f.round_trips_before = before.totals.counters.round_trips;
    f.round_trips_after = after.totals.counters.round_trips;
    f.trapped_before = ratio(before.totals.inside(), f.round_trips_before);
    f.trapped_kvm = tuner::predict(kvm_list, workload, tuner::published_costs()).trapped();
    f.trapped_after = ratio(after.totals.inside(), f.round_trips_after);
    f.synced_full = tuner::full_shadow(offered).synced();
    f.synced_kvm = kvm_list.synced();
    f.synced_tuned = profile.sets.synced();
    f.copied_after =
        ratio(after.totals.counters.sync_reads + after.totals.counters.sync_writes, f.round_trips_after);
    f.ticks_before = ratio(before.totals.counters.round_trip_ticks, f.round_trips_before);
    f.ticks_after = ratio(after.totals.counters.round_trip_ticks, f.round_trips_after);
    f.generation = after.totals.generation;
    f.reload_ticks = after.totals.last_reload_ticks;
    f.profile = profile.name;
    f.by_name_only = by_name_only;
    f.lab = !before.reader.info().labels.cpu_model.empty();
    return f;
}

[[nodiscard]] std::string as_table(const Figures& f) {
    Table table{{{"", Table::Align::left}, {"before"}, {"KVM's list"}, {"after"}}};
    table.add({"trapped accesses per round trip", fmt::format("{:.4f}", f.trapped_before),
               fmt::format("{:.4f}", f.trapped_kvm), fmt::format("{:.4f}", f.trapped_after)});
    table.add({f.lab ? "instructions per round trip" : "ticks per round trip",
               fmt::format("{:.0f}", f.ticks_before), "", fmt::format("{:.0f}", f.ticks_after)});
    table.add({"round trips", grouped(f.round_trips_before), "", grouped(f.round_trips_after)});
    Table sync{{{"", Table::Align::left}, {"every field"}, {"KVM's list"}, {"tuned"}}};
    sync.add({"fields synced per round trip", std::to_string(f.synced_full), std::to_string(f.synced_kvm),
              std::to_string(f.synced_tuned)});
    sync.add({"of these really copied, measured", "", "", fmt::format("{:.2f}", f.copied_after)});

    std::string text{fmt::format("L1       {}\n", f.l1)};
    text += fmt::format("Fields   {} offered, {} accessed: {} read, {} written\n", f.fields_offered,
                        f.fields_accessed, f.fields_read, f.fields_written);
    text += fmt::format("Hot set  {} fields, {:.1f} % of those offered\n", f.hot_set,
                        100.0 * ratio(f.hot_set, std::max<std::size_t>(f.fields_offered, 1)));
    if (f.by_name_only) {
        text += fmt::format("Profile  {}: by its name only, its fields were not recorded\n", f.profile);
    }
    text += fmt::format("Reload   generation {}, {} {} at the safe point\n\n", f.generation,
                        grouped(f.reload_ticks), f.lab ? "instructions" : "ticks");
    text += table.text() + "\n" + sync.text();
    if (f.synced_tuned != 0) {
        text += fmt::format("\nSynced: every field / tuned = {:.1f}\n", ratio(f.synced_full, f.synced_tuned));
    }
    return text;
}

// Six decimals: finer than a recording is long, and free of a sum's last binary digit.
[[nodiscard]] double rounded(double value) {
    return std::round(value * 1e6) / 1e6;
}

[[nodiscard]] std::string as_json(const Figures& f) {
    const Json json{
        {"l1", f.l1},
        {"fields_offered", f.fields_offered},
        {"fields_read", f.fields_read},
        {"fields_written", f.fields_written},
        {"hot_set", f.hot_set},
        {"round_trips", f.round_trips_before},
        {"trapped_per_round_trip",
         {{"before", rounded(f.trapped_before)},
          {"kvm_list", rounded(f.trapped_kvm)},
          {"after", rounded(f.trapped_after)}}},
        {"synced_per_round_trip",
         {{"full", f.synced_full}, {"kvm_list", f.synced_kvm}, {"tuned", f.synced_tuned}}},
        {"instructions_per_round_trip",
         {{"before", rounded(f.ticks_before)}, {"after", rounded(f.ticks_after)}}},
        {"reload", {{"generation", f.generation}, {"instructions", f.reload_ticks}}},
    };
    return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

[[nodiscard]] std::string l1_of(const Selection& selection) {
    const db::Labels& labels{selection.reader.info().labels};
    return labels.l1_kind + ", " + labels.l1_name;
}

// A comparison of things that do not belong together would print figures that mean nothing. True: by the name
// alone the profile is the one that was in force.
[[nodiscard]] Result<bool, CliError> check(const Options& options, const Selection& before,
                                           const Selection& after, const tuner::Profile& profile) {
    const auto bad{[](const std::string& file, std::string_view words) {
        return Failure{CliError{ExitCode::bad_input, fmt::format("{}: {}", file, words)}};
    }};
    constexpr std::string_view empty{"the recording has no round trip; record while L1 runs a guest"};
    if (before.totals.counters.round_trips == 0) return bad(options.before, empty);
    if (after.totals.counters.round_trips == 0) return bad(options.after, empty);
    if (!before.totals.all_trap) {
        return bad(options.before,
                   "not in mode trap throughout, so its counts are not complete; give one that is");
    }
    if (l1_of(before) != l1_of(after)) {
        return bad(options.after,
                   fmt::format("of another L1 ({}) than before ({}); give two recordings of one",
                               l1_of(after), l1_of(before)));
    }
    if (before.reader.machine().offered_fields != after.reader.machine().offered_fields) {
        return bad(options.after,
                   "L1 was offered other fields than before; record both on one kind of machine");
    }
    if (after.totals.first_generation != after.totals.generation) {
        return bad(options.after, "other bitmaps were loaded while it was made; apply, then record");
    }
    const auto generations{after.reader.generations()};
    if (!generations) return Failure{CliError{ExitCode::bad_input, generations.error().message}};
    for (const auto& generation : generations.value()) {
        if (generation.number != after.totals.generation || generation.mode != db::Mode::tuned) continue;
        if (!generation.knows_sets() && generation.profile_name == profile.name) return true;
        if (generation.knows_sets() && generation.sets == profile.sets) return false;
    }
    return bad(options.after,
               fmt::format("was not made under profile '{}'; apply it, then record", profile.name));
}

[[nodiscard]] int run(const Options& options) {
    const auto profile{tuner::load_profile(options.profile)};
    if (!profile) return fail(ExitCode::bad_input, profile.error().message);
    const auto before{select(parse_recording(options.before))};
    if (!before) return fail(before.error());
    const auto after{select(parse_recording(options.after))};
    if (!after) return fail(after.error());
    const auto by_name_only{check(options, before.value(), after.value(), profile.value())};
    if (!by_name_only) return fail(by_name_only.error());
    const Figures figures{figures_of(before.value(), after.value(), profile.value(), by_name_only.value())};
    if (!options.json.empty()) {
        if (const auto written{tuner::write_atomically(options.json, as_json(figures))}; !written) {
            return fail(ExitCode::output_failed, written.error());
        }
    }
    fmt::print("{}", as_table(figures));
    return finish_output();
}

} // namespace

void add_compare_verb(CLI::App& app, int& exit_code) {
    auto* verb{app.add_subcommand("compare",
                                  "Show what a profile did: recordings before and after it, side by side")};
    const auto options{std::make_shared<Options>()};
    verb->add_option("--before", options->before, "FILE or FILE:RECORDING, made in mode trap")->required();
    verb->add_option("--after", options->after, "FILE or FILE:RECORDING, made after 'shadowtune apply'")
        ->required();
    verb->add_option("--profile", options->profile, "The profile that was applied in between")->required();
    verb->add_option("--json", options->json, "Write the figures to this file as well");
    verb->footer("The column \"KVM's list\" is computed from the counts before; the others are measured.\n\n"
                 "Examples:\n"
                 "  shadowtune compare --before demo.db:1 --after demo.db:2 --profile kvm.json\n"
                 "  shadowtune compare --before a.db --after b.db --profile kvm.json --json figures.json");
    verb->callback([options, &exit_code] { exit_code = run(*options); });
}

} // namespace shadowtune::cli
