#pragma once

// The heatmap itself: fields down, columns across, one coloured cell for each. A table in all but its paint,
// so that keys, selection, scrolling and screen readers work as everywhere.

#include "gui/model/heatmap_model.hpp"

#include <QHeaderView>
#include <QTableView>

namespace shadowtune::gui {

// Names along one side. Where cells are too small for all names, as many as there is room for.
class HeatmapHeader : public QHeaderView {
    Q_OBJECT
public:
    HeatmapHeader(Qt::Orientation orientation, QWidget* parent);
    [[nodiscard]] QSize sizeHint() const override;

protected:
    void paintEvent(QPaintEvent* event) override;

private:
    void paint_areas(QPainter& painter);
    void paint_rows(QPainter& painter);
    void paint_columns(QPainter& painter);
    [[nodiscard]] const HeatmapModel* heatmap() const;
};

// Each so manieth column has room for its title.
[[nodiscard]] int title_stride(const QFontMetrics& metrics, int column_width);

class HeatmapView : public QTableView {
    Q_OBJECT
public:
    static constexpr int smallest_cell{1};
    static constexpr int largest_cell{96};

    explicit HeatmapView(HeatmapModel& model, QWidget* parent = nullptr);

    [[nodiscard]] HeatmapModel& heatmap() const { return m_model; }
    // Cells in pixels; both are kept between the limits.
    void set_cell(int width, int height);
    [[nodiscard]] QSize cell() const;
    // Larger cells by this factor; the cell under `anchor` stays there.
    void zoom(double factor, QPoint anchor);
    // As large as shows everything, but readable.
    void fit();
    // The whole map, names and all, on any device.
    void render_map(QPainter& painter, const QRect& area);
    [[nodiscard]] QSize map_size() const;
    void select_field(vmcs::FieldIndex field);

signals:
    // Enter, R or W on a field: to be (un)shadowed.
    void toggled(vmcs::FieldIndex field, bool writes);
    void cell_picked(vmcs::FieldIndex field, int column);

protected:
    void paintEvent(QPaintEvent* event) override;
    void wheelEvent(QWheelEvent* event) override;
    void keyPressEvent(QKeyEvent* event) override;
    void mousePressEvent(QMouseEvent* event) override;
    void mouseMoveEvent(QMouseEvent* event) override;
    void mouseReleaseEvent(QMouseEvent* event) override;
    void currentChanged(const QModelIndex& current, const QModelIndex& previous) override;
    void resizeEvent(QResizeEvent* event) override;

private:
    void paint_cells(QPainter& painter, const QRect& area, const QPoint& origin, QSize cell) const;
    void paint_values(QPainter& painter, const QRect& area);

    HeatmapModel& m_model;
    QPoint m_drag_from;
    QPoint m_drag_scroll;
    bool m_dragging{false};
    bool m_fits{true}; // until somebody zooms
};

} // namespace shadowtune::gui
