#include "gui/view/timeline_view.hpp"

#include "gui/model/heatmap_model.hpp"

#include <QHelpEvent>
#include <QKeyEvent>
#include <QMouseEvent>
#include <QToolTip>
#include <algorithm>

namespace shadowtune::gui {

namespace {

constexpr std::size_t most_told{4};

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

int TimelineView::x_at(double place) const {
    return plot().left() + static_cast<int>(std::clamp(place, 0.0, 1.0) * plot().width());
}

int TimelineView::x_of(std::size_t moment) const {
    const double whole{std::max(m_timeline->seconds(m_timeline->moments.size() - 1), 1e-3)};
    return x_at(m_timeline->seconds(moment) / whole);
}

int TimelineView::x_of(const db::Decision& decision) const {
    const auto& moments{m_timeline->moments};
    const auto whole{
        static_cast<double>(std::max<std::int64_t>(moments.back().at_ms - moments.front().at_ms, 1))};
    return x_at(static_cast<double>(decision.at_ms - moments.front().at_ms) / whole);
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

QString TimelineView::as_csv() const {
    QString text{"from_snapshot,to_snapshot,from_s,to_s,round_trips,trapped_per_round_trip,generation,lost,"
                 "decisions\n"};
    for (std::size_t i{0}; has_steps() && i < m_timeline->steps.size(); ++i) {
        const db::Step& step{m_timeline->steps[i]};
        QStringList decisions{};
        for (const db::Decision* const decision : m_timeline->decisions_in(i))
            decisions << QString::fromStdString(decision->action);
        text += QString{"%1,%2,%3,%4,%5,%6,%7,%8,%9\n"}
                    .arg(step.range.from)
                    .arg(step.range.to)
                    .arg(m_timeline->seconds(i), 0, 'f', 3)
                    .arg(m_timeline->seconds(i + 1), 0, 'f', 3)
                    .arg(step.round_trips)
                    .arg(m_timeline->trapped_per_round_trip(i), 0, 'f', 6)
                    .arg(m_timeline->moments[i + 1].generation)
                    .arg(m_timeline->lost(i))
                    .arg(decisions.join("; "));
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
    if (of.sampled_round_trips != 0)
        text += QString{"<br>%1 round trips sampled"}.arg(grouped(of.sampled_round_trips));
    text += QString{"<br>generation %1"}.arg(m_timeline->moments[step + 1].generation);
    if (const auto lost{m_timeline->lost(step)}; lost != 0)
        text += QString{"<br>%1 frames or snapshots lost on the link; no counts are missing"}.arg(lost);
    const auto decisions{m_timeline->decisions_in(step)};
    for (std::size_t i{0}; i < std::min(decisions.size(), most_told); ++i) {
        text += QString{"<br><b>%1</b>: %2"}.arg(QString::fromStdString(decisions[i]->action),
                                                 QString::fromStdString(decisions[i]->words).toHtmlEscaped());
    }
    if (decisions.size() > most_told)
        text += QString{"<br>and %1 decisions more"}.arg(decisions.size() - most_told);
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
