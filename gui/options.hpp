#pragma once

// The command line of shadowtune-gui.

#include "gui/model/color_scale.hpp"
#include "gui/model/filter.hpp"
#include "gui/view/theme.hpp"

#include <QSize>
#include <string>
#include <vector>

namespace shadowtune::gui {

enum class View : std::uint8_t { heatmap, bitmaps, compare, decisions };

struct Options {
    std::vector<std::string> files; // recordings, profiles, or the link of a VMM
    std::int64_t recording{0};      // 0: the newest
    Filter filter;
    View view{View::heatmap};
    Theme theme{Theme::system};
    Palette palette{Palette::viridis};
    std::string screenshot; // the file to write, and end
    std::string heatmap;    // the same, of the heatmap alone
    QSize size{1440, 900};
    double scale{1};

    // Nobody looks at a window: no display is needed.
    [[nodiscard]] bool is_batch() const { return !screenshot.empty() || !heatmap.empty(); }
};

// Where the command line asks for nothing but an answer (help, version, a mistake), that was printed and
// `exit_code` tells what to end with.
struct ParsedOptions {
    Options options;
    bool go_on{true};
    int exit_code{0};
};
[[nodiscard]] ParsedOptions parse_options(int argc, char** argv);

} // namespace shadowtune::gui
