#pragma once

// The colour scale with its decades.

#include "gui/model/heatmap_model.hpp"

#include <QWidget>

namespace shadowtune::gui {

class Legend : public QWidget {
    Q_OBJECT
public:
    explicit Legend(HeatmapModel& model, QWidget* parent = nullptr);
    [[nodiscard]] QSize sizeHint() const override;
    // On any device, `area` large.
    void render_legend(QPainter& painter, const QRect& area) const;

protected:
    void paintEvent(QPaintEvent* event) override;

private:
    HeatmapModel& m_model;
};

} // namespace shadowtune::gui
