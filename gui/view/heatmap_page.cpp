#include "gui/view/heatmap_page.hpp"

#include "gui/view/chip_bar.hpp"
#include "gui/view/exports.hpp"

#include <QLabel>
#include <QPainter>
#include <QVBoxLayout>

namespace shadowtune::gui {

HeatmapPage::HeatmapPage(HeatmapModel& model, FilterState& filter, QWidget* parent)
    : QWidget{parent}, m_model{model} {
    auto* const layout{new QVBoxLayout{this}};
    layout->setContentsMargins(0, 0, 0, 0);
    layout->setSpacing(0);
    layout->addWidget(new ChipBar{filter, this});
    m_view = new HeatmapView{model, this};
    layout->addWidget(m_view, 1);
    m_empty = new QLabel{this};
    m_empty->setAlignment(Qt::AlignCenter);
    m_empty->setWordWrap(true);
    layout->addWidget(m_empty, 1);
    m_legend = new Legend{model, this};
    layout->addWidget(m_legend);
    connect(&model, &QAbstractItemModel::modelReset, this, [this] { refresh(); });
    refresh();
}

void HeatmapPage::refresh() {
    const bool has_cells{m_model.rowCount() > 0 && m_model.columnCount() > 0};
    m_view->setVisible(has_cells);
    m_empty->setVisible(!has_cells);
    m_legend->setVisible(has_cells);
    if (has_cells) return;
    const HeatmapPtr& shown{m_model.data()};
    m_empty->setText(
        !shown ? "Reading ..."
        : shown->recording->info.snapshots == 0
            ? "This recording has no snapshot yet. It is shown as soon as there is one."
        : shown->matrix.columns.empty()
            ? "No round trip in this part: L1 ran no L2. Brush another part, or record while L1 runs a "
              "guest."
            : "No field is left by the filters. Remove one of them above, or press Ctrl+Z.");
}

void HeatmapPage::render(QPainter& painter, QSize size) const {
    painter.fillRect(QRect{{0, 0}, size}, palette().color(QPalette::Base));
    painter.setFont(font());
    painter.setPen(palette().color(QPalette::WindowText));
    const int line{QFontMetrics{font()}.height()};
    painter.drawText(QRect{12, 8, size.width() - 24, line}, Qt::AlignVCenter,
                     QString::fromStdString(m_model.data()->recording->title()));
    m_view->render_map(painter, QRect{{12, 12 + line}, m_view->map_size()});
    const QSize legend{m_legend->sizeHint()};
    m_legend->render_legend(painter,
                            QRect{4, size.height() - legend.height() - 4, size.width() - 8, legend.height()});
}

Result<void, std::string> HeatmapPage::export_to(const std::string& file) const {
    if (!m_model.data()) return Failure{file + ": nothing to export; open a recording first"};
    const QSize map{m_view->map_size()};
    const QSize size{std::max(map.width() + 24, 640),
                     map.height() + m_legend->sizeHint().height() + QFontMetrics{font()}.height() + 28};
    return export_view({size, devicePixelRatioF(), [&](QPainter& painter) { render(painter, size); },
                        [this] { return m_model.as_csv(); }},
                       file);
}

} // namespace shadowtune::gui
