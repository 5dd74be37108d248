#pragma once

// --screenshot and --export-heatmap: open, wait until all is shown, write, end.

#include "gui/view/main_window.hpp"

namespace shadowtune::gui {

// The exit code: 0, 3 where a file cannot be shown, 7 where the result cannot be written.
[[nodiscard]] int run_batch(MainWindow& window, const Options& options);

} // namespace shadowtune::gui
