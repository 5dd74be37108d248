#pragma once

// The hot set beside the heatmap: what it would do, the budget, and each field to toggle.

#include "gui/model/field_tree.hpp"

#include <QWidget>

class QLabel;
class QSlider;
class QTreeView;
class QSortFilterProxyModel;

namespace shadowtune::gui {

class ProfileEditor : public QWidget {
    Q_OBJECT
public:
    explicit ProfileEditor(ProfileDocument& document, QWidget* parent = nullptr);

    [[nodiscard]] FieldTree& tree() const { return *m_tree; }
    // A line for each field: R, W, rates and gain.
    [[nodiscard]] QString as_csv() const;
    void select_field(vmcs::FieldIndex field);

signals:
    void field_picked(vmcs::FieldIndex field);

private:
    void refresh();

    ProfileDocument& m_document;
    FieldTree* m_tree;
    QTreeView* m_view;
    QLabel* m_title;
    QLabel* m_figures;
    QLabel* m_problem;
    QSlider* m_budget;
    QLabel* m_budget_words;
};

} // namespace shadowtune::gui
