#include "gui/view/legend.hpp"

#include <QPainter>
#include <cmath>

namespace shadowtune::gui {

Legend::Legend(HeatmapModel& model, QWidget* parent) : QWidget{parent}, m_model{model} {
    setSizePolicy(QSizePolicy::Expanding, QSizePolicy::Fixed);
    setAccessibleName("Legend: colours of accesses per round trip, logarithmic");
    connect(&model, &QAbstractItemModel::modelReset, this, [this] { update(); });
}

QSize Legend::sizeHint() const {
    return {420, QFontMetrics{font()}.height() * 2 + 14};
}

void Legend::paintEvent(QPaintEvent* /*event*/) {
    QPainter painter{this};
    render_legend(painter, rect());
}

void Legend::render_legend(QPainter& painter, const QRect& area) const {
    const ColorScale& scale{m_model.scale()};
    if (!m_model.data() || scale.most() <= 0) return;
    const QFontMetrics metrics{font()};
    const char* const of{m_model.accesses() == Accesses::reads    ? "reads"
                         : m_model.accesses() == Accesses::writes ? "writes"
                                                                  : "accesses"};
    const HeatmapMatrix& matrix{m_model.data()->matrix};
    const char* const words{!matrix.complete   ? "trapped %1 per round trip"
                            : matrix.estimated ? "%1 per round trip, by sample"
                                               : "%1 per round trip"};
    const QString title{QString{words}.arg(of)};
    painter.setFont(font());
    painter.setPen(palette().color(QPalette::WindowText));
    const QRect text{area.left() + 8, area.top() + 4, metrics.horizontalAdvance(title) + 4,
                     metrics.height() + 4};
    painter.drawText(text, Qt::AlignVCenter | Qt::AlignLeft, title);
    const QRect bar{text.right() + 12, area.top() + 6, std::min(300, area.right() - text.right() - 120),
                    metrics.height() - 2};
    if (bar.width() < 40) return;
    for (int x{0}; x < bar.width(); ++x)
        painter.fillRect(bar.left() + x, bar.top(), 1, bar.height(),
                         scale.at(static_cast<double>(x) / bar.width()));
    const auto tick{[&](double rate) {
        const int x{bar.left() + static_cast<int>(scale.place(rate) * (bar.width() - 1))};
        painter.drawLine(x, bar.bottom() + 1, x, bar.bottom() + 4);
        const QString label{rate >= 0.001 ? rate_text(rate)
                                          : QString{"1e%1"}.arg(std::lround(std::log10(rate)))};
        const int wide{metrics.horizontalAdvance(label)};
        painter.drawText(x - wide / 2, bar.bottom() + 5 + metrics.ascent(), label);
    }};
    const int first{static_cast<int>(std::ceil(std::log10(scale.least()) - 1e-9))};
    const int last{static_cast<int>(std::floor(std::log10(scale.most()) + 1e-9))};
    for (int decade{first}; decade <= last; ++decade)
        tick(std::pow(10, decade));
    // Rates between two decades.
    if (first > last) {
        tick(scale.least());
        if (scale.most() > 1.05 * scale.least()) tick(scale.most());
    }
    const QRect none{bar.right() + 24, bar.top(), bar.height(), bar.height()};
    painter.setBrush(palette().color(QPalette::Base));
    QColor frame{palette().color(QPalette::WindowText)};
    frame.setAlphaF(0.4F);
    painter.setPen(frame);
    painter.drawRect(none);
    painter.setPen(palette().color(QPalette::WindowText));
    painter.drawText(none.right() + 6, bar.top() + metrics.ascent() - 1, "none");
}

} // namespace shadowtune::gui
