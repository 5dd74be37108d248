#include "gui/view/heatmap_view.hpp"

#include <QKeyEvent>
#include <QMouseEvent>
#include <QPainter>
#include <QScrollBar>
#include <QWheelEvent>
#include <algorithm>
#include <cmath>

namespace shadowtune::gui {

namespace {

constexpr int readable_row{17};
constexpr int widest_fit{60};
constexpr int width_for_values{38};

} // namespace

HeatmapView::HeatmapView(HeatmapModel& model, QWidget* parent) : QTableView{parent}, m_model{model} {
    setHorizontalHeader(new HeatmapHeader{Qt::Horizontal, this});
    setVerticalHeader(new HeatmapHeader{Qt::Vertical, this});
    setModel(&model);
    setShowGrid(false);
    setWordWrap(false);
    setMouseTracking(true);
    setCornerButtonEnabled(false);
    setFrameShape(QFrame::NoFrame);
    setSelectionMode(QAbstractItemView::SingleSelection);
    setEditTriggers(QAbstractItemView::NoEditTriggers);
    setHorizontalScrollMode(QAbstractItemView::ScrollPerPixel);
    setVerticalScrollMode(QAbstractItemView::ScrollPerPixel);
    setAccessibleName("Heatmap: accesses per round trip by VMCS field");
    setTabKeyNavigation(false);
    connect(&model, &QAbstractItemModel::modelReset, this, [this] {
        if (m_fits) fit();
        verticalHeader()->updateGeometry();
        updateGeometries();
    });
}

QSize HeatmapView::cell() const {
    return {horizontalHeader()->defaultSectionSize(), verticalHeader()->defaultSectionSize()};
}

void HeatmapView::set_cell(int width, int height) {
    horizontalHeader()->setDefaultSectionSize(std::clamp(width, smallest_cell, largest_cell));
    verticalHeader()->setDefaultSectionSize(std::clamp(height, smallest_cell, largest_cell));
    viewport()->update();
}

void HeatmapView::zoom(double factor, QPoint anchor) {
    m_fits = false;
    const QSize before{cell()};
    const auto scaled{[factor](int size) {
        const int rounded{static_cast<int>(std::lround(size * factor))};
        return rounded == size ? size + (factor > 1 ? 1 : -1) : rounded;
    }};
    const double column{static_cast<double>(horizontalScrollBar()->value() + anchor.x()) / before.width()};
    const double row{static_cast<double>(verticalScrollBar()->value() + anchor.y()) / before.height()};
    set_cell(scaled(before.width()), scaled(before.height()));
    horizontalScrollBar()->setValue(static_cast<int>(column * cell().width()) - anchor.x());
    verticalScrollBar()->setValue(static_cast<int>(row * cell().height()) - anchor.y());
}

void HeatmapView::fit() {
    m_fits = true;
    const int columns{std::max(m_model.columnCount(), 1)};
    // The last title leans over the edge of its column.
    const int over{
        fontMetrics().horizontalAdvance(m_model.headerData(columns - 1, Qt::Horizontal).toString()) / 2};
    const int wide{viewport()->width() - std::min(over, viewport()->width() / 6)};
    set_cell(std::min(wide / columns, widest_fit), readable_row);
}

void HeatmapView::resizeEvent(QResizeEvent* event) {
    QTableView::resizeEvent(event);
    if (m_fits) fit();
}

void HeatmapView::paint_cells(QPainter& painter, const QRect& area, const QPoint& origin, QSize cell) const {
    const QImage& image{m_model.image()};
    if (image.isNull()) return;
    // Only what is seen, one pixel of the image for each cell.
    const QRect wanted{area.translated(-origin)};
    const int left{std::max(wanted.left() / cell.width(), 0)};
    const int top{std::max(wanted.top() / cell.height(), 0)};
    const int right{std::min(wanted.right() / cell.width() + 1, image.width())};
    const int bottom{std::min(wanted.bottom() / cell.height() + 1, image.height())};
    if (right <= left || bottom <= top) return;
    painter.setRenderHint(QPainter::SmoothPixmapTransform, false);
    painter.drawImage(QRect{origin.x() + left * cell.width(), origin.y() + top * cell.height(),
                            (right - left) * cell.width(), (bottom - top) * cell.height()},
                      image, QRect{left, top, right - left, bottom - top});
    const QColor grid{palette().color(QPalette::Base)};
    // Rectangles, for a line of one pixel lies half beside it where a pixel is several of the device's.
    const auto across{[&](int y, const QColor& color) {
        painter.fillRect(origin.x() + left * cell.width(), origin.y() + y * cell.height() - 1,
                         (right - left) * cell.width(), 1, color);
    }};
    if (cell.width() >= 6 && cell.height() >= 6) {
        for (int x{left}; x <= right; ++x) {
            painter.fillRect(origin.x() + x * cell.width() - 1, origin.y() + top * cell.height(), 1,
                             (bottom - top) * cell.height(), grid);
        }
        for (int y{top}; y <= bottom; ++y)
            across(y, grid);
    }
    // Between groups of fields, where they stay together.
    QColor line{palette().color(QPalette::WindowText)};
    line.setAlphaF(0.25F);
    for (int y{std::max(top, 1)}; y < bottom; ++y) {
        const auto group{[this](int row) { return vmcs::catalogue[m_model.field(row)].type; }};
        if (group(y) != group(y - 1)) across(y, line);
    }
}

void HeatmapView::paint_values(QPainter& painter, const QRect& area) {
    if (cell().width() < width_for_values || cell().height() < readable_row - 2) return;
    QFont small{font()};
    small.setPointSizeF(small.pointSizeF() * 0.85);
    painter.setFont(small);
    const QFontMetrics metrics{small};
    const int first_row{std::max(rowAt(area.top()), 0)};
    const int first_column{std::max(columnAt(area.left()), 0)};
    for (int row{first_row}; row < m_model.rowCount(); ++row) {
        if (rowViewportPosition(row) > area.bottom()) break;
        for (int column{first_column}; column < m_model.columnCount(); ++column) {
            const QRect box{columnViewportPosition(column), rowViewportPosition(row), cell().width() - 1,
                            cell().height() - 1};
            if (box.left() > area.right()) break;
            const QModelIndex index{m_model.index(row, column)};
            if (index.data(HeatmapModel::rate_role).toDouble() == 0) continue;
            painter.setPen(ink_on(index.data(Qt::BackgroundRole).value<QColor>()));
            QString text{index.data().toString()};
            const double rate{index.data(HeatmapModel::rate_role).toDouble()};
            if (metrics.horizontalAdvance(text) > box.width()) text = QString::number(rate, 'g', 1);
            painter.drawText(box, Qt::AlignCenter, text);
        }
    }
}

void HeatmapView::paintEvent(QPaintEvent* event) {
    QPainter painter{viewport()};
    painter.fillRect(event->rect(), palette().color(QPalette::Base));
    if (m_model.rowCount() == 0 || m_model.columnCount() == 0) return;
    const QPoint origin{columnViewportPosition(0), rowViewportPosition(0)};
    paint_cells(painter, event->rect(), origin, cell());
    paint_values(painter, event->rect());
    const QModelIndex current{currentIndex()};
    if (!current.isValid()) return;
    QRect box{visualRect(current)};
    QColor cross{palette().color(QPalette::WindowText)};
    cross.setAlphaF(0.10F);
    painter.fillRect(QRect{0, box.top(), viewport()->width(), box.height()}, cross);
    painter.fillRect(QRect{box.left(), 0, box.width(), viewport()->height()}, cross);
    painter.setPen(QPen{palette().color(QPalette::Highlight), 2});
    painter.drawRect(box.adjusted(0, 0, -1, -1));
}

QSize HeatmapView::map_size() const {
    return {verticalHeader()->sizeHint().width() + m_model.columnCount() * cell().width() + 60,
            horizontalHeader()->sizeHint().height() + m_model.rowCount() * cell().height()};
}

void HeatmapView::render_map(QPainter& painter, const QRect& area) {
    const QFontMetrics metrics{font()};
    const int left{verticalHeader()->sizeHint().width()};
    const int top{horizontalHeader()->sizeHint().height()};
    painter.save();
    painter.translate(area.topLeft());
    painter.setFont(font());
    const QColor ink{palette().color(QPalette::WindowText)};
    painter.setPen(ink);
    const bool names{cell().height() >= metrics.height() - 3};
    for (int row{0}; names && row < m_model.rowCount(); ++row) {
        painter.drawText(QRect{0, top + row * cell().height(), left - 8, cell().height()},
                         Qt::AlignVCenter | Qt::AlignRight, m_model.headerData(row, Qt::Vertical).toString());
    }
    const int stride{title_stride(metrics, cell().width())};
    for (int column{0}; column < m_model.columnCount(); column += stride) {
        painter.save();
        painter.translate(left + (column + 0.5) * cell().width(), top - 5);
        painter.rotate(-50);
        painter.drawText(
            2, metrics.ascent() / 2 - 1,
            metrics.elidedText(m_model.headerData(column, Qt::Horizontal).toString(), Qt::ElideRight, 150));
        painter.restore();
    }
    const QRect cells{left, top, m_model.columnCount() * cell().width(),
                      m_model.rowCount() * cell().height()};
    paint_cells(painter, cells, cells.topLeft(), cell());
    painter.restore();
}

void HeatmapView::select_field(vmcs::FieldIndex field) {
    const int row{m_model.row_of(field)};
    if (row < 0 || currentIndex().row() == row) return;
    setCurrentIndex(m_model.index(row, std::max(currentIndex().column(), 0)));
}

void HeatmapView::currentChanged(const QModelIndex& current, const QModelIndex& previous) {
    QTableView::currentChanged(current, previous);
    viewport()->update();
    verticalHeader()->viewport()->update();
    horizontalHeader()->viewport()->update();
    if (current.isValid()) emit cell_picked(m_model.field(current.row()), current.column());
}

void HeatmapView::wheelEvent(QWheelEvent* event) {
    if ((event->modifiers() & Qt::ControlModifier) == 0) return QTableView::wheelEvent(event);
    zoom(std::pow(1.0015, event->angleDelta().y()), event->position().toPoint());
    event->accept();
}

void HeatmapView::keyPressEvent(QKeyEvent* event) {
    const QModelIndex current{currentIndex()};
    const QPoint anchor{current.isValid() ? visualRect(current).center() : viewport()->rect().center()};
    switch (event->key()) {
    case Qt::Key_Plus:
    case Qt::Key_Equal: return zoom(1.25, anchor);
    case Qt::Key_Minus: return zoom(0.8, anchor);
    case Qt::Key_0: return fit();
    case Qt::Key_R:
    case Qt::Key_Return:
    case Qt::Key_Enter:
    case Qt::Key_W:
        if (current.isValid()) emit toggled(m_model.field(current.row()), event->key() == Qt::Key_W);
        return;
    default: QTableView::keyPressEvent(event);
    }
}

void HeatmapView::mousePressEvent(QMouseEvent* event) {
    m_drag_from = event->pos();
    m_drag_scroll = {horizontalScrollBar()->value(), verticalScrollBar()->value()};
    QTableView::mousePressEvent(event);
}

void HeatmapView::mouseMoveEvent(QMouseEvent* event) {
    const bool held{(event->buttons() & (Qt::LeftButton | Qt::MiddleButton)) != 0};
    const QPoint moved{event->pos() - m_drag_from};
    if (!held) return QTableView::mouseMoveEvent(event);
    if (!m_dragging && moved.manhattanLength() < 6) return;
    m_dragging = true;
    setCursor(Qt::ClosedHandCursor);
    horizontalScrollBar()->setValue(m_drag_scroll.x() - moved.x());
    verticalScrollBar()->setValue(m_drag_scroll.y() - moved.y());
}

void HeatmapView::mouseReleaseEvent(QMouseEvent* event) {
    if (m_dragging) unsetCursor();
    m_dragging = false;
    QTableView::mouseReleaseEvent(event);
}

} // namespace shadowtune::gui
