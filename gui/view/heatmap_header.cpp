#include "gui/view/heatmap_view.hpp"
#include "gui/view/theme.hpp"

#include <QPainter>
#include <algorithm>
#include <cmath>
#include <numbers>

namespace shadowtune::gui {

namespace {

constexpr int band{18}; // of the colour and name of an area
constexpr int marks_width{26};
constexpr int longest_title{150};
constexpr int lean_degrees{50}; // of the columns' titles

// Four hues that are told apart without colour vision by their lightness, too.
[[nodiscard]] QColor area_color(vmcs::Type type, bool dark) {
    constexpr std::uint32_t on_light[]{0x4C78A8, 0xB8860B, 0x2F8F6B, 0x8C6BB1};
    constexpr std::uint32_t on_dark[]{0x7FA7D6, 0xE3B341, 0x6CC7A1, 0xB79AD8};
    return QColor{QRgb{(dark ? on_dark : on_light)[static_cast<std::size_t>(type)]}};
}

} // namespace

int title_stride(const QFontMetrics& metrics, int column_width) {
    // Leaning titles need more than their height.
    return std::max(1, (metrics.height() * 4 / 3 + column_width - 1) / column_width);
}

HeatmapHeader::HeatmapHeader(Qt::Orientation orientation, QWidget* parent)
    : QHeaderView{orientation, parent} {
    setSectionResizeMode(QHeaderView::Fixed);
    setHighlightSections(true);
    setMinimumSectionSize(HeatmapView::smallest_cell);
    setSectionsClickable(true);
    setFocusPolicy(Qt::NoFocus);
}

const HeatmapModel* HeatmapHeader::heatmap() const {
    return static_cast<const HeatmapModel*>(model());
}

QSize HeatmapHeader::sizeHint() const {
    const QFontMetrics metrics{font()};
    int longest{60};
    const int count{model() == nullptr                ? 0
                    : orientation() == Qt::Horizontal ? model()->columnCount()
                                                      : model()->rowCount()};
    for (int i{0}; i < count; ++i) {
        longest =
            std::max(longest, metrics.horizontalAdvance(model()->headerData(i, orientation()).toString()));
    }
    if (orientation() == Qt::Vertical) return {longest + band + marks_width + 14, 0};
    return {0, std::min(longest, longest_title) * 3 / 4 + 18};
}

void HeatmapHeader::paintEvent(QPaintEvent* /*event*/) {
    QPainter painter{viewport()};
    painter.fillRect(viewport()->rect(), palette().color(QPalette::Window));
    if (model() == nullptr || count() == 0) return;
    if (orientation() == Qt::Vertical) {
        paint_rows(painter);
    } else {
        paint_columns(painter);
    }
}

void HeatmapHeader::paint_rows(QPainter& painter) {
    const QFontMetrics metrics{font()};
    const int row_height{defaultSectionSize()};
    const auto* const view{static_cast<const HeatmapView*>(parentWidget())};
    const int current{view->currentIndex().row()};
    const vmcs::ShadowSets& profile{heatmap()->profile()};
    const bool names{row_height >= metrics.height() - 3};
    QColor faint{palette().color(QPalette::WindowText)};
    faint.setAlphaF(0.55F);
    paint_areas(painter);
    for (int row{std::max(visualIndexAt(0), 0)}; row < count(); ++row) {
        const QRect box{0, sectionViewportPosition(row), width(), row_height};
        if (box.top() > viewport()->height()) break;
        const vmcs::FieldIndex field{heatmap()->field(row)};
        if (row == current) {
            QColor ground{palette().color(QPalette::Highlight)};
            ground.setAlphaF(0.3F);
            painter.fillRect(box.adjusted(band, 0, 0, 0), ground);
        }
        if (!names) {
            // As many as fit: the current one always.
            if (row == current) {
                painter.setPen(palette().color(QPalette::WindowText));
                painter.drawText(box.adjusted(band + 6, -metrics.height(), -marks_width, metrics.height()),
                                 Qt::AlignVCenter | Qt::AlignLeft,
                                 model()->headerData(row, Qt::Vertical).toString());
            }
            continue;
        }
        painter.setPen(palette().color(QPalette::WindowText));
        painter.drawText(box.adjusted(band + 6, 0, -marks_width, 0), Qt::AlignVCenter | Qt::AlignLeft,
                         model()->headerData(row, Qt::Vertical).toString());
        const bool hot{profile.read.test(field)};
        painter.setPen(hot ? palette().color(QPalette::Highlight) : faint);
        painter.drawText(box.adjusted(0, 0, -6, 0), Qt::AlignVCenter | Qt::AlignRight,
                         profile.write.test(field) ? "RW"
                         : hot                     ? "R"
                                                   : "·");
    }
}

// Rows of one area that follow each other share one band, with the area's name where there is room.
void HeatmapHeader::paint_areas(QPainter& painter) {
    const auto type{[this](int row) { return vmcs::catalogue[heatmap()->field(row)].type; }};
    QFont small{font()};
    small.setPointSizeF(small.pointSizeF() * 0.85);
    const QFontMetrics metrics{small};
    for (int first{0}, end{0}; first < count(); first = end) {
        while (end < count() && type(end) == type(first))
            ++end;
        const QRect whole{0, sectionViewportPosition(first), band - 2,
                          (end - first) * defaultSectionSize() - 1};
        const QRect seen{whole.intersected(viewport()->rect())};
        if (seen.isEmpty()) continue;
        const QColor ground{area_color(type(first), is_dark(palette()))};
        painter.fillRect(whole, ground);
        const QString name{vmcs::text(type(first)).data()};
        if (metrics.horizontalAdvance(name) + 4 > seen.height()) continue;
        painter.save();
        painter.setFont(small);
        painter.setPen(ink_on(ground));
        painter.translate(seen.left(), seen.bottom());
        painter.rotate(-90);
        painter.drawText(QRect{0, 0, seen.height(), seen.width()}, Qt::AlignCenter, name);
        painter.restore();
    }
}

void HeatmapHeader::paint_columns(QPainter& painter) {
    const QFontMetrics metrics{font()};
    const auto* const view{static_cast<const HeatmapView*>(parentWidget())};
    const int current{view->currentIndex().column()};
    const int column_width{defaultSectionSize()};
    const int stride{title_stride(metrics, column_width)};
    painter.setRenderHint(QPainter::Antialiasing);
    for (int column{std::max(visualIndexAt(0), 0)}; column < count(); ++column) {
        const int left{sectionViewportPosition(column)};
        if (left > viewport()->width()) break;
        if (column % stride != 0 && column != current) continue;
        if (column != current && current >= 0 && std::abs(column - current) < stride) continue;
        painter.save();
        painter.translate(left + column_width / 2.0, height() - 5);
        painter.rotate(-lean_degrees);
        QFont bold{font()};
        bold.setBold(column == current);
        painter.setFont(bold);
        painter.setPen(palette().color(QPalette::WindowText));
        const QString title{QFontMetrics{bold}.elidedText(
            model()->headerData(column, Qt::Horizontal).toString(), Qt::ElideRight,
            std::min(longest_title, static_cast<int>((viewport()->width() - left - column_width / 2) /
                                                     std::cos(lean_degrees * std::numbers::pi / 180))))};
        painter.drawText(2, metrics.ascent() / 2 - 1, title);
        painter.restore();
    }
}

} // namespace shadowtune::gui
