#include "gui/model/heatmap_model.hpp"
#include "gui/view/theme.hpp"
#include "gui/view/timeline_view.hpp"

#include <QPainter>
#include <QPainterPath>
#include <algorithm>

namespace shadowtune::gui {

namespace {

[[nodiscard]] QColor with_alpha(QColor color, float alpha) {
    color.setAlphaF(alpha);
    return color;
}

} // namespace

void TimelineView::paintEvent(QPaintEvent* /*event*/) {
    QPainter painter{this};
    painter.setRenderHint(QPainter::Antialiasing);
    painter.fillRect(rect(), palette().color(QPalette::Base));
    if (!has_steps()) {
        painter.setPen(palette().color(QPalette::PlaceholderText));
        painter.drawText(rect(), Qt::AlignCenter,
                         m_timeline ? "A timeline needs two snapshots; record for longer"
                                    : "Open a recording to see its rates over time");
        return;
    }
    paint_phases(painter);
    paint_rates(painter);
    paint_marks(painter);
    paint_decisions(painter);
    paint_brush(painter);
    if (hasFocus()) {
        painter.setPen(with_alpha(palette().color(QPalette::Highlight), 0.8F));
        painter.setBrush(Qt::NoBrush);
        painter.drawRect(rect().adjusted(0, 0, -1, -1));
    }
}

void TimelineView::paint_phases(QPainter& painter) const {
    const auto& ranges{m_timeline->phases.ranges};
    if (ranges.size() < 2) return;
    const auto x_of_snapshot{[this](std::uint32_t snapshot) {
        const auto found{std::ranges::lower_bound(m_timeline->moments, snapshot, {}, &db::Moment::sequence)};
        return x_of(static_cast<std::size_t>(
            std::min(found - m_timeline->moments.begin(), std::ptrdiff_t(m_timeline->moments.size()) - 1)));
    }};
    painter.setFont(font());
    for (std::size_t i{0}; i < ranges.size(); ++i) {
        const QRect band{QPoint{x_of_snapshot(ranges[i].from), plot().top()},
                         QPoint{x_of_snapshot(ranges[i].to), plot().bottom()}};
        if (i % 2 == 0) painter.fillRect(band, with_alpha(palette().color(QPalette::WindowText), 0.05F));
        if (i != m_timeline->phases.steady) continue;
        const int words{QFontMetrics{font()}.horizontalAdvance("steady ")};
        painter.setPen(with_alpha(palette().color(QPalette::WindowText), 0.6F));
        painter.drawText(
            QRect{std::min(band.left() + 4, plot().right() - words), plot().top(), words, plot().height()},
            Qt::AlignVCenter, "steady");
    }
}

void TimelineView::paint_rates(QPainter& painter) const {
    const auto& steps{m_timeline->steps};
    double most{1e-9};
    std::uint64_t most_trips{1};
    for (std::size_t i{0}; i < steps.size(); ++i) {
        most = std::max(most, m_timeline->trapped_per_round_trip(i));
        most_trips = std::max(most_trips, steps[i].round_trips);
    }
    const QRect area{plot()};
    const QColor ink{palette().color(QPalette::WindowText)};
    // Round trips, as bars behind; rates, as a line of steps before them.
    for (std::size_t i{0}; i < steps.size(); ++i) {
        const int tall{static_cast<int>(static_cast<double>(steps[i].round_trips) /
                                        static_cast<double>(most_trips) * area.height())};
        painter.fillRect(QRect{x_of(i), area.bottom() - tall, std::max(x_of(i + 1) - x_of(i), 1), tall},
                         with_alpha(ink, 0.10F));
    }
    QPainterPath line{};
    for (std::size_t i{0}; i < steps.size(); ++i) {
        const double y{area.bottom() - m_timeline->trapped_per_round_trip(i) / most * (area.height() - 4)};
        if (i == 0) {
            line.moveTo(x_of(0), y);
        } else {
            line.lineTo(x_of(i), y);
        }
        line.lineTo(x_of(i + 1), y);
    }
    QPainterPath filled{line};
    filled.lineTo(area.right(), area.bottom());
    filled.lineTo(area.left(), area.bottom());
    const QColor hue{is_dark(palette()) ? QColor{0x6CC7A1} : QColor{0x1F8F6B}};
    painter.fillPath(filled, with_alpha(hue, 0.18F));
    painter.setPen(QPen{hue, 1.6});
    painter.drawPath(line);
    painter.setPen(with_alpha(ink, 0.75F));
    const QFontMetrics metrics{font()};
    painter.drawText(QRect{0, area.top() - metrics.height() / 2, left_margin - 8, metrics.height()},
                     Qt::AlignRight | Qt::AlignVCenter, rate_text(most));
    painter.drawText(QRect{0, area.bottom() - metrics.height() / 2, left_margin - 8, metrics.height()},
                     Qt::AlignRight | Qt::AlignVCenter, "0");
    painter.drawText(QRect{2, area.center().y() - metrics.height(), left_margin - 10, metrics.height() * 2},
                     Qt::AlignRight | Qt::AlignVCenter, "trapped\nper trip");
    const double whole{m_timeline->seconds(m_timeline->moments.size() - 1)};
    for (int i{0}; i <= 4; ++i) {
        const int x{area.left() + area.width() * i / 4};
        const QRect box{i == 4 ? x - 100 : i == 0 ? x : x - 50, area.bottom() + 3, 100, bottom_margin - 4};
        const Qt::Alignment side{i == 4 ? Qt::AlignRight : i == 0 ? Qt::AlignLeft : Qt::AlignHCenter};
        painter.drawText(box, static_cast<int>(side | Qt::AlignVCenter),
                         QString::fromStdString(duration_text(whole * i / 4)));
    }
}

void TimelineView::paint_marks(QPainter& painter) const {
    const QRect area{plot()};
    const QFontMetrics metrics{font()};
    const QColor reload{is_dark(palette()) ? QColor{0x82B4F5} : QColor{0x1D5FB4}};
    const QColor loss{is_dark(palette()) ? QColor{0xFF8A7A} : QColor{0xC0392B}};
    int free_from{0};
    for (std::size_t i{0}; i + 1 < m_timeline->moments.size(); ++i) {
        if (m_timeline->lost(i) != 0) {
            painter.fillRect(QRect{x_of(i), area.bottom() - 4, std::max(x_of(i + 1) - x_of(i), 3), 5}, loss);
        }
        const std::uint32_t generation{m_timeline->moments[i + 1].generation};
        if (generation == m_timeline->moments[i].generation) continue;
        const int x{x_of(i + 1)};
        painter.setPen(QPen{reload, 1.4, Qt::DashLine});
        painter.drawLine(x, area.top(), x, area.bottom());
        const auto found{std::ranges::find(m_timeline->generations, generation, &db::Generation::number)};
        QString words{QString{"reload %1"}.arg(generation)};
        if (found != m_timeline->generations.end() && !found->profile_name.empty())
            words += " " + QString::fromStdString(found->profile_name);
        const int wide{metrics.horizontalAdvance(words)};
        const int left{std::min(x + 3, area.right() - wide)};
        if (left < free_from) continue;
        painter.setPen(reload);
        painter.drawText(left, top_margin - 6, words);
        free_from = left + wide + 8;
    }
}

// A flag on the upper edge for each: filled where it changed the bitmaps, or would have.
void TimelineView::paint_decisions(QPainter& painter) const {
    const QColor hue{is_dark(palette()) ? QColor{0xF0B35E} : QColor{0xA85A00}};
    for (const db::Decision& decision : m_timeline->decisions) {
        const QPoint tip{x_of(decision), plot().top() + decision_mark_size};
        const QPoint half{decision_mark_size / 2, 0};
        const QPoint up{0, -decision_mark_size};
        const bool changes{decision.action == "retune" || decision.action == "would retune"};
        painter.setPen(QPen{hue, 1.2});
        painter.setBrush(changes ? QBrush{hue} : QBrush{palette().color(QPalette::Base)});
        painter.drawPolygon(QPolygon{{tip, tip + up + half, tip + up - half}});
    }
}

void TimelineView::paint_brush(QPainter& painter) const {
    const auto range{brushed()};
    if (!range) return;
    const QRect area{plot()};
    const int left{x_of(range->first)};
    const int right{std::max(x_of(range->second + 1), left + 2)};
    const QColor shade{with_alpha(palette().color(QPalette::Window), 0.7F)};
    painter.fillRect(QRect{area.left(), area.top(), left - area.left(), area.height()}, shade);
    painter.fillRect(QRect{right, area.top(), area.right() - right + 1, area.height()}, shade);
    painter.setPen(QPen{palette().color(QPalette::Highlight), 2});
    painter.drawLine(left, area.top(), left, area.bottom());
    painter.drawLine(right, area.top(), right, area.bottom());
}

} // namespace shadowtune::gui
