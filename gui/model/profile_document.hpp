#pragma once

// The profile that is being edited, and what it would do to the recording that is shown. Each change can be
// undone, and each is judged at once.

#include "gui/model/recording_data.hpp"
#include "tuner/optimizer.hpp"
#include "tuner/prediction.hpp"
#include "tuner/profile_file.hpp"

#include <QObject>
#include <QString>
#include <optional>

class QUndoStack;

namespace shadowtune::gui {

class ProfileDocument : public QObject {
    Q_OBJECT
public:
    // `undo` must outlive the document.
    explicit ProfileDocument(QUndoStack& undo, QObject* parent = nullptr);

    // What predictions are made from. Without round trips, or where not all accesses were counted, there are
    // none.
    void set_recording(RecordingPtr recording);
    [[nodiscard]] const RecordingPtr& recording() const { return m_recording; }

    [[nodiscard]] const vmcs::ShadowSets& sets() const { return m_sets; }
    // A field may be put into W only together with R, and leaves both together; what else the rules say is
    // told by problem(), not prevented.
    void toggle(vmcs::FieldIndex field, bool writes);
    void set_sets(const vmcs::ShadowSets& sets, const QString& what, bool merge = false);
    // Fields of the optimum's curve: 0 to curve().size() - 1.
    void take_curve_point(std::size_t index);
    void take_optimum();
    // Of tuner::static_lists().
    void take_list(std::string_view name);

    [[nodiscard]] bool can_predict() const { return m_workload.has_value(); }
    // Why not; empty where it can.
    [[nodiscard]] QString why_no_prediction() const;
    [[nodiscard]] const tuner::Effect& effect() const { return m_effect; }
    // Under no shadow, all fields, and KVM's list.
    [[nodiscard]] const tuner::Comparison& comparison() const { return m_comparison; }
    // From no shadow to the optimum: sets and what they would do.
    [[nodiscard]] const std::vector<tuner::CurvePoint>& curve() const { return m_curve; }
    // The last point of the curve with no more fields than the hot set.
    [[nodiscard]] std::size_t curve_place() const;
    // What shadowing gains over trapping, per round trip; 0 without a prediction.
    [[nodiscard]] tuner::FieldGain gain(vmcs::FieldIndex field) const;
    [[nodiscard]] const std::string& cost_unit() const { return m_costs.unit; }
    [[nodiscard]] const vmcs::ProfileTarget& target() const { return m_target; }

    // The first rule that the sets break on this machine, in words; empty where they are good.
    [[nodiscard]] QString problem() const;
    [[nodiscard]] vmcs::FieldIndex problem_field() const;

    [[nodiscard]] const std::string& name() const { return m_source.name; }
    // As their files had them, each file once: to compare with.
    struct Opened {
        std::string file;
        std::string name;
        vmcs::ShadowSets sets;
    };
    [[nodiscard]] const std::vector<Opened>& opened() const { return m_opened; }
    [[nodiscard]] const std::string& file() const { return m_source.file; } // empty: never saved
    [[nodiscard]] bool is_modified() const { return m_sets != m_source.saved; }
    // Of no file, with empty sets. Can be undone, like a change, and so can load().
    void start_anew();
    // Errors, here and below: in words, with the mend.
    [[nodiscard]] Result<void, std::string> load(const std::string& file);
    // Under another name than before it gets the file's.
    [[nodiscard]] Result<void, std::string> save(const std::string& file);
    // Of tuner::export_as.
    [[nodiscard]] Result<void, std::string> write_as(const std::string& file, std::string_view form) const;
    // What is to be known of it in that form; empty: nothing.
    [[nodiscard]] QString export_note(std::string_view form) const;
    // With all that is known of it: what its file said, as far as that holds for the sets as they are. One
    // that is new has what `shadowtune tune` would say of the recording.
    [[nodiscard]] tuner::Profile profile() const;

signals:
    void changed();

private:
    friend class ProfileChange;
    friend class ProfileOpening;
    // Where the sets come from.
    struct Source {
        std::string name{"new"};
        std::string file;
        vmcs::ShadowSets saved;               // as the file has them
        std::optional<tuner::Profile> loaded; // none: new
    };
    void assign(const vmcs::ShadowSets& sets);
    void exchange(Source& source, const vmcs::ShadowSets& sets);
    void judge();
    [[nodiscard]] tuner::Profile edited(tuner::Profile profile) const;
    [[nodiscard]] tuner::Profile made_anew() const;
    [[nodiscard]] bool is_made_of_the_recording(const tuner::Profile& profile) const;
    void tell_objective(tuner::Origin& origin) const;
    void add_measured(tuner::Profile& profile) const;

    QUndoStack& m_undo;
    RecordingPtr m_recording;
    std::optional<tuner::Workload> m_workload;
    tuner::CostTable m_costs{tuner::published_costs()};
    vmcs::ProfileTarget m_target;
    tuner::Gains m_gains;
    vmcs::ShadowSets m_sets;
    Source m_source;
    std::vector<Opened> m_opened;
    tuner::Effect m_effect;
    tuner::Comparison m_comparison;
    std::vector<tuner::CurvePoint> m_curve;
};

} // namespace shadowtune::gui
