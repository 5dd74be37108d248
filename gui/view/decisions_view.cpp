#include "gui/view/decisions_view.hpp"

#include "gui/model/heatmap_model.hpp"

#include <QDateTime>
#include <QHeaderView>
#include <QLabel>
#include <QTreeView>
#include <QVBoxLayout>
#include <cmath>

namespace shadowtune::gui {

namespace {

constexpr int field_role{Qt::UserRole};

[[nodiscard]] QString interval(const db::Rate& rate) {
    return QString{"%1 (%2 to %3)"}.arg(rate_text(rate.estimate), rate_text(rate.low),
                                        std::isinf(rate.high) ? "∞" : rate_text(rate.high));
}

[[nodiscard]] QStandardItem* cell(const QString& text, bool is_figure = false) {
    auto* const item{new QStandardItem{text}};
    item->setEditable(false);
    item->setToolTip(text);
    if (is_figure) item->setTextAlignment(Qt::AlignRight | Qt::AlignVCenter);
    return item;
}

[[nodiscard]] QList<QStandardItem*> row_of(const db::DecisionChange& change) {
    QList<QStandardItem*> row{};
    row << cell(vmcs::catalogue[change.field].symbol.data()) << cell({})
        << cell(QString::fromStdString(change.before + " → " + change.after)) << cell({}) << cell({})
        << cell(QString{"reads %1, writes %2 per round trip"}.arg(interval(change.reads),
                                                                  interval(change.writes)));
    for (QStandardItem* const item : row)
        item->setData(int{change.field}, field_role);
    return row;
}

[[nodiscard]] QList<QStandardItem*> row_of(const db::Decision& decision) {
    QList<QStandardItem*> row{};
    row << cell(QDateTime::fromMSecsSinceEpoch(decision.at_ms).toString("HH:mm:ss"))
        << cell(grouped(decision.round_trips), true) << cell(QString::fromStdString(decision.action))
        << cell(rate_text(decision.trapped), true)
        << cell(QString{"%1 %2"}.arg(QString::number(decision.gain, 'f', 0), decision.unit.c_str()), true)
        << cell(QString::fromStdString(decision.words));
    for (const db::DecisionChange& change : decision.changes)
        row.front()->appendRow(row_of(change));
    return row;
}

} // namespace

DecisionsView::DecisionsView(QWidget* parent) : QWidget{parent} {
    auto* const layout{new QVBoxLayout{this}};
    layout->setContentsMargins(0, 0, 0, 0);
    m_empty = new QLabel{this};
    m_empty->setAlignment(Qt::AlignCenter);
    m_empty->setWordWrap(true);
    m_empty->setForegroundRole(QPalette::PlaceholderText);
    layout->addWidget(m_empty);
    m_view = new QTreeView{this};
    m_view->setModel(&m_model);
    m_view->setUniformRowHeights(true);
    m_view->setAlternatingRowColors(true);
    m_view->setFrameShape(QFrame::NoFrame);
    m_view->setAccessibleName("Decisions of the closed loop");
    layout->addWidget(m_view);
    connect(m_view, &QTreeView::expanded, this, [this] { m_view->resizeColumnToContents(time_column); });
    connect(m_view->selectionModel(), &QItemSelectionModel::currentChanged, this,
            [this](const QModelIndex& index) {
                const QVariant field{index.data(field_role)};
                if (field.isValid()) emit field_picked(static_cast<vmcs::FieldIndex>(field.toInt()));
            });
    show_timeline(nullptr);
}

QString DecisionsView::empty_words() const {
    return m_empty->isHidden() ? QString{} : m_empty->text();
}

void DecisionsView::show_timeline(const TimelinePtr& timeline) {
    const std::size_t count{timeline ? timeline->decisions.size() : 0};
    m_empty->setText(timeline ? "No decisions: this was not recorded by 'shadowtune autotune'"
                              : "Open a recording of 'shadowtune autotune' to see what it decided, and why");
    m_empty->setVisible(count == 0);
    m_view->setVisible(count != 0);
    // A recording that grows only gets more of them.
    const bool goes_on{timeline && timeline->key == m_key &&
                       count >= static_cast<std::size_t>(m_model.rowCount())};
    if (!goes_on) {
        m_model.clear();
        m_model.setHorizontalHeaderLabels(
            {"Time, field", "Round trips", "Decision", "Trapped", "Gain", "Why"});
    }
    m_key = timeline ? timeline->key : RecordingKey{};
    for (auto next{static_cast<std::size_t>(m_model.rowCount())}; next < count; ++next)
        m_model.appendRow(row_of(timeline->decisions[next]));
    for (int column{time_column}; column < why_column && !goes_on; ++column)
        m_view->resizeColumnToContents(column);
}

} // namespace shadowtune::gui
