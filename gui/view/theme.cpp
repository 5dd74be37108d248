#include "gui/view/theme.hpp"

#include <QApplication>
#include <QPalette>
#include <QStyleFactory>

namespace shadowtune::gui {

namespace {

struct Tones {
    QRgb window, base, alternate, text, button, highlight, mid, link;
};
constexpr Tones light{0xFFF4F5F7, 0xFFFFFFFF, 0xFFF0F2F5, 0xFF1D2128,
                      0xFFFAFBFC, 0xFF2A6FC9, 0xFFC9CED6, 0xFF1D5FB4};
constexpr Tones dark{0xFF22252B, 0xFF1A1D22, 0xFF20242A, 0xFFE4E7EC,
                     0xFF2C3038, 0xFF5B9BF0, 0xFF3C414B, 0xFF82B4F5};

[[nodiscard]] QPalette palette_of(const Tones& tones, bool is_dark) {
    QPalette palette{QColor{tones.button}, QColor{tones.window}};
    const QColor text{tones.text};
    QColor faint{text};
    faint.setAlphaF(0.45F);
    for (const auto role :
         {QPalette::WindowText, QPalette::Text, QPalette::ButtonText, QPalette::ToolTipText})
        palette.setColor(role, text);
    palette.setColor(QPalette::Window, QColor{tones.window});
    palette.setColor(QPalette::Base, QColor{tones.base});
    palette.setColor(QPalette::AlternateBase, QColor{tones.alternate});
    palette.setColor(QPalette::Button, QColor{tones.button});
    palette.setColor(QPalette::ToolTipBase, QColor{tones.base});
    palette.setColor(QPalette::Highlight, QColor{tones.highlight});
    palette.setColor(QPalette::HighlightedText, is_dark ? QColor{0xFF10131A} : QColor{Qt::white});
    palette.setColor(QPalette::Link, QColor{tones.link});
    palette.setColor(QPalette::PlaceholderText, faint);
    palette.setColor(QPalette::Mid, QColor{tones.mid});
    palette.setColor(QPalette::Midlight, QColor{tones.mid}.lighter(110));
    palette.setColor(QPalette::Dark,
                     is_dark ? QColor{tones.mid}.lighter(170) : QColor{tones.mid}.darker(140));
    palette.setColor(QPalette::Shadow, QColor{tones.mid}.darker(160));
    for (const auto role : {QPalette::WindowText, QPalette::Text, QPalette::ButtonText})
        palette.setColor(QPalette::Disabled, role, faint);
    return palette;
}

} // namespace

bool is_dark(const QPalette& palette) {
    return palette.color(QPalette::Base).lightness() < 128;
}

void apply_theme(QApplication& application, Theme theme) {
    const bool wants_dark{theme == Theme::dark ||
                          (theme == Theme::system && is_dark(QGuiApplication::palette()))};
    QApplication::setStyle(QStyleFactory::create("Fusion"));
    QApplication::setPalette(palette_of(wants_dark ? dark : light, wants_dark));
    application.setStyleSheet(
        "QToolTip { padding: 4px; } QToolBar { spacing: 6px; padding: 4px 6px; border: none; }"
        "QToolBar QToolButton { padding: 3px 8px; border: 1px solid palette(mid); border-radius: 3px; }"
        "QToolBar QToolButton:checked { background: palette(highlight); color: palette(highlighted-text); "
        "border-color: palette(highlight); }"
        "QDockWidget::title { padding: 5px 8px; text-align: left; }"
        "QTreeView::indicator { width: 12px; height: 12px; border: 1px solid palette(dark); border-radius: "
        "3px; background: palette(base); }"
        "QTreeView::indicator:checked { background: palette(highlight); border-color: palette(highlight); }"
        "QTreeView::indicator:disabled { border-color: palette(midlight); background: palette(window); }"
        "QTableCornerButton::section { background: palette(window); border: none; }");
}

} // namespace shadowtune::gui
