#include "gui/view/curve_view.hpp"

#include "gui/model/heatmap_model.hpp"
#include "gui/view/theme.hpp"

#include <QMouseEvent>
#include <QPainter>
#include <QPainterPath>
#include <algorithm>
#include <cmath>

namespace shadowtune::gui {

CurveView::CurveView(ProfileDocument& document, QWidget* parent) : QWidget{parent}, m_document{document} {
    setAccessibleName("Cost against size of the hot set");
    setToolTip(
        "Cost per round trip against the size of the hot set. Click to take the cheapest profile of a size.");
    connect(&document, &ProfileDocument::changed, this, [this] { update(); });
}

QRectF CurveView::plot() const {
    return QRectF{rect()}.adjusted(10, 10, -12, -22);
}

QPointF CurveView::place(double fields, double cost) const {
    const auto& curve{m_document.curve()};
    // The whole profile is on the picture, however many fields it has and whatever it costs.
    const double most_fields{std::max({1.0, static_cast<double>(curve.back().sets.hot_set().count()) * 1.1,
                                       static_cast<double>(m_document.sets().hot_set().count())})};
    const double most_cost{std::max({1.0, curve.front().effect.cost, m_document.effect().cost})};
    const QRectF area{plot()};
    return {area.left() + fields / most_fields * area.width(),
            area.bottom() - cost / most_cost * area.height()};
}

void CurveView::paintEvent(QPaintEvent* /*event*/) {
    QPainter painter{this};
    painter.setRenderHint(QPainter::Antialiasing);
    painter.fillRect(rect(), palette().color(QPalette::Base));
    const auto& curve{m_document.curve()};
    if (curve.empty()) {
        painter.setPen(palette().color(QPalette::PlaceholderText));
        painter.drawText(rect(), Qt::AlignCenter, "Cost by fields, where all accesses were counted");
        return;
    }
    QColor faint{palette().color(QPalette::WindowText)};
    faint.setAlphaF(0.25F);
    const QRectF area{plot()};
    painter.setPen(faint);
    painter.drawLine(area.bottomLeft(), area.bottomRight());
    painter.drawLine(area.topLeft(), area.bottomLeft());
    const QColor hue{is_dark(palette()) ? QColor{0x6CC7A1} : QColor{0x1F8F6B}};
    QPainterPath line{};
    for (std::size_t i{0}; i < curve.size(); ++i) {
        const QPointF point{
            place(static_cast<double>(curve[i].sets.hot_set().count()), curve[i].effect.cost)};
        if (i == 0) {
            line.moveTo(point);
        } else {
            line.lineTo(point);
        }
    }
    painter.setPen(QPen{hue, 1.6});
    painter.drawPath(line);
    painter.setPen(Qt::NoPen);
    painter.setBrush(hue);
    for (const auto& point : curve)
        painter.drawEllipse(place(static_cast<double>(point.sets.hot_set().count()), point.effect.cost), 2.2,
                            2.2);
    painter.setBrush(palette().color(QPalette::Highlight));
    painter.setPen(QPen{palette().color(QPalette::Base), 1.5});
    painter.drawEllipse(
        place(static_cast<double>(m_document.sets().hot_set().count()), m_document.effect().cost), 5, 5);
    QFont small{font()};
    small.setPointSizeF(small.pointSizeF() * 0.85);
    painter.setFont(small);
    painter.setPen(palette().color(QPalette::WindowText));
    painter.drawText(area.adjusted(6, 0, 0, 0), Qt::AlignTop | Qt::AlignHCenter,
                     QString{"%1 per round trip"}.arg(m_document.cost_unit().c_str()));
    painter.drawText(QRectF{area.left(), area.bottom() + 3, area.width(), 18}, Qt::AlignHCenter,
                     QString{"fields in the hot set (optimum: %1)"}.arg(curve.back().sets.hot_set().count()));
}

void CurveView::mousePressEvent(QMouseEvent* event) {
    const auto& curve{m_document.curve()};
    if (curve.empty()) return;
    std::size_t nearest{0};
    const auto distance{[&](std::size_t i) {
        return std::abs(place(static_cast<double>(curve[i].sets.hot_set().count()), 0).x() -
                        event->position().x());
    }};
    for (std::size_t i{1}; i < curve.size(); ++i) {
        if (distance(i) < distance(nearest)) nearest = i;
    }
    m_document.take_curve_point(nearest);
}

void CurveView::mouseMoveEvent(QMouseEvent* event) {
    if ((event->buttons() & Qt::LeftButton) != 0) mousePressEvent(event);
}

} // namespace shadowtune::gui
