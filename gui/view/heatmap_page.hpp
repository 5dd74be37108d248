#pragma once

// The heatmap with its legend and filters, and its exports.

#include "gui/view/heatmap_view.hpp"
#include "gui/view/legend.hpp"

#include <QWidget>

class QLabel;

namespace shadowtune::gui {

class HeatmapPage : public QWidget {
    Q_OBJECT
public:
    HeatmapPage(HeatmapModel& model, FilterState& filter, QWidget* parent = nullptr);

    [[nodiscard]] HeatmapView& view() const { return *m_view; }
    // By the file's ending: .png, .svg or .csv. The whole map, whatever is scrolled out of sight. Error: one
    // line with the mend.
    [[nodiscard]] Result<void, std::string> export_to(const std::string& file) const;

private:
    void refresh();
    void render(QPainter& painter, QSize size) const;

    HeatmapModel& m_model;
    HeatmapView* m_view;
    Legend* m_legend;
    QLabel* m_empty; // instead of a map without cells: why, and what to do
};

} // namespace shadowtune::gui
