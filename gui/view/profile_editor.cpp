#include "gui/view/profile_editor.hpp"

#include "gui/model/heatmap_model.hpp"
#include "gui/view/curve_view.hpp"
#include "gui/view/exports.hpp"

#include <QHBoxLayout>
#include <QHeaderView>
#include <QLabel>
#include <QSignalBlocker>
#include <QSlider>
#include <QStyledItemDelegate>
#include <QTreeView>
#include <QVBoxLayout>

namespace shadowtune::gui {

namespace {

[[nodiscard]] QString row(const QString& name, const tuner::Effect& effect, bool strong) {
    const QString cell{strong ? "<td align='right'><b>%1</b>&nbsp;&nbsp;</td>"
                              : "<td align='right'>%1&nbsp;&nbsp;</td>"};
    return "<tr><td>" + (strong ? "<b>" + name + "</b>" : name) + "&nbsp;&nbsp;</td>" +
           cell.arg(QString::number(effect.cost, 'f', 0)) + cell.arg(rate_text(effect.trapped())) +
           cell.arg(QString::number(effect.synced, 'f', 0)) + "</tr>";
}

// Rows as high as those of the tables: text of one does not touch the next.
class RoomyDelegate : public QStyledItemDelegate {
public:
    using QStyledItemDelegate::QStyledItemDelegate;
    [[nodiscard]] QSize sizeHint(const QStyleOptionViewItem& option,
                                 const QModelIndex& index) const override {
        return QStyledItemDelegate::sizeHint(option, index).expandedTo({0, option.fontMetrics.height() + 4});
    }
};

} // namespace

ProfileEditor::ProfileEditor(ProfileDocument& document, QWidget* parent)
    : QWidget{parent}, m_document{document} {
    auto* const layout{new QVBoxLayout{this}};
    layout->setContentsMargins(8, 6, 8, 6);
    layout->setSpacing(6);
    setMinimumWidth(fontMetrics().horizontalAdvance("vm_exit_interruption_information") + 300);
    m_title = new QLabel{this};
    m_title->setTextFormat(Qt::RichText);
    layout->addWidget(m_title);
    m_figures = new QLabel{this};
    m_figures->setTextFormat(Qt::RichText);
    m_figures->setWordWrap(true);
    m_figures->setTextInteractionFlags(Qt::TextSelectableByMouse);
    layout->addWidget(m_figures);
    m_problem = new QLabel{this};
    m_problem->setWordWrap(true);
    m_problem->setObjectName("problem");
    m_problem->setStyleSheet("background: #C0392B; color: white; border-radius: 4px; padding: 5px 8px;");
    layout->addWidget(m_problem);
    layout->addWidget(new CurveView{document, this});
    auto* const line{new QHBoxLayout};
    auto* const label{new QLabel{"&Budget", this}};
    m_budget = new QSlider{Qt::Horizontal, this};
    m_budget->setAccessibleName("Budget: fields in the hot set");
    m_budget_words = new QLabel{this};
    m_budget_words->setMinimumWidth(fontMetrics().horizontalAdvance("188 fields "));
    label->setBuddy(m_budget);
    line->addWidget(label);
    line->addWidget(m_budget, 1);
    line->addWidget(m_budget_words);
    layout->addLayout(line);
    m_tree = new FieldTree{document, this};
    m_view = new QTreeView{this};
    m_view->setModel(m_tree);
    m_view->setItemDelegate(new RoomyDelegate{m_view});
    m_view->setUniformRowHeights(true);
    m_view->setTextElideMode(Qt::ElideMiddle);
    m_view->setAlternatingRowColors(true);
    m_view->setFrameShape(QFrame::NoFrame);
    m_view->setAccessibleName("Fields of the profile");
    m_view->header()->setStretchLastSection(false);
    m_view->setIndentation(12);
    m_view->header()->setMinimumSectionSize(20);
    m_view->header()->setSectionResizeMode(QHeaderView::Fixed);
    m_view->header()->setSectionResizeMode(FieldTree::field_column, QHeaderView::Stretch);
    const int figure{fontMetrics().horizontalAdvance("0.000743") + 14};
    for (const int column : {FieldTree::read_column, FieldTree::write_column})
        m_view->header()->resizeSection(column, 28);
    for (const int column : {FieldTree::reads_column, FieldTree::writes_column, FieldTree::gain_column})
        m_view->header()->resizeSection(column, figure);
    layout->addWidget(m_view, 1);
    connect(m_tree, &QAbstractItemModel::modelReset, this, [this] {
        m_view->expandAll();
        take_rows();
    });
    m_view->expandAll();
    connect(m_budget, &QSlider::valueChanged, this,
            [this](int value) { m_document.take_curve_point(static_cast<std::size_t>(value)); });
    connect(m_view->selectionModel(), &QItemSelectionModel::currentChanged, this,
            [this](const QModelIndex& index) {
                const QVariant field{index.data(FieldTree::field_role)};
                if (field.isValid()) emit field_picked(static_cast<vmcs::FieldIndex>(field.toInt()));
            });
    connect(&document, &ProfileDocument::changed, this, [this] { refresh(); });
    refresh();
}

void ProfileEditor::refresh() {
    if (m_document.recording() != m_recording) {
        m_recording = m_document.recording();
        take_rows();
    } else {
        show_warm();
    }
    const vmcs::ShadowSets& sets{m_document.sets()};
    const std::size_t hot{sets.hot_set().count()};
    m_title->setText(QString{"<b>%1</b>%2: %3 fields, %4 R, %5 W"}
                         .arg(QString::fromStdString(m_document.name()).toHtmlEscaped(),
                              m_document.is_modified() ? " (not saved)" : "")
                         .arg(hot)
                         .arg(sets.read.count())
                         .arg(sets.write.count()));
    if (m_document.can_predict()) {
        const tuner::Comparison& of{m_document.comparison()};
        m_figures->setWordWrap(false);
        m_figures->setText(
            QString{"<table cellspacing='0'><tr><td>per round trip&nbsp;&nbsp;</td><td "
                    "align='right'>%1&nbsp;&nbsp;</td>"
                    "<td align='right'>exits&nbsp;&nbsp;</td><td align='right'>copies&nbsp;&nbsp;</td></tr>"}
                .arg(m_document.cost_unit().c_str()) +
            row("this profile", m_document.effect(), true) + row("no shadow", of.none, false) +
            row("KVM's list", of.kvm_list, false) + row("every field", of.full, false) + "</table>");
    } else {
        m_figures->setWordWrap(true);
        m_figures->setText(m_document.why_no_prediction());
    }
    const QString problem{m_document.problem()};
    m_problem->setVisible(!problem.isEmpty());
    m_problem->setText(problem);
    const QSignalBlocker quiet{m_budget};
    m_budget->setEnabled(!m_document.curve().empty());
    m_budget->setRange(0, m_document.curve().empty() ? 0 : static_cast<int>(m_document.curve().size()) - 1);
    m_budget->setValue(static_cast<int>(m_document.curve_place()));
    m_budget_words->setText(QString{"%1 fields"}.arg(hot));
}

QString ProfileEditor::as_csv() const {
    return table_as_csv(*m_tree);
}

void ProfileEditor::select_field(vmcs::FieldIndex field) {
    const QModelIndex index{m_tree->index_of(field)};
    if (!index.isValid() || m_view->currentIndex().siblingAtColumn(0) == index) return;
    show_row(index);
    m_view->setCurrentIndex(index);
}

template <typename Visit>
void ProfileEditor::for_each_field(Visit visit) const {
    m_document.target().offered.for_each([&](vmcs::FieldIndex field) {
        const QModelIndex index{m_tree->index_of(field)};
        if (index.isValid()) visit(index, field);
    });
}

void ProfileEditor::hide_cold(bool hide) {
    if (m_hides_cold == hide) return;
    m_hides_cold = hide;
    take_rows();
}

bool ProfileEditor::shows(vmcs::FieldIndex field) const {
    const QModelIndex index{m_tree->index_of(field)};
    return index.isValid() && !m_view->isRowHidden(index.row(), index.parent());
}

void ProfileEditor::show_row(const QModelIndex& index) {
    m_view->setRowHidden(index.row(), index.parent(), false);
    m_view->setRowHidden(index.parent().row(), {}, false);
}

void ProfileEditor::show_warm() {
    for_each_field([this](const QModelIndex& index, vmcs::FieldIndex field) {
        if (!m_tree->is_cold(field)) show_row(index);
    });
}

void ProfileEditor::take_rows() {
    for (int group{0}; group < m_tree->rowCount(); ++group)
        m_view->setRowHidden(group, {}, m_hides_cold);
    for_each_field([this](const QModelIndex& index, vmcs::FieldIndex field) {
        if (m_hides_cold && m_tree->is_cold(field))
            m_view->setRowHidden(index.row(), index.parent(), true);
        else
            show_row(index);
    });
}

} // namespace shadowtune::gui
