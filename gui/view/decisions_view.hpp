#pragma once

// What `shadowtune autotune` decided while this was recorded, and by which rates: docs/autotune.md.

#include "gui/model/recording_data.hpp"

#include <QStandardItemModel>
#include <QWidget>

class QLabel;
class QTreeView;

namespace shadowtune::gui {

class DecisionsView : public QWidget {
    Q_OBJECT
public:
    enum Column : int {
        time_column,
        round_trips_column,
        action_column,
        trapped_column,
        gain_column,
        why_column
    };

    explicit DecisionsView(QWidget* parent = nullptr);

    // Null: none is shown.
    void show_timeline(const TimelinePtr& timeline);
    // One row for each decision, and below it one for each field that it is about.
    [[nodiscard]] const QAbstractItemModel& model() const { return m_model; }
    // What is said in place of the table; empty where there are decisions.
    [[nodiscard]] QString empty_words() const;

signals:
    void field_picked(vmcs::FieldIndex field);

private:
    QStandardItemModel m_model;
    QTreeView* m_view{nullptr};
    QLabel* m_empty{nullptr};
    RecordingKey m_key; // whose decisions are shown
};

} // namespace shadowtune::gui
