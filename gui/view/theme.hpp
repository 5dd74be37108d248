#pragma once

// Light and dark, the same on every desktop.

#include <cstdint>

class QApplication;
class QPalette;

namespace shadowtune::gui {

enum class Theme : std::uint8_t { system, light, dark };

void apply_theme(QApplication& application, Theme theme);
[[nodiscard]] bool is_dark(const QPalette& palette);

} // namespace shadowtune::gui
