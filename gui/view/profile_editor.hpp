#pragma once

// The hot set beside the heatmap: what it would do, the budget, and each field to toggle.

#include "gui/model/field_tree.hpp"

#include <QWidget>

class QLabel;
class QSlider;
class QTreeView;

namespace shadowtune::gui {

class ProfileEditor : public QWidget {
    Q_OBJECT
public:
    explicit ProfileEditor(ProfileDocument& document, QWidget* parent = nullptr);

    [[nodiscard]] FieldTree& tree() const { return *m_tree; }
    // A line for each field: R, W, rates and gain.
    [[nodiscard]] QString as_csv() const;
    void select_field(vmcs::FieldIndex field);
    // Leaves out what is neither accessed nor in the profile. A field that is unchecked stays where it is.
    void hide_cold(bool hide);
    [[nodiscard]] bool shows(vmcs::FieldIndex field) const;

signals:
    void field_picked(vmcs::FieldIndex field);

private:
    void refresh();
    template <typename Visit>
    void for_each_field(Visit visit) const;
    void show_row(const QModelIndex& index);
    void show_warm();
    void take_rows();

    ProfileDocument& m_document;
    FieldTree* m_tree;
    QTreeView* m_view;
    QLabel* m_title;
    QLabel* m_figures;
    QLabel* m_problem;
    QSlider* m_budget;
    QLabel* m_budget_words;
    RecordingPtr m_recording;
    bool m_hides_cold{false};
};

} // namespace shadowtune::gui
