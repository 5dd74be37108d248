// Boots one L1 in the lab, from the checks to the exit code.
#pragma once

#include "lab/exit_codes.hpp"
#include "lab/options.hpp"

namespace shadowtune::lab {

// Runs until the machine powers off, the time limit goes by, or SIGINT or SIGTERM comes. Prints the machine's
// output through options.console, progress and the reason of the end to standard error. Never throws for a
// failed run: it prints one line and gives the code. Leaves no process and no file behind. Not for two
// threads of one process at a time: it blocks signals in the calling thread while it runs.
[[nodiscard]] ExitCode run(const RunOptions& options);

} // namespace shadowtune::lab
