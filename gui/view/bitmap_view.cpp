#include "gui/view/bitmap_view.hpp"

#include "gui/model/heatmap_model.hpp"
#include "gui/view/theme.hpp"

#include <QHelpEvent>
#include <QKeyEvent>
#include <QMouseEvent>
#include <QPainter>
#include <QToolTip>
#include <algorithm>

namespace shadowtune::gui {

namespace {

constexpr int columns{16}; // cells beside each other: two bytes
constexpr int rows{8};
constexpr double left_margin{64};
constexpr double top_margin{44};
constexpr double gap{12};

} // namespace

BitmapView::BitmapView(const QString& title, QWidget* parent) : QWidget{parent}, m_title{title} {
    setFocusPolicy(Qt::StrongFocus);
    setMouseTracking(true);
    setAccessibleName(title);
    m_cells = cells_of({}, {});
}

void BitmapView::show_sets(const vmcs::FieldSet& shown, const vmcs::FieldSet& other,
                           const vmcs::FieldSet& offered) {
    m_cells = cells_of(shown, other);
    m_offered = offered;
    update();
}

QRectF BitmapView::box_of(std::size_t index) const {
    const std::size_t stretch{index / cells_per_stretch};
    const std::size_t within{index % cells_per_stretch};
    const double wide{(width() - left_margin - 4 * gap) / (4.0 * columns)};
    const double tall{(height() - top_margin - 4 * gap) / (4.0 * rows)};
    const double x{left_margin + static_cast<double>(stretch % 4) * (columns * wide + gap) +
                   static_cast<double>(within % columns) * wide};
    const double y{top_margin + static_cast<double>(stretch / 4) * (rows * tall + gap) +
                   static_cast<double>(within / columns) * tall};
    return {x, y, wide, tall};
}

std::size_t BitmapView::cell_at(QPointF point) const {
    for (std::size_t i{0}; i < m_cells.size(); ++i) {
        if (box_of(i).contains(point)) return i;
    }
    return m_cells.size();
}

void BitmapView::paint_titles(QPainter& painter) const {
    const QFontMetrics metrics{font()};
    painter.setPen(palette().color(QPalette::WindowText));
    QFont bold{font()};
    bold.setBold(true);
    painter.setFont(bold);
    painter.drawText(QRectF{left_margin, 2, width() - left_margin, 20}, Qt::AlignVCenter, m_title);
    painter.setFont(font());
    // In the order of vmcs::Type; the whole names are wider than 32 cells in a small window.
    constexpr const char* short_names[]{"control", "read-only", "guest", "host"};
    for (std::size_t i{0}; i < 4; ++i) {
        const QRectF across{box_of(i * cells_per_stretch)};
        painter.drawText(
            QRectF{across.left(), top_margin - metrics.height() - 2, across.width() * columns, 18.0},
            Qt::AlignVCenter, short_names[i]);
        const QRectF down{box_of(i * 4 * cells_per_stretch)};
        const auto width_of{static_cast<vmcs::Width>(i)};
        QString name{vmcs::text(width_of).data()};
        if (width_of != vmcs::Width::natural) name += "-bit";
        painter.drawText(QRectF{4, down.top(), left_margin - 10, 20}, Qt::AlignVCenter | Qt::AlignRight,
                         name);
    }
}

void BitmapView::paintEvent(QPaintEvent* /*event*/) {
    QPainter painter{this};
    painter.fillRect(rect(), palette().color(QPalette::Base));
    paint_titles(painter);
    const bool dark{is_dark(palette())};
    const QColor shadowed{dark ? QColor{0x35B779} : QColor{0x1F8F6B}};
    const QColor trapped{dark ? QColor{0x4A5160} : QColor{0xC3CAD4}};
    const QColor absent{dark ? QColor{0x262A31} : QColor{0xF0F2F5}};
    const QColor gained{dark ? QColor{0xFFB347} : QColor{0xD97706}};
    for (std::size_t i{0}; i < m_cells.size(); ++i) {
        const BitmapCell& cell{m_cells[i]};
        const QRectF box{box_of(i).adjusted(0.5, 0.5, -0.5, -0.5)};
        if (cell.field == vmcs::no_field) {
            painter.fillRect(box, absent);
            continue;
        }
        QColor color{cell.passes ? shadowed : trapped};
        if (!m_offered.test(cell.field) && !cell.passes) color.setAlphaF(0.4F);
        painter.fillRect(box, color);
        if (!cell.differs()) continue;
        // Marked by a frame and a sign, not by colour alone.
        painter.setPen(QPen{gained, 2});
        painter.setBrush(Qt::NoBrush);
        painter.drawRect(box.adjusted(0.5, 0.5, -0.5, -0.5));
        painter.setPen(ink_on(color));
        if (box.height() >= 9) painter.drawText(box, Qt::AlignCenter, cell.passes ? "+" : "−");
    }
    if (!hasFocus()) return;
    painter.setPen(QPen{palette().color(QPalette::Highlight), 2});
    painter.setBrush(Qt::NoBrush);
    painter.drawRect(box_of(m_current));
}

QString BitmapView::words_of(const BitmapCell& cell) const {
    const QString place{
        QString{"encoding %1, byte %2H bit %3"}
            .arg(encoding_text(cell.encoding), QString::number(cell.encoding >> 3, 16).toUpper())
            .arg(cell.encoding & 7)};
    if (cell.field == vmcs::no_field) return place + ": no field; must trap";
    QString words{QString{"%1%2, %3: %4"}.arg(vmcs::catalogue[cell.field].symbol.data(),
                                              vmcs::is_high_half(cell.encoding) ? " (high half)" : "", place,
                                              cell.passes ? "shadowed" : "traps")};
    if (cell.differs()) words += cell.passes_other ? ", shadowed in the other" : ", traps in the other";
    if (!m_offered.test(cell.field)) words += "; not offered to this L1";
    return words;
}

void BitmapView::move_to(std::size_t index) {
    m_current = index;
    emit picked(words_of(m_cells[index]));
    update();
}

bool BitmapView::event(QEvent* event) {
    if (event->type() == QEvent::ToolTip) {
        const auto* const help{static_cast<QHelpEvent*>(event)};
        const std::size_t index{cell_at(help->pos())};
        if (index == m_cells.size()) {
            QToolTip::hideText();
        } else {
            QToolTip::showText(help->globalPos(), words_of(m_cells[index]), this);
        }
        return true;
    }
    return QWidget::event(event);
}

void BitmapView::mousePressEvent(QMouseEvent* event) {
    const std::size_t index{cell_at(event->position())};
    if (index != m_cells.size()) move_to(index);
}

void BitmapView::keyPressEvent(QKeyEvent* event) {
    const auto count{static_cast<int>(m_cells.size())};
    int step{0};
    switch (event->key()) {
    case Qt::Key_Left: step = -1; break;
    case Qt::Key_Right: step = 1; break;
    case Qt::Key_Up: step = -columns; break;
    case Qt::Key_Down: step = columns; break;
    case Qt::Key_Return:
    case Qt::Key_Space:
        if (m_cells[m_current].field != vmcs::no_field) emit toggled(m_cells[m_current].field);
        return;
    default: return QWidget::keyPressEvent(event);
    }
    move_to(static_cast<std::size_t>(std::clamp(static_cast<int>(m_current) + step, 0, count - 1)));
}

} // namespace shadowtune::gui
