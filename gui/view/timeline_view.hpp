#pragma once

// The recording over time: trapped accesses per round trip, and round trips; reloads, phases, losses and the
// closed loop's decisions are marked. What is brushed filters all views.

#include "gui/model/filter.hpp"

#include <QWidget>

namespace shadowtune::gui {

class TimelineView : public QWidget {
    Q_OBJECT
public:
    explicit TimelineView(FilterState& filter, QWidget* parent = nullptr);

    void show_timeline(TimelinePtr timeline);
    [[nodiscard]] QSize sizeHint() const override { return {600, 150}; }
    [[nodiscard]] QSize minimumSizeHint() const override { return {200, 90}; }
    // A line for each step.
    [[nodiscard]] QString as_csv() const;
    // The brush, as if dragged from one step's place to another's.
    void brush(std::size_t first_step, std::size_t last_step);

protected:
    void paintEvent(QPaintEvent* event) override;
    void mousePressEvent(QMouseEvent* event) override;
    void mouseMoveEvent(QMouseEvent* event) override;
    void mouseDoubleClickEvent(QMouseEvent* event) override;
    void keyPressEvent(QKeyEvent* event) override;
    bool event(QEvent* event) override;

private:
    static constexpr int left_margin{64};
    static constexpr int right_margin{14};
    static constexpr int top_margin{20};
    static constexpr int bottom_margin{22};
    static constexpr int decision_mark_size{9};

    [[nodiscard]] QRect plot() const;
    [[nodiscard]] int x_at(double place) const; // 0: the begin, 1: the end; clocks may be wrong
    [[nodiscard]] int x_of(std::size_t moment) const;
    [[nodiscard]] int x_of(const db::Decision& decision) const;
    [[nodiscard]] std::size_t step_at(int x) const;
    [[nodiscard]] bool has_steps() const { return m_timeline && !m_timeline->steps.empty(); }
    [[nodiscard]] std::optional<std::pair<std::size_t, std::size_t>> brushed() const; // first and last step
    void paint_phases(QPainter& painter) const;
    void paint_rates(QPainter& painter) const;
    void paint_marks(QPainter& painter) const;
    void paint_decisions(QPainter& painter) const;
    void paint_brush(QPainter& painter) const;
    [[nodiscard]] QString words_at(std::size_t step) const;

    FilterState& m_filter;
    TimelinePtr m_timeline;
    std::size_t m_anchor{0};
};

} // namespace shadowtune::gui
