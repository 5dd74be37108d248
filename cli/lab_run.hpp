// `shadowtune lab run`: boots an L1 in the lab, from files or by a name of the zoo.
#pragma once

#include <CLI/CLI.hpp>

namespace shadowtune::cli {

// Adds the verb `lab` with `run` and `list` below it. When the verb has run, `exit_code` holds its code
// (lab/exit_codes.hpp).
void add_lab_verbs(CLI::App& app, int& exit_code);

} // namespace shadowtune::cli
