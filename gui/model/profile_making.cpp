// What a document's profile says besides its sets: kept of the file that it was loaded from, or of the
// recording.

#include "gui/model/profile_document.hpp"
#include "tuner/decision.hpp"
#include "tuner/mix.hpp"

#include <QDateTime>
#include <algorithm>
#include <filesystem>
#include <optional>

namespace shadowtune::gui {

namespace {

[[nodiscard]] bool is_within(const vmcs::ShadowSets& part, const vmcs::ShadowSets& whole) {
    return (part.read - whole.read).empty() && (part.write - whole.write).empty();
}

// A limit that these sets keep for certain.
void keep_budget(tuner::Origin& origin, const vmcs::ShadowSets& sets, const vmcs::ShadowSets& before) {
    if (origin.budget_fields && sets.hot_set().count() > *origin.budget_fields) origin.budget_fields.reset();
    if (!is_within(sets, before)) origin.budget_sync.reset();
}

void sign(tuner::Origin& origin) {
    origin.tool_version = SHADOWTUNE_VERSION;
    origin.made_at = QDateTime::currentDateTimeUtc().toString(Qt::ISODate).toStdString();
}

// Other sets, by hand. What was measured, and for whom, stays; what was found for the sets before goes.
void change_sets(tuner::Profile& profile, const vmcs::ShadowSets& sets) {
    const vmcs::ShadowSets before{profile.sets};
    profile.sets = sets;
    sign(profile.origin);
    profile.predicted.reset();
    profile.origin.objective.clear();
    profile.origin.regret_lower_bound.reset();
    for (tuner::RecordingUsed& used : profile.origin.recordings)
        used.regret.reset();
    keep_budget(profile.origin, sets, before);
    std::erase_if(profile.undecided, [&](const auto& entry) {
        return tuner::choice_in(sets, entry.first) != tuner::choice_in(before, entry.first);
    });
    // Fields that L1 never accesses are listed while they are hot.
    std::erase_if(profile.rates, [&](const auto& entry) {
        const bool went{before.hot_set().test(entry.first) && !sets.hot_set().test(entry.first)};
        return went && entry.second.reads == 0 && entry.second.writes == 0;
    });
}

[[nodiscard]] tuner::RecordingUsed used_part(const RecordingData& recording) {
    const db::Totals& totals{recording.totals};
    tuner::RecordingUsed used{};
    used.file = std::filesystem::path{recording.key.file}.filename().string();
    used.recording = recording.info.id;
    used.workload = recording.info.labels.workload;
    used.phase = "all";
    used.from_snapshot = totals.range.from;
    used.to_snapshot = totals.range.to;
    used.round_trips = totals.counters.round_trips;
    return used;
}

[[nodiscard]] bool is_same_part(const tuner::RecordingUsed& a, const tuner::RecordingUsed& b) {
    return a.file == b.file && a.recording == b.recording && a.from_snapshot == b.from_snapshot &&
           a.to_snapshot == b.to_snapshot && a.round_trips == b.round_trips;
}

// For whom it is, as far as a recording tells: not the L1's type, which a person names.
[[nodiscard]] tuner::Profile profile_for(const RecordingData& recording) {
    const db::Labels& labels{recording.info.labels};
    tuner::Profile profile{};
    profile.l1_kind = labels.l1_kind;
    profile.l1_name = labels.l1_name;
    profile.workload = labels.workload;
    profile.cpu_model = labels.cpu_model;
    profile.cpu_brand = recording.machine.cpu_brand;
    sign(profile.origin);
    return profile;
}

} // namespace

bool ProfileDocument::is_made_of_the_recording(const tuner::Profile& profile) const {
    const tuner::Origin& origin{profile.origin};
    return m_workload && origin.recordings.size() == 1 && origin.costs == m_costs.name &&
           is_same_part(origin.recordings.front(), used_part(*m_recording));
}

// The curve's end has the least mean cost of all, another point of all with so many fields.
void ProfileDocument::tell_objective(tuner::Origin& origin) const {
    const auto point{std::ranges::find(m_curve, m_sets, &tuner::CurvePoint::sets)};
    if (point == m_curve.end()) return;
    const bool is_end{point + 1 == m_curve.end()};
    if (!is_end && m_sets.hot_set().empty()) return;
    origin.objective = "mean";
    origin.budget_fields.reset();
    if (!is_end) origin.budget_fields = m_sets.hot_set().count();
}

// Of the recording that is shown, for the sets as they are.
void ProfileDocument::add_measured(tuner::Profile& profile) const {
    const tuner::Mix mix{{*m_workload, 1}};
    profile.rates = tuner::mean_rates(m_sets.hot_set(), mix, m_costs);
    profile.undecided.clear();
    if (m_recording->is_sampled()) {
        const auto evidence{tuner::evidence_of(m_recording->totals, m_recording->unseen())};
        tuner::add_bounds(profile.rates, evidence);
        std::optional<vmcs::ShadowSets> in_force{};
        if (m_recording->knows_in_force()) in_force = m_recording->in_force();
        for (const tuner::Undecided& open : tuner::decide(evidence, m_costs, m_target).undecided) {
            const bool is_settled{tuner::choice_in(m_sets, open.field) == open.settled(in_force)};
            if (is_settled) profile.undecided[open.field] = open.more_round_trips;
        }
    }
    profile.cost_unit = m_costs.unit;
    profile.predicted = tuner::compare(m_sets, mix, m_costs, m_target.offered);
    profile.curve = m_curve;
    tell_objective(profile.origin);
    const tuner::Budget budget{profile.origin.budget_fields, profile.origin.budget_sync};
    const double regret{tuner::regrets(m_sets, mix, m_costs, m_target, budget).front()};
    profile.origin.recordings.front().regret = std::max(regret, 0.0); // less is rounding
}

tuner::Profile ProfileDocument::edited(tuner::Profile profile) const {
    if (m_sets == profile.sets) return profile;
    change_sets(profile, m_sets);
    if (is_made_of_the_recording(profile)) add_measured(profile);
    return profile;
}

tuner::Profile ProfileDocument::made_anew() const {
    if (!m_recording) {
        tuner::Profile by_hand{};
        by_hand.sets = m_sets;
        return by_hand;
    }
    tuner::Profile profile{profile_for(*m_recording)};
    profile.sets = m_sets;
    profile.origin.costs = m_costs.name;
    if (!m_workload) return profile;
    profile.origin.recordings.push_back(used_part(*m_recording));
    add_measured(profile);
    return profile;
}

tuner::Profile ProfileDocument::profile() const {
    tuner::Profile profile{m_source.loaded ? edited(*m_source.loaded) : made_anew()};
    profile.name = m_source.name;
    return profile;
}

} // namespace shadowtune::gui
