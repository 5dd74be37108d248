#pragma once

// Colours for rates. Each scale runs evenly in lightness, so that equal steps look equal, and is told apart
// without colour vision too.

#include <QColor>
#include <cstdint>

namespace shadowtune::gui {

enum class Palette : std::uint8_t { viridis, cividis, grey };

// Logarithmic, from `least` to `most`, both above 0.
class ColorScale {
public:
    ColorScale() = default;
    // `dark`: on a dark ground much is light; on a light ground much is dark.
    ColorScale(Palette palette, bool dark, double least, double most)
        : m_palette{palette}, m_dark{dark}, m_least{least}, m_most{most} {}

    // 0 is no colour at all: the ground. What lies outside takes the nearest end.
    [[nodiscard]] QColor color(double rate) const;
    // Of a place in the scale, 0 to 1.
    [[nodiscard]] QColor at(double place) const;
    // Where a rate lies, 0 to 1.
    [[nodiscard]] double place(double rate) const;
    [[nodiscard]] double least() const { return m_least; }
    [[nodiscard]] double most() const { return m_most; }

private:
    Palette m_palette{Palette::viridis};
    bool m_dark{false};
    double m_least{1e-4};
    double m_most{1};
};

// For differences: -1 is blue, 0 the ground's grey, 1 orange.
[[nodiscard]] QColor difference_color(double place, bool dark);

// Black or white, whichever is read better on it.
[[nodiscard]] QColor ink_on(const QColor& ground);

} // namespace shadowtune::gui
