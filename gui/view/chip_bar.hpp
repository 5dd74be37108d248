#pragma once

// The filters that are on, each with a cross.

#include "gui/model/filter.hpp"

#include <QWidget>

class QHBoxLayout;

namespace shadowtune::gui {

class ChipBar : public QWidget {
    Q_OBJECT
public:
    explicit ChipBar(FilterState& filter, QWidget* parent = nullptr);

private:
    void rebuild();

    FilterState& m_filter;
    QHBoxLayout* m_layout;
};

} // namespace shadowtune::gui
