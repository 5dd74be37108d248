#include "cli/tune_sampled.hpp"

#include "db/unseen.hpp"
#include "tuner/profile_file.hpp"

#include <fmt/core.h>

namespace shadowtune::cli {

namespace {

using tuner::Choice;

[[nodiscard]] Failure<CliError> bad_input(std::string message) {
    return Failure{CliError{ExitCode::bad_input, std::move(message)}};
}

// The last of the range that shadows.
[[nodiscard]] db::Generation* last_shadowing(std::vector<db::Generation>& generations,
                                             const db::Totals& totals) {
    db::Generation* last{nullptr};
    for (db::Generation& generation : generations) {
        const bool in_range{generation.number >= totals.first_generation &&
                            generation.number <= totals.generation};
        if (in_range && generation.mode != db::Mode::trap) last = &generation;
    }
    return last;
}

// Fills in the sets of the profile that was in force.
[[nodiscard]] Result<void, CliError> take_profile(std::vector<db::Generation>& generations,
                                                  const db::Generation* last, const std::string& where,
                                                  const std::string& file) {
    const auto profile{tuner::load_profile(file)};
    if (!profile) return bad_input(profile.error().message);
    const std::string name{last == nullptr ? std::string{} : last->profile_name};
    if (name.empty() || profile.value().name != name) {
        return bad_input(fmt::format(
            "--in-force {}: its profile is '{}', but in force in {} was {}; give that one, or leave it out",
            file, profile.value().name, where,
            name.empty() ? "one whose name is not known" : "'" + name + "'"));
    }
    if (last->knows_sets() && last->sets != profile.value().sets) {
        return bad_input(fmt::format("--in-force {}: its profile '{}' has other fields than the one of that "
                                     "name in {}, whose fields are recorded; leave it out",
                                     file, name, where));
    }
    for (db::Generation& generation : generations) {
        if (generation.profile_name == name && !generation.knows_sets())
            generation.sets = profile.value().sets;
    }
    return {};
}

[[nodiscard]] std::string_view text(Choice choice) {
    constexpr std::string_view names[]{"trapped", "R", "RW"};
    return names[static_cast<std::size_t>(choice)];
}

[[nodiscard]] std::string_view reason(const tuner::Undecided& undecided, const vmcs::ShadowSets& sets,
                                      const std::optional<vmcs::ShadowSets>& in_force) {
    const Choice choice{tuner::choice_in(sets, undecided.field)};
    if (choice != undecided.settled(in_force))
        return sets.hot_set().empty() ? " as all are" : " for want of room in the budget";
    if (!in_force) return "";
    return tuner::choice_in(*in_force, undecided.field) == choice ? " as it was" : " as estimated";
}

} // namespace

Result<SampledInput, CliError> read_sampled(const Selection& selection, const std::string& where,
                                            const std::string& in_force) {
    auto read{selection.reader.generations()};
    if (!read) return bad_input(read.error().message);
    std::vector<db::Generation>& generations{read.value()};
    const db::Generation* const last{last_shadowing(generations, selection.totals)};
    if (!in_force.empty()) {
        if (auto taken{take_profile(generations, last, where, in_force)}; !taken)
            return Failure{taken.error()};
    }
    SampledInput input{tuner::evidence_of(selection.totals, db::unseen_in(generations, selection.totals)),
                       {}};
    if (last != nullptr && last->knows_sets()) input.in_force = last->sets;
    return input;
}

std::string undecided_as_text(const std::vector<tuner::Undecided>& undecided, const SampledInput& input,
                              const vmcs::ShadowSets& sets) {
    if (undecided.empty()) return {};
    std::string lines{
        input.in_force ? "Undecided; each is as it was in force while this was recorded, where that may be "
                         "the cheapest\nand the budget has room:\n"
                       : "Undecided; nobody recorded which fields were shadowed then (--in-force tells), so "
                         "each is as its\nestimated rates make it cheapest:\n"};
    for (const tuner::Undecided& one : undecided) {
        lines += fmt::format("  {}, {}{}: {}\n", vmcs::catalogue[one.field].symbol,
                             text(tuner::choice_in(sets, one.field)), reason(one, sets, input.in_force),
                             one.more_round_trips ? fmt::format("about {} round trips more would decide",
                                                                grouped(*one.more_round_trips))
                                                  : "both cost the same, as far as can be told");
    }
    return lines;
}

} // namespace shadowtune::cli
