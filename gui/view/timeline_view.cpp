#include "gui/view/timeline_view.hpp"

#include "gui/model/heatmap_model.hpp"
#include "gui/view/theme.hpp"

#include <QHelpEvent>
#include <QKeyEvent>
#include <QMouseEvent>
#include <QPainter>
#include <QPainterPath>
#include <QToolTip>
#include <algorithm>
#include <cmath>

namespace shadowtune::gui {

namespace {

constexpr int left_margin{64};
constexpr int right_margin{14};
constexpr int top_margin{20};
constexpr int bottom_margin{22};

[[nodiscard]] QColor with_alpha(QColor color, float alpha) {
    color.setAlphaF(alpha);
    return color;
}

[[nodiscard]] QString duration(double seconds) {
    return QString::fromStdString(duration_text(seconds));
}

} // namespace

TimelineView::TimelineView(FilterState& filter, QWidget* parent) : QWidget{parent}, m_filter{filter} {
    setFocusPolicy(Qt::StrongFocus);
    setMouseTracking(true);
    setAccessibleName(
        "Timeline: trapped accesses per round trip. Drag, or Shift and arrows, to filter by time");
    connect(&filter, &FilterState::changed, this, [this] { update(); });
}

void TimelineView::show_timeline(TimelinePtr timeline) {
    m_timeline = std::move(timeline);
    update();
}

QRect TimelineView::plot() const {
    return rect().adjusted(left_margin, top_margin, -right_margin, -bottom_margin);
}

int TimelineView::x_of(std::size_t moment) const {
    const double whole{std::max(m_timeline->seconds(m_timeline->moments.size() - 1), 1e-3)};
    return plot().left() + static_cast<int>(m_timeline->seconds(moment) / whole * plot().width());
}

std::size_t TimelineView::step_at(int x) const {
    std::size_t step{0};
    while (step + 1 < m_timeline->steps.size() && x_of(step + 1) <= x)
        ++step;
    return step;
}

std::optional<std::pair<std::size_t, std::size_t>> TimelineView::brushed() const {
    const auto& range{m_filter.filter().range};
    if (!range || !has_steps()) return std::nullopt;
    const auto& steps{m_timeline->steps};
    std::size_t first{0};
    while (first + 1 < steps.size() && steps[first].range.to <= range->from)
        ++first;
    std::size_t last{first};
    while (last + 1 < steps.size() && steps[last].range.to < range->to)
        ++last;
    return std::pair{first, last};
}

void TimelineView::brush(std::size_t first_step, std::size_t last_step) {
    if (!has_steps()) return;
    const auto [first, last]{std::minmax(first_step, std::min(last_step, m_timeline->steps.size() - 1))};
    const db::SnapshotRange range{m_timeline->steps[first].range.from, m_timeline->steps[last].range.to};
    m_filter.change(
        "brush the timeline", [range](Filter& filter) { filter.range = range; }, FilterState::merge_range);
}

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
        painter.drawText(box,
                         Qt::AlignVCenter | (i == 4   ? Qt::AlignRight
                                             : i == 0 ? Qt::AlignLeft
                                                      : Qt::AlignHCenter),
                         duration(whole * i / 4));
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

QString TimelineView::as_csv() const {
    QString text{
        "from_snapshot,to_snapshot,from_s,to_s,round_trips,trapped_per_round_trip,generation,lost\n"};
    for (std::size_t i{0}; has_steps() && i < m_timeline->steps.size(); ++i) {
        const db::Step& step{m_timeline->steps[i]};
        text += QString{"%1,%2,%3,%4,%5,%6,%7,%8\n"}
                    .arg(step.range.from)
                    .arg(step.range.to)
                    .arg(m_timeline->seconds(i), 0, 'f', 3)
                    .arg(m_timeline->seconds(i + 1), 0, 'f', 3)
                    .arg(step.round_trips)
                    .arg(m_timeline->trapped_per_round_trip(i), 0, 'f', 6)
                    .arg(m_timeline->moments[i + 1].generation)
                    .arg(m_timeline->lost(i));
    }
    return text;
}

QString TimelineView::words_at(std::size_t step) const {
    const db::Step& of{m_timeline->steps[step]};
    QString text{QString{"<b>%1 to %2</b>, snapshots %3 to %4<br>%5 round trips<br>%6 trapped per round trip"}
                     .arg(duration(m_timeline->seconds(step)), duration(m_timeline->seconds(step + 1)))
                     .arg(of.range.from)
                     .arg(of.range.to)
                     .arg(grouped(of.round_trips), rate_text(m_timeline->trapped_per_round_trip(step)))};
    text += QString{"<br>generation %1"}.arg(m_timeline->moments[step + 1].generation);
    if (const auto lost{m_timeline->lost(step)}; lost != 0)
        text += QString{"<br>%1 frames or snapshots lost on the link; no counts are missing"}.arg(lost);
    return text;
}

bool TimelineView::event(QEvent* event) {
    if (event->type() == QEvent::ToolTip && has_steps()) {
        const auto* const help{static_cast<QHelpEvent*>(event)};
        QToolTip::showText(help->globalPos(), words_at(step_at(help->pos().x())), this);
        return true;
    }
    return QWidget::event(event);
}

void TimelineView::mousePressEvent(QMouseEvent* event) {
    if (!has_steps() || event->button() != Qt::LeftButton) return;
    m_anchor = step_at(static_cast<int>(event->position().x()));
}

void TimelineView::mouseMoveEvent(QMouseEvent* event) {
    if (!has_steps() || (event->buttons() & Qt::LeftButton) == 0) return;
    brush(m_anchor, step_at(static_cast<int>(event->position().x())));
}

void TimelineView::mouseDoubleClickEvent(QMouseEvent* /*event*/) {
    m_filter.remove(FilterState::Part::range);
}

void TimelineView::keyPressEvent(QKeyEvent* event) {
    if (!has_steps()) return QWidget::keyPressEvent(event);
    const std::size_t end{m_timeline->steps.size() - 1};
    auto [first, last]{brushed().value_or(std::pair<std::size_t, std::size_t>{0, end})};
    const bool shift{(event->modifiers() & Qt::ShiftModifier) != 0};
    switch (event->key()) {
    case Qt::Key_Left:
        if (shift) {
            last = std::max(last, first + 1) - 1;
        } else if (first > 0) {
            --first;
            --last;
        }
        return brush(first, last);
    case Qt::Key_Right:
        if (shift) {
            last = std::min(last + 1, end);
        } else if (last < end) {
            ++first;
            ++last;
        }
        return brush(first, last);
    case Qt::Key_Escape: return m_filter.remove(FilterState::Part::range);
    default: QWidget::keyPressEvent(event);
    }
}

} // namespace shadowtune::gui
