#include "gui/view/chip_bar.hpp"

#include <QHBoxLayout>
#include <QToolButton>

namespace shadowtune::gui {

ChipBar::ChipBar(FilterState& filter, QWidget* parent) : QWidget{parent}, m_filter{filter} {
    m_layout = new QHBoxLayout{this};
    m_layout->setContentsMargins(8, 2, 8, 2);
    m_layout->addStretch();
    connect(&filter, &FilterState::changed, this, [this] { rebuild(); });
    rebuild();
}

void ChipBar::rebuild() {
    while (m_layout->count() > 1) {
        const QLayoutItem* const item{m_layout->takeAt(0)};
        item->widget()->deleteLater();
        delete item;
    }
    const auto chips{m_filter.chips()};
    for (const FilterState::Chip& chip : chips) {
        auto* const button{new QToolButton{this}};
        button->setText(chip.words + "  ✕");
        button->setToolTip("Remove this filter");
        button->setAccessibleName("Filter " + chip.words + ", press to remove");
        button->setStyleSheet(
            "QToolButton { border: 1px solid palette(mid); border-radius: 9px; padding: 2px 10px; "
            "background: palette(button); } QToolButton:hover { border-color: palette(highlight); }");
        const auto part{chip.part};
        connect(button, &QToolButton::clicked, this, [this, part] { m_filter.remove(part); });
        m_layout->insertWidget(m_layout->count() - 1, button);
    }
    setVisible(!chips.empty());
}

} // namespace shadowtune::gui
