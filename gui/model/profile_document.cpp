#include "gui/model/profile_document.hpp"

#include "tuner/atomic_file.hpp"
#include "tuner/exports.hpp"
#include "tuner/mix.hpp"
#include "tuner/profile_rules.hpp"
#include "tuner/static_lists.hpp"

#include <QUndoCommand>
#include <QUndoStack>
#include <algorithm>
#include <utility>

namespace shadowtune::gui {

class ProfileChange : public QUndoCommand {
public:
    ProfileChange(ProfileDocument& document, const vmcs::ShadowSets& after, const QString& what, bool merge)
        : QUndoCommand{what}, m_document{document}, m_before{document.sets()}, m_after{after}, m_merge{
                                                                                                   merge} {}

    void undo() override { m_document.assign(m_before); }
    void redo() override { m_document.assign(m_after); }
    [[nodiscard]] int id() const override { return m_merge ? profile_merge : -1; }
    bool mergeWith(const QUndoCommand* next) override {
        m_after = static_cast<const ProfileChange*>(next)->m_after;
        setObsolete(m_after == m_before);
        return true;
    }

private:
    static constexpr int profile_merge{100}; // apart from the filters' own

    ProfileDocument& m_document;
    vmcs::ShadowSets m_before;
    vmcs::ShadowSets m_after;
    bool m_merge;
};

// What the profile was before comes back whole, with the file that it was of.
class ProfileOpening : public QUndoCommand {
public:
    ProfileOpening(ProfileDocument& document, ProfileDocument::Source opened)
        : QUndoCommand{(opened.loaded ? "open " : "begin ") + QString::fromStdString(opened.name)},
          m_document{document}, m_before{document.sets()}, m_after{opened.saved}, m_other{std::move(opened)} {
    }

    void undo() override { m_document.exchange(m_other, m_before); }
    void redo() override { m_document.exchange(m_other, m_after); }

private:
    ProfileDocument& m_document;
    vmcs::ShadowSets m_before;
    vmcs::ShadowSets m_after;
    ProfileDocument::Source m_other; // that the document does not have now
};

ProfileDocument::ProfileDocument(QUndoStack& undo, QObject* parent)
    : QObject{parent}, m_undo{undo}, m_target{tuner::any_machine()} {}

void ProfileDocument::set_recording(RecordingPtr recording) {
    m_recording = std::move(recording);
    m_workload.reset();
    m_curve.clear();
    m_gains = {};
    if (m_recording) {
        m_target = m_recording->machine.profile_target();
        m_costs = m_recording->costs;
        if (m_recording->complete() && m_recording->totals.counters.round_trips != 0) {
            m_workload = m_recording->workload();
            const tuner::Mix mix{{*m_workload, 1}};
            m_gains = tuner::gains_per_round_trip(*m_workload, m_costs);
            for (const auto& sets : tuner::pareto_front(m_gains, m_target))
                m_curve.push_back({sets, tuner::mean_effect(sets, mix, m_costs)});
        }
    }
    judge();
    emit changed();
}

void ProfileDocument::judge() {
    m_effect = {};
    m_comparison = {};
    if (!m_workload) return;
    m_effect = tuner::predict(m_sets, *m_workload, m_costs);
    m_comparison = tuner::compare(m_sets, *m_workload, m_costs, m_target.offered);
}

void ProfileDocument::assign(const vmcs::ShadowSets& sets) {
    if (sets == m_sets) return;
    m_sets = sets;
    judge();
    emit changed();
}

void ProfileDocument::exchange(Source& source, const vmcs::ShadowSets& sets) {
    std::swap(m_source, source);
    m_sets = sets;
    judge();
    emit changed();
}

void ProfileDocument::set_sets(const vmcs::ShadowSets& sets, const QString& what, bool merge) {
    if (sets == m_sets) return;
    m_undo.push(new ProfileChange{*this, sets, what, merge});
}

void ProfileDocument::toggle(vmcs::FieldIndex field, bool writes) {
    vmcs::ShadowSets sets{m_sets};
    const bool is_in{(writes ? sets.write : sets.read).test(field)};
    if (is_in) {
        sets.write.clear(field);
        if (!writes) sets.read.clear(field);
    } else {
        sets.read.set(field);
        if (writes) sets.write.set(field);
    }
    set_sets(sets, QString{"%1 %2 of %3"}.arg(is_in ? "trap" : "shadow", writes ? "writes" : "reads",
                                              vmcs::catalogue[field].symbol.data()));
}

void ProfileDocument::take_curve_point(std::size_t index) {
    if (index < m_curve.size()) set_sets(m_curve[index].sets, "move the budget", true);
}

void ProfileDocument::take_optimum() {
    if (!m_curve.empty()) set_sets(m_curve.back().sets, "take the optimum");
}

void ProfileDocument::take_list(std::string_view name) {
    const tuner::StaticList* const list{tuner::find_static_list(name)};
    if (list == nullptr) return;
    const auto title{QString::fromUtf8(list->title.data(), static_cast<qsizetype>(list->title.size()))};
    set_sets(vmcs::allowed_part(list->sets(m_target.offered), m_target), "take " + title);
}

QString ProfileDocument::why_no_prediction() const {
    if (m_workload) return {};
    if (!m_recording) return "Open a recording to see what the profile would do to it.";
    if (m_recording->totals.counters.round_trips == 0)
        return "No round trip is in this part of the recording; record while L1 runs a guest.";
    return "Shadowed accesses were not counted here (mode tuned); brush a part in mode trap, or record with "
           "--mode trap or --mode sample:64.";
}

std::size_t ProfileDocument::curve_place() const {
    std::size_t place{0};
    while (place + 1 < m_curve.size() &&
           m_curve[place + 1].sets.hot_set().count() <= m_sets.hot_set().count())
        ++place;
    return place;
}

tuner::FieldGain ProfileDocument::gain(vmcs::FieldIndex field) const {
    return m_workload ? m_gains.fields[field] : tuner::FieldGain{};
}

QString ProfileDocument::problem() const {
    const auto valid{vmcs::validate(m_sets, m_target)};
    if (valid) return {};
    const vmcs::ProfileError& error{valid.error()};
    const vmcs::FieldInfo& field{vmcs::catalogue[error.field]};
    QString words{QString{"%1: %2"}.arg(field.symbol.data(), vmcs::describe(error.rule).data())};
    const bool has_reason{error.rule == vmcs::ProfileRule::never_shadowed ||
                          error.rule == vmcs::ProfileRule::write_not_allowed};
    if (has_reason) words += QString{" (%1)"}.arg(vmcs::reason(field.shadowing).data());
    return words;
}

vmcs::FieldIndex ProfileDocument::problem_field() const {
    const auto valid{vmcs::validate(m_sets, m_target)};
    return valid ? vmcs::no_field : valid.error().field;
}

Result<void, std::string> ProfileDocument::load(const std::string& file) {
    auto loaded{tuner::load_profile(file)};
    if (!loaded) return Failure{loaded.error().message};
    tuner::Profile& profile{loaded.value()};
    const auto known{std::ranges::find(m_opened, file, &Opened::file)};
    (known == m_opened.end() ? m_opened.emplace_back() : *known) = {file, profile.name, profile.sets};
    m_undo.push(new ProfileOpening{*this, {profile.name, file, profile.sets, profile}});
    return {};
}

void ProfileDocument::start_anew() {
    m_undo.push(new ProfileOpening{*this, {}});
}

Result<void, std::string> ProfileDocument::save(const std::string& file) {
    const std::string before{m_source.name};
    if (file != m_source.file) {
        const std::string name{tuner::name_after(file)};
        if (tuner::is_profile_name(name)) m_source.name = name;
    }
    auto saved{tuner::save_profile(profile(), file)};
    if (!saved) {
        m_source.name = before;
        return saved;
    }
    m_source.file = file;
    m_source.saved = m_sets;
    emit changed();
    return {};
}

Result<void, std::string> ProfileDocument::write_as(const std::string& file, std::string_view form) const {
    const auto text{tuner::export_as(profile(), form)};
    if (!text) return Failure{file + ": no curve without a recording; open one first"};
    return tuner::write_atomically(file, *text);
}

QString ProfileDocument::export_note(std::string_view form) const {
    if (form != "module" || (m_source.loaded && !m_source.loaded->fingerprints.empty())) return {};
    return "The module has no fingerprints, and L0 takes its profile for strangers. A profile has them by "
           "'shadowtune tune --l1-type', and keeps them here.";
}

} // namespace shadowtune::gui
