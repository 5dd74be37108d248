#include "gui/model/color_scale.hpp"

#include <algorithm>
#include <array>
#include <cmath>

namespace shadowtune::gui {

namespace {

using Rgb = std::array<double, 3>;
using Anchors = std::array<std::uint32_t, 10>;

// Ten equidistant points of each scale.
constexpr Anchors viridis{0x440154, 0x482878, 0x3E4989, 0x31688E, 0x26828E,
                          0x1F9E89, 0x35B779, 0x6ECE58, 0xB5DE2B, 0xFDE725};
constexpr Anchors cividis{0x00224E, 0x123570, 0x3B496C, 0x575D6D, 0x707173,
                          0x8A8678, 0xA59C74, 0xC3B369, 0xE1CC55, 0xFEE838};
constexpr Anchors grey{0x1B1B1B, 0x303030, 0x474747, 0x5E5E5E, 0x777777,
                       0x919191, 0xABABAB, 0xC6C6C6, 0xE2E2E2, 0xFCFCFC};

[[nodiscard]] double to_linear(double channel) {
    return channel <= 0.04045 ? channel / 12.92 : std::pow((channel + 0.055) / 1.055, 2.4);
}
[[nodiscard]] double to_srgb(double linear) {
    const double channel{linear <= 0.0031308 ? linear * 12.92 : 1.055 * std::pow(linear, 1 / 2.4) - 0.055};
    return std::clamp(channel, 0.0, 1.0);
}

// Oklab: Björn Ottosson, "A perceptual color space for image processing", 2020.
[[nodiscard]] Rgb to_oklab(std::uint32_t rgb) {
    const double r{to_linear(((rgb >> 16) & 0xFF) / 255.0)};
    const double g{to_linear(((rgb >> 8) & 0xFF) / 255.0)};
    const double b{to_linear((rgb & 0xFF) / 255.0)};
    const double l{std::cbrt(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b)};
    const double m{std::cbrt(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b)};
    const double s{std::cbrt(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b)};
    return {0.2104542553 * l + 0.7936177850 * m - 0.0040720468 * s,
            1.9779984951 * l - 2.4285922050 * m + 0.4505937099 * s,
            0.0259040371 * l + 0.7827717662 * m - 0.8086757660 * s};
}
[[nodiscard]] QColor to_color(const Rgb& lab) {
    const double l{std::pow(lab[0] + 0.3963377774 * lab[1] + 0.2158037573 * lab[2], 3)};
    const double m{std::pow(lab[0] - 0.1055613458 * lab[1] - 0.0638541728 * lab[2], 3)};
    const double s{std::pow(lab[0] - 0.0894841775 * lab[1] - 1.2914855480 * lab[2], 3)};
    return QColor::fromRgbF(
        static_cast<float>(to_srgb(4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s)),
        static_cast<float>(to_srgb(-1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s)),
        static_cast<float>(to_srgb(-0.0041960863 * l - 0.7034186147 * m + 1.7076147010 * s)));
}

[[nodiscard]] QColor between(std::uint32_t from, std::uint32_t to, double part) {
    const Rgb a{to_oklab(from)};
    const Rgb b{to_oklab(to)};
    return to_color({a[0] + part * (b[0] - a[0]), a[1] + part * (b[1] - a[1]), a[2] + part * (b[2] - a[2])});
}

[[nodiscard]] const Anchors& anchors_of(Palette palette) {
    switch (palette) {
    case Palette::cividis: return cividis;
    case Palette::grey: return grey;
    case Palette::viridis: break;
    }
    return viridis;
}

} // namespace

double ColorScale::place(double rate) const {
    if (rate <= m_least || m_most <= m_least) return rate >= m_most && m_most > 0 ? 1 : 0;
    return std::min(std::log(rate / m_least) / std::log(m_most / m_least), 1.0);
}

QColor ColorScale::at(double place) const {
    const Anchors& anchors{anchors_of(m_palette)};
    const double clamped{std::clamp(place, 0.0, 1.0)};
    const double along{(m_dark ? clamped : 1 - clamped) * static_cast<double>(anchors.size() - 1)};
    const auto index{std::min(static_cast<std::size_t>(along), anchors.size() - 2)};
    return between(anchors[index], anchors[index + 1], along - static_cast<double>(index));
}

QColor ColorScale::color(double rate) const {
    return rate > 0 ? at(place(rate)) : QColor{Qt::transparent};
}

QColor difference_color(double place, bool dark) {
    const std::uint32_t middle{dark ? 0x2C2F36U : 0xF1F1F1U};
    const double clamped{std::clamp(place, -1.0, 1.0)};
    return between(middle, clamped < 0 ? 0x3B82D6U : 0xE8890CU, std::abs(clamped));
}

QColor ink_on(const QColor& ground) {
    const double luminance{0.2126 * to_linear(ground.redF()) + 0.7152 * to_linear(ground.greenF()) +
                           0.0722 * to_linear(ground.blueF())};
    return luminance > 0.179 ? QColor{Qt::black} : QColor{Qt::white};
}

} // namespace shadowtune::gui
